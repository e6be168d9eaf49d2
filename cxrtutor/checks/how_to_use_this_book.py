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
