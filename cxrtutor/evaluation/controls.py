"""What every table needs beside the methods: answers that did not look at the image, or not at the question.

`Chance` and `LocationPrior` are asked like a model. A location prior is asked by category
(`evaluate(prior, ..., prompts=category)`); the shuffled prompt is a way of asking a real model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..data.images import letterbox
from ..data.study import Finding, Study
from ..encoders.features import ImageFeatures
from ..errors import InputError
from ..localization.prompts import Ask, precise
from .truth import truth_mask


class Chance:
    """Independent Gaussian noise on every patch: what the protocol itself gives away to a model that sees nothing.

    The noise goes on from batch to batch, so a new `Chance` with the same seed repeats an evaluation.
    """

    def __init__(self, grid: int = 16, seed: int = 0) -> None:
        self.grid = grid
        self.generator = torch.Generator().manual_seed(seed)

    def similarity_maps(
        self, features: ImageFeatures, prompts: Sequence[str]
    ) -> Float[Tensor, "batch grid_height grid_width"]:
        """A map of noise a prompt."""
        return torch.randn(len(prompts), self.grid, self.grid, generator=self.generator)


class LocationPrior:
    """Where a finding mostly lies: the mean of its masks in training, the same map for every image.

    Args:
        studies: training studies with their truth.
        grid: the side of the patch grid that the mean masks are averaged on.

    Raises:
        InputError: the studies hold no finding.
    """

    def __init__(self, studies: Sequence[Study], grid: int = 16) -> None:
        sums: dict[str, np.ndarray] = {}
        counts: dict[str, int] = {}
        for index in range(len(studies)):
            study = studies[index]
            for finding in study.findings:
                coarse = _on_grid(truth_mask([finding], study.image.shape), grid)
                sums[finding.name] = sums.get(finding.name, 0) + coarse
                counts[finding.name] = counts.get(finding.name, 0) + 1
        if not sums:
            raise InputError("A location prior needs training studies whose findings are known; these hold none.")
        self.maps = {name: torch.from_numpy(total / counts[name]).float() for name, total in sums.items()}
        self.overall = torch.stack(list(self.maps.values())).mean(dim=0)

    def similarity_maps(
        self, features: ImageFeatures, prompts: Sequence[str]
    ) -> Float[Tensor, "batch grid_height grid_width"]:
        """The mean mask of each category; of one that training never showed, the mean over all categories."""
        return torch.stack([self.maps.get(name, self.overall) for name in prompts])


def category(finding: Finding) -> str:
    """Ask by the category's bare name."""
    return finding.name


def shuffled_prompts(studies: Sequence[Study], ask: Ask = precise, seed: int = 0) -> Ask:
    """A way to ask every image for something else: each prompt is swapped for one of another category.

    All prompts are put in a ring, sorted by category and in random order within it, and each is swapped for the one
    that stands further on by the size of the largest category: so no two become one, and none keeps its category.

    Raises:
        InputError: more than half of the prompts belong to one category, so they cannot all change it.
    """
    categories: dict[str, str] = {}
    for index in range(len(studies)):
        for finding in studies[index].findings:
            prompt = ask(finding)
            if prompt is not None:
                categories.setdefault(prompt, finding.name)
    order = np.random.default_rng(seed).permutation(sorted(categories))
    ring = sorted(order.tolist(), key=categories.__getitem__)
    names = [categories[prompt] for prompt in ring]
    step = max(map(names.count, set(names)), default=0)
    if 2 * step > len(ring):
        raise InputError("More than half of the prompts ask for one category; there is nothing to swap them for.")
    other = {prompt: ring[(position + step) % len(ring)] for position, prompt in enumerate(ring)}

    def shuffled(finding: Finding) -> str | None:
        prompt = ask(finding)
        return None if prompt is None else other[prompt]

    return shuffled


def _on_grid(mask: np.ndarray, grid: int) -> Float[np.ndarray, "grid grid"]:
    """The share of every patch of the letterboxed square that a mask covers."""
    square, _ = letterbox(mask.astype(np.float32), max(mask.shape))
    return F.adaptive_avg_pool2d(torch.from_numpy(square)[None], grid)[0].numpy()
