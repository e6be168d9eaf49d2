"""Real sentences are shown to who runs a cell, and stay off published pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxrtutor import guard
from cxrtutor.viewing.quotes import quote

SENTENCES = ["A < B is <b>said</b>.", "Two."]


def test_who_runs_the_cell_reads_the_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    marked = []
    monkeypatch.delenv(guard.LEDGER_VARIABLE, raising=False)
    monkeypatch.setattr(guard, "note_opened", marked.append)
    shown = quote(SENTENCES, "A set").data
    assert shown == "<ul><li>A &lt; B is &lt;b&gt;said&lt;/b&gt;.</li><li>Two.</li></ul>"
    assert marked == [{"name": "A set", "redistribution": False}]


def test_a_built_page_holds_none_of_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(guard.LEDGER_VARIABLE, str(tmp_path / "ledger"))
    shown = quote(SENTENCES, "A set").data
    assert "said" not in shown and "Two" not in shown and "2 sentences of A set" in shown
    assert not (tmp_path / "ledger").exists()  # nothing was shown, so nothing forbids the page
