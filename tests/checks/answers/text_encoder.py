"""Answers to the exercises of `cxrtutor/checks/text_encoder.py`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from tokenizers.models import WordPiece


def longest_first(word, vocabulary, mark="##", longest=(max, max), stuck=lambda pieces: ["[UNK]"]):
    """The pieces of a word; `longest` chooses among those that fit at the beginning, and further on."""
    pieces, start = [], 0
    while start < len(word):
        lead = mark if start else ""
        fitting = [end for end in range(start + 1, len(word) + 1) if lead + word[start:end] in vocabulary]
        if not fitting:
            return stuck(pieces)
        end = longest[start > 0](fitting)
        pieces.append(lead + word[start:end])
        start = end
    return pieces


def however_possible(word, vocabulary, mark=""):
    """The pieces of a word if there is any way to spell it: goes back where it is stuck."""
    if not word:
        return []
    for end in range(len(word), 0, -1):
        rest = however_possible(word[end:], vocabulary, "##") if mark + word[:end] in vocabulary else ["[UNK]"]
        if "[UNK]" not in rest:
            return [mark + word[:end], *rest]
    return ["[UNK]"]


def added(vectors, words, marks=False):
    """The sum of each word's vectors; with `marks`, those of -1 go where -1 leads, to the last row."""
    chosen = slice(None) if marks else words >= 0
    total = np.zeros((words.max() + 1, vectors.shape[1]))
    np.add.at(total, words[chosen], vectors[chosen])
    return total


def overwritten(vectors, words):
    total = np.zeros((words.max() + 1, vectors.shape[1]))
    total[words[words >= 0]] += vectors[words >= 0]
    return total


def edges(spans, words, of):
    return np.array([of(spans[words == word]) for word in range(words.max() + 1)])


WRONG = {
    "greedy_pieces": [
        (lambda word, vocabulary: longest_first(word, vocabulary)[:1], "remaining letters"),
        (lambda word, vocabulary: longest_first(word, vocabulary, longest=(min, max)), "is longer"),
        (lambda word, vocabulary: longest_first(word, vocabulary, longest=(max, min)), "*inside* the word"),
        (
            lambda word, vocabulary: [piece.removeprefix("##") for piece in longest_first(word, vocabulary)],
            "written with `##`",
        ),
        (lambda word, vocabulary: longest_first(word, vocabulary, mark=""), "not in the vocabulary"),
        (lambda word, vocabulary: however_possible(word, vocabulary), "never goes back"),
        (lambda word, vocabulary: longest_first(word, vocabulary, stuck=lambda pieces: pieces), "*whole* word"),
    ],
    "word_means": [
        (lambda vectors, words: added(vectors, words), "That is the sum"),
        (lambda vectors, words: added(vectors, words, marks=True) / np.bincount(words % 2)[:, None], "last row"),
        (lambda vectors, words: overwritten(vectors, words), "overwrites"),
        (
            lambda vectors, words: np.stack([vectors[words == word].mean(axis=0) for word in np.unique(words)]),
            "Is -1 a word?",
        ),
        (lambda vectors, words: added(vectors, words) / len(vectors), "*all* pieces"),
    ],
    "mean_of_pieces": [
        (lambda means, counts: means.mean(axis=0), "one vote each"),
        (lambda means, counts: (means * counts[:, None]).sum(axis=0), "How many are they?"),
        (lambda means, counts: (means * counts[:, None]).mean(axis=0), "number of words"),
        (lambda means, counts: (means / counts[:, None]).mean(axis=0), "counts least"),
    ],
    "word_spans": [
        (lambda spans, words: edges(spans, words, lambda own: own[0]), "*last* piece end"),
        (lambda spans, words: edges(spans, words, lambda own: own[-1]), "*first* piece begin"),
        (lambda spans, words: edges(spans, words, lambda own: (own[0, 0], own[-1, 1] - own[0, 0])), "A length"),
        (lambda spans, words: edges(spans, words, lambda own: (own[0, 0], own[-1, 1] - 1)), "*behind* the word"),
        (
            lambda spans, words: edges(spans, words + 1, lambda own: (own[0, 0], own[-1, 1])),
            "Is -1 a word?",
        ),
        (
            lambda spans, words: edges(
                spans, np.where(words < 0, np.roll(words, 1), words), lambda own: (own[0, 0], own[-1, 1])
            ),
            "Punctuation belongs",
        ),
    ],
}


def by_the_library(word, vocabulary):
    numbered = {piece: number for number, piece in enumerate(sorted({*vocabulary, "[UNK]"}))}
    return [token.value for token in WordPiece(numbered, unk_token="[UNK]").tokenize(word)]


def first_and_last(spans, words):
    table = pd.DataFrame(spans, columns=["start", "end"])[words >= 0].groupby(words[words >= 0])
    return table.agg({"start": "min", "end": "max"}).to_numpy()


ALSO_RIGHT = {
    "greedy_pieces": by_the_library,
    "word_means": lambda vectors, words: pd.DataFrame(vectors).groupby(words).mean().loc[0:].to_numpy(),
    "mean_of_pieces": lambda means, counts: np.repeat(means, counts, axis=0).mean(axis=0),
    "word_spans": first_and_last,
}
