"""Exercises of `03-reports`."""

from __future__ import annotations

import re

import numpy as np

from cxrtutor.checks.drawing import sentence
from cxrtutor.checks.judging import exercise

_SAID = ("No {}.", "Small {} and {}.", "Told Dr. Lee of the {}.", "The {} measures 2.5 cm.")
_ABOUT = (
    "There is a {0}.",
    "Without {0}.",
    "No {1}, but a small {0}.",
    "No {1} or {0}.",
    "A {0} without {1}.",
    "A {1} without {0}.",
    "No evenly distributed {0}.",
)
_SIDES = (
    "Left {}.",
    "Right {} and {}.",
    "Some {} on the left.",
    "Some {} on the left and {} on the right.",
    "Bilateral {}.",
    "Both lungs show {}.",
    "Bright film, upright, with {}.",
)


@exercise(
    right=lambda text: re.split(r"(?<=\.)(?<!Dr\.)\s+", text.strip()),
    inputs=[
        ("Told Dr. Lee of a 1.5 cm nodule. No mass.",),
        ("Clear lungs.\nNormal heart.  No mass. ",),
        ("Normal.",),
    ],
    fresh=lambda draws: (_some_sentences(draws),),
)
def split_at_stops(answer):
    """Reports: a sentence ends at a full stop with white space behind it, and not after "Dr."."""
    (text,) = split_at_stops.inputs[0]
    given = answer(text)
    given = [str(one) for one in given] if isinstance(given, list | tuple) else []
    yield (
        any(one.strip().startswith("5 cm") for one in given),
        "The decimal point is no end. What stands behind a true one?",
    )
    yield any(one.strip() in ("Told Dr.", "Told Dr") for one in given), 'Dr. Lee lost his name. "Dr." ends no sentence.'
    yield (
        len(given) == 2 and not given[0].endswith("."),
        "The full stops are gone. `(?<=[.])` looks at one without taking it.",
    )
    lines = answer(split_at_stops.inputs[1][0])
    yield (
        isinstance(lines, list) and sum(map(bool, lines)) == 2,
        "A line may end where a sentence does: any white space counts, not only a space.",
    )
    yield isinstance(lines, list) and "" in lines, "The last sentence is empty. `strip` the text first."


@exercise(
    right=lambda sentence, finding: _is_denied(sentence, finding),
    inputs=[
        ("There is a nodule.", "nodule"),
        ("No effusion, but a small nodule.", "nodule"),
        ("An effusion without consolidation.", "effusion"),
        ("No effusion or nodule.", "nodule"),
        ("An effusion without consolidation.", "consolidation"),
        ("Large effusion.", "effusion"),
        ("No evenly distributed nodule.", "nodule"),
    ],
    fresh=lambda draws: sentence(draws, _ABOUT),
)
def is_denied(answer):
    """Reports: a cue before the name denies it, up to "but"."""
    (plain, _), (but, _), (behind, _), *_ = is_denied.inputs
    yield bool(answer(plain, "nodule")), '"nodule" begins with "no". A cue is a word: `\\b` marks its borders.'
    yield bool(answer(but, "nodule")), 'The scope of "No" ends at "but".'
    yield bool(answer(behind, "effusion")), '"without" stands *behind* the effusion. It denies what follows it.'
    yield not answer("No effusion.", "effusion"), 'At the beginning of a sentence "No" has a capital.'
    yield not answer(behind, "consolidation"), '"without" denies too.'
    yield (
        not answer("No evenly distributed nodule.", "nodule"),
        '"distributed" holds a "but". That ends a scope only as a word of its own: `re.split(r"\\bbut\\b", ...)`.',
    )


@exercise(
    right=lambda sentence: _side_named(sentence),
    inputs=[
        ("Left pleural effusion.",),
        ("Effusion on the left and nodule on the right.",),
        ("Bilateral effusions.",),
        ("Bright film, upright.",),
        ("Both lungs are clear.",),
        ("Nodule in the right lung, upright film.",),
    ],
    fresh=lambda draws: sentence(draws, _SIDES)[:1],
)
def side_named(answer):
    """Reports: the side that a sentence names."""
    yield answer("Bright film, upright.") == "right", 'Who is "bright"? Look for whole words (`\\b`).'
    yield (
        answer("Effusion on the left and nodule on the right.") in ("left", "right"),
        "Both words stand there. The first one found is not the only one.",
    )
    yield answer("Bilateral effusions.") in ("none", "bilateral"), '"bilateral" means both.'
    yield answer("Left pleural effusion.") == "none", "At the beginning of a sentence the word has a capital."


def _some_sentences(draws: np.random.Generator) -> str:
    """One to four, each with white space behind it."""
    spaces = draws.choice([" ", "  ", "\n"], size=draws.integers(1, 5))
    return "".join(sentence(draws, _SAID)[0] + space for space in spaces)


def _is_denied(sentence: str, finding: str) -> bool:
    """Whether "no" or "without" is among the words before a finding, behind the last "but" there."""
    before = re.findall(r"\w+", sentence[: sentence.lower().index(finding)].lower())
    if "but" in before:
        before = before[len(before) - before[::-1].index("but") :]
    return bool({"no", "without"} & {*before})


def _side_named(sentence: str) -> str:
    words = {*re.findall(r"\w+", sentence.lower())}
    left, right = "left" in words, "right" in words
    if words & {"bilateral", "both"} or (left and right):
        return "both"
    return "left" if left else "right" if right else "none"
