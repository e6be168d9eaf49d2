"""Exercises of `07-heat-maps-and-thresholds`."""

from __future__ import annotations

import numpy as np

from cxrtutor.checks.comparing import same
from cxrtutor.checks.judging import exercise


@exercise(right=lambda t: (t + 1) / 2, inputs=[(0.3,), (-1.0,), (np.array([0.1, 0.5, 1.0]),)])
def unit_threshold(answer):
    """Heat maps and thresholds: a threshold on [-1, 1] as one on [0, 1]."""
    yield same(answer(0.3), 0.3), "The coldest pixel is -1 on one scale and 0 on the other: the number must change."
    yield same(answer(0.3), -0.4), "That is the way back, from [0, 1] to [-1, 1]."
    yield same(answer(0.3), 0.15), "The length is right now, but where does your scale begin? Try t = -1."
    yield same(answer(0.3), 1.3), "It begins at 0 now, but where does your scale end? Try t = 1."


@exercise(
    right=lambda heat, share: _hottest(heat, round(share * int((~np.isnan(heat)).sum()))),
    inputs=[
        (np.array([[np.nan, np.nan, np.nan, np.nan], [0.9, 0.1, 0.2, 0.8], [0.3, -1.0, 0.6, 1.0]]), 0.25),
        (np.array([[0.9, 0.1], [np.nan, 0.8]]), 0.0),
        (np.array([[0.9, 0.1], [np.nan, 0.8]]), 1.0),
    ],
)
def top_mask(answer):
    """Heat maps and thresholds: the hottest share of the judged pixels."""
    heat, share = top_mask.inputs[0]
    given = np.asarray(answer(heat, share))
    yield not given.any(), "Nothing is marked. A quantile or a sort that meets NaN may return NaN."
    yield same(given, ~np.isnan(heat) & ~_hottest(heat, 6)), "These are the *coldest* pixels."
    yield same(given, _hottest(heat, 3)), "One quarter of 8 judged pixels is 2, not 3. Do you count NaN as pixels?"
    yield same(given, _hottest(heat, 1)), "One pixel is missing. Is it the one that equals your threshold?"
    yield (
        same(given, heat > 0.5),
        "You cut the *range* of values. The share is one of pixels, wherever their values lie.",
    )
    yield np.asarray(answer(heat, 0.0)).any(), "A share of 0 should mark nothing. Note that `x[-0]` is `x[0]`."


@exercise(
    right=lambda counts: _narrowest(counts),
    inputs=[(np.array([1, 1, 1, 1, 5]),), (np.array([0, 0, 9, 1, 6, 2, 0]),), (np.array([1, 1]),)],
    fresh=lambda draws: (np.array([0, *draws.integers(1, 1000, 5), 0]),),  # so many that no two cuts are as good
)
def otsu_within(answer):
    """Heat maps and thresholds: Otsu's cut as the one that leaves the narrowest groups."""
    counts = otsu_within.inputs[0][0]
    right = _narrowest(counts)
    yield (
        same(answer(counts), right + 1),
        "That is the first bin of the *upper* group. Wanted is the last of the lower.",
    )
    yield (
        same(answer(counts), _narrowest(counts, weighted=False)),
        "Each variance counts as often as its group has values.",
    )
    yield same(answer(counts), _narrowest(counts, sign=-1)), "Yours leaves the *widest* groups."
    yield (
        answer(np.array([0, 0, 9, 1, 6, 2, 0])) not in (2, 3, 4),
        "Your cut leaves a group empty where a histogram begins or ends with empty bins. The mean of nothing is NaN, "
        "and `argmin` takes NaN for the smallest.",
    )


@exercise(
    right=lambda iou, findings, thresholds: thresholds[np.argmax(_macro_by_column(iou, findings))],
    inputs=[
        (
            np.array([[0.1, 0.5, 0.4]] * 4 + [[0.2, 0.0, 0.3], [np.nan] * 3]),
            np.array(["pleural effusion"] * 4 + ["nodule"] * 2),
            np.array([0.2, 0.4, 0.6]),
        ),
        (
            np.array([[0.0, 0.5, 0.3], [0.3, 0.0, 0.25], [np.nan] * 3]),
            np.array(["edema", "mass", "mass"]),
            np.array([0.1, 0.3, 0.5]),
        ),
    ],
)
def fair_threshold(answer):
    """Heat maps and thresholds: one threshold for all findings, by the macro mean."""
    given = answer(*fair_threshold.inputs[0])
    yield same(given, 0.4), "The four effusions outvoted the nodule: that is the best *micro* mean."
    yield same(given, 0.2), "A row of NaN made means NaN, and `argmax` takes NaN for the largest."
    yield same(given, 2), "That is the number of the column. Which threshold stands there?"
    yield same(given, 0.35), "That is the best mean IoU. At which threshold is it reached?"


def _hottest(heat: np.ndarray, number: int) -> np.ndarray:
    order = np.argsort(np.nan_to_num(heat, nan=-np.inf), axis=None)
    mask = np.zeros(heat.shape, bool)
    mask.flat[order[heat.size - number :]] = True
    return mask


def _narrowest(counts: np.ndarray, weighted: bool = True, sign: int = 1) -> int:
    values = np.repeat(np.arange(len(counts)), counts)

    def spread(cut: int) -> float:
        groups = values[values <= cut], values[values > cut]
        return sign * sum(np.var(group) * (len(group) if weighted else 1) for group in groups)

    return min(range(values.min(), values.max()), key=spread)


def _macro_by_column(values: np.ndarray, categories: np.ndarray) -> np.ndarray:
    defined = ~np.isnan(values).any(axis=1)
    means = [values[defined & (categories == name)].mean(axis=0) for name in np.unique(categories[defined])]
    return np.mean(means, axis=0)
