"""The supervised comparator: a classifier that was told the findings of every training film, and the map it gives.

It stands on the encoder of the model that it is compared with, has a head of the form of that model's local heads, and
was shown labels where the model was shown reports. Its map is Grad-CAM (Selvaraju et al., ICCV 2017), by captum.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from tqdm import tqdm

from .. import store
from ..data.dataset import StudyDataset
from ..encoders.features import ImageFeatures
from ..encoders.projection import map_head
from ..encoders.weights import reproducible_initialization
from ..errors import InputError
from ..localization.localize import in_use
from ..methods.model import AlignedModel
from .class_maps import label_indices

WIDTH, EPOCHS, BATCH_SIZE = 64, 5, 64
LEARNING_RATE, WEIGHT_DECAY = 2e-3, 0.05
STANDARDIZING_FILMS = 256
_VERSION = 1
"""Part of the key of what is kept: raised when training comes to give something else."""


class LabelClassifier(nn.Module):
    """Scores of findings from the deep map: a local head, a score for every region, and their mean.

    Asked for a map by the bare name of a finding: `evaluate(classifier, ..., prompts=controls.category)`.

    Args:
        channels: of the encoder's deep map.
        categories: the findings, in the order of the scores.
        width: channels of the head's map.
    """

    def __init__(self, channels: int, categories: Sequence[str], width: int = WIDTH) -> None:
        super().__init__()
        self.categories = tuple(categories)
        with reproducible_initialization():
            self.head = map_head(channels, width, "convolution")
            self.score = nn.Conv2d(width, len(self.categories), 1)

    def forward(self, deep: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch categories"]:
        """The logit of every finding."""
        return self.score(self.head(deep)).mean((2, 3))

    def similarity_maps(
        self, features: ImageFeatures, prompts: Sequence[str]
    ) -> Float[Tensor, "batch grid_height grid_width"]:
        """Grad-CAM of each image's category at the head's last map.

        Raises:
            InputError: a prompt is no category that the classifier was trained on.
        """
        from captum.attr import LayerGradCam

        asked = torch.tensor(label_indices(prompts, self.categories), device=features.deep.device)
        maps = LayerGradCam(self, self.head).attribute(features.deep, target=asked, relu_attributions=True)
        return maps[:, 0].detach()


def label_classifier(model: AlignedModel, studies: StudyDataset) -> LabelClassifier:
    """A classifier on a model's encoder, trained on the findings of training studies, or found where it was trained
    before.

    Binary cross-entropy of every finding, AdamW, one cycle of the learning rate; nothing of the encoder is trained. On
    3,000 films whose features are cached this takes about half a minute on two cores.

    Args:
        model: gives its image encoder as it is now, and nothing of its own heads.
        studies: training studies; those that are annotated are shown, and the names of their findings are the labels.

    Raises:
        InputError: no annotated study holds a finding, or the disk refuses.
    """
    encoder = model.image_encoder
    asked_for = {
        "encoder": encoder.identity(),
        "image_size": model.image_size,
        "studies": studies.key,
        "settings": [WIDTH, EPOCHS, BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY, STANDARDIZING_FILMS, _VERSION],
    }
    folder = store.place("label-classifiers", asked_for)
    if not folder.is_dir():
        trained = _trained(model, studies)
        with store.new_folder(folder) as partial:
            (partial / "categories.json").write_text(json.dumps(trained.categories))
            (partial / "classifier.safetensors").write_bytes(save(trained.state_dict()))
    classifier = LabelClassifier(encoder.dims[1], json.loads((folder / "categories.json").read_text()))
    classifier.load_state_dict(load_file(folder / "classifier.safetensors"))
    return classifier.to(encoder.device).eval()


def _trained(model: AlignedModel, studies: StudyDataset) -> LabelClassifier:
    rows, names = _labels(studies)
    categories = sorted(set().union(*names))
    targets = torch.tensor([[category in shown for category in categories] for shown in names]).float()
    images, encoder = model.image_source(studies), model.image_encoder

    def deep_maps(chosen: Int[Tensor, " batch"]) -> Float[Tensor, "batch channels height width"]:
        with in_use(encoder):
            return images.batch(rows[chosen].numpy()).deep.to(encoder.device)

    draws = torch.Generator().manual_seed(0)
    classifier = LabelClassifier(encoder.dims[1], categories).to(encoder.device)
    spread = torch.linspace(0, len(rows) - 1, min(len(rows), STANDARDIZING_FILMS)).long()
    classifier.head[0].measure(deep_maps(spread))
    batches = [batch for _ in range(EPOCHS) for batch in torch.randperm(len(rows), generator=draws).split(BATCH_SIZE)]
    optimizer = torch.optim.AdamW(classifier.parameters(), weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=LEARNING_RATE, total_steps=len(batches))
    for batch in tqdm(batches, desc="label classifier", unit="batch", disable=None):
        scores = classifier(deep_maps(batch))
        loss = binary_cross_entropy_with_logits(scores, targets[batch].to(scores.device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return classifier


def _labels(studies: StudyDataset) -> tuple[Int[Tensor, " labelled"], list[set[str]]]:
    """The positions of the annotated studies, and the names of the findings that each shows."""
    progress = tqdm(range(len(studies)), desc="labels", unit="study", disable=None, delay=5)
    shown = {
        index: {finding.name for finding in study.findings} for index in progress if (study := studies[index]).annotated
    }
    if not any(shown.values()):
        raise InputError("A label classifier needs training studies whose findings are known; these hold none.")
    return torch.tensor(list(shown)), list(shown.values())
