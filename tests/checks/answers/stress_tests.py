"""Answers to the exercises of `cxrtutor/checks/stress_tests.py`."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
from scipy.stats import mannwhitneyu

OTHER_SIDE = {"left": "right", "right": "left"}


def pairs_won(with_it, without):
    return sum(float(a > b) + float(a == b) / 2 for a in with_it for b in without)


def gaps_of(said, present, bins):
    """The gap of every bin that holds answers, and how many it holds."""
    edges = np.linspace(0, 1, bins + 1)
    within = [(said >= a) & ((said < b) | (b == 1)) for a, b in pairwise(edges)]
    return [said[w].mean() - present[w].mean() for w in within if w.any()], [w.sum() for w in within if w.any()]


def forgets_certainty(said, present, bins):
    gaps, counts = gaps_of(said[said < 1], present[said < 1], bins)
    return np.abs(gaps) @ counts / len(said)


WRONG = {
    "auroc": [
        (lambda with_it, without: (with_it[:, None] > without).mean(), "nobody's win"),
        (lambda with_it, without: (with_it[:, None] >= without).mean(), "every tie to the finding"),
        (lambda with_it, without: 1 - pairs_won(with_it, without) / (len(with_it) * len(without)), "Upside down"),
        (lambda with_it, without: pairs_won(with_it, without), "the number of pairs"),
        (lambda with_it, without: float(with_it.mean() > without.mean()), "two means"),
    ],
    "answering_threshold": [
        (lambda scores, kept: np.sort(scores)[-int(kept * len(scores))], "Rounded down"),
        (lambda scores, kept: np.sort(scores)[int(np.ceil(kept * len(scores))) - 1], "wrong end"),
        (lambda scores, kept: np.quantile(scores, kept), "most are declined"),
        (lambda scores, kept: np.quantile(scores, 1 - kept), "makes one up"),
        (lambda scores, kept: scores.min(), "answers everybody"),
    ],
    "calibration_gap": [
        (lambda said, present, bins: np.mean(np.abs(gaps_of(said, present, bins)[0])), "counts alike"),
        (lambda said, present, bins: abs(said.mean() - present.mean()), "they cancel"),
        (lambda said, present, bins: np.abs(said - present).mean(), "single answer"),
        (lambda said, present, bins: np.square(said - present).mean(), "Brier"),
        (lambda said, present, bins: forgets_certainty(said, present, bins), "exactly 1"),
    ],
    "side_parts": [
        (lambda a, b, c, d: (a + b - c - d, a + b + c + d, a - b - c + d), "Divide by four"),
        (lambda a, b, c, d: ((a + b - c - d) / 2, (a + b + c + d) / 2, (a - b - c + d) / 2), "All *four* films"),
        (lambda a, b, c, d: ((a + b + c + d) / 4, (a + b - c - d) / 4, (a - b - c + d) / 4), "one for the other"),
        (lambda a, b, c, d: ((a + b - c - d) / 4, (a + b + c + d) / 4, (a - b + c - d) / 4), "*with* the body"),
        (lambda a, b, c, d: ((a - c) / 2, (a + c) / 2, (a - b) / 2), "Use all four"),
    ],
    "swap_sides": [
        (lambda text: text.replace("left", "right").replace("right", "left"), "in one pass"),
        (lambda text: re.sub("left|right", lambda word: OTHER_SIDE[word[0]], text), "whole words"),
        (lambda text: re.sub(r"\b(left|right)\b", lambda word: OTHER_SIDE[word[0]], text), "has a capital"),
        (
            lambda text: re.sub(r"\b(left|right)\b", lambda word: OTHER_SIDE[word[0].lower()], text, flags=re.I),
            "small letter",
        ),
    ],
}


def by_histograms(said, present, bins):
    told, true = (np.histogram(said, bins, (0, 1), weights=of)[0] for of in (said, present.astype(float)))
    return np.abs(told - true).sum() / len(said)


def by_least_squares(*differences):
    signs = np.array([[1, 1, 1], [1, 1, -1], [-1, 1, -1], [-1, 1, 1]])
    return np.linalg.lstsq(signs, np.array(differences), rcond=None)[0]


def part_by_part(text):
    other = {"left": "right", "right": "left", "Left": "Right", "Right": "Left"}
    return "".join(other.get(part, part) for part in re.split(r"(\W+)", text))


ALSO_RIGHT = {
    "auroc": lambda a, b: mannwhitneyu(a, b).statistic / (len(a) * len(b)),
    "answering_threshold": lambda scores, kept: max(t for t in scores if np.mean(scores >= t) >= kept),
    "calibration_gap": by_histograms,
    "side_parts": by_least_squares,
    "swap_sides": part_by_part,
}

IN_OTHER_TYPES = {"swap_sides": lambda text: np.str_(part_by_part(text))}
