"""Inputs that a check has not shown, drawn anew by a seed, to mark an answer on.

A check compares an answer with the right one on inputs that anybody can read. Here each of them is varied:

- a floating-point number becomes `sign(x) |x|^p` with p drawn from 0.85 to 0.95. That keeps −1, 0 and 1, every sign,
  every order and every tie, so that a cosine or a probability stays one, and what was above a threshold still is;
- an array whose rows, columns or whole sum to 1 is one of shares, and is divided by its sums again;
- then the entries of a list change places, and so do the rows and the columns of a table, so that no row gets a tie
  which it did not have. A sorted list stays, since its order may be its meaning, and so does what is undefined (NaN),
  in a list alone and in a table with all of it;
- masks and arrays of 0 and 1 change places too;
- whole numbers, words and sets stay: they are counts, places, sizes or names, and another one may be nonsense.

What comes out is used where the right answer is still defined on it, and as given where not. An exercise whose inputs
or answers would stay draws others itself (`fresh` in its file), so that the seed has a say in every exercise.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..checks.comparing import same
from ..checks.judging import EXERCISES, Exercise

TOLERANCE = 1e-4
"""Relative and absolute. Processors and threads add in other orders, which in float32 moves a sum by about 1e-6."""

POWERS = (0.85, 0.95)
"""Not 1, which would give back what the check shows."""

DRAWN = 20
"""Inputs of an exercise that draws its own: so many that no single answer is right for all of them."""


def assert_agrees(name: str, answer: Any, seed: int | tuple[int, ...]) -> None:
    """Compare a student's answer with the right one on inputs drawn by `seed`, to `TOLERANCE` or the check's own.

    Raises:
        AssertionError: they differ; the message does not tell the inputs.
    """
    exercise = EXERCISES[name]
    ask = exercise.asked(answer)
    for number, arguments in enumerate(fresh_inputs(exercise, seed), start=1):
        with np.errstate(all="ignore"):
            given, wanted = ask(*arguments), exercise.right(*arguments)
        assert same(given, wanted, max(TOLERANCE, exercise.tolerance)), f"{name}: wrong on fresh input {number}"


def fresh_inputs(exercise: Exercise, seed: int | tuple[int, ...]) -> list[tuple]:
    """The inputs of an exercise, each varied as this module says, or as given where that cannot be; or drawn by it."""
    draws = np.random.default_rng(seed)
    if exercise.fresh:
        return [exercise.fresh(draws) for _ in range(DRAWN)]
    return [_varied_if_defined(exercise, arguments, draws) for arguments in exercise.inputs]


def _varied_if_defined(exercise: Exercise, arguments: tuple, draws: np.random.Generator) -> tuple:
    varied = varied_value(arguments, draws.uniform(*POWERS), draws)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        before = exercise.right(*arguments)
        try:
            after = exercise.right(*varied)
        except Exception:  # Whatever the right answer cannot do with it, it is not an input.
            return arguments
    return varied if _undefined(after) <= _undefined(before) else arguments


def varied_value(value: Any, power: float, draws: np.random.Generator) -> Any:
    """One argument of an exercise, or what it consists of, varied."""
    match value:
        case bool() | np.bool_():
            return value
        case float() | np.floating():
            return type(value)(_to_power(value, power))
        case np.ndarray():
            return _varied_array(value, power, draws)
        case tuple():
            items = [varied_value(item, power, draws) for item in value]
            return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
        case list():
            return [varied_value(item, power, draws) for item in value]
        case dict():
            return {key: varied_value(item, power, draws) for key, item in value.items()}
    return value


def _varied_array(array: np.ndarray, power: float, draws: np.random.Generator) -> np.ndarray:
    if array.dtype.kind == "f":
        shares = _axes_of_shares(array)
        array = _to_power(array, power)
        if shares is not None:
            array = array / array.sum(axis=shares, keepdims=True)
    elif not (array.dtype.kind == "b" or (array.dtype.kind in "iu" and np.isin(array, (0, 1)).all())):
        return array
    return _other_places(array, draws)


def _other_places(array: np.ndarray, draws: np.random.Generator) -> np.ndarray:
    defined = np.isfinite(array)
    if array.ndim == 1:
        moved = array.copy()
        if array.dtype.kind != "f" or (np.diff(array) < 0).any():
            moved[defined] = draws.permutation(array[defined])
        return moved
    for axis in range(array.ndim if defined.all() else 0):
        array = draws.permutation(array, axis=axis)
    return array


def _axes_of_shares(array: np.ndarray) -> tuple[int, ...] | None:
    """Along which axes an array sums to 1 everywhere, if along any."""
    if array.size < 2 or not (array >= 0).all():
        return None
    every = tuple(range(array.ndim))
    for axes in (every, *((axis,) for axis in every)):
        if np.allclose(array.sum(axis=axes), 1):
            return axes
    return None


def _to_power(value: Any, power: float) -> Any:
    return np.sign(value) * np.abs(value) ** power


def _undefined(answer: Any) -> int:
    """How many numbers of an answer are none."""
    if isinstance(answer, tuple | list):
        return sum(_undefined(item) for item in answer)
    array = np.asarray(answer)
    return int((~np.isfinite(array)).sum()) if array.dtype.kind == "f" else 0
