"""A model, a set of studies, a protocol: every finding is asked for and measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol as Interface
from typing import runtime_checkable

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from tqdm import tqdm

from ..data.study import Study
from ..encoders.features import ImageFeatures
from ..errors import InputError
from ..localization.localize import MapsSimilarity, in_use
from ..localization.prompts import Ask, asking
from ..localization.protocols import Protocol, protocol_named
from .measurements import Measurements
from .metrics import cnr, iou, pointing
from .truth import truth_mask

BATCH_SAMPLES = 64
BATCH_PIXELS = 2**21
"""Limits of what is measured at once; the pixels bound the memory, the samples the model's batch."""


@runtime_checkable
class ImageSource(Interface):
    """The images of a set as features: cached, or encoded when asked for."""

    def batch(self, indices: Sequence[int]) -> ImageFeatures:
        """The features of the studies of these positions."""
        ...


@dataclass(frozen=True, eq=False)
class Sample:
    """One question to a study, and its answer.

    Attributes:
        index: the study's position in its set.
        lesions: which of the study's findings are asked for; they are measured as one.
        finding: their category (of the first, should they differ).
    """

    index: int
    study: str
    patient: str
    lesions: tuple[int, ...]
    finding: str
    prompt: str
    truth: Bool[np.ndarray, "height width"]


def samples_of(index: int, study: Study, ask: Ask) -> Iterator[Sample]:
    """The questions to one study; findings asked for in the same words are one question, as in AFLoc's code."""
    asked: dict[str, list[int]] = {}
    for number, finding in enumerate(study.findings):
        prompt = ask(finding)
        if prompt is not None:
            asked.setdefault(prompt, []).append(number)
    for prompt, numbers in asked.items():
        findings = [study.findings[number] for number in numbers]
        truth = truth_mask(findings, study.image.shape)
        yield Sample(index, study.id, study.patient, tuple(numbers), findings[0].name, prompt, truth)


def evaluate(
    model: MapsSimilarity,
    images: ImageSource,
    studies: Sequence[Study],
    protocol: str | Protocol = "afloc",
    prompts: str | Ask = "precise",
) -> Measurements:
    """Ask `model` for every finding of every study and measure the answers.

    Args:
        model: gives similarity maps of images and prompts.
        images: position `i` holds the features of `studies[i]`.
        studies: their findings are the truth; studies without findings are not asked.
        protocol: the name of a protocol, or a protocol.
        prompts: "precise" (the finding's phrase), "simple" ("Findings suggesting ..."), "report" (the whole report), or
            a function of a finding.

    Raises:
        InputError: there is no such protocol or no such prompts, a mask does not fit its image, or no finding is asked
            for.
    """
    protocol, ask_of = protocol_named(protocol), asking(prompts)
    rows = []
    with in_use(model) as device:
        for samples in _batches(_asked(studies, ask_of)):
            features = images.batch([sample.index for sample in samples]).to(device)
            similarity = model.similarity_maps(features, [sample.prompt for sample in samples])
            truth = torch.from_numpy(np.stack([sample.truth for sample in samples])).to(similarity.device)
            scores = measure(similarity, truth, protocol)
            rows.append(
                pd.DataFrame(
                    _described(samples) | {name: value.double().cpu().numpy() for name, value in scores.items()}
                )
            )
    if not rows:
        raise InputError("No study of this set holds a finding to ask for, so there is nothing to measure.")
    name = prompts if isinstance(prompts, str) else getattr(prompts, "__name__", repr(prompts))
    return Measurements(pd.concat(rows, ignore_index=True), protocol.name, name)


def measure(
    similarity: Float[Tensor, "batch grid_height grid_width"],
    truth: Bool[Tensor, "batch height width"],
    protocol: Protocol,
) -> dict[str, Float[Tensor, " batch"]]:
    """The metrics of a batch of similarity maps by name: the columns that `Measurements` describes."""
    heat = protocol.heat(similarity, tuple(truth.shape[1:]))
    cuts = protocol.cuts(heat)
    judged = truth & ~heat.isnan()
    # One threshold at a time: the masks of all together would be the largest thing in memory.
    overlap = torch.stack(
        [iou(heat > cut[:, None, None], judged, empty_prediction=protocol.empty_prediction) for cut in cuts.T]
    )
    scores = {
        "iou": _over_thresholds(overlap, protocol),
        "dice": _over_thresholds(2 * overlap / (1 + overlap), protocol),  # Dice, without counting every pixel again
        "cnr": cnr(heat, truth),
        "pointing": pointing(heat, truth),
    }
    if protocol.over_thresholds == "mean" and len(overlap) > 1:
        scores |= {f"iou@{cut:g}": values for cut, values in zip(protocol.thresholds, overlap, strict=True)}
    return scores


def _over_thresholds(scores: Float[Tensor, "thresholds batch"], protocol: Protocol) -> Float[Tensor, " batch"]:
    return scores.amax(dim=0) if protocol.over_thresholds == "best" else scores.nanmean(dim=0)


def _asked(studies: Sequence[Study], ask_of: Callable[[Study], Ask]) -> Iterator[Sample]:
    progress = tqdm(range(len(studies)), desc="measuring", unit="study", disable=None, delay=5)
    for index in progress:
        study = studies[index]
        yield from samples_of(index, study, ask_of(study))


def _batches(samples: Iterable[Sample]) -> Iterator[list[Sample]]:
    """Neighbours with images of one size, as many as the limits allow."""
    batch: list[Sample] = []
    for sample in samples:
        full = len(batch) >= BATCH_SAMPLES or (len(batch) + 1) * sample.truth.size > BATCH_PIXELS
        if batch and (full or sample.truth.shape != batch[0].truth.shape):
            yield batch
            batch = []
        batch.append(sample)
    if batch:
        yield batch


def _described(samples: Sequence[Sample]) -> dict[str, list[str]]:
    described = {key: [getattr(sample, key) for sample in samples] for key in ("study", "patient", "finding")}
    described["lesions"] = ["+".join(map(str, sample.lesions)) for sample in samples]
    described["prompt"] = [sample.prompt for sample in samples]
    return described
