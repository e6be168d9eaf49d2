"""A model card (Mitchell et al., FAT* 2019) whose claims are measurements: it cannot promise what was not shown.

A claim names a limit that was set before measuring. What may be said follows from its interval, and not from taste: the
claim *holds* where the whole interval keeps the limit, *fails* where none of it does, and is *not shown* otherwise.
An interval without width shows nothing either: where all patients fared alike, one or a thousand, a bootstrap over them
cannot tell what others would do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from .bootstrap import Interval

Verdict = Literal["holds", "fails", "not shown"]
_HEADINGS: Mapping[Verdict, str] = {"holds": "Shown", "not shown": "Not shown", "fails": "Shown not to hold"}


@dataclass(frozen=True)
class Claim:
    """Something that one would like to say of a model.

    Attributes:
        what: the claim, as a short sentence without its full stop.
        measured: what bears on it.
        at_least: what the measured value must reach for the claim to be true.
    """

    what: str
    measured: Interval
    at_least: float | int

    @property
    def verdict(self) -> Verdict:
        """What may be said; an interval that is undefined or without width shows nothing."""
        low, high = self.measured.low, self.measured.high
        if low == high:
            return "not shown"
        if low >= self.at_least:
            return "holds"
        return "fails" if high < self.at_least else "not shown"

    def __str__(self) -> str:
        return f"{self.what}: {self.measured}, wanted {self.at_least:g}"


@dataclass(frozen=True)
class ModelCard:
    """What somebody must know before using a model.

    Attributes:
        name: of the model.
        facts: by title, such as "Made of" or "Meant for".
        measured_on: the patients behind the claims.
        claims: in the order in which they are listed.
        forbidden: uses that no measurement here could allow, each with its reason.
    """

    name: str
    facts: Mapping[str, str]
    measured_on: str
    claims: Sequence[Claim]
    forbidden: Mapping[str, str] = field(default_factory=dict)

    def by_verdict(self) -> dict[Verdict, list[Claim]]:
        """The claims that hold, that are not shown and that fail."""
        return {verdict: [one for one in self.claims if one.verdict == verdict] for verdict in _HEADINGS}

    def to_markdown(self) -> str:
        """The card as text: lists alone, so that it reads alike as a file, in a notebook and on a page."""
        parts = [f"**{self.name}**", *(f"*{title}.* {text}" for title, text in self.facts.items())]
        parts.append(f"*Measured on.* {self.measured_on}")
        for verdict, claims in self.by_verdict().items():
            if claims:
                parts += [f"*{_HEADINGS[verdict]}.*", "\n".join(f"- {claim}" for claim in claims)]
        if self.forbidden:
            parts += ["*Not to be used*", "\n".join(f"- {use}: {why}" for use, why in self.forbidden.items())]
        return "\n\n".join(parts) + "\n"

    def _repr_markdown_(self) -> str:
        """How JupyterLab and the book show the card."""
        return self.to_markdown()
