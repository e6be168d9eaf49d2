"""Comparing an answer with what is wanted, and telling the difference in few words."""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np


def same(given: Any, wanted: Any, tolerance: float = 1e-5) -> bool:
    """Whether two answers (numbers, arrays, tensors, sequences of them) have one shape and equal values; NaN = NaN.

    Where True or False is wanted, anything that is no array counts as in an `if`: a match is true, and None is false.
    """
    if isinstance(wanted, str | dict | set) or isinstance(given, str | dict | set):
        return isinstance(given, type(wanted)) and bool(given == wanted)
    if isinstance(wanted, bool) and not hasattr(given, "shape"):
        return bool(given) is wanted
    if isinstance(wanted, tuple | list):
        if hasattr(given, "shape") and len(given.shape):
            given = list(as_array(given))
        pairs = isinstance(given, tuple | list) and len(given) == len(wanted)
        return pairs and all(same(g, w, tolerance) for g, w in zip(given, wanted, strict=True))
    given, wanted = as_array(given), as_array(wanted)
    if given.shape != wanted.shape or given.dtype.kind not in "biuf":
        return False
    return np.allclose(given.astype(float), wanted.astype(float), rtol=tolerance, atol=tolerance, equal_nan=True)


class NoArray(ValueError):
    """An answer is a list whose rows differ in length, where an array is wanted."""


def as_array(value: Any) -> np.ndarray:
    """A number, array, tensor or list as a NumPy array; a tensor may carry gradients.

    Raises:
        NoArray: if it is a list whose rows differ in length.
    """
    try:
        return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except ValueError:
        raise NoArray(f"the rows of {reprlib.repr(value)} differ in length") from None


def difference(given: Any, wanted: Any, arguments: tuple) -> str:
    """A hint of last resort: what the answer gave and what was wanted, on which input."""
    asked = ", ".join(brief(argument) for argument in arguments)
    if hasattr(wanted, "shape") and tuple(np.shape(as_array(given))) != tuple(wanted.shape):
        shapes = f"an array of shape {np.shape(as_array(given))} where {tuple(wanted.shape)} is wanted"
        return f"Not yet. For ({asked}) your function gives {shapes}."
    return f"Not yet. For ({asked}) your function gives {brief(given)}; wanted is {brief(wanted)}."


def brief(value: Any) -> str:
    """A value in few characters: small ones whole, large arrays by their shape."""
    if hasattr(value, "shape"):
        array = as_array(value)
        return (
            np.array2string(array, precision=4, separator=", ") if array.size <= 9 else f"array of shape {array.shape}"
        )
    return repr(value)
