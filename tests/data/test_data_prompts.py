"""The wording of the simple prompt."""

from __future__ import annotations

from cxrtutor.data.prompts import simple_prompt


def test_simple_prompt_is_aflocs() -> None:
    assert simple_prompt("pneumonia") == "Findings suggesting pneumonia."
