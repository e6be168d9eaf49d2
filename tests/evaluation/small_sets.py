"""Small sets of studies and a model that can be right, for the tests of measuring."""

import numpy as np
import torch

from cxrtutor.data.study import Finding, Report, Study
from cxrtutor.encoders.features import ImageFeatures

NAMES = ("mass", "nodule", "pleural effusion", "edema")


def study(number, findings, shape=(64, 64), patient=None):
    """A study whose image shows nothing; `findings` are (name, phrase, (top, left, bottom, right))."""
    masks = []
    for name, phrase, (top, left, bottom, right) in findings:
        mask = np.zeros(shape, bool)
        mask[top:bottom, left:right] = True
        masks.append(Finding(name, phrase, mask))
    return Study(
        id=f"s{number}",
        patient=patient or f"p{number}",
        image=np.zeros(shape, np.float32),
        report=Report({}, ()),
        findings=tuple(masks),
        annotated=True,
    )


def random_studies(number, seed=0, shape=(64, 64)):
    """Studies with none to two findings of different phrases, inside the margin."""
    rng = np.random.default_rng(seed)
    studies = []
    for index in range(number):
        findings = []
        for which in rng.permutation(len(NAMES))[: rng.integers(0, 3)]:
            top, left = rng.integers(8, 40, size=2)
            findings.append((NAMES[which], f"{NAMES[which]} {rng.integers(6)}", (top, left, top + 12, left + 12)))
        studies.append(study(index, findings, shape, patient=f"p{index // 2}"))
    return studies


class Positions:
    """An image source whose features are the position of the study."""

    def batch(self, indices):
        final = torch.tensor(list(indices), dtype=torch.float32).view(-1, 1, 1, 1)
        return ImageFeatures(shallow=None, deep=None, final=final, pooled=final[:, :, 0, 0])


class Knows:
    """A model that answers with the truth on the patch grid, plus noise; it finds a finding by its phrase."""

    def __init__(self, studies, noise=0.0, grid=16, seed=0):
        self.studies, self.noise, self.grid = studies, noise, grid
        self.rng = np.random.default_rng(seed)
        self.asked = []

    def similarity_maps(self, features, prompts):
        maps = []
        for position, prompt in zip(features.pooled[:, 0].long().tolist(), prompts, strict=True):
            self.asked.append((position, prompt))
            masks = [f.mask for f in self.studies[position].findings if f.phrase == prompt]
            union = np.any(masks, axis=0).astype(np.float32) if masks else np.zeros((64, 64), np.float32)
            cells = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(union)[None], self.grid)[0]
            maps.append(cells + self.noise * torch.from_numpy(self.rng.normal(size=cells.shape)).float())
        return torch.stack(maps)
