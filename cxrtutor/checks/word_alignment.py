"""Exercises of `09-word-alignment`."""

from __future__ import annotations

import numpy as np

from cxrtutor.checks.comparing import as_array, same
from cxrtutor.checks.drawing import FINDINGS
from cxrtutor.checks.formulas import entropy, log_sum_exp, softmax
from cxrtutor.checks.judging import exercise


@exercise(
    right=lambda regions, words: _shares(regions @ words.T),
    inputs=[
        (np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]), np.array([[np.log(4), 0.0], [0.5, 1.0]])),
        (np.array([[0.0, -1.0]]), np.array([[3.0, 0.0], [0.0, 2.0], [1.0, 1.0]])),
    ],
)
def word_shares(answer):
    """Words as local units: how each region shares itself out among the words."""
    regions, words = word_shares.inputs[0]
    scores = regions @ words.T
    directions = [vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (regions, words)]
    given = answer(regions, words)
    yield same(given, softmax(scores)), "Yours sums to one over the *regions*. Each region hands out one whole."
    yield same(given, _shares(scores).T), "The numbers are right; the axes are wanted the other way round."
    yield same(given, scores / scores.sum(axis=1, keepdims=True)), "Shares of what? Exponentials come first."
    yield (
        same(given, _shares(directions[0] @ directions[1].T)),
        "Those are cosines. Here vectors keep their length.",
    )
    yield same(given, _shares(4 * scores)), "$t_1$ belongs to the second softmax, over regions."


@exercise(
    right=lambda cosines, t2: float(log_sum_exp(t2 * cosines)),
    inputs=[(np.array([0.9, 0.2, -0.4]), 5.0), (np.array([0.5]), 2.0), (np.array([0.99, 0.1]), 1000.0)],
)
def report_score(answer):
    """Words as local units: the score of a report from the cosines of its words."""
    cosines, t2 = report_score.inputs[0]
    given, right = answer(cosines, t2), log_sum_exp(t2 * cosines)
    yield same(given, right / t2), "GLoRIA has no $1/t_2$ in front of the logarithm."
    yield same(given, right - np.log(3)), "That is the variant with the *mean*. The published one sums."
    yield same(given, t2 * 0.9), "That is the best word alone. The others count too, if less."
    yield same(given, np.exp(right)), "The logarithm is missing."
    yield not np.isfinite(answer(*report_score.inputs[2])), "At $t_2=1000$ yours overflows: take the largest out first."


@exercise(
    right=lambda attention: float(np.exp(entropy(attention))),
    inputs=[
        (np.array([0.5, 0.25, 0.25]),),
        (np.full(10, 0.1),),
        (np.array([1.0, 0.0, 0.0]),),
        (np.array([0.7, 0.2, 0.1, 0.0]),),
    ],
)
def effective_regions(answer):
    """Words as local units: over how many regions an attention is spread."""
    attention = effective_regions.inputs[0][0]
    given = answer(attention)
    yield same(given, entropy(attention)), "That is the entropy. Its exponential counts regions."
    yield same(given, np.exp(-entropy(attention))), "A sign got lost: the entropy is never negative."
    yield same(given, np.exp(entropy(attention) / np.log(2))), "You mix base 2 and base $e$: use one for both steps."
    yield same(given, 1 / attention.max()), "That looks at the largest alone. Take all regions into account."
    yield same(given, 3), "You count the regions that get anything at all. A crumb is not a loaf."
    yield (
        not np.isfinite(answer(np.array([1.0, 0.0, 0.0]))),
        "A region without attention gives NaN: leave it out.",
    )


@exercise(
    right=lambda reports, columns: np.arange(columns) < np.array([len(report.split()) for report in reports])[:, None],
    inputs=[
        (["Small left effusion.", "Normal.", ""], 5),
        (["Clear lungs.", "No pneumothorax or effusion."], 4),
    ],
    fresh=lambda draws: ([_some_words(draws) for _ in range(draws.integers(2, 5))], int(draws.integers(5, 8))),
)
def word_mask(answer):
    """Words as local units: where a padded table holds a word."""
    reports, columns = word_mask.inputs[0]
    given, places = as_array(answer(reports, columns)), np.arange(columns)
    characters = np.array([len(report) for report in reports])[:, None]
    words = np.array([len(report.split()) for report in reports])[:, None]
    yield same(given, places < characters), "You counted characters. Padding would take part in the softmax."
    yield same(given, places <= words), "One too many: columns are counted from 0."
    yield same(given, places >= words), "Yours is true at the padding."
    yield given.shape == (columns, len(reports)), "One row for each report, please."
    split = np.array([len(report.split(" ")) for report in reports])[:, None]
    yield (
        same(given, places < split),
        "An empty report holds no word, but `''.split(' ')` is not empty.",
    )


def _some_words(draws: np.random.Generator) -> str:
    """None to four."""
    return " ".join(draws.permutation(FINDINGS)[: draws.integers(5)])


def _shares(scores: np.ndarray) -> np.ndarray:
    """Softmax over the words, `scores` being [regions, words]."""
    return softmax(scores.T).T
