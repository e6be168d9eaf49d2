"""What an exercise is, and how it judges an answer."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cxrtutor.checks.comparing import NoArray, as_array, difference, same

Slips = Callable[[Callable[..., Any]], Iterator[tuple[bool, str]]]
Fresh = Callable[[np.random.Generator], tuple]

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
    """One exercise: the right answer, inputs to compare on, and the slips it recognises. Call it with an answer.

    `chapter` is the name of the file that it stands in, which is its notebook's without the number.
    """

    def __init__(
        self,
        slips: Slips,
        right: Callable[..., Any],
        inputs: Sequence[tuple],
        tolerance: float,
        tensors: bool,
        fresh: Fresh | None = None,
    ) -> None:
        self.slips = slips
        self.right = right
        self.inputs = inputs
        self.tolerance = tolerance
        self.tensors = tensors
        self.fresh = fresh
        self.chapter = slips.__module__.rpartition(".")[2]
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
        except NoArray as error:
            return Verdict(False, f"Your function gives what is no array: {error}.")
        except Exception as error:  # The reader's code may raise anything; each kind is an answer to them.
            notes = "".join(f" {note}" for note in getattr(error, "__notes__", ()))
            return Verdict(False, f"Your function raised {_told(error)}.{notes}")

    def hints(self) -> list[str]:
        """All hints that this exercise can give for a recognised slip."""
        return [hint for _, hint in self.slips(self.right)]

    def asked(self, answer: Callable[..., Any]) -> Callable[..., Any]:
        """`answer` as a check asks it: on copies of its arguments, or on tensors; from a tensor it makes an array."""
        ask = on_copies(on_tensors(answer)) if self.tensors else on_either(answer)
        return lambda *arguments: _as_given(ask(*arguments))

    def _judge(self, answer: Callable[..., Any]) -> Verdict:
        answer = self.asked(answer)
        if self._returns_nothing(answer):
            return Verdict(False, "Your function returns nothing. Did you forget `return`?")
        for made, hint in self.slips(answer):
            if made:
                return Verdict(False, hint)
        for arguments in self.inputs:
            given, wanted = answer(*arguments), self.right(*arguments)
            if not same(given, wanted, self.tolerance):
                return Verdict(False, difference(given, wanted, arguments))
        return Verdict(True, "Right.")

    def _returns_nothing(self, answer: Callable[..., Any]) -> bool:
        """Whether it gives None. Asked for yes or no, None is a no, unless it is the answer to everything."""
        yes_or_no = isinstance(self.right(*self.inputs[0]), bool)
        return all(answer(*arguments) is None for arguments in (self.inputs if yes_or_no else self.inputs[:1]))


def exercise(
    right: Callable[..., Any],
    inputs: Sequence[tuple],
    tolerance: float = 1e-5,
    tensors: bool = False,
    fresh: Fresh | None = None,
) -> Callable[[Slips], Exercise]:
    """Turn a generator of (slip made?, hint) pairs into a registered `Exercise` of the same name.

    Args:
        right: computes the right answer.
        inputs: argument tuples on which an answer is compared with `right`; at least one.
        tolerance: relative and absolute difference that still counts as equal.
        tensors: hand the answer torch tensors where `inputs` and the slips have arrays.
        fresh: draws other arguments, where `classroom.fresh_inputs` can vary none, as with words and whole numbers.
    """

    def register(slips: Slips) -> Exercise:
        if slips.__name__ in EXERCISES:
            raise ValueError(f"two exercises are called {slips.__name__!r}")
        made = EXERCISES[slips.__name__] = Exercise(slips, right, inputs, tolerance, tensors, fresh)
        return made

    return register


def on_copies(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` on copies of its arguments, so that an answer that writes into its input cannot disturb the check."""
    return lambda *arguments: function(*copy.deepcopy(arguments))


def on_tensors(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` on torch tensors in place of arrays. Only a call loads torch, so that this module stays light."""
    return lambda *arguments: function(*as_tensors(arguments))


def on_either(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` on arrays, and on tensors where it refuses arrays: a book that teaches in torch is answered in torch.

    Where it refuses both, the error is the one on arrays, with a note of the other. Nobody answers in torch without
    having loaded it.
    """
    arrays, tensors = on_copies(function), on_copies(on_tensors(function))

    def called(*arguments: Any) -> Any:
        try:
            return arrays(*arguments)
        except (AttributeError, TypeError) as refused:
            if "torch" not in sys.modules:
                raise
            try:
                return tensors(*arguments)
            except Exception as error:  # Whatever it raises there: the reader may have meant either.
                if _told(error) != _told(refused):
                    refused.add_note(f"On tensors it raised {_told(error)}.")
            raise

    return called


def as_tensors(value: Any) -> Any:
    """An array of numbers, alone or in lists and tuples, as a tensor; its floats are of the type that torch makes."""
    import torch

    if type(value) in (list, tuple):  # A named tuple stays as it is.
        return type(value)(map(as_tensors, value))
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        return value
    tensor = torch.from_numpy(value)
    return tensor.to(torch.get_default_dtype()) if tensor.is_floating_point() else tensor


def _as_given(value: Any) -> Any:
    return as_array(value) if hasattr(value, "detach") else value


def _told(error: Exception) -> str:
    return f"`{type(error).__name__}: {error}`"
