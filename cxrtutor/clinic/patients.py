"""Who lies in the clinic: ten patients with their charts, and the ward of each group of students."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from hashlib import sha256
from typing import Any

from ..errors import InputError
from . import healthy, planted
from .hints import HINTS

Function = Callable[..., Any]

BEDS = 6
"""How many of the patients a group of students is given."""


class Note(str):
    """Text that a notebook shows as Markdown and a terminal as it is."""

    def __repr__(self) -> str:
        return str(self)

    def _repr_markdown_(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Patient:
    """A function that has a bug somewhere, or has none.

    Attributes:
        number: from 1 on; a patient keeps it in every ward.
        name: of the function, by which a test asks for it.
    """

    number: int
    name: str

    @property
    def healthy(self) -> Function:
        """The function as its chart promises it."""
        return getattr(healthy, self.name)

    @property
    def chart(self) -> Note:
        """What the function promises: its signature, and its chart in words."""
        paragraphs = (inspect.getdoc(self.healthy) or "").split("\n\n")
        words = "\n\n".join(" ".join(paragraph.split("\n")) for paragraph in paragraphs)
        return Note(f"**Patient {self.number}: `{self.name}`**\n\n```python\n{self._signature}\n```\n\n{words}")

    def function(self, sick: bool = False) -> Function:
        """The function, or its double with the bug. From outside they look alike."""
        chosen = getattr(planted, self.name) if sick else self.healthy

        @wraps(self.healthy)
        def function(*args: Any, **kwargs: Any) -> Any:
            return chosen(*args, **kwargs)

        return function

    def hint(self, rung: int = 1) -> Note:
        """One rung of the ladder of hints, from a question about the promise (1) to the test in words (3).

        Raises:
            InputError: the ladder has no such rung.
        """
        ladder = HINTS[self.name]
        if not 1 <= rung <= len(ladder):
            raise InputError(f"The ladder of hints has rungs 1 to {len(ladder)}; there is no rung {rung}.")
        return Note(ladder[rung - 1])

    @property
    def _signature(self) -> str:
        signature = inspect.signature(self.healthy)
        lines = [f"    {parameter}," for parameter in map(_parameter, signature.parameters.values())]
        return "\n".join([f"{self.name}(", *lines, f") -> {signature.return_annotation}"]).replace("'", '"')


PATIENTS = tuple(Patient(number, name) for number, name in enumerate(HINTS, start=1))


def patient(number: int) -> Patient:
    """The patient of a number.

    Raises:
        InputError: there is none.
    """
    if not 1 <= number <= len(PATIENTS):
        raise InputError(f"There is no patient {number}. Patients have numbers from 1 to {len(PATIENTS)}.")
    return PATIENTS[number - 1]


def hint(number: int, rung: int = 1) -> Note:
    """A hint about a patient's bug; higher rungs, up to 3, tell more.

    Raises:
        InputError: there is no such patient, or no such rung.
    """
    return patient(number).hint(rung)


def ward(group: str | None = None) -> tuple[Patient, ...]:
    """All patients; or the six of a group, in its order. Both follow from the group's name alone, on every machine."""
    if group is None:
        return PATIENTS
    return tuple(sorted(PATIENTS, key=lambda one: sha256(f"{group}/{one.name}".encode()).digest())[:BEDS])


def _parameter(parameter: inspect.Parameter) -> str:
    default = "" if parameter.default is inspect.Parameter.empty else f" = {parameter.default!r}"
    return f"{parameter.name}: {parameter.annotation}{default}"
