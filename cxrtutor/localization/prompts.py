"""Ways to ask for a finding in words."""

from __future__ import annotations

from collections.abc import Callable

from ..data.prompts import DESCRIPTIONS, simple_prompt
from ..data.study import Finding, Study
from ..errors import InputError

Ask = Callable[[Finding], str | None]
"""From a finding to the prompt that asks for it, or None to leave it unasked."""


def precise(finding: Finding) -> str:
    """The phrase that describes this very lesion ("small left pleural effusion")."""
    return finding.phrase


def simple(finding: Finding) -> str:
    """The category alone, in AFLoc's words."""
    return simple_prompt(finding.name)


def described(finding: Finding) -> str | None:
    """What the category looks like, without its name; nothing for one of which no description is at hand."""
    return DESCRIPTIONS.get(finding.name)


def report(study: Study) -> Ask:
    """The whole report at once: what is present, what is absent, and what is normal."""
    return lambda finding: study.report.text


PROMPTS: dict[str, Callable[[Study], Ask]] = {
    "precise": lambda study: precise,
    "simple": lambda study: simple,
    "described": lambda study: described,
    "report": report,
}


def asking(prompts: str | Ask) -> Callable[[Study], Ask]:
    """How each study is asked, by the name of the way; a function asks every study alike.

    Raises:
        InputError: there is none of that name.
    """
    if callable(prompts):
        return lambda study: prompts
    if prompts not in PROMPTS:
        raise InputError(f"There are no prompts {prompts!r}. Choose one of: {', '.join(PROMPTS)}, or give a function.")
    return PROMPTS[prompts]
