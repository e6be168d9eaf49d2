"""Self-checks for the exercises: `check.image_to_text(my_function)` says "Right." or gives one hint.

An exercise is a function that knows the right answer, some inputs, and the slips that people make:

    @exercise(right=lambda x: x.mean(), inputs=[(np.array([1.0, 2.0, 6.0]),)])
    def average(answer):
        x = np.array([1.0, 2.0, 6.0])
        yield same(answer(x), x.sum()), "Twice the numbers, twice the average? Divide by how many there are."

Each `yield` is a pair (was this slip made?, hint). The first slip that was made ends the check with its hint. Where
none was made, the answer is compared with `right` on all `inputs`, so that a wrong answer nobody foresaw is caught too.

Checks stand beside the rooms and import none of them: the right answer is written here, again and independently.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Slips = Callable[[Callable[..., Any]], Iterator[tuple[bool, str]]]

EXERCISES: dict[str, Exercise] = {}
"""Every exercise by its name; the tests hold that each one has wrong answers that earn each of its hints."""


@dataclass(frozen=True)
class Verdict:
    """What a check says. True where the answer is right, so that a solution cell can `assert` it."""

    right: bool
    message: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return self.message

    def _repr_markdown_(self) -> str:
        """How JupyterLab and the book show the verdict: hints may use *emphasis* and `code`."""
        return self.message


class Exercise:
    """One exercise: the right answer, inputs to compare on, and the slips it recognises. Call it with an answer."""

    def __init__(self, slips: Slips, right: Callable[..., Any], inputs: Sequence[tuple], tolerance: float) -> None:
        self.slips = slips
        self.right = right
        self.inputs = inputs
        self.tolerance = tolerance
        self.__name__ = slips.__name__
        self.__doc__ = slips.__doc__

    def __call__(self, answer: Any) -> Verdict:
        """Judge `answer`, the function that the reader wrote."""
        if not callable(answer):
            return Verdict(
                False, f"Hand over the function itself, `check.{self.__name__}(my_function)`, not its result."
            )
        try:
            return self._judge(answer)
        except Exception as error:  # The reader's code may raise anything; each kind is an answer to them.
            return Verdict(False, f"Your function raised `{type(error).__name__}: {error}`.")

    def hints(self) -> list[str]:
        """All hints that this exercise can give for a recognised slip."""
        return [hint for _, hint in self.slips(self.right)]

    def _judge(self, answer: Callable[..., Any]) -> Verdict:
        answer = on_copies(answer)
        if answer(*self.inputs[0]) is None:
            return Verdict(False, "Your function returns nothing. Did you forget `return`?")
        for made, hint in self.slips(answer):
            if made:
                return Verdict(False, hint)
        for arguments in self.inputs:
            given, wanted = answer(*arguments), self.right(*arguments)
            if not same(given, wanted, self.tolerance):
                return Verdict(False, difference(given, wanted, arguments))
        return Verdict(True, "Right.")


def exercise(
    right: Callable[..., Any], inputs: Sequence[tuple], tolerance: float = 1e-5
) -> Callable[[Slips], Exercise]:
    """Turn a generator of (slip made?, hint) pairs into a registered `Exercise` of the same name.

    Args:
        right: computes the right answer.
        inputs: argument tuples on which an answer is compared with `right`; at least one.
        tolerance: relative and absolute difference that still counts as equal.
    """

    def register(slips: Slips) -> Exercise:
        if slips.__name__ in EXERCISES:
            raise ValueError(f"two exercises are called {slips.__name__!r}")
        made = EXERCISES[slips.__name__] = Exercise(slips, right, inputs, tolerance)
        return made

    return register


def same(given: Any, wanted: Any, tolerance: float = 1e-5) -> bool:
    """Whether two answers (numbers, arrays, tensors, sequences of them) have one shape and equal values; NaN = NaN."""
    if isinstance(wanted, str | dict | set) or isinstance(given, str | dict | set):
        return type(given) is type(wanted) and given == wanted
    if isinstance(wanted, tuple | list):
        pairs = isinstance(given, tuple | list) and len(given) == len(wanted)
        return pairs and all(same(g, w, tolerance) for g, w in zip(given, wanted, strict=True))
    given, wanted = as_array(given), as_array(wanted)
    if given.shape != wanted.shape or given.dtype.kind not in "biuf":
        return False
    return np.allclose(given.astype(float), wanted.astype(float), rtol=tolerance, atol=tolerance, equal_nan=True)


def as_array(value: Any) -> np.ndarray:
    """A number, array or tensor as a NumPy array; a tensor may carry gradients."""
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def on_copies(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` on copies of its arguments, so that an answer that writes into its input cannot disturb the check."""
    return lambda *arguments: function(*copy.deepcopy(arguments))


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
