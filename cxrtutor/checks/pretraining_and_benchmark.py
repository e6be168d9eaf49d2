"""Exercises of `20-pretraining-and-benchmark`."""

from __future__ import annotations

import numpy as np

from cxrtutor.checks.comparing import same
from cxrtutor.checks.judging import exercise

_LOGITS = np.array([[2.0, 0.5, 1.5, 0.0], [1.0, 1.2, 0.3, 0.8], [0.2, 0.9, 2.5, 1.1], [0.4, 0.1, 0.6, 1.8]])


@exercise(
    right=lambda S, parts: _cut_contrast(S, parts),
    inputs=[(_LOGITS, 2), (_LOGITS, 1), (_LOGITS, 4), (np.log(3) * np.eye(6), 3)],
)
def cut_contrast(answer):
    """Pre-training at full size: the loss of a batch of which each part contrasts its own pairs alone."""
    S, parts = cut_contrast.inputs[0]
    given = answer(S, parts)
    yield (
        same(given, _cut_contrast(S, 1)),
        "That is the loss of the whole batch. Each part may look at its own rows *and* columns alone.",
    )
    rows = np.log(np.exp(S).sum(axis=1)) - np.diag(S)
    yield (
        same(given, parts * _cut_contrast(S, parts)),
        "Summed over the parts? Take their mean: that is what processes agree on.",
    )
    yield same(given, _cut_contrast(S, parts) / 2), "Both ways are summed in this book, not averaged."
    yield (
        same(given, _cut_contrast(S, parts, columns=False)) or same(given, rows.mean()),
        "Films choose reports; now let reports choose films, too, and add.",
    )
    strided = np.mean([_cut_contrast(S[k::parts, k::parts], 1) for k in range(parts)])
    yield same(given, strided), "In order: the first part has the first pairs, not every other one."


@exercise(
    right=lambda films, cache, size: films.T @ cache,
    inputs=[
        (np.arange(15.0).reshape(5, 3), np.array([[1.0, 0.5], [0.0, 2.0], [-1.0, 1.0], [3.0, 0.0], [0.5, -2.0]]), 2),
        (np.eye(4), np.arange(8.0).reshape(4, 2), 4),
        (np.ones((3, 1)), np.array([[1.0], [2.0], [4.0]]), 1),
    ],
)
def weight_gradient(answer):
    """Pre-training at full size: from the cached gradients of vectors to that of the encoder's weights."""
    films, cache, size = weight_gradient.inputs[0]
    given = answer(films, cache, size)
    pieces = [films[k : k + size].T @ cache[k : k + size] for k in range(0, len(films), size)]
    yield same(given, cache.T @ films), "Right numbers, in rows of `dim`. The weight has `inputs` rows."
    yield same(given, pieces[-1]), "That is the last piece's alone. Add it to what the others left."
    yield same(given, np.mean(pieces, axis=0)), "A mean over the pieces? The cache has divided already: add them up."
    yield same(given, sum(pieces[:-1])), "The last piece is smaller and counts all the same."


@exercise(
    right=lambda gaps, factor: _spread_limits(gaps, factor / np.sqrt(len(gaps))),
    inputs=[
        (np.array([0.2, 0.5, 0.8]), 4.3),
        (np.array([1.0, 1.5]), 12.7),
        (np.array([-0.1, 0.3, 0.0, 0.2, 0.1]), 2.8),
    ],
)
def seed_interval(answer):
    """Pre-training at full size: Student's interval of a mean over seeds."""
    gaps, factor = seed_interval.inputs[0]
    given = answer(gaps, factor)
    yield (
        same(given, _spread_limits(gaps, factor)),
        "That says where a *single* seed may fall. A mean of n seeds varies less, by the root of n.",
    )
    yield (
        same(given, _spread_limits(gaps, factor / len(gaps))),
        "By the *root* of the number of seeds, not by the number.",
    )
    yield (
        same(given, _spread_limits(gaps, factor / np.sqrt(len(gaps)), ddof=0)),
        "Divide the squares by n - 1: the mean was taken from the same values (`ddof=1`).",
    )
    yield (
        same(given, _spread_limits(gaps, 1.96 / np.sqrt(len(gaps)))),
        "1.96 is for many seeds. So few do not tell their own deviation well; that is what `factor` is for.",
    )
    reach = factor * np.std(gaps, ddof=1) / np.sqrt(len(gaps))
    yield same(given, reach), "That is how far it reaches. Give both limits, low and high."


_CHOSEN = np.array([[0.9, 0.2, 0.5, 0.6], [0.4, 0.8, 0.6, 0.5], [0.1, 0.3, 0.7, 0.2]])
_FRESH = np.array([[0.5, 0.6, 0.4, 0.5], [0.6, 0.5, 0.7, 0.4], [0.2, 0.1, 0.3, 0.3]])


@exercise(
    right=lambda chosen, fresh: _luck(chosen, fresh, chosen.argmax(axis=0)),
    inputs=[(_CHOSEN, _FRESH), (_CHOSEN[:1], _FRESH[:1]), (_FRESH, _CHOSEN)],
)
def winners_luck(answer):
    """Pre-training at full size: how much better a winner looks where it was chosen."""
    given = answer(_CHOSEN, _FRESH)
    yield (
        same(given, _CHOSEN.max(axis=0).mean() - _FRESH.max(axis=0).mean()),
        "You let somebody else win on the fresh patients. Ask the *same* method there.",
    )
    yield same(given, -winners_luck.right(_CHOSEN, _FRESH)), "The other way round: where it was chosen, less fresh."
    yield (
        same(given, _luck(_CHOSEN, _FRESH, _FRESH.argmax(axis=0))),
        "The winner is chosen by `chosen`, not by the fresh patients.",
    )
    overall = np.full(_CHOSEN.shape[1], _CHOSEN.mean(axis=1).argmax())
    yield same(given, _luck(_CHOSEN, _FRESH, overall)), "Every draw of patients has a winner of its own."
    yield same(given, (_CHOSEN - _FRESH).mean()), "That is the mean over all methods. Only the winner is lucky."


def _cut_contrast(S: np.ndarray, parts: int, columns: bool = True) -> float:
    size = len(S) // parts
    tables = [S[k : k + size, k : k + size] for k in range(0, len(S), size)]
    ways = (1, 0) if columns else (1,)
    return float(np.mean([np.log(np.exp(T).sum(axis=way)) - np.diag(T) for way in ways for T in tables]) * len(ways))


def _spread_limits(gaps: np.ndarray, factor: float, ddof: int = 1) -> tuple[float, float]:
    mean, reach = np.mean(gaps), factor * np.std(gaps, ddof=ddof)
    return float(mean - reach), float(mean + reach)


def _luck(chosen: np.ndarray, fresh: np.ndarray, winners: np.ndarray) -> float:
    draws = np.arange(chosen.shape[1])
    return float((chosen[winners, draws] - fresh[winners, draws]).mean())
