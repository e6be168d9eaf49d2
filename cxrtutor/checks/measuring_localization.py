"""Exercises of `08-measuring-localization`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cxrtutor.checks.comparing import same
from cxrtutor.checks.drawing import whole_numbers
from cxrtutor.checks.judging import exercise

_FOUR_MASKS = np.array([[[1, 1, 0]], [[0, 0, 0]], [[1, 1, 1]], [[0, 0, 0]]], dtype=bool)
_FOUR_TRUTHS = np.array([[[0, 1, 0]], [[1, 1, 0]], [[0, 0, 0]], [[0, 0, 0]]], dtype=bool)


@exercise(
    right=lambda masks, truths, over: _mean_over(masks, truths, over),
    inputs=[(_FOUR_MASKS, _FOUR_TRUTHS, over) for over in ("positives", "true positives", "all")]
    + [(_FOUR_TRUTHS, _FOUR_MASKS, over) for over in ("positives", "true positives", "all")],
)
def mean_over(answer):
    """Measuring localization: mean IoU over the films that count under a rule."""
    positives, true_positives, everything = (
        answer(_FOUR_MASKS, _FOUR_TRUTHS, over) for over in ("positives", "true positives", "all")
    )
    yield (
        bool(np.isnan([positives, true_positives, everything]).any()),
        "0/0 has made a mean NaN. Choose the films that count before you average.",
    )
    yield same(positives, 1 / 2), "A lesion without a mask is a miss: over positives it counts, with 0."
    yield same(positives, 1 / 6), "Over positives, a film without a lesion does not count, whatever the mask."
    yield same(true_positives, 1 / 4), "Over true positives, a film counts only if neither truth nor mask is empty."
    yield same(everything, 1 / 8), "Neither a lesion nor a mask: nothing to divide. It leaves the mean, even over all."
    yield (
        same(everything, 3 / 8),
        "You called a right silence a success. That is kind; these rules leave it out.",
    )
    yield same(everything, 1 / 4), "Over all, a mask where nothing is counts as well, with 0."


@exercise(
    right=lambda side, shift: max(side - shift, 0) / (2 * side - max(side - shift, 0)),
    inputs=[(10, 4), (12, 4), (3, 8), (7, 0)],
    fresh=lambda draws: whole_numbers(draws, [5, 0], [30, 15]),
)
def shifted_square_iou(answer):
    """Measuring localization: IoU of a square and the same square moved to the right."""
    yield (
        same(answer(10, 4), 0.6),
        "That is the share of the lesion still covered. The union is larger than the lesion.",
    )
    yield same(answer(10, 4), 36 / 164), "Yours has moved down as well as to the right."
    yield answer(3, 8) < 0, "A square of 3 moved by 8 gives less than 0. How much can two squares share at least?"
    yield not same(answer(3, 8), 0.0), "A square of 3 moved by 8 shares nothing with itself any more."


@exercise(
    right=lambda a, b: _common_area(a, b) / (a[2] * a[3] + b[2] * b[3] - _common_area(a, b)),
    inputs=[
        ((1, 1, 4, 4), (3, 3, 4, 4)),
        ((0, 0, 2, 2), (5, 6, 3, 2)),
        ((0, 0, 2, 9), (5, 1, 2, 2)),
        ((0, 0, 10, 10), (2.5, 3, 4, 2)),
    ],
    fresh=lambda draws: (whole_numbers(draws, [0, 0, 2, 2], [9] * 4), whole_numbers(draws, [0, 0, 2, 2], [9] * 4)),
)
def box_iou(answer):
    """Measuring localization: IoU of two boxes (x, y, width, height)."""
    a, b = (1, 1, 4, 4), (3, 3, 4, 4)
    yield same(answer(a, b), 4 / 32), "Adding both areas counts the common part twice: it is in the union once."
    yield same(answer(a, b), 8 / 32), "That is Dice. The union goes into the denominator."
    yield same(answer(a, b), 1 / 9), "Did you take the last two numbers for a corner? They are width and height."
    yield (
        not same(answer((0, 0, 2, 2), (5, 6, 3, 2)), 0.0),
        "These two boxes lie apart on both axes and share nothing. Did two negative lengths multiply?",
    )


@exercise(
    right=lambda values, categories: float(
        np.mean([np.mean(group) for group in _defined_groups(values, categories).values()])
    ),
    inputs=[
        (np.array([0.5, 0.7, 0.1, np.nan, np.nan]), np.array(["heart", "heart", "nodule", "nodule", "edema"])),
        (np.array([1.0, 0.0, 0.25]), np.array(["mass", "mass", "edema"])),
    ],
)
def macro_mean(answer):
    """Measuring localization: mean in every category, then over categories, undefined samples left out."""
    values = np.array([0.5, 0.7, 0.1, np.nan, np.nan])
    categories = np.array(["heart", "heart", "nodule", "nodule", "edema"])
    yield (
        same(answer(values, categories), np.nan),
        "One NaN has made everything NaN. Leave undefined samples out first.",
    )
    yield (
        same(answer(values, categories), 1.3 / 3),
        "That is the micro mean: a common category counts more than a rare one.",
    )
    yield same(answer(values, categories), 0.65 / 3), "You counted undefined as 0. Nothing to find is not a miss."
    yield same(answer(values, categories), 0.7 / 3), "A category without a defined sample counts as 0. Leave it out."


@exercise(
    right=lambda a, b, draws: np.quantile((a - b)[draws].mean(axis=1), [0.025, 0.975]),
    inputs=[
        (
            np.array([0.2, 0.4, 0.6, 0.8, 0.3]),
            np.array([0.1, 0.35, 0.5, 0.75, 0.32]),
            np.random.default_rng(0).integers(5, size=(400, 5)),
        )
    ],
)
def paired_interval(answer):
    """Measuring localization: the 95 % bootstrap interval of a mean paired difference."""
    (a, b, draws) = paired_interval.inputs[0]
    means_a, means_b, difference = a[draws].mean(axis=1), b[draws].mean(axis=1), (a - b)[draws].mean(axis=1)
    given, limits = answer(a, b, draws), [0.025, 0.975]
    yield same(given, np.quantile(-difference, limits)), "The signs are turned round: that is `b - a`."
    yield (
        same(given, np.quantile(means_a, limits) - np.quantile(means_b, limits)),
        "Limits cannot be subtracted. Subtract patient by patient, and take the limits last.",
    )
    yield same(given, np.quantile(difference, [0.05, 0.95])), "You left 5 % on each side, which makes a 90 % interval."
    yield (
        same(given, np.quantile(a - b, limits)),
        "That is the spread of patients. Take the *mean* of every draw first.",
    )


def _mean_over(masks: np.ndarray, truths: np.ndarray, over: str) -> float:
    there, marked = truths.any(axis=(1, 2)), masks.any(axis=(1, 2))
    counts = {"positives": there, "true positives": there & marked, "all": there | marked}[over]
    common, union = (masks & truths).sum(axis=(1, 2)), (masks | truths).sum(axis=(1, 2))
    return float(np.mean(common[counts] / union[counts]))


def _common_area(a: Sequence[float | int], b: Sequence[float | int]) -> float:
    lengths = (min(a[i] + a[i + 2], b[i] + b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
    return float(np.prod([max(length, 0) for length in lengths]))


def _defined_groups(values: np.ndarray, categories: np.ndarray) -> dict[str, list[float]]:
    groups: dict[str, list[float]] = {}
    for value, category in zip(values, categories, strict=True):
        if not np.isnan(value):
            groups.setdefault(str(category), []).append(float(value))
    return groups
