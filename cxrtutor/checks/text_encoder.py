"""Exercises of `05-text-encoder`."""

from __future__ import annotations

import numpy as np

from cxrtutor.checks.comparing import as_array, same
from cxrtutor.checks.judging import exercise


@exercise(
    right=lambda word, vocabulary: _longest_first(word, vocabulary),
    inputs=[
        ("nodules", frozenset({"no", "nod", "##d", "##ul", "##ule", "##e", "##s"})),
        ("edema", frozenset({"ed", "##ema", "ema", "edema"})),
        ("nodal", frozenset({"no", "nod", "##d", "##dal"})),
        ("apex", frozenset({"a", "##p", "##e", "##pe", "##x"})),
    ],
    fresh=lambda draws: _some_word(draws),
)
def greedy_pieces(answer):
    """The text encoder: a word cut into pieces, the longest first."""
    word, vocabulary = greedy_pieces.inputs[0]
    given = answer(word, vocabulary)
    yield same(given, ["no"]) or same(given, ["nod"]), "That is where the word begins. What of its remaining letters?"
    yield given[:1] == ["no"], "`no` fits, but `nod` fits too, and is longer."
    yield given[1:2] == ["##ul"], "Longest first holds *inside* the word, too."
    yield same(given, ["nod", "ule", "s"]), "A piece that goes on with a word is written with `##` before it."
    yield same(given, ["[UNK]"]), "Inside a word, look for `##` and the letters: `ule` itself is not in the vocabulary."
    stuck = answer("nodal", frozenset({"no", "nod", "##d", "##dal"}))
    yield same(stuck, ["no", "##dal"]), "You went back and tried a shorter piece. Greedy never goes back: `[UNK]`."
    yield (
        same(stuck, ["nod"]) or same(stuck, ["nod", "[UNK]"]),
        "Where one place cannot be spelled, the *whole* word is `[UNK]`.",
    )


@exercise(
    right=lambda vectors, words: np.stack([vectors[words == word].mean(axis=0) for word in range(words.max() + 1)]),
    inputs=[
        (np.array([[9.0, 9.0], [2.0, 0.0], [0.0, 1.0], [0.0, 3.0], [5.0, 7.0]]), np.array([-1, 0, 1, 1, -1])),
        (np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]), np.array([0, 0])),
    ],
)
def word_means(answer):
    """The text encoder: one vector a word, the mean of its pieces."""
    vectors, words = word_means.inputs[0]
    given, right = as_array(answer(vectors, words)), word_means.right(vectors, words)
    yield same(given, right * [[1.0], [2.0]]), "That is the sum. *Effusion* has two pieces: divide by two."
    yield (
        same(given, np.array([[2.0, 0.0], [14.0 / 4, 20.0 / 4]])),
        "Punctuation ended up in the last word: as an index, -1 is the last row.",
    )
    yield (
        same(given, np.array([[2.0, 0.0], [0.0, 3.0]])),
        "Each piece overwrites the one before: `total[words] += ...` adds once.",
    )
    yield given.shape == (3, 2), "Two words, and three rows. Is -1 a word?"
    yield (
        same(given, right * [[1.0 / 5], [2.0 / 5]]),
        "Each word is divided by the number of *all* pieces, not of its own.",
    )


@exercise(
    right=lambda means, counts: np.repeat(means, counts, axis=0).mean(axis=0),
    inputs=[
        (np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([1, 3])),
        (np.array([[1.0, 2.0, 3.0], [0.0, -1.0, 4.0], [2.0, 2.0, 2.0]]), np.array([6, 1, 2])),
    ],
)
def mean_of_pieces(answer):
    """The text encoder: the mean over all pieces, from the words' means."""
    means, counts = mean_of_pieces.inputs[0]
    given = answer(means, counts)
    yield (
        same(given, means.mean(axis=0)),
        "That is the mean of the words: one vote each. Here a word has a vote for each piece.",
    )
    yield same(given, counts @ means), "That adds up all pieces. How many are they?"
    yield same(given, counts @ means / len(means)), "You divide by the number of words. Divide by the number of pieces."
    yield (
        same(given, (means / counts[:, None]).mean(axis=0)),
        "You divide by the counts: now the longest word counts least.",
    )


@exercise(
    right=lambda spans, words: np.array(
        [[spans[words == word, 0].min(), spans[words == word, 1].max()] for word in range(words.max() + 1)]
    ),
    inputs=[
        (
            np.array([[0, 2], [2, 4], [4, 5], [6, 7], [7, 9], [9, 11], [11, 12]]),  # "edema, mild." in seven pieces
            np.array([0, 0, -1, 1, 1, 1, -1]),
        ),
        (np.array([[0, 6], [6, 7], [7, 12]]), np.array([0, -1, 1])),
        (np.array([[3, 9]]), np.array([0])),
    ],
    fresh=lambda draws: _some_pieces(draws),
)
def word_spans(answer):
    """The text encoder: where each word stands, from where its pieces stand."""
    spans, words = word_spans.inputs[0]
    given = as_array(answer(spans, words))
    yield same(given, np.array([[0, 2], [6, 7]])), "That is each word's first piece. Where does its *last* piece end?"
    yield (
        same(given, np.array([[2, 4], [9, 11]])),
        "That is each word's last piece. Where does its *first* piece begin?",
    )
    yield same(given, np.array([[0, 4], [6, 5]])), "A length where an end belongs: the second number is a place, too."
    yield (
        same(given, np.array([[0, 3], [6, 10]])),
        "The end is the first letter *behind* the word, so that `text[start:end]` is whole.",
    )
    yield given.shape == (3, 2), "Two words, and three rows. Is -1 a word?"
    yield (
        same(given, np.array([[0, 5], [6, 12]])),
        "`text[start:end]` holds the mark behind the word. Punctuation belongs to no word.",
    )


def _some_word(draws: np.random.Generator) -> tuple[str, frozenset[str]]:
    """And half of the pieces that it may be cut into; with some of them it cannot be spelled."""
    word = "".join(draws.choice([*"aeins"], size=6))
    parts = [mark + word[at : at + letters] for mark in ("", "##") for at in range(6) for letters in (1, 2, 3)]
    return word, frozenset(part for part in parts if draws.random() < 0.5)


def _some_pieces(draws: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Of a line with three words, two marks (-1), and a space before each word but the first."""
    words = np.repeat([0, -1, 1, 2, -1], draws.integers(1, 4, size=5))
    letters = draws.integers(1, 5, size=len(words))
    ends = np.cumsum(letters + (np.diff(words, prepend=0) > 0))
    return np.stack([ends - letters, ends], axis=1), words


def _longest_first(word: str, vocabulary: frozenset[str]) -> list[str]:
    pieces: list[str] = []
    start = 0
    while start < len(word):
        mark = "##" if start else ""
        ends = [end for end in range(len(word), start, -1) if mark + word[start:end] in vocabulary]
        if not ends:
            return ["[UNK]"]
        pieces.append(mark + word[start : ends[0]])
        start = ends[0]
    return pieces
