"""Answers to the exercises of `cxrtutor/checks/heat_maps_and_thresholds.py`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from skimage.filters import threshold_otsu


def within(counts, cut, weighted=True):
    """The spread left in both groups when the lower one ends with bin `cut`."""
    spread = 0.0
    for part, bins in ((counts[: cut + 1], np.arange(cut + 1)), (counts[cut + 1 :], np.arange(cut + 1, len(counts)))):
        with np.errstate(invalid="ignore"):
            mean = (part * bins).sum() / part.sum()
            squares = (part * (bins - mean) ** 2).sum()
            spread += squares if weighted else squares / part.sum()
    return spread


def otsu_by(counts, choose=np.nanargmin, weighted=True):
    return int(choose([within(counts, cut, weighted) for cut in range(len(counts) - 1)]))


def macro_of(iou, findings, mean):
    return np.mean([mean(iou[findings == name], axis=0) for name in np.unique(findings)], axis=0)


def judged_sorted(heat):
    return np.sort(heat[~np.isnan(heat)])


def kept_pixels(heat, share):
    return round(share * len(judged_sorted(heat)))


WRONG = {
    "unit_threshold": [
        (lambda t: t, "must change"),
        (lambda t: 2 * t - 1, "way back"),
        (lambda t: t / 2, "begin"),
        (lambda t: t + 1, "end"),
    ],
    "top_mask": [
        (lambda heat, share: heat > np.quantile(heat, 1 - share), "Nothing is marked"),
        (lambda heat, share: heat <= np.nanquantile(heat, share), "coldest"),
        (lambda heat, share: heat >= judged_sorted(heat)[-round(share * heat.size)], "count NaN"),
        (lambda heat, share: heat > judged_sorted(heat)[-kept_pixels(heat, share)], "missing"),
        (lambda heat, share: heat > np.nanmax(heat) - share * np.ptp(judged_sorted(heat)), "range"),
        (lambda heat, share: heat >= judged_sorted(heat)[-kept_pixels(heat, share)], "share of 0"),
    ],
    "otsu_within": [
        (lambda counts: otsu_by(counts) + 1, "upper"),
        (lambda counts: otsu_by(counts, weighted=False), "as often"),
        (lambda counts: otsu_by(counts, np.nanargmax), "widest"),
        (lambda counts: otsu_by(counts, np.argmin), "empty"),
    ],
    "fair_threshold": [
        (lambda iou, findings, thresholds: thresholds[np.argmax(np.nanmean(iou, axis=0))], "micro"),
        (lambda iou, findings, thresholds: thresholds[np.argmax(macro_of(iou, findings, np.mean))], "NaN"),
        (lambda iou, findings, thresholds: np.argmax(macro_of(iou, findings, np.nanmean)), "column"),
        (lambda iou, findings, thresholds: macro_of(iou, findings, np.nanmean).max(), "best mean"),
    ],
}


def by_rank(heat, share):
    mask, hottest = np.zeros(heat.shape, bool), np.argsort(-heat, axis=None)  # NaN comes last
    mask.flat[hottest[: round(share * (~np.isnan(heat)).sum())]] = True
    return mask


ALSO_RIGHT = {
    "unit_threshold": lambda t: np.interp(t, [-1, 1], [0, 1]),
    "top_mask": by_rank,
    "otsu_within": lambda counts: int(threshold_otsu(hist=(counts.astype(float), np.arange(len(counts))))),
    "fair_threshold": lambda iou, findings, ts: ts[pd.DataFrame(iou).groupby(findings).mean().mean().idxmax()],
}
