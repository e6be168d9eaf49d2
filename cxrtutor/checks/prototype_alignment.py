"""Exercises of `13-prototype-alignment`."""

from __future__ import annotations

import numpy as np

from cxrtutor.checks.comparing import as_array, same
from cxrtutor.checks.formulas import entropy, softmax
from cxrtutor.checks.judging import exercise


@exercise(
    right=lambda table: _rows_of_sum_one(_rows_of_sum_one(np.asarray(table).T).T),
    inputs=[
        (np.array([[12.0, 1.0, 1.0], [6.0, 1.0, 4.0], [3.0, 2.0, 1.0], [3.0, 1.0, 2.0]]),),
        (np.array([[1.0, 2.0], [3.0, 5.0]]),),
        (np.array([[4.0, 1.0, 3.0]]),),
    ],
)
def sinkhorn_round(answer):
    """Prototypes: one round of Sinkhorn's algorithm, columns first, then rows."""
    (table,) = sinkhorn_round.inputs[0]
    given, columns = answer(table), _rows_of_sum_one(table.T).T
    yield same(given, columns), "Columns are done. What do the rows sum to?"
    yield same(given, _rows_of_sum_one(table)), "That is each study by itself. Take out first how popular a column is."
    yield same(given, _rows_of_sum_one(_rows_of_sum_one(table).T).T), "Rows first, then columns: the other way round."
    once = table / table.sum(axis=0) / table.sum(axis=1)[:, None]
    yield same(given, once), "The rows' sums have changed once columns are done. Sum them again."


@exercise(
    right=lambda film_scores, report_scores, film_codes, report_codes, tau: (
        (_coded_cost(film_codes, report_scores / tau) + _coded_cost(report_codes, film_scores / tau)) / 2
    ),
    inputs=[
        (
            np.array([[0.5, -0.2, 0.1], [0.0, 0.3, 0.2], [0.4, 0.4, -0.1]]),
            np.array([[0.4, 0.1, -0.3], [0.2, -0.1, 0.6], [0.1, 0.5, 0.2]]),
            np.array([[0.8, 0.1, 0.1], [0.1, 0.6, 0.3], [0.4, 0.5, 0.1]]),
            np.array([[0.6, 0.3, 0.1], [0.2, 0.1, 0.7], [0.1, 0.7, 0.2]]),
            0.2,
        ),
        (np.array([[0.9, -0.9]]), np.array([[0.1, 0.2]]), np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]]), 0.05),
        (np.array([[0.9, -0.9]]), np.array([[0.9, -0.8]]), np.array([[0.9, 0.1]]), np.array([[0.5, 0.5]]), 0.001),
    ],
)
def swapped_loss(answer):
    """Prototypes: each side's codes are predicted by the other side."""
    films, reports, film_codes, report_codes, tau = arguments = swapped_loss.inputs[0]
    given, wanted = answer(*arguments), swapped_loss.right(*arguments)
    unswapped = (_coded_cost(film_codes, films / tau) + _coded_cost(report_codes, reports / tau)) / 2
    yield same(given, unswapped), "You let each side predict its own code. The point is the swap."
    yield same(given, 2 * wanted), "That is the sum of both. Here it is halved."
    yield same(given, len(films) * wanted), "Twice the studies, twice the loss? Take the mean over studies."
    yield (
        same(given, wanted / films.shape[1]),
        "A study's cross-entropy is a *sum* over prototypes; the mean is over studies.",
    )
    yield (
        same(given, answer(films, reports, film_codes, report_codes, 2 * tau)),
        "Your loss does not change when tau does.",
    )
    yield same(given, -wanted), "The sign: logarithms of shares are negative, and a cost is not."
    yield (
        not np.isfinite(as_array(answer(*swapped_loss.inputs[2]))).all(),
        "Right at tau = 0.2, but no number at 0.001. Is there a function that does softmax and logarithm at once?",
    )


@exercise(
    right=lambda cosines, stories, own, tau: _mistaken(cosines, stories, own, tau),
    inputs=[
        (np.array([0.7, 0.6, 0.1, 0.5, 0.3]), np.array([2, 1, 2, 2, 0]), 0, 0.1),
        (np.array([0.2, 0.9, 0.3]), np.array([0, 0, 1]), 1, 0.5),
        (np.array([0.2, 0.9, 0.3]), np.array([0, 1, 2]), 1, 0.5),
    ],
)
def mistaken_push(answer):
    """Prototypes: of what the loss pushes away from one film, the share that falls on its own story."""
    cosines, stories, own, tau = arguments = mistaken_push.inputs[0]
    given, weights = answer(*arguments), softmax(cosines / tau)
    alike = stories == stories[own]
    yield same(given, weights[alike].sum()), "The film's own report is pulled, not pushed. Leave it out."
    others = alike & (np.arange(len(stories)) != own)
    yield (
        same(given, weights[others].sum()),
        "A share of all that is *pushed*: the own report is in your softmax still.",
    )
    yield same(given, others.sum() / (len(stories) - 1)), "That is the share of reports. How hard is each pushed?"
    yield same(given, answer(cosines, stories, own, 2 * tau)), "Your share does not change when tau does."
    yield same(given, 1 - _mistaken(*arguments)), "That is the share of the *other* stories."


@exercise(
    right=lambda codes: float(np.exp(entropy(np.asarray(codes).mean(axis=0)))),
    inputs=[
        (np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.2, 0.2]]),),
        (np.array([[1.0, 0.0], [1.0, 0.0]]),),
        (np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),),
    ],
)
def kinds_in_use(answer):
    """Prototypes: how many are in use, by the entropy of the mean code."""
    (codes,) = kinds_in_use.inputs[0]
    given, mean = answer(codes), codes.mean(axis=0)
    yield same(given, entropy(mean)), "That is the entropy. How many even shares would have it?"
    yield (
        same(given, np.exp(np.mean([entropy(code) for code in codes]))),
        "You ask how much each *single* code hesitates. First the mean code, then its entropy.",
    )
    yield same(given, 2 ** entropy(mean)), "Base and logarithm must agree: two with base 2, e with the natural one."
    yield same(given, np.exp(-entropy(mean))), "The sign: more kinds in use, a larger number."
    yield (
        not np.isfinite(as_array(answer(kinds_in_use.inputs[1][0]))).all(),
        "A kind that nobody uses has share 0, and 0 times its logarithm counts as 0.",
    )


def _rows_of_sum_one(table: np.ndarray) -> np.ndarray:
    return table / table.sum(axis=1, keepdims=True)


def _coded_cost(codes: np.ndarray, scores: np.ndarray) -> float:
    """The mean cross-entropy of codes with the softmax of scores."""
    logarithms = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
    return float(-(codes * logarithms).sum(axis=1).mean())


def _mistaken(cosines: np.ndarray, stories: np.ndarray, own: int, tau: float) -> float:
    others = np.arange(len(stories)) != own
    return float(softmax(cosines[others] / tau)[stories[others] == stories[own]].sum())
