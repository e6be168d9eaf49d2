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

from ..data.study import Finding, Study
from ..encoders.features import ImageFeatures
from ..errors import InputError
from ..localization.localize import MapsSimilarity, in_use
from ..localization.presence import presence
from ..localization.prompts import Ask, asking
from ..localization.protocols import Protocol, protocol_named
from .measurements import Measurements
from .metrics import cnr, iou_at, pointing
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
        lesions: which of the study's findings are asked for; they are measured as one. None of them for a
            finding that the study does not show.
        finding: their category (of the first, should they differ).
    """

    index: int
    study: str
    patient: str
    lesions: tuple[int, ...]
    finding: str
    prompt: str
    truth: Bool[np.ndarray, "height width"]


def samples_of(index: int, study: Study, ask: Ask, absent: Sequence[str] = ()) -> Iterator[Sample]:
    """The questions to one study; findings asked for in the same words are one question, as in AFLoc's code.

    An annotated study is also asked for those categories of `absent` that it does not show, each by the prompt of a
    finding whose phrase is the category's name, unless something that it shows is asked for in these words.
    """
    asked: dict[str, list[int]] = {}
    for number, finding in enumerate(study.findings):
        prompt = ask(finding)
        if prompt is not None:
            asked.setdefault(prompt, []).append(number)
    for prompt, numbers in asked.items():
        findings = [study.findings[number] for number in numbers]
        truth = truth_mask(findings, study.image.shape)
        yield Sample(index, study.id, study.patient, tuple(numbers), findings[0].name, prompt, truth)
    shown = {finding.name for finding in study.findings}
    for name in absent if study.annotated else ():
        prompt = ask(Finding(name, phrase=name))
        if name not in shown and prompt is not None and prompt not in asked:
            yield Sample(index, study.id, study.patient, (), name, prompt, truth_mask((), study.image.shape))


def evaluate(
    model: MapsSimilarity,
    images: ImageSource,
    studies: Sequence[Study],
    protocol: str | Protocol = "afloc",
    prompts: str | Ask = "precise",
    absent: Sequence[str] = (),
) -> Measurements:
    """Ask `model` for every finding of every study and measure the answers.

    Args:
        model: gives similarity maps of images and prompts.
        images: position `i` holds the features of `studies[i]`.
        studies: their findings are the truth; studies without findings are not asked.
        protocol: the name of a protocol, or a protocol.
        prompts: "precise" (the finding's phrase), "simple" ("Findings suggesting ..."), "report" (the whole report), or
            a function of a finding.
        absent: categories that every annotated study which does not show them is asked for as well. Their truth is
            empty, so that they count only for protocols over all pairs, and are undefined under others.

    Raises:
        InputError: there is no such protocol or no such prompts, the protocol has to be tuned first, a mask does not
            fit its image, or no finding is asked for.
    """
    protocol = protocol_named(protocol)
    rows = []
    for samples, similarity, truth in answers(model, images, studies, prompts, absent):
        scores = measure(similarity, truth, protocol, [sample.finding for sample in samples])
        rows.append(
            pd.DataFrame(_described(samples) | {name: value.double().cpu().numpy() for name, value in scores.items()})
        )
    name = prompts if isinstance(prompts, str) else getattr(prompts, "__name__", repr(prompts))
    return Measurements(pd.concat(rows, ignore_index=True), protocol.name, name)


Answers = tuple[list[Sample], Float[Tensor, "batch grid_height grid_width"], Bool[Tensor, "batch height width"]]
"""Questions with the model's similarity maps and the truths."""


def answers(
    model: MapsSimilarity,
    images: ImageSource,
    studies: Sequence[Study],
    prompts: str | Ask = "precise",
    absent: Sequence[str] = (),
) -> Iterator[Answers]:
    """What `evaluate` measures, in batches of images of one size; takes what it takes.

    Raises:
        InputError: there are no such prompts, a mask does not fit its image, or no finding is asked for.
    """
    ask_of = asking(prompts)
    asked = False
    for samples in _batches(_asked(studies, ask_of, absent)):
        asked = True
        with in_use(model) as device:
            features = images.batch([sample.index for sample in samples]).to(device)
            similarity = model.similarity_maps(features, [sample.prompt for sample in samples]).detach()
        truth = np.stack([sample.truth for sample in samples])
        yield samples, similarity, torch.from_numpy(truth).to(similarity.device)
    if not asked:
        raise InputError("No study of this set holds a finding to ask for, so there is nothing to measure.")


def measure(
    similarity: Float[Tensor, "batch grid_height grid_width"],
    truth: Bool[Tensor, "batch height width"],
    protocol: Protocol,
    findings: Sequence[str] = (),
) -> dict[str, Float[Tensor, " batch"]]:
    """The metrics of a batch of similarity maps by name: the columns that `Measurements` describes.

    Args:
        similarity: a map for each question.
        truth: what was to be found.
        protocol: how it is measured.
        findings: the category that each map was asked for, which thresholds of findings need.

    Raises:
        InputError: the protocol cannot cut these maps (`Protocol.cuts`).
    """
    heat = protocol.heat(similarity, tuple(truth.shape[1:]))
    return measure_heat(heat, protocol.cuts(heat, findings, presence(similarity)), truth, protocol)


def measure_heat(
    heat: Float[Tensor, "batch height width"],
    cuts: Float[Tensor, "batch thresholds"],
    truth: Bool[Tensor, "batch height width"],
    protocol: Protocol,
) -> dict[str, Float[Tensor, " batch"]]:
    """The metrics of a batch of heat maps by name, for maps and thresholds that are as `protocol` makes them."""
    overlap = iou_at(heat, cuts, truth, over=protocol.over)
    scores = {
        "iou": _over_thresholds(overlap, protocol),
        "dice": _over_thresholds(2 * overlap / (1 + overlap), protocol),  # Dice, without counting every pixel again
        "cnr": cnr(heat, truth),
        "pointing": pointing(heat, truth),
    }
    if protocol.over_thresholds == "mean" and overlap.shape[1] > 1:
        scores |= {f"iou@{cut:g}": values for cut, values in zip(protocol.thresholds, overlap.T, strict=True)}
    return scores


def _over_thresholds(scores: Float[Tensor, "batch thresholds"], protocol: Protocol) -> Float[Tensor, " batch"]:
    """Thresholds at which a sample does not count are left out; NaN where it counts at none."""
    if protocol.upper_bound:
        return scores.nan_to_num(-1.0).amax(dim=1).masked_fill(scores.isnan().all(dim=1), torch.nan)
    return scores.nanmean(dim=1)


def _asked(studies: Sequence[Study], ask_of: Callable[[Study], Ask], absent: Sequence[str]) -> Iterator[Sample]:
    progress = tqdm(range(len(studies)), desc="measuring", unit="study", disable=None, delay=5)
    for index in progress:
        study = studies[index]
        yield from samples_of(index, study, ask_of(study), absent)


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
    described["lesions"] = ["+".join(map(str, sample.lesions)) or f"no {sample.finding}" for sample in samples]
    described["prompt"] = [sample.prompt for sample in samples]
    return described
