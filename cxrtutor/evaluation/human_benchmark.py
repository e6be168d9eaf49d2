"""CheXlocalize's human benchmark: radiologists who did not draw the truth, measured as if they were a method."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool
from torch import Tensor
from tqdm import tqdm

from ..data.annotations import Annotations
from ..data.sources.chexlocalize import SalientPoints
from ..errors import InputError
from ..localization.protocols import Protocol, protocol_named
from .measurements import Measurements
from .metrics import dice, iou, points_hit
from .questions import Question, questions_of

TRUE_POSITIVES, ALL = "iou, true positives", "iou, all"
METRICS = ("iou", "dice", "pointing")
"""What the human benchmark shares with a method that gives heat maps."""


def measure_humans(
    truth: Annotations,
    drawn: Annotations,
    points: SalientPoints | None = None,
    protocol: str | Protocol = "chexlocalize",
) -> Measurements:
    """What others drew, against the truth: a row for every image and finding that either of the two speaks of.

    Columns: `iou` and `dice` over the pairs that count under `protocol`, so that the row may stand beside methods;
    `iou, true positives` and `iou, all`, which are the two ways of CheXlocalize's own code; `cnr`, undefined, as nobody
    drew a heat map; `pointing`, the hit rate: whether any salient point lies in the truth. Where there is something to
    find and no point was marked, that is a miss. An image that one of the two files does not name shows nothing there.

    Args:
        truth: `gt_segmentations_*.json` or `gt_annotations_*.json`.
        drawn: `hb_segmentations_*.json` or `hb_annotations_*.json`.
        points: `hb_salient_pt_*.json`; without them `pointing` is undefined.
        protocol: the protocol of the methods that the row is to stand beside.

    Raises:
        InputError: there is no such protocol, the files have nothing in common, or an image has different sizes in
            them.
    """
    protocol = protocol_named(protocol)
    asked, answered = ({(one.image, one.words): one for one in questions_of(file)} for file in (truth, drawn))
    if not asked.keys() & answered.keys():
        raise InputError(
            "The truth and what was drawn by hand have no image and finding in common. Give files of one set."
        )
    # What cannot be read in one of the files says nothing; it is not the same as nothing being there.
    unknown = truth.left_out | drawn.left_out
    rows = []
    pairs = [key for key in {**asked, **answered} if key not in unknown]
    for key in tqdm(pairs, desc="measuring", unit="finding", disable=None, delay=5):
        question = asked.get(key) or _nothing_like(answered[key])
        rows.append(question.described() | _scores(question, answered.get(key), points, protocol))
    return Measurements(pd.DataFrame(rows), protocol.name, "drawn by hand")


def _nothing_like(question: Question) -> Question:
    """The same question, where the truth says that there is nothing."""
    return replace(question, findings=tuple(replace(one, boxes=(), runs=None) for one in question.findings))


def _scores(
    question: Question, answer: Question | None, points: SalientPoints | None, protocol: Protocol
) -> dict[str, float]:
    if answer is not None and answer.size != question.size:
        raise InputError(
            f"Image {question.image} is {question.size} in the truth and {answer.size} where it was drawn by hand."
        )
    scores = dict.fromkeys(("iou", "dice", "cnr", "pointing", TRUE_POSITIVES, ALL), np.nan)
    if not question.present and (answer is None or not answer.present):
        return scores  # undefined under every rule; most pairs are such
    truth = question.truth()
    drawn = np.zeros_like(truth) if answer is None else answer.truth()
    if points is not None:
        marked = points.points.get((question.image, question.words), np.zeros((0, 2)))
        scores["pointing"] = points_hit(torch.from_numpy(marked), torch.from_numpy(truth)).item()
    pair = _cropped(drawn, truth)
    return scores | {
        "iou": iou(*pair, over=protocol.over).item(),
        "dice": dice(*pair, over=protocol.over).item(),
        TRUE_POSITIVES: iou(*pair, over="true positives").item(),
        ALL: iou(*pair, over="all").item(),
    }


def _cropped(
    drawn: Bool[np.ndarray, "height width"], truth: Bool[np.ndarray, "height width"]
) -> tuple[Bool[Tensor, "rows columns"], Bool[Tensor, "rows columns"]]:
    """Both, on the least rectangle that holds all of them: what lies outside counts for nothing, and takes its time."""
    either = drawn | truth
    rows, columns = (np.flatnonzero(either.any(axis=axis)) for axis in (1, 0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return torch.from_numpy(drawn[part].copy()), torch.from_numpy(truth[part].copy())
