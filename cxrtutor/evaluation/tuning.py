"""Thresholds that are chosen by looking at the truth, so on validation, for measuring on another split."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ..data.dataset import StudyDataset
from ..errors import InputError
from ..localization.localize import MapsSimilarity
from ..localization.presence import gate_score, presence
from ..localization.prompts import Ask
from ..localization.protocols import PerFinding, Protocol, protocol_named
from .evaluate import ImageSource, answers
from .metrics import iou_at
from .splits import check_validation

Overlap = Float[Tensor, "samples cuts"]
"""IoU of every answer at every candidate, and last that of an empty mask; NaN where the pair does not count."""


def tune(
    model: MapsSimilarity,
    images: ImageSource,
    validation: StudyDataset,
    protocol: str | Protocol = "chexlocalize-tuned",
    prompts: str | Ask = "simple",
) -> Protocol:
    """`protocol` with the threshold, for each finding, at which the mean IoU on validation is best.

    Where the protocol has a gate, threshold and gate are chosen together among all pairs of them. It is then asked for
    the findings that a study does not show, too: those are what a gate is for. A gate is chosen among the scores that
    validation gives (and none, minus infinity); of what is equally good the lowest gate and threshold are taken.

    Args:
        model: what is measured later; thresholds fit this one alone.
        images: position `i` holds the features of `validation[i]`.
        validation: the validation split, with its truth.
        protocol: one that cuts by finding, tuned before or not.
        prompts: how findings will be asked for.

    Raises:
        InputError: this is not the validation split, or holds nothing to ask for, or the protocol does not cut by
            finding.
    """
    check_validation(validation.split, "tuning")
    protocol = protocol_named(protocol)
    if not isinstance(protocol.thresholds, PerFinding):
        raise InputError(f"The protocol {protocol.name!r} has no thresholds of findings, so there is nothing to tune.")
    tuned = protocol.thresholds
    choices = {
        finding: _best(overlap, scores, tuned)
        for finding, (overlap, scores) in _answered(model, images, validation, protocol, prompts).items()
    }
    if not choices:
        raise InputError("None of the validation split's findings lies where the protocol judges. Take another split.")
    thresholds = {finding: threshold for finding, (threshold, _) in choices.items()}
    gates = None if tuned.gates is None else {finding: gate for finding, (_, gate) in choices.items()}
    return replace(protocol, thresholds=replace(tuned, thresholds=thresholds, gates=gates))


def _answered(
    model: MapsSimilarity, images: ImageSource, validation: StudyDataset, protocol: Protocol, prompts: str | Ask
) -> dict[str, tuple[Overlap, Float[Tensor, " samples"]]]:
    """For each finding that validation shows the overlap of every answer with the truth, and its gate score."""
    tuned = protocol.thresholds
    cuts = torch.tensor([*tuned.candidates, torch.inf])
    shown = sorted({finding.name for study in validation for finding in study.findings})
    answered = defaultdict(list)
    for samples, similarity, truth in answers(model, images, validation, prompts, () if tuned.gates is None else shown):
        heat = protocol.heat(similarity, tuple(truth.shape[1:]))
        overlap = iou_at(heat, cuts.to(heat).expand(len(heat), -1), truth, over=protocol.over).cpu()
        for sample, *answer in zip(samples, overlap, gate_score(presence(similarity)).cpu(), strict=True):
            answered[sample.finding].append(answer)
    stacked = {finding: tuple(map(torch.stack, zip(*rows, strict=True))) for finding, rows in sorted(answered.items())}
    return {finding: one for finding, one in stacked.items() if not one[0][:, :-1].isnan().all()}


def _best(overlap: Overlap, scores: Float[Tensor, " samples"], tuned: PerFinding) -> tuple[float, float]:
    """The threshold and the gate of the best mean; a gate of minus infinity lets everything pass."""
    seen = [] if tuned.gates is None else scores[~scores.isnan()].unique().tolist()
    gates = [-math.inf, *seen]
    passing = (scores >= gate for gate in gates)
    means = [torch.where(each[:, None], overlap[:, :-1], overlap[:, -1:]).nanmean(dim=0) for each in passing]
    gate, threshold = divmod(int(torch.cat(means).nan_to_num(-1.0).argmax()), len(tuned.candidates))
    return tuned.candidates[threshold], gates[gate]
