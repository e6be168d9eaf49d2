"""Exercises of `11-multi-level-alignment`."""

from __future__ import annotations

import numpy as np

from cxrtutor.checks.comparing import as_array, same
from cxrtutor.checks.formulas import cosine_of, softmax
from cxrtutor.checks.judging import exercise


@exercise(
    right=lambda tables: float(sum(_columns_cost(S) + _columns_cost(S.T) for S in tables)),
    inputs=[
        (
            [
                np.array([[2.0, 0.5, -1.0], [0.0, 1.0, 1.5], [0.3, -0.4, 0.9]]),
                np.array([[0.2, 1.1, 0.0], [1.0, 3.0, -2.0], [0.6, 0.1, 0.4]]),
                np.array([[1.0, -1.0, 0.5], [0.7, 0.7, 0.2], [-0.3, 0.8, 2.0]]),
            ],
        ),
        ([np.zeros((2, 2))],),
    ],
)
def six_terms(answer):
    """Several levels: the loss from the tables of all levels, each asked both ways."""
    [tables] = six_terms.inputs[0]
    given, films = answer(tables), [_columns_cost(S.T) for S in tables]
    reports = [_columns_cost(S) for S in tables]
    terms = sum(films) + sum(reports)
    yield same(given, sum(films)), "Films choose among reports. Who else chooses?"
    yield same(given, sum(reports)), "Reports choose among films. Who else chooses?"
    yield same(given, terms / 2), "That is half. Both ways are *added*, not averaged."
    yield same(given, terms / 3) or same(given, terms / 6), "You average over levels. The loss is their sum."
    yield same(given, 3 * terms), "Three times as large: within one table, take the *mean* over its pairs."
    total = np.sum(tables, axis=0)
    yield (
        same(given, _columns_cost(total) + _columns_cost(total.T)),
        "You add the tables first. Each level plays a game of its own: cross-entropy first, then the sum.",
    )
    yield same(given, -terms), "The sign: a cross-entropy is the *negative* logarithm of a probability."


@exercise(
    right=lambda regions, report, t2, t3: t3 * t2 * cosine_of(regions.mean(axis=0), report),
    inputs=[
        (np.array([[2.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), np.array([1.0, 3.0]), 5.0, 10.0),
        (np.array([[0.5, -1.0, 1.0], [1.0, 0.0, 2.0]]), np.array([-1.0, 1.0, 1.0]), 2.0, 3.0),
    ],
)
def report_logit(answer):
    """Several levels: the logit of a whole report against a map, where there is nothing to choose."""
    regions, report, t2, t3 = report_logit.inputs[0]
    given, cosine = answer(regions, report, t2, t3), cosine_of(regions.mean(axis=0), report)
    cosines = np.array([cosine_of(region, report) for region in regions])
    yield same(given, t3 * t2 * cosines.mean()), "That is the mean of the cosines. Wanted is the cosine with the mean."
    yield same(given, t3 * t2 * cosines.max()), "You let the report find its best region. A single unit cannot choose."
    yield same(given, t3 * cosine), "Where did t2 go? The logarithm of $e^{t_2\\cos}$ is $t_2\\cos$."
    yield same(given, t3 * np.exp(t2 * cosine)), "Take the logarithm of that exponential before you multiply by t3."
    yield same(given, t3 * t2 * regions.mean(axis=0) @ report), "That is a dot product. Divide by both lengths."


@exercise(
    right=lambda maps, owner, sentences: np.stack([_mean_map(maps, owner == k) for k in range(sentences)]),
    inputs=[
        (np.arange(16.0).reshape(4, 2, 2) ** 2, np.array([0, 0, 1, -1]), 3),
        (np.arange(6.0).reshape(3, 1, 2), np.array([1, 0, 1]), 2),
    ],
)
def sentence_maps(answer):
    """Several levels: the map of a sentence from those of its words."""
    maps, owner, sentences = sentence_maps.inputs[0]
    given, right = as_array(answer(maps, owner, sentences)), sentence_maps.right(maps, owner, sentences)
    yield np.isnan(given).any(), "There is a NaN: a sentence without words has nothing to average. Leave it at zero."
    with_padding = right + np.where(np.arange(sentences) == sentences - 1, 1, 0)[:, None, None] * maps[3]
    yield same(given, with_padding), "Padding has landed in the last sentence: in Python, -1 means the last one."
    summed = np.stack([maps[owner == k].sum(axis=0) for k in range(sentences)])
    yield same(given, summed), "You add up. A sentence of many words should not glow for that: take the mean."
    yield (
        same(given, summed / len(owner)) or same(given, summed / 3),
        "Divide by the words of *that* sentence, not by all words.",
    )
    yield given.shape == maps.shape, "You give a map for each word. Wanted is one for each sentence."


@exercise(
    right=lambda a, b: float(np.nanmean([a[sample] - b[sample] for sample in a if sample in b])),
    inputs=[
        ({"1": 0.5, "2": 0.7, "3": np.nan, "4": 0.9}, {"1": 0.4, "2": 0.3, "3": 0.6, "5": 0.1}),
        ({"x": 1.0, "y": 0.0}, {"y": 0.5, "x": 0.0}),
    ],
)
def paired_gain(answer):
    """Several levels: the mean difference over the samples that two ways of asking have in common."""
    a, b = paired_gain.inputs[0]
    given = answer(a, b)
    yield same(given, np.nan), "One NaN has made everything NaN. Leave undefined samples out."
    yield same(given, -0.25), "The signs are turned round: that is `b - a`."
    yield same(given, 0.7 - 1.4 / 4), "Each mean is over its own samples. Compare sample by sample, on those of both."
    yield same(given, 1.3 / 4), "A sample that one side lacks counts as 0 there. Leave it out."
    yield same(given, 0.5 / 3), "You counted undefined as no difference. Leave it out of the number as well."


def _columns_cost(table: np.ndarray) -> float:
    """What reports pay on average who choose among films: softmax down the columns."""
    return float(-np.log(np.diag(softmax(table))).mean())


def _mean_map(maps: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return maps[chosen].mean(axis=0) if chosen.any() else np.zeros(maps.shape[1:])
