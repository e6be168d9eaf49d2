"""What every table needs beside the methods: answers that did not look at the image, or not at the question.

`Chance` and `LocationPrior` are asked like a model. A location prior is asked by category
(`evaluate(prior, ..., prompts=category)`); the shuffled prompt is a way of asking a real model. `control_rows` measures
all of them, and a classifier that saw labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from ..data.dataset import StudyDataset
from ..data.images import letterbox
from ..data.study import Finding, Study
from ..encoders.features import ImageFeatures
from ..errors import InputError
from ..localization.localize import MapsSimilarity
from ..localization.prompts import Ask, asking, precise
from ..localization.protocols import PerFinding, Protocol, protocol_named
from ..methods.model import AlignedModel
from .evaluate import ImageSource, evaluate
from .label_classifier import label_classifier
from .measurements import Measurements
from .truth import truth_mask
from .tuning import tune

CONTROLS = ("location prior", "shuffled prompt", "chance", "labels, Grad-CAM")
"""The rows of `control_rows`."""


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
        for index in tqdm(range(len(studies)), desc="location prior", unit="study", disable=None, delay=5):
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


def shuffled_prompts(studies: Sequence[Study], ask: Ask = precise, seed: int = 0, absent: Sequence[str] = ()) -> Ask:
    """A way to ask every image for something else: each prompt is swapped for one of another category.

    All prompts are put in a ring, sorted by category and in random order within it, and each is swapped for the one
    that stands further on by the size of the largest category: so no two become one, and none keeps its category.

    Args:
        studies: whose findings will be asked for.
        ask: the way to ask that is shuffled.
        seed: of the order within a category.
        absent: categories that studies will be asked for which do not show them.

    Raises:
        InputError: more than half of the prompts belong to one category, so they cannot all change it.
    """
    categories: dict[str, str] = {}
    shown = [finding for index in range(len(studies)) for finding in studies[index].findings]
    for finding in [*shown, *(Finding(name, name) for name in absent)]:
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


def control_rows(
    model: AlignedModel,
    images: ImageSource,
    studies: Sequence[Study],
    training: StudyDataset | None,
    protocol: str | Protocol = "afloc",
    prompts: str | Ask = "precise",
    *,
    absent: Sequence[str] = (),
    validation: StudyDataset | None = None,
    names: Sequence[str] = CONTROLS,
) -> dict[str, Measurements]:
    """The rows that belong beside `model` in every table, measured as it was.

    Location prior and label classifier know categories alone and are asked for those. What they learnt from, masks and
    labels, no model of this course ever sees.

    Args:
        model: asked with shuffled prompts; the label classifier stands on its image encoder.
        images, studies, protocol, prompts, absent: as `evaluate` took them for the model.
        training: the training split, with its truth; None for a set that has none, as those for testing alone.
        validation: the validation split, for a protocol with tuned thresholds: each row is tuned for itself.
        names: of the rows that are wanted, of `CONTROLS`.

    Raises:
        InputError: a row cannot be had. The classifier was never shown a label that is asked for, there is one category
            alone to shuffle or whole reports are asked, training has no truth or is None; or there is no row of that
            name, or a tuned protocol and no validation split.
    """
    protocol = protocol_named(protocol)
    grid = images.batch([0]).deep.shape[2]
    rows = {}
    for name in names:
        answering, ask_of = _control(name, model, training, prompts, absent, grid)
        own = protocol
        if isinstance(protocol.thresholds, PerFinding):
            if validation is None:
                raise InputError(f"Thresholds of {protocol.name!r} fit one model alone; give the validation split.")
            own = tune(answering, model.image_source(validation), validation, protocol, ask_of(validation))
        rows[name] = evaluate(answering, images, studies, own, ask_of(studies), absent)
    return rows


AskOf = Callable[[Sequence[Study]], str | Ask]


def _control(
    name: str, model: AlignedModel, training: StudyDataset | None, prompts: str | Ask, absent: Sequence[str], grid: int
) -> tuple[MapsSimilarity, AskOf]:
    """What answers in a row, and how it is asked for the findings of a set."""
    match name:
        case "location prior" | "labels, Grad-CAM" if training is None:
            raise InputError("This set has no training split that masks or labels could be learnt from.")
        case "location prior":
            return LocationPrior(training, grid), lambda studies: category
        case "labels, Grad-CAM":
            return label_classifier(model, training), lambda studies: category
        case "chance":
            return Chance(grid), lambda studies: prompts
        case "shuffled prompt":
            if prompts == "report":
                raise InputError("A report is one prompt for all findings of its study; it cannot be shuffled.")
            return model, lambda studies: shuffled_prompts(studies, asking(prompts)(studies[0]), absent=absent)
    raise InputError(f"There is no control {name!r}. Choose of: {', '.join(CONTROLS)}.")


def _on_grid(mask: np.ndarray, grid: int) -> Float[np.ndarray, "grid grid"]:
    """The share of every patch of the letterboxed square that a mask covers."""
    square, _ = letterbox(mask.astype(np.float32), max(mask.shape))
    return F.adaptive_avg_pool2d(torch.from_numpy(square)[None], grid)[0].numpy()
