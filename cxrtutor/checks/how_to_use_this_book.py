"""Exercises of `00-how-to-use-this-book`."""

from __future__ import annotations

import numpy as np

from cxrtutor.checks.comparing import same
from cxrtutor.checks.judging import exercise


@exercise(
    right=lambda a, b: float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b))),
    inputs=[
        (np.array([3.0, 4.0]), np.array([4.0, 3.0])),
        (np.array([1.0, 0.0, 2.0]), np.array([-2.0, 0.5, 0.0])),
        (np.array([0.0, 5.0]), np.array([0.0, -0.1])),
    ],
)
def cosine_similarity(answer):
    """How to use this book: the cosine of the angle between two vectors."""
    a, b = np.array([3.0, 4.0]), np.array([4.0, 3.0])
    yield same(answer(a, b), a @ b), "That is the dot product: it grows with the lengths. Divide by *both* lengths."
    yield not same(answer(2 * a, b), answer(a, b)), "Make the first vector twice as long: your answer changes."
    yield not same(answer(a, 2 * b), answer(a, b)), "Make the second vector twice as long: your answer changes."
    yield same(answer(a, b), 1 - a @ b / 25), "That is the cosine *distance*: 0 for the same direction. Turn it round."
    yield same(answer(a, -b), answer(a, b)), "Opposite directions should give -1. Did the sign get lost?"


@exercise(
    right=lambda first, second: dict(first) == dict(second),
    inputs=[
        ([("seed", 1), ("temperature", 0.1)], [("temperature", 0.1), ("seed", 1)]),
        ([("seed", 1), ("temperature", 0.1)], [("seed", 1), ("temperature", 0.11)]),
        ([("seed", 1), ("layer", 2)], [("seed", 2), ("layer", 1)]),
        ([("seed", 1)], [("seed", 1), ("layer", 2)]),
    ],
)
def same_request(answer):
    """How to use this book: whether two lists of settings ask for the same thing."""
    reordered, one_digit, exchanged, one_more = same_request.inputs
    yield not answer(*reordered), "These two say the same in another order. A list minds the order; a request does not."
    yield answer([("seed", 1)], [("seed", 9)]), "You compare the names. Their values must agree as well."
    yield answer(*exchanged), "Seed 1 and layer 2 are not seed 2 and layer 1: keep each value with its name."
    yield answer(*one_digit), "0.1 and 0.11 are two requests. Every digit counts; do not round."
    yield (
        answer(*one_more) or answer(*one_more[::-1]),
        "One of the two asks for something that the other does not name. Look from both sides.",
    )


@exercise(
    right=lambda ours, theirs, tolerance: bool((np.abs(ours - theirs) <= tolerance).all()),
    inputs=[
        (np.array([1.0, 2.0, 3.0]), np.array([1.25, 1.75, 3.0]), 0.25),
        (np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 5.0]), 1.0),
        (np.array([[0.5, np.nan]]), np.array([[0.5, 1.0]]), 0.1),
    ],
    fresh=lambda draws: _near_and_far(draws),
)
def agree(answer):
    """How to use this book: whether two arrays agree everywhere, to a tolerance."""
    truth, tolerance = np.array([1.0, 2.0, 3.0]), 0.5
    yield (
        not answer(*agree.inputs[0]),
        "Nowhere more than 0.25 apart, and 0.25 is allowed: a difference that equals the tolerance still agrees.",
    )
    yield (
        answer(truth, truth + np.array([0, 0, 4]), tolerance) and answer(truth + np.array([0, 0, 4]), truth, tolerance),
        "One entry is 4 off, and you say they agree. One that fails is enough.",
    )
    yield (
        answer(truth - 4, truth, tolerance) or answer(truth + 4, truth, tolerance),
        "All entries are 4 off to one side, and you let it pass. Take the *absolute* difference.",
    )
    yield (
        answer(truth, truth + np.array([4, -4, 0]), tolerance),
        "One is 4 too high and one 4 too low: in a sum or a mean they cancel.",
    )
    yield (
        answer(truth, truth + np.array([0, 0, 1]), tolerance),
        "The mean difference is small, but one entry is twice as far off as allowed. Look at each.",
    )
    yield answer(*agree.inputs[2]), "NaN is not *more* than any tolerance, but it agrees with nothing. Ask for `<=`."


def _near_and_far(draws: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    """In quarters, which computers add without rounding: half of them agree, some of these only just."""
    ours = draws.integers(9, size=3) / 4
    return ours, ours + draws.integers(-2, 3, size=3) / 4, float(draws.integers(4) / 4)
