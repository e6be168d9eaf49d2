"""The wordings that ask for a category."""

from __future__ import annotations

from cxrtutor.data.prompts import DESCRIPTIONS, simple_prompt
from cxrtutor.data.teaching.lesion import FINDINGS, UNSEEN_FINDINGS


def test_simple_prompt_is_aflocs() -> None:
    assert simple_prompt("pneumonia") == "Findings suggesting pneumonia."


def test_every_finding_of_the_teaching_set_is_described_without_its_name() -> None:
    assert set(DESCRIPTIONS) == {*FINDINGS, *UNSEEN_FINDINGS}
    assert not any(name in text.lower() for name, text in DESCRIPTIONS.items())
