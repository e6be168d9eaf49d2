"""What words stand for a class where nothing but words is given: several prompts that affirm it, and some that deny it.

Authors ask in different ways. CLIP and CheXzero fill templates with a name; CheXzero's are "{}" and "no {}". GLoRIA
puts a severity, a kind and a place together. AFLoc localizes by "Findings suggesting {}.".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..data.prompts import DESCRIPTIONS, simple_prompt
from ..errors import InputError

_OPACITY = ("consolidation", "ground-glass opacity")
_MEANT = {
    "opacity": _OPACITY,
    "lung opacity": _OPACITY,
    "pneumonia": ("pneumonia", "consolidation"),
    "covid-19": ("covid-19", "viral pneumonia"),
}
"""Classes of a task to the names that stand for them in reports, where one name does not say it."""

_HEALTHY = frozenset({"healthy", "normal", "no finding"})
_WELL = ("No acute cardiopulmonary abnormality.", "The lungs are clear.", "The heart is normal in size.")
"""What reports say of those who have nothing; no finding's template fits."""


@dataclass(frozen=True)
class PromptSet:
    """Prompts for every class. Each is one prompt of its class, however often it is given, and order does not matter.

    Attributes:
        name: of the way to ask.
        affirm: a class to the prompts that affirm it.
        deny: a class to the prompts that deny it; empty where denials are not asked for.

    Raises:
        InputError: a class has no prompt, or some classes alone can be denied.
    """

    name: str
    affirm: Mapping[str, Sequence[str]]
    deny: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.deny and self.deny.keys() != self.affirm.keys():
            odd = sorted(self.deny.keys() ^ self.affirm.keys())
            raise InputError(f"Deny every class that is affirmed, or none: {', '.join(odd)} has one side only.")
        for side in (self.affirm, self.deny):
            for name, prompts in side.items():
                if isinstance(prompts, str) or not prompts:
                    raise InputError(f"Give {name!r} a list of one or more prompts; given is {prompts!r}.")

    def sides(self, names: Iterable[str]) -> list[list[tuple[str, ...]]]:
        """The distinct prompts of every class, in the order of `names`: those that affirm it, then those that deny it.

        Raises:
            InputError: there are no prompts for a class.
        """
        names = list(names)
        if missing := [name for name in names if name not in self.affirm]:
            raise InputError(
                f"The prompts {self.name!r} have none for {', '.join(missing)}. They have: {', '.join(self.affirm)}."
            )
        return [[tuple(dict.fromkeys(side[name])) for name in names] for side in (self.affirm, self.deny) if side]


def _named(name: str) -> list[str]:
    return ["normal chest radiograph"] if _is_healthy(name) else list(_meant(name))


def _sentences(name: str) -> list[str]:
    return [_WELL[0]] if _is_healthy(name) else [simple_prompt(one) for one in _meant(name)]


def _descriptions(name: str) -> list[str]:
    return list(_WELL[1:]) if _is_healthy(name) else [DESCRIPTIONS[one] for one in _meant(name) if one in DESCRIPTIONS]


def _everything(name: str) -> list[str]:
    return _named(name) + _sentences(name) + _descriptions(name)


def _named_denial(name: str) -> list[str]:
    return [f"no {one}" for one in _deniable(name)]


def _sentence_denial(name: str) -> list[str]:
    return [f"No {one}." for one in _deniable(name)]


_Wording = Callable[[str], list[str]]
WAYS: dict[str, tuple[_Wording, _Wording | None]] = {
    "name": (_named, None),
    "sentence": (_sentences, None),
    "description": (_descriptions, None),
    "ensemble": (_everything, None),
    "name or no": (_named, _named_denial),
    "sentence or no": (_sentences, _sentence_denial),
}
"""Ways to ask for any class: how it is affirmed, and how denied.

"name" is the bare name; "sentence" is "Findings suggesting {}."; "description" says what it looks like, without its
name; "ensemble" is all three; "name or no" is CheXzero's contrast of "{}" with "no {}"; "sentence or no" contrasts the
sentence with the denial that reports write, "No {}.".
"""


def prompt_set(way: str, names: Iterable[str]) -> PromptSet:
    """Prompts for the classes of a task or set, whatever their case: findings, CheXpert's labels, RSNA's pneumonia, ...

    A class that several names stand for is asked for by all of them. A healthy film ("healthy", "normal", "no finding")
    is asked for in the words of normal reports.

    Args:
        way: one of `WAYS`.
        names: of the classes.

    Raises:
        InputError: there is no such way, or the way has no words for a class.
    """
    if way not in WAYS:
        raise InputError(f"There is no way {way!r} to ask. Choose one of: {', '.join(WAYS)}, or give a PromptSet.")
    affirm, deny = WAYS[way]
    names = list(names)
    affirmed = {name: affirm(name) for name in names}
    if speechless := [name for name, prompts in affirmed.items() if not prompts]:
        raise InputError(
            f"No description is at hand for {', '.join(speechless)}. Ask by name or sentence, or give a PromptSet."
        )
    return PromptSet(way, affirmed, {name: deny(name) for name in names} if deny else {})


def _is_healthy(name: str) -> bool:
    return name.lower() in _HEALTHY


def _meant(name: str) -> tuple[str, ...]:
    spoken = name.lower().replace("_", " ")
    return _MEANT.get(spoken, (spoken,))


def _deniable(name: str) -> tuple[str, ...]:
    if _is_healthy(name):
        raise InputError(f"{name!r} has no denial in words: its opposite is every finding. Ask without denials.")
    return _meant(name)
