from __future__ import annotations

import pytest
import torch
from captum.attr import LayerGradCam
from small_sets import random_studies
from torch import Tensor, nn

from cxrtutor.encoders.features import ImageFeatures
from cxrtutor.errors import InputError
from cxrtutor.evaluation.class_maps import ClassMaps
from cxrtutor.evaluation.controls import category
from cxrtutor.evaluation.evaluate import evaluate

NAMES = ("mass", "nodule", "pleural effusion", "edema")


def features(batch: int = 3, side: int = 8) -> ImageFeatures:
    final = torch.randn(batch, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    return ImageFeatures(shallow=None, deep=torch.zeros(batch, 1, side, side), final=final, pooled=final.mean((2, 3)))


def linear(weights: Tensor):
    return lambda given: torch.einsum("bdhw,cd->bchw", given.final, weights)


def test_a_linear_classifiers_maps_are_grad_cam():
    """captum's Grad-CAM of mean pooling and a linear layer, times the regions."""
    given = features(side=4)
    classifier = nn.Sequential(nn.Identity(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4))
    maps = ClassMaps(linear(classifier[3].weight), NAMES).similarity_maps(given, ["nodule", "edema", "mass"])
    grad_cam = LayerGradCam(classifier, classifier[0])
    expected = grad_cam.attribute(given.final.clone().requires_grad_(), target=torch.tensor([1, 3, 0]))[:, 0]
    torch.testing.assert_close(maps, 16 * expected.detach())


def test_maps_come_on_the_deep_grid_with_their_mean_kept():
    scores = linear(torch.eye(4, 5))
    maps = ClassMaps(scores, NAMES).similarity_maps(features(), ["mass", "mass", "edema"])
    assert maps.shape == (3, 8, 8)
    own = scores(features())[[0, 1, 2], [0, 0, 3]]
    torch.testing.assert_close(maps.mean((1, 2)), own.mean((1, 2)))


def test_what_was_never_labelled_cannot_be_asked():
    with pytest.raises(InputError, match=r"no label 'cavity'.*mass, nodule, pleural effusion, edema"):
        ClassMaps(linear(torch.eye(4, 5)), NAMES).similarity_maps(features(), ["mass", "cavity", "edema"])


class Truth(nn.Module):
    """Scores that know where each category of each study lies, and whether they are in use or in training."""

    def __init__(self, studies) -> None:
        super().__init__()
        self.studies, self.modes = studies, set()

    def forward(self, given: ImageFeatures) -> Tensor:
        self.modes.add(self.training)
        maps = torch.zeros(len(given.pooled), len(NAMES), 16, 16)
        for row, position in enumerate(given.pooled[:, 0].long().tolist()):
            for finding in self.studies[position].findings:
                share = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(finding.mask)[None].float(), 16)[0]
                maps[row, NAMES.index(finding.name)] += share
        return maps


class PositionsOnAGrid:
    """An image source whose features are the position of the study, with a deep grid."""

    def batch(self, indices):
        pooled = torch.tensor(list(indices), dtype=torch.float32)[:, None]
        final = pooled[:, :, None, None]
        return ImageFeatures(
            shallow=None, deep=torch.zeros(len(pooled), 1, 16, 16), final=final, pooled=final.mean((2, 3))
        )


def test_it_is_measured_like_a_model_and_by_category():
    studies = random_studies(30)
    scores = Truth(studies).train()
    measured = evaluate(ClassMaps(scores, NAMES), PositionsOnAGrid(), studies, prompts=category)
    assert measured.macro()["pointing"] == 1
    assert set(measured.rows["prompt"]) == set(NAMES)
    assert scores.modes == {False} and scores.training
