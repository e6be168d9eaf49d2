"""Exercises of `16-stress-tests`."""

from __future__ import annotations

import re

import numpy as np

from cxrtutor.checks.comparing import same
from cxrtutor.checks.drawing import sentence
from cxrtutor.checks.judging import exercise


@exercise(
    right=lambda with_it, without: ((1 + np.sign(with_it[:, None] - without)) / 2).mean(),
    inputs=[
        (np.array([3.0, 5.0, 4.0]), np.array([1.0, 2.0, 4.0, 3.0, 0.5])),
        (np.array([0.0, 0.0]), np.array([0.0, 1.0, -1.0])),
    ],
    fresh=lambda draws: (draws.integers(9, size=4) / 2, draws.integers(9, size=6) / 2),
)
def auroc(answer):
    """Stress tests: of all pairs, the share in which the patient with the finding scores higher."""
    with_it, without = arguments = auroc.inputs[0]
    given, difference = answer(*arguments), with_it[:, None] - without
    yield same(given, (difference > 0).mean()), "A tie is nobody's win, and nobody's loss. It counts half."
    yield same(given, (difference >= 0).mean()), "You give every tie to the finding. It counts half."
    yield same(given, ((1 - np.sign(difference)) / 2).mean()), "Upside down: higher is who *has* the finding."
    yield same(given, (1 + np.sign(difference)).sum() / 2), "That is the number of pairs. Which share of all is it?"
    yield (
        same(given, float(with_it.mean() > without.mean())),
        "You compared two means. Ask of every pair which of its two is higher.",
    )


@exercise(
    right=lambda scores, kept: np.sort(scores)[-int(np.ceil(kept * len(scores)))],
    inputs=[
        (np.array([9.0, 1.0, 4.0, 7.0, 2.0, 8.0, 5.0]), 0.75),
        (np.array([3.0, 1.0, 2.0]), 1.0),
        (np.array([6.0, 2.0, 5.0, 1.0]), 0.5),
    ],
)
def answering_threshold(answer):
    """Stress tests: the highest threshold at which a share of those with the finding is still answered."""
    scores, kept = arguments = answering_threshold.inputs[0]
    given, ordered = answer(*arguments), np.sort(scores)
    yield (
        same(given, ordered[-int(kept * len(scores))]),
        "Rounded down: a patient too few is answered. The share is what must *at least* be kept.",
    )
    yield (
        same(given, ordered[int(np.ceil(kept * len(scores))) - 1]),
        "From the wrong end: it is the *lowest* scores that may be lost.",
    )
    yield same(given, np.quantile(scores, kept)), "At that quantile most are declined. Which share lies *above* it?"
    yield (
        same(given, np.quantile(scores, 1 - kept)),
        "Between two patients' scores the quantile makes one up; the highest threshold is somebody's own score.",
    )
    yield same(given, ordered[0]), "That answers everybody. A higher threshold keeps enough, too."


@exercise(
    right=lambda said, present, bins: _binned_gap(said, present, bins),
    inputs=[
        (np.array([0.05, 0.15, 0.95, 1.0, 0.85, 0.12, 0.55]), np.array([0, 1, 1, 0, 1, 0, 1], bool), 5),
        (np.array([0.3, 0.35, 0.9]), np.array([0, 1, 1], bool), 2),
    ],
)
def calibration_gap(answer):
    """Stress tests: the expected calibration error."""
    said, present, bins = arguments = calibration_gap.inputs[0]
    given = answer(*arguments)
    yield (
        same(given, _binned_gap(said, present, bins, even=True)),
        "Every bin counts alike in yours. A bin with many answers counts for more.",
    )
    yield (
        same(given, abs(_binned_gap(said, present, bins, absolute=False))),
        "What one bin says too much, another says too little, and in yours they cancel. Take each gap's size first.",
    )
    yield same(given, np.abs(said - present).mean()), "A single answer cannot keep its word. Ask a bin of them."
    yield same(given, ((said - present) ** 2).mean()), "That is the Brier score, which asks for more than calibration."
    yield (
        same(given, _binned_gap(said[said < 1], present[said < 1], bins) * (said < 1).mean()),
        "A probability of exactly 1 fell out of your bins. It belongs to the last.",
    )


@exercise(
    right=lambda d00, d01, d10, d11: (
        (d00 + d01 - d10 - d11) / 4,
        (d00 + d01 + d10 + d11) / 4,
        (d00 - d01 - d10 + d11) / 4,
    ),
    inputs=[(0.5, 0.4, -0.3, 0.1), (1.0, -1.0, -1.0, 1.0)],
)
def side_parts(answer):
    """Stress tests: place, anatomy and letter from four differences."""
    d00, d01, d10, d11 = side_parts.inputs[0]
    place, anatomy, letter = side_parts.right(d00, d01, d10, d11)
    given = answer(d00, d01, d10, d11)
    yield same(given, (4 * place, 4 * anatomy, 4 * letter)), "Each of the four holds every part once. Divide by four."
    yield same(given, (2 * place, 2 * anatomy, 2 * letter)), "All *four* films speak of each part: it is their mean."
    yield (
        same(given, (anatomy, place, letter)),
        "Which of them changes sign when the body is mirrored, and which never does? You took one for the other.",
    )
    yield (
        same(given, (place, anatomy, (d00 - d01 + d10 - d11) / 4)),
        "The letter speaks for the own word where it went *with* the body: in the first film and in the last.",
    )
    yield (
        same(given, ((d00 - d10) / 2, (d00 + d10) / 2, (d00 - d01) / 2)),
        "Half of the films would do only if nothing else changed in them. Use all four.",
    )


_SIDES = (
    "Left {}, larger than on the right.",
    "Upright film. Some {} on the left.",
    "Right {} and left {}.",
    "No {} on the right. Left lung: {}.",
)


@exercise(
    right=lambda text: _exchanged(text),
    inputs=[
        ("Left effusion, larger than on the right.",),
        ("Upright film. Nodule on the right; the left lung is clear.",),
        ("Right base is clear. No change on the left.",),
    ],
    fresh=lambda draws: sentence(draws, _SIDES)[:1],
)
def swap_sides(answer):
    """Stress tests: left and right exchanged in a text."""
    simple, upright, capital = (text for (text,) in swap_sides.inputs)
    yield (
        answer("The left and the right.") in ("The left and the left.", "The right and the right."),
        "Two replacements in a row: the second undoes the first. Do both in one pass.",
    )
    yield (
        answer(upright).startswith(("Upleft", "upleft")),
        'Who is "upleft"? Look for whole words (`\\b` in a regular expression).',
    )
    yield (
        answer(simple) == "Left effusion, larger than on the left.",
        "At the beginning of a sentence the word has a capital.",
    )
    yield (
        answer(capital) in (_exchanged(capital).lower(), _exchanged(capital).replace("Left base", "left base")),
        "The words are right; now the sentence begins with a small letter.",
    )


def _binned_gap(said: np.ndarray, present: np.ndarray, bins: int, even: bool = False, absolute: bool = True) -> float:
    """The distance of what was said from what came true, over bins of equal width."""
    place = np.minimum((said * bins).astype(int), bins - 1)
    used = np.unique(place)
    gaps = np.array([said[place == one].mean() - present[place == one].mean() for one in used])
    shares = np.full(len(used), 1 / len(used)) if even else np.array([(place == one).mean() for one in used])
    return float(((np.abs(gaps) if absolute else gaps) * shares).sum())


def _exchanged(text: str) -> str:
    """The text with left and right exchanged, word by word."""
    pairs = {"left": "right", "right": "left", "Left": "Right", "Right": "Left"}
    return "".join(pairs.get(word, word) for word in re.split(r"(\W+)", text))
