"""Answers to the exercises of `cxrtutor/checks/segmentation_and_detection.py`."""

from __future__ import annotations

import numpy as np
from answers.helpers import ious_of
from sklearn.metrics import f1_score


def shares_right(right):
    """At every rank, the share of boxes so far that are right."""
    return np.cumsum(right) / np.arange(1, len(right) + 1)


def coco_precision(right, lesions, best=max):
    """Mean over 101 recalls of the `best` of the precisions from where each is reached; 0 where it is not."""
    reached = [shares_right(right)[np.cumsum(right) / lesions >= recall] for recall in np.linspace(0, 1, 101)]
    return np.mean([best(here) if len(here) else 0 for here in reached])


def cells_of(truth, side):
    rows, columns = truth.shape
    return truth.reshape(rows // side, side, columns // side, side).swapaxes(1, 2)


def in_pixels(cells, side):
    return cells.repeat(side, axis=0).repeat(side, axis=1)


def dice_or(nothing, mask, truth):
    """Dice of one film, or `nothing` where there is nothing to find and nothing was found."""
    areas = mask.sum() + truth.sum()
    return 2 * (mask & truth).sum() / areas if areas else nothing


WRONG = {
    "boxes_precision": [
        (lambda right, lesions: coco_precision(right, np.sum(right)), "*all* lesions"),
        (lambda right, lesions: coco_precision(right, lesions, best=lambda here: here[0]), "goes on to rank 5"),
        (lambda right, lesions: (shares_right(right) * right).sum() / lesions, "101 recalls"),
        (lambda right, lesions: shares_right(right).mean(), "mean over ranks"),
    ],
    "on_grid": [
        (lambda truth, side: cells_of(truth, side).mean(axis=(2, 3)) > 0.5, "value a cell"),
        (lambda truth, side: in_pixels(cells_of(truth, side).any(axis=(2, 3)), side), "One pixel"),
        (lambda truth, side: in_pixels(cells_of(truth, side).all(axis=(2, 3)), side), "need not be full"),
        (lambda truth, side: in_pixels(cells_of(truth, side).mean(axis=(2, 3)) >= 0.5, side), "Exactly half"),
        (lambda truth, side: in_pixels(truth[side // 2 :: side, side // 2 :: side], side), "one pixel of each cell"),
    ],
    "margin_iou": [
        (lambda margin: 1 / (1 + margin) ** 2, "on both sides"),
        (lambda margin: 1 / (1 + 2 * margin), "the height does too"),
        (lambda margin: (1 + 2 * margin) ** 2, "smaller area over larger"),
        (lambda margin: 2 / (1 + (1 + 2 * margin) ** 2), "That is the Dice"),
    ],
    "dice_over_films": [
        (lambda masks, truths: np.mean([dice_or(np.nan, *one) for one in zip(masks, truths, strict=True)]), "is 0/0"),
        (lambda masks, truths: np.mean([dice_or(1, *one) for one in zip(masks, truths, strict=True)]), "Silence"),
        (lambda masks, truths: np.mean([dice_or(0, *one) for one in zip(masks, truths, strict=True)]), "counted as 0"),
        (lambda masks, truths: 2 * (masks & truths).sum() / (masks.sum() + truths.sum()), "pixels together"),
        (lambda masks, truths: np.mean(ious_of(masks, truths)[truths.any(axis=(1, 2))]), "That is the IoU"),
    ],
}


def cell_by_cell(truth, side):
    mask = np.zeros_like(truth)
    for row in range(0, len(truth), side):
        for column in range(0, truth.shape[1], side):
            cell = np.s_[row : row + side, column : column + side]
            mask[cell] = 2 * truth[cell].sum() > truth[cell].size
    return mask


ALSO_RIGHT = {
    "boxes_precision": coco_precision,
    "on_grid": cell_by_cell,
    "margin_iou": lambda margin: 1 / (1 + 4 * margin + 4 * margin**2),
    "dice_over_films": lambda masks, truths: np.mean(
        [f1_score(truth.ravel(), mask.ravel()) for mask, truth in zip(masks, truths, strict=True) if truth.any()]
    ),
}
