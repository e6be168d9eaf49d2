"""Exercises of `18-segmentation-and-detection`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cxrtutor.checks.comparing import as_array, same
from cxrtutor.checks.judging import exercise


@exercise(
    right=lambda right, lesions: _boxes_precision(right, lesions),
    inputs=[
        (np.array([1, 0, 0, 1, 1]), 4),
        (np.array([0, 1]), 2),
        (np.array([1, 1]), 2),
        (np.array([0, 0]), 3),
    ],
    fresh=lambda draws: _some_boxes(draws),
)
def boxes_precision(answer):
    """Segmentation and detection: COCO's average precision of ranked boxes."""
    right, lesions = arguments = boxes_precision.inputs[0]
    given = answer(*arguments)
    found = np.cumsum(right)
    precision = found / np.arange(1, len(right) + 1)
    at_hits = precision[right == 1]
    yield (
        same(given, at_hits.mean()) or same(given, _boxes_precision(right, int(found[-1]))),
        "Recall is of *all* lesions, also of those that no box found.",
    )
    yield (
        same(given, _boxes_precision(right, lesions, onwards=False)),
        "Between recalls of ¼ and ½, 2/4 is not the best: who goes on to rank 5 has 3/5.",
    )
    yield (
        same(given, at_hits.sum() / lesions) or same(given, np.maximum.accumulate(at_hits[::-1]).sum() / lesions),
        "Close: COCO takes the mean over the 101 recalls 0, .01, …, 1.",
    )
    yield same(given, precision.mean()), "That is the mean over ranks. Take it over recalls."


_QUARTERS = np.zeros((8, 8), bool)
_QUARTERS[:3, :3] = True  # more than half of a cell, and its middle
_QUARTERS[:2, 4:] = True  # half of a cell
_QUARTERS[4:, :4] = True  # all of one
_QUARTERS[5:7, 5:7] = True  # the middle of one


@exercise(
    right=lambda truth, side: _on_grid(truth, side, lambda shares: shares > 0.5),
    inputs=[
        (_QUARTERS, 4),
        (np.eye(4, 6).astype(bool) | np.eye(4, 6, 1).astype(bool), 2),
    ],
)
def on_grid(answer):
    """Segmentation and detection: the mask of whole cells that has the most pixels right."""
    truth, side = arguments = on_grid.inputs[0]
    given = answer(*arguments)
    yield np.shape(given) == (2, 2), "A value a cell. Enlarge it: as many pixels as the truth has."
    yield same(given, _on_grid(truth, side, lambda shares: shares > 0)), "One pixel is not more than half of a cell."
    yield (
        same(given, _on_grid(truth, side, lambda shares: shares == 1)),
        "A cell need not be full, only more than half.",
    )
    yield same(given, _on_grid(truth, side, lambda shares: shares >= 0.5)), "Exactly half is not *more* than half."
    sampled = truth[side // 2 :: side, side // 2 :: side]
    yield (
        same(given, sampled.repeat(side, axis=0).repeat(side, axis=1)),
        "You looked at one pixel of each cell. Take the mean over all of them.",
    )


@exercise(right=lambda margin: 1 / (1 + 2 * margin) ** 2, inputs=[(0.1,), (0.25,), (0.0,)])
def margin_iou(answer):
    """Segmentation and detection: the IoU of a box with itself and a margin."""
    given = answer(0.1)
    yield same(given, 1 / 1.1**2), "There is a margin on both sides: the width grows by twice the share."
    yield same(given, 1 / 1.2), "Not only the width grows, the height does too."
    yield same(given, 1.2**2), "Above 1? The box lies inside: smaller area over larger."
    yield same(given, 2 / (1 + 1.2**2)), "That is the Dice coefficient. IoU divides by the union alone."


@exercise(
    right=lambda masks, truths: _dices(masks, truths)[truths.any(axis=(1, 2))].mean(),
    inputs=[
        (
            np.array([[[1, 1], [0, 0]], [[0, 0], [0, 0]], [[0, 1], [0, 0]], [[1, 1], [1, 1]]], dtype=bool),
            np.array([[[1, 0], [1, 0]], [[0, 0], [0, 0]], [[0, 0], [0, 0]], [[1, 1], [1, 0]]], dtype=bool),
        ),
        (np.zeros((2, 2, 2), bool), np.ones((2, 2, 2), bool)),
    ],
    fresh=lambda draws: _some_masks(draws),
)
def dice_over_films(answer):
    """Segmentation and detection: mean Dice over the films that have something to find."""
    masks, truths = arguments = dice_over_films.inputs[0]
    with np.errstate(invalid="ignore"):
        given = answer(*arguments)
    dices, there = _dices(masks, truths), truths.any(axis=(1, 2))
    both, areas = (masks & truths).sum(), masks.sum() + truths.sum()
    yield bool(np.isnan(as_array(given)).any()), "A film with nothing to find is 0/0. Leave it out first."
    yield (
        same(given, np.where(there | masks.any(axis=(1, 2)), dices, 1).mean()),
        "Silence on a healthy film counted as 1. Then it wins wherever most films are healthy.",
    )
    yield same(given, dices.mean()), "Healthy films counted as 0. They have nothing to find, so leave them out."
    of_those = masks[there].sum() + truths[there].sum()
    yield (
        same(given, 2 * both / areas) or same(given, 2 * both / of_those),
        "You counted all pixels together: the largest lesion decides. One Dice a film, then the mean.",
    )
    yield same(given, (dices / (2 - dices))[there].mean()), "That is the IoU. Dice counts the common pixels twice."


def _some_boxes(draws: np.random.Generator) -> tuple[np.ndarray, int]:
    """Six, and as many lesions as are found or more."""
    right = draws.integers(2, size=6)
    return right, max(1, int(right.sum() + draws.integers(3)))


def _boxes_precision(right: np.ndarray, lesions: int, onwards: bool = True) -> float:
    """COCO's; without `onwards`, of each recall the precision at which it is first reached."""
    found = np.cumsum(right)
    precision, recall = found / np.arange(1, len(right) + 1), found / lesions
    best = np.maximum.accumulate(precision[::-1])[::-1] if onwards else precision
    return float(np.append(best, 0.0)[np.searchsorted(recall, np.linspace(0, 1, 101))].mean())


def _some_masks(draws: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Of five films, the first with something to find, and of the others most."""
    masks, truths = draws.random((2, 5, 2, 2)) < 0.3
    truths[0, 0, 0] = True
    return masks, truths


def _on_grid(truth: np.ndarray, side: int, belongs: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    rows, columns = truth.shape
    shares = truth.reshape(rows // side, side, columns // side, side).mean(axis=(1, 3))
    return belongs(shares).repeat(side, axis=0).repeat(side, axis=1)


def _dices(masks: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Film by film; 0 where there is nothing at all."""
    both, areas = (masks & truths).sum(axis=(1, 2)), masks.sum(axis=(1, 2)) + truths.sum(axis=(1, 2))
    return 2 * both / np.maximum(areas, 1)
