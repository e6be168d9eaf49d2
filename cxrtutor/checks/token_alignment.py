"""Exercises of `12-token-alignment`."""

from __future__ import annotations

import numpy as np

from cxrtutor.checks.comparing import same
from cxrtutor.checks.formulas import softmax
from cxrtutor.checks.judging import exercise


@exercise(
    right=lambda word, regions, a: _length_one(softmax(regions @ word / a) @ regions),
    inputs=[
        (np.array([0.6, 0.8]), np.array([[1.0, 0.0], [0.0, 1.0], [0.6, -0.8]]), 0.5),
        (np.array([1.0, 0.0]), np.array([[0.8, 0.6], [0.0, 1.0]]), 0.1),
    ],
)
def token_context(answer):
    """Words and regions of one study: what a word gathers from the regions of its film."""
    word, regions, a = token_context.inputs[0]
    given, cosines = answer(word, regions, a), regions @ word
    gathered = softmax(cosines / a) @ regions
    yield same(given, gathered), "Right but for its length: what is gathered is normalised once more."
    yield same(given, _length_one(softmax(cosines * a) @ regions)), "This temperature *divides*."
    yield same(given, _length_one(softmax(cosines) @ regions)), "Your answer does not hear of the temperature."
    yield same(given, _length_one(cosines @ regions)), "Shares sum to one: a softmax makes them of the cosines."
    yield same(given, regions[cosines.argmax()]), "That is the best region alone. The others count too, if less."


@exercise(
    right=lambda attention: _shared_out(np.clip(attention, *np.quantile(attention, [0.1, 0.9]))),
    inputs=[
        (np.array([0.02, 0.4, 0.05, 0.08, 0.1]),),
        (np.array([0.3, 0.3, 0.3]),),
        (np.array([0.0, 0.01, 0.2, 0.03, 0.04, 0.6]),),
    ],
)
def token_weights(answer):
    """Words and regions of one study: from [CLS] attention to the weights of a report's words."""
    (attention,) = token_weights.inputs[0]
    given, (low, high) = answer(attention), np.quantile(attention, [0.1, 0.9])
    clipped = np.clip(attention, low, high)
    inner = np.where((attention >= low) & (attention <= high), attention, 0.0)
    yield same(given, _shared_out(attention)), "One word may still have nearly all: clip first."
    yield same(given, clipped), "Clipped, but their sum is not one."
    yield same(given, np.clip(_shared_out(attention), low, high)), "Clip, *then* share out."
    yield same(given, _shared_out(inner)), "To clip is to move what lies outside to the limit, not to drop it."
    yield same(given, _shared_out(np.minimum(attention, high))), "There is a lower limit too."


@exercise(
    right=lambda table, weights: float(weights @ (_row_costs(table) + _row_costs(table.T)) / 2),
    inputs=[
        (np.array([[2.0, 0.5, 1.0], [0.0, 1.0, 3.0], [1.0, -1.0, 0.5]]), np.array([0.5, 0.3, 0.2])),
        (np.array([[1.0, 4.0], [0.0, 1.0]]), np.array([0.5, 0.5])),
        (np.array([[1000.0]]), np.array([1.0])),
    ],
)
def token_choice(answer):
    """Words and regions of one study: the weighted cost of a table in which every token looks for itself."""
    table, weights = token_choice.inputs[0]
    given, rows, columns = answer(table, weights), _row_costs(table), _row_costs(table.T)
    yield same(given, weights @ rows), "The rows have paid. What do the columns pay?"
    yield same(given, weights @ columns), "The columns have paid. What do the rows pay?"
    yield same(given, weights @ (rows + columns)), "Both ways are *halved* here."
    yield same(given, np.mean(rows + columns) / 2), "Every token counted alike: the weights are missing."
    yield same(given, -weights @ (rows + columns) / 2), "A cost is never negative: a sign got lost."


@exercise(
    right=lambda table: float(np.mean(_others(table) < np.diag(table)[None])),
    inputs=[
        (np.array([[5.0, 3.0, 6.0, 8.0], [1.0, 4.0, 1.0, 9.0], [2.0, 7.0, 5.0, 3.0], [3.0, 5.0, 2.0, 6.0]]),),
        (np.array([[1.0, 5.0], [0.0, 6.0]]),),
    ],
)
def stranger_share(answer):
    """Words and regions of one study: how many strangers' films fit a report worse than its own."""
    (table,) = stranger_share.inputs[0]
    given, own = answer(table), np.diag(table)
    yield same(given, np.mean(table < own[None])), "Leave a report's own film out: it is no stranger."
    yield same(given, np.mean(_others(table.T) < own[None])), "You let films choose among reports. Films lie in rows."
    yield same(given, np.mean(_others(table) > own[None])), "That is the share of strangers that fit *better*."
    yield (
        same(given, np.mean(table.argmax(axis=0) == np.arange(len(table)))),
        "That is how often the own film is *best*.",
    )


def _length_one(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def _shared_out(values: np.ndarray) -> np.ndarray:
    return values / values.sum()


def _row_costs(table: np.ndarray) -> np.ndarray:
    """What each row pays to choose its own column."""
    return np.logaddexp.reduce(table, axis=1) - np.diag(table)


def _others(table: np.ndarray) -> np.ndarray:
    """Every column without the element on the diagonal."""
    return np.stack([np.delete(column, k) for k, column in enumerate(table.T)], axis=1)
