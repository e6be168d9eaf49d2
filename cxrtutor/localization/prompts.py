"""Ways to ask for a finding in words."""

from __future__ import annotations

from collections.abc import Callable

from ..data.prompts import simple_prompt
from ..data.study import Finding
from ..errors import InputError

Ask = Callable[[Finding], str | None]
"""From a finding to the prompt that asks for it, or None to leave it unasked."""


def precise(finding: Finding) -> str:
    """The phrase that describes this very lesion ("small left pleural effusion")."""
    return finding.phrase


def simple(finding: Finding) -> str:
    """The category alone, in AFLoc's words."""
    return simple_prompt(finding.name)


PROMPTS: dict[str, Ask] = {"precise": precise, "simple": simple}


def asking(prompts: str | Ask) -> Ask:
    """The way to ask of that name; a function is returned as it is.

    Raises:
        InputError: there is none of that name.
    """
    if callable(prompts):
        return prompts
    if prompts not in PROMPTS:
        raise InputError(f"There are no prompts {prompts!r}. Choose one of: {', '.join(PROMPTS)}, or give a function.")
    return PROMPTS[prompts]
