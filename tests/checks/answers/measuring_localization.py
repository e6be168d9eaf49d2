"""Answers to the exercises of `cxrtutor/checks/measuring_localization.py`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from answers.helpers import ious_of


def common(a, b, least=0):
    return np.prod([max(min(a[i] + a[i + 2], b[i] + b[i + 2]) - max(a[i], b[i]), least) for i in (0, 1)])


def iou_of_boxes(a, b, least=0):
    return common(a, b, least) / (a[2] * a[3] + b[2] * b[3] - common(a, b, least))


def over_rule(ious, masks, truths, over, neither):
    """The three rules, but a pair without lesion and mask scores `neither` over all."""
    there, marked = truths.any((1, 2)), masks.any((1, 2))
    if over == "all":
        return np.nan_to_num(ious, nan=neither).mean()
    return ious[there if over == "positives" else there & marked].mean()


def corners_mistaken(box):
    """The box that one sees who takes width and height for the far corner."""
    return (box[0], box[1], box[2] - box[0], box[3] - box[1])


WRONG = {
    "mean_over": [
        (lambda masks, truths, over: np.mean(ious_of(masks, truths)), "NaN"),
        (lambda masks, truths, over: ious_of(masks, truths)[masks.any((1, 2)) & truths.any((1, 2))].mean(), "miss"),
        (lambda masks, truths, over: np.nanmean(ious_of(masks, truths)), "without a lesion"),
        (lambda masks, truths, over: ious_of(masks, truths)[truths.any((1, 2))].mean(), "only if neither"),
        (lambda masks, truths, over: over_rule(ious_of(masks, truths), masks, truths, over, neither=0.0), "leaves"),
        (lambda masks, truths, over: over_rule(ious_of(masks, truths), masks, truths, over, neither=1.0), "kind"),
        (
            lambda masks, truths, over: ious_of(masks, truths)[
                truths.any((1, 2)) & (masks.any((1, 2)) | (over != "true positives"))
            ].mean(),
            "as well",
        ),
    ],
    "shifted_square_iou": [
        (lambda side, shift: max(side - shift, 0) / side, "still covered"),
        (lambda side, shift: (side - shift) ** 2 / (2 * side**2 - (side - shift) ** 2), "moved down"),
        (lambda side, shift: (side - shift) / (side + shift), "less than 0"),
        (lambda side, shift: abs(side - shift) / (side + shift), "shares nothing"),
    ],
    "box_iou": [
        (lambda a, b: common(a, b) / (a[2] * a[3] + b[2] * b[3]), "twice"),
        (lambda a, b: 2 * common(a, b) / (a[2] * a[3] + b[2] * b[3]), "Dice"),
        (lambda a, b: iou_of_boxes(corners_mistaken(a), corners_mistaken(b)), "corner"),
        (lambda a, b: iou_of_boxes(a, b, least=-np.inf), "negative"),
    ],
    "macro_mean": [
        (lambda values, names: np.mean([values[names == name].mean() for name in set(names)]), "made everything NaN"),
        (lambda values, names: np.nanmean(values), "micro"),
        (lambda values, names: np.mean([np.nan_to_num(values)[names == name].mean() for name in set(names)]), "miss"),
        (
            lambda values, names: sum(np.nanmean(values[names == n]) for n in ("heart", "nodule")) / len(set(names)),
            "without a defined sample",
        ),
    ],
    "paired_interval": [
        (lambda a, b, draws: np.quantile((b - a)[draws].mean(axis=1), [0.025, 0.975]), "signs"),
        (
            lambda a, b, draws: np.subtract(*(np.quantile(x[draws].mean(axis=1), [0.025, 0.975]) for x in (a, b))),
            "cannot be subtracted",
        ),
        (lambda a, b, draws: np.quantile((a - b)[draws].mean(axis=1), [0.05, 0.95]), "90 %"),
        (lambda a, b, draws: np.quantile(a - b, [0.025, 0.975]), "spread of patients"),
    ],
}


def film_by_film(masks, truths, over):
    counts = {"positives": lambda m, t: t, "true positives": lambda m, t: m and t, "all": lambda m, t: m or t}[over]
    pairs = [(m, t) for m, t in zip(masks, truths, strict=True) if counts(m.any(), t.any())]
    return sum((m & t).sum() / (m | t).sum() for m, t in pairs) / len(pairs)


def by_pixels(side, shift):
    lesion, mask = set(range(side)), set(range(shift, side + shift))
    return len(lesion & mask) / len(lesion | mask)


def by_span(a, b):
    """On each axis: what both lengths together have more than the way from the first edge to the last."""
    shared = [a[k + 2] + b[k + 2] - (max(a[k] + a[k + 2], b[k] + b[k + 2]) - min(a[k], b[k])) for k in (0, 1)]
    area = shared[0] * shared[1] if min(shared) > 0 else 0
    return area / (a[2] * a[3] + b[2] * b[3] - area)


ALSO_RIGHT = {
    "mean_over": film_by_film,
    "shifted_square_iou": by_pixels,
    "box_iou": by_span,
    "macro_mean": lambda values, categories: pd.Series(values).groupby(categories).mean().mean(),
    "paired_interval": lambda a, b, draws: np.percentile([a[d].mean() - b[d].mean() for d in draws], (2.5, 97.5)),
}
