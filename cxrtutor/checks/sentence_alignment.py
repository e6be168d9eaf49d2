"""Exercises of `10-sentence-alignment`."""

from __future__ import annotations

import numpy as np

from cxrtutor.checks.comparing import as_array, same
from cxrtutor.checks.formulas import cosine_of, log_sum_exp, softmax
from cxrtutor.checks.judging import exercise


@exercise(right=lambda t1, n: np.exp(t1) / (np.exp(t1) + n - 1), inputs=[(4.0, 256), (0.0, 4), (9.0, 361)])
def attention_ceiling(answer):
    """Sentence alignment: the most attention that one of n regions can receive."""
    given = answer(4.0, 256)
    yield same(given, np.exp(4) / (np.exp(4) + 256)), "You count 256 *other* regions. The winner is one of the 256."
    yield (
        same(given, np.exp(4) / (256 * np.exp(4))),
        "There all regions have the share 1. Only one of them can win all.",
    )
    yield same(given, np.exp(4) / (np.exp(4) + 0)), "The others have a share of 0, and $e^0$ is not 0."
    yield same(given, 4 / (4 + 255)), "A softmax weighs exponentials."


@exercise(
    right=lambda cosines, t2: log_sum_exp(t2 * cosines) - np.log(len(cosines)),
    inputs=[(np.array([0.9, 0.2, -0.1]), 5.0), (np.array([0.4]), 5.0), (np.array([1.0, 0.5] * 4), 900.0)],
)
def mean_similarity(answer):
    """Sentence alignment: a report's score that does not grow when everything is said twice."""
    cosines, t2 = np.array([0.9, 0.2, -0.1]), 5.0
    given, summed = answer(cosines, t2), log_sum_exp(t2 * cosines)
    yield same(given, summed), "Say everything twice and yours rises by $\\ln 2$. That is the sum."
    yield same(given, summed / 3), "You divide the logarithm. Divide what it is taken of, or subtract $\\ln n$."
    yield same(given, t2 * cosines.mean()), "That is the mean of the cosines: a best sentence no longer counts most."
    yield same(given, (summed - np.log(3)) / t2), "You divide by $t_2$ at the end, which GLoRIA's formula does not."
    large = answer(np.array([1.0, 0.5] * 4), 900.0)
    yield (
        not np.isfinite(as_array(large)).all(),
        "Right for small numbers; $e^{900}$ overflows. Subtract the largest first.",
    )


@exercise(
    right=lambda scores, mask: softmax(np.where(mask[:, None], scores, -np.inf)),
    inputs=[
        (np.array([[1.0, 0.0], [0.5, -1.0], [0.0, 0.0]]), np.array([True, True, False])),
        (np.array([[1.0, 0.0, 3.0], [0.5, -1.0, 2.0]]), np.array([True, True])),
        (np.array([[-60.0, -50.0], [7.0, 9.0]]), np.array([True, False])),
    ],
)
def masked_shares(answer):
    """Sentence alignment: how regions share themselves out among the real sentences of a padded report."""
    scores, mask = np.array([[1.0, 0.0], [0.5, -1.0], [0.0, 0.0]]), np.array([True, True, False])
    given, zeroed = as_array(answer(scores, mask)), softmax(scores)
    yield same(given, zeroed), "The padding takes its part: a score of 0 is not nothing, $e^0=1$."
    yield (
        same(given, zeroed * mask[:, None]),
        "Padding gets nothing now, but a region no longer gives out 1. Mask *before* the softmax.",
    )
    yield (
        same(given, np.where(mask[:, None], softmax(scores.T).T, 0.0)),
        "You let a sentence choose among regions. Here a region chooses among sentences.",
    )
    yield np.isnan(as_array(given)).any(), "There is a NaN. Was minus infinity multiplied by 0?"


@exercise(
    right=lambda regions, attention, sentence: cosine_of(attention @ regions, sentence),
    inputs=[
        (np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([0.25, 0.75]), np.array([1.0, 2.0])),
        (np.array([[1.0, 0.0, 1.0], [0.0, -1.0, 3.0], [0.5, 0.5, 0.0]]), np.array([0.2, 0.3, 0.5]), np.ones(3)),
    ],
)
def context_fit(answer):
    """Sentence alignment: the cosine of a sentence with the regions that it attends to."""
    regions, attention, sentence = context_fit.inputs[0]
    given, context = answer(regions, attention, sentence), attention @ regions
    cosines = np.array([cosine_of(region, sentence) for region in regions])
    yield same(given, attention @ cosines), "That is the mean of the cosines. Wanted is the cosine of the mean."
    yield same(given, context @ sentence), "A dot product grows with the lengths. Divide by both."
    yield (
        same(given, cosine_of(regions.mean(axis=0), sentence)),
        "Your answer looks everywhere alike: use the attention.",
    )
    yield same(given, context), "That is the context. How well does the sentence fit it?"
