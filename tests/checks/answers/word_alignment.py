"""Answers to the exercises of `cxrtutor/checks/word_alignment.py`."""

from __future__ import annotations

import numpy as np
from answers.helpers import cosine_of
from scipy.special import logsumexp, softmax
from scipy.stats import entropy

WRONG = {
    "word_shares": [
        (lambda regions, words: softmax(regions @ words.T, axis=0), "over the *regions*"),
        (lambda regions, words: softmax(words @ regions.T, axis=0), "axes"),
        (lambda regions, words: regions @ words.T / (regions @ words.T).sum(axis=1, keepdims=True), "Exponentials"),
        (
            lambda regions, words: softmax(
                [[cosine_of(region, word) for word in words] for region in regions],
                axis=1,
            ),
            "cosines",
        ),
        (lambda regions, words: softmax(4 * regions @ words.T, axis=1), "second softmax"),
    ],
    "report_score": [
        (lambda cosines, t2: logsumexp(t2 * cosines) / t2, "in front of the logarithm"),
        (lambda cosines, t2: np.log(np.mean(np.exp(t2 * cosines))), "*mean*"),
        (lambda cosines, t2: t2 * cosines.max(), "best word alone"),
        (lambda cosines, t2: np.exp(t2 * cosines).sum(), "logarithm is missing"),
        (lambda cosines, t2: float("inf") if t2 > 100 else np.log(np.exp(t2 * cosines).sum()), "overflows"),
    ],
    "effective_regions": [
        (lambda attention: entropy(attention), "That is the entropy"),
        (lambda attention: np.exp(-entropy(attention)), "sign"),
        (lambda attention: np.exp(entropy(attention, base=2)), "base 2"),
        (lambda attention: 1 / attention.max(), "largest alone"),
        (lambda attention: (attention > 0).sum(), "crumb"),
        (lambda attention: np.exp(entropy(attention)) if attention.all() else np.nan, "gives NaN"),
    ],
    "word_mask": [
        (lambda reports, columns: np.arange(columns) < [[len(text)] for text in reports], "characters"),
        (lambda reports, columns: np.arange(columns) <= [[len(text.split())] for text in reports], "One too many"),
        (lambda reports, columns: np.arange(columns) >= [[len(text.split())] for text in reports], "padding"),
        (lambda reports, columns: np.arange(columns)[:, None] < [len(text.split()) for text in reports], "One row"),
        (lambda reports, columns: np.arange(columns) < [[len(text.split(" "))] for text in reports], "empty report"),
    ],
}


ALSO_RIGHT = {
    "word_shares": lambda regions, words: softmax(regions @ words.T, axis=1),
    "report_score": lambda cosines, t2: logsumexp(t2 * cosines),
    "effective_regions": lambda attention: np.exp(entropy(attention)),
    "word_mask": lambda reports, columns: [[k < len(report.split()) for k in range(columns)] for report in reports],
}

IN_OTHER_TYPES = {
    "word_shares": lambda regions, words: (regions @ words.T).softmax(dim=1),
    "report_score": lambda cosines, t2: (t2 * cosines).logsumexp(0),
}
