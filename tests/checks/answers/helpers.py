"""What answers to the exercises of several chapters compute."""

from __future__ import annotations

import numpy as np


def ious_of(masks, truths):
    with np.errstate(invalid="ignore"):
        return (masks & truths).sum((1, 2)) / (masks | truths).sum((1, 2))


def length_one(vector):
    return vector / np.linalg.norm(vector)


def cosine_of(a, b):
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


def arrays(function):
    """`function` on arrays in place of tensors."""
    return lambda *given: function(*(np.asarray(a) if hasattr(a, "shape") else a for a in given))
