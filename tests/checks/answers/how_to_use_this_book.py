"""Answers to the exercises of `cxrtutor/checks/how_to_use_this_book.py`."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cosine

WRONG = {
    "cosine_similarity": [
        (lambda a, b: a @ b, "dot product"),
        (lambda a, b: a @ b / np.linalg.norm(b), "first vector"),
        (lambda a, b: a @ b / np.linalg.norm(a), "second vector"),
        (lambda a, b: 1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), "distance"),
        (lambda a, b: abs(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b)), "sign"),
    ],
    "same_request": [
        (lambda first, second: first == second, "in another order"),
        (lambda first, second: {name for name, _ in first} == {name for name, _ in second}, "compare the names"),
        (lambda first, second: {value for _, value in first} == {value for _, value in second}, "with its name"),
        (
            lambda first, second: (
                {name: round(value, 1) for name, value in first} == {name: round(value, 1) for name, value in second}
            ),
            "Every digit counts",
        ),
        (lambda first, second: set(first) <= set(second), "from both sides"),
        (lambda first, second: set(first) >= set(second), "from both sides"),
    ],
    "agree": [
        (lambda ours, theirs, tolerance: (np.abs(ours - theirs) < tolerance).all(), "equals the tolerance"),
        (lambda ours, theirs, tolerance: (np.abs(ours - theirs) <= tolerance).any(), "One that fails is enough"),
        (lambda ours, theirs, tolerance: (ours - theirs <= tolerance).all(), "*absolute*"),
        (lambda ours, theirs, tolerance: abs((ours - theirs).mean()) <= tolerance, "they cancel"),
        (lambda ours, theirs, tolerance: np.abs(ours - theirs).mean() <= tolerance, "Look at each"),
        (lambda ours, theirs, tolerance: not (np.abs(ours - theirs) > tolerance).any(), "agrees with nothing"),
    ],
}


ALSO_RIGHT = {
    "cosine_similarity": lambda a, b: 1 - cosine(a, b),
    "same_request": lambda first, second: sorted(first) == sorted(second),
    "agree": lambda ours, theirs, tolerance: np.allclose(ours, theirs, rtol=0, atol=tolerance),
}
