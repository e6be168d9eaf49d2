"""The small book on which the extensions are tried out, built once."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_book import build, notebook

START = """\
# A start

[The cell that answers](chapters/try.ipynb#answers-a10), and [another](chapters/try.ipynb#answers-l1).
"""

TRY = notebook(
    "# Try it",
    ("print(6 * 7)", ["answers-a10", "answers-l1"]),
    ("print(6 * 9)", ["answers-a10"]),
    "print(6 * 8)",
)


@pytest.fixture(scope="session")
def small_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a book that was built strictly; its site lies in `_build/html`."""
    folder = tmp_path_factory.mktemp("book")
    built = build(folder, {"start.md": START, "chapters/try.ipynb": TRY})
    assert built.returncode == 0, built.stdout + built.stderr
    return folder
