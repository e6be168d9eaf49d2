"""Statements of which it is known what they say: a finding affirmed or denied, a degree turned into its opposite, and
what a report's denials deny."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set

from .lesion import UNSEEN_FINDINGS
from .lexicon import ABSENT, ADVERBS, EXTENTS, LEXICON

_OPPOSITE = {"small": "large", "large": "small"}
_DENIED = {
    name: sorted(findings - {*UNSEEN_FINDINGS})[0]
    if len(findings - {*UNSEEN_FINDINGS}) == 1
    else next((finding for finding in sorted(findings) if finding in name), None)
    for name, findings in ABSENT.items()
}
"""What may be denied, to the one finding that it names; None for broader terms such as "infiltrate"."""
_NAMES = re.compile(rf"\b(?:{'|'.join(sorted(ABSENT, key=len, reverse=True))})\b")
_DENIAL = re.compile(r"(?:there is )?no |negative for ", re.IGNORECASE)


def affirmed_and_denied(finding: str) -> tuple[str, str]:
    """ "There is a pneumothorax." and "There is no pneumothorax."."""
    article = "a " if LEXICON[finding].one.exact[0].number == "count" else ""
    return f"There is {article}{finding}.", f"There is no {finding}."


def may_be_denied(finding: str, present: Set[str]) -> bool:
    """Whether a report on a patient with the findings `present` could say that this one is absent.

    A nodule is not denied beside a mass, nor a mass beside a nodule: where one ends and the other begins is a matter of
    millimetres.
    """
    return not present & min((findings for findings in ABSENT.values() if finding in findings), key=len)


def denied_in(sentence: str) -> tuple[str, ...]:
    """The findings whose names a sentence denies, and nothing else in it; empty where it is no such denial.

    Broader terms ("No focal airspace disease.") deny several findings without naming one and are passed over.
    """
    if not _DENIAL.match(sentence):
        return ()
    named = [_DENIED[name] for name in _NAMES.findall(sentence.lower())]
    return tuple(dict.fromkeys(finding for finding in named if finding))


def of_opposite_degree(phrase: str, finding: str, severity: str) -> str | None:
    """A phrase that says small for large, or large for small, in words that the finding's own reports use.

    None where the phrase does not begin with a word of degree, or with one that also stands for another degree
    ("patchy"), or where the severity has no opposite.
    """
    if severity not in _OPPOSITE:
        return None
    for degrees in (LEXICON[finding].degrees, ADVERBS, EXTENTS):
        for word in _unmistakable(degrees, severity):
            if phrase.startswith(f"{word} "):
                return phrase.replace(word, _unmistakable(degrees, _OPPOSITE[severity])[0], 1)
    return None


def _unmistakable(degrees: Mapping[str, tuple[str, ...]], severity: str) -> list[str]:
    """The words that stand for this severity alone, the usual first."""
    others = {word for other, words in degrees.items() if other != severity for word in words}
    return [word for word in degrees.get(severity, ()) if word not in others]
