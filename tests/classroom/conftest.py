"""A small book, and the book's own notebooks."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = [*sorted((ROOT / "chapters").glob("*.ipynb")), *sorted((ROOT / "book").glob("*.ipynb"))]

sys.path.append(str(ROOT / "tests" / "checks"))  # the answers that people give: `answers.NOTEBOOK`


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def answers_of(path: Path):
    """The module of wrong and of other right answers to a notebook's exercises."""
    return import_module(f"answers.{path.stem.lstrip('0123456789-').replace('-', '_')}")


def notebook_of(*sources: str) -> NotebookNode:
    """Cells in order: code where a source begins with `#py`, text elsewhere."""
    cells = [
        new_code_cell(source.removeprefix("#py\n"), id=f"c{number}")
        if source.startswith("#py")
        else new_markdown_cell(source, id=f"c{number}")
        for number, source in enumerate(sources)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def small_chapter() -> NotebookNode:
    """An exercise with code and one with words, their solutions, and what the first one's needs around it."""
    return notebook_of(
        "# A small chapter\n\n```{admonition} After this chapter you can\n- do a thing.\n\n*You need:* nothing.\n```",
        "#py\nimport numpy as np\nfrom math import pi, tau\n\nlengths = [1.0, 2.0]\nTWO = 2\n\n\n"
        "def length(vector):\n    return np.sqrt(vector @ vector)",
        "## Exercises\n\n````{exercise} The cosine\n:label: cosine\nWrite `cosine_similarity(a, b)`.\n````\n\n"
        "```{solution-start} cosine\n:class: dropdown\n```\n\nDivide by *both lengths*.",
        "#py\nfrom cxrtutor import checks as check\n\nONE = TWO - 1\n\n\ndef cosine_similarity(a, b=None):\n"
        "    # both lengths\n    return ONE * (a @ b) / (length(a) * length(b))\n\n\n"
        "assert check.cosine_similarity(cosine_similarity)\nlengths[0] = cosine_similarity(np.ones(2), np.ones(2))",
        "```{solution-end}\n```\n\n````{exercise} In words\n:label: words\nWhy?\n````\n\n"
        "```{solution} words\n:class: dropdown\nBecause of the lengths.\n```\n\n## What stays\n\n- Little.",
    )


@pytest.fixture
def small_book(tmp_path: Path) -> Path:
    """A folder with one chapter, a page for all and one for teachers, their table of contents, and a recipe."""
    book = tmp_path / "a-book"
    for folder in ("chapters/records", "book/teaching", "book/_ext", "book/lab", "configs/teaching"):
        (book / folder).mkdir(parents=True)
    nbformat.write(small_chapter(), book / "chapters" / "06-small.ipynb")
    for page in (
        "chapters/records/one.json",
        "book/glossary.md",
        "book/teaching/marking.md",
        "book/_ext/tool.py",
        "book/lab/overrides.json",
        "book/build.py",
    ):
        (book / page).write_text("text")
    (book / "configs" / "teaching" / "small.yaml").write_text("a: 1\n")
    pages = {"Chapters": "chapters/06-small.ipynb", "Teachers": "book/teaching/marking.md", "More": "book/glossary.md"}
    listed = (f"## {part}\n\n- [A page]({page})\n" for part, page in pages.items())
    (book / "CONTENTS.md").write_text("\n".join(["# Contents\n", *listed]))
    return book
