"""The rhythm of a chapter, as far as a machine can hold it: the card, a picture before any formula, a prediction before
the cell that answers, intervals, a failure shown on purpose, a reader's question, exercises, and what stays."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

CHAPTERS = sorted((Path(__file__).resolve().parents[1] / "chapters").glob("*.ipynb"))
ORIENTATION = "00-how-to-use-this-book"
"""The page before the first chapter says how to read the others; it has no film, no experiment and no failure."""

FIVE_LINES = 5


class Chapter:
    """A chapter's cells, and what is said in them."""

    def __init__(self, path: Path) -> None:
        self.cells = nbformat.read(path, as_version=4).cells
        self.prose = "\n\n".join(cell.source for cell in self.cells if cell.cell_type == "markdown")
        self.code = "\n\n".join(cell.source for cell in self.cells if cell.cell_type == "code")
        self.sections = re.findall(r"^## (.+)$", self.prose, re.MULTILINE)

    def first(self, kind: str, holds) -> int:
        """The place of the first cell of a kind that holds something; the number of cells where there is none."""
        return next((k for k, cell in enumerate(self.cells) if cell.cell_type == kind and holds(cell)), len(self.cells))


@pytest.fixture(params=CHAPTERS, ids=lambda path: path.stem)
def chapter(request: pytest.FixtureRequest) -> Chapter:
    return Chapter(request.param)


@pytest.fixture(params=[path for path in CHAPTERS if path.stem != ORIENTATION], ids=lambda path: path.stem)
def lesson(request: pytest.FixtureRequest) -> Chapter:
    return Chapter(request.param)


def test_the_card_says_what_one_can_do_what_one_needs_and_what_it_takes(chapter):
    card = re.search(
        r"^```\{admonition\} After this (?:chapter|page) you can$(.+?)^```$", chapter.prose, re.MULTILINE | re.DOTALL
    )[1]
    assert len(re.findall(r"^- ", card, re.MULTILINE)) >= 3
    assert "*You need:*" in card and "to read" in card and "to run" in card


def test_a_picture_comes_before_any_formula(lesson):
    picture = lesson.first(
        "code", lambda cell: "figure" in cell.metadata.get("mystnb", {}) or "Explorer(" in cell.source
    )
    formula = lesson.first("markdown", lambda cell: "$$" in cell.source)
    assert picture < formula
    assert picture < len(lesson.cells)


def test_a_prediction_comes_before_the_cells_that_answer(chapter):
    """Some answers stand below the prediction, some in a later section; all before the exercises."""
    predictions = [k for k, cell in enumerate(chapter.cells) if "**Predict.**" in cell.source]
    exercises = chapter.first("markdown", lambda cell: "## Exercises" in cell.source)
    assert predictions
    assert any(cell.cell_type == "code" for cell in chapter.cells[predictions[-1] : exercises])


def test_experiments_speak_in_intervals_and_claims_are_asserted(lesson):
    assert re.search(r"\b(interval|paired_difference|intervals_by_finding|interval_plot)\(", lesson.code)
    assert re.search(r"^assert ", lesson.code, re.MULTILINE)


def test_one_failure_is_shown_on_purpose(lesson):
    assert re.search(r"^###? It breaks when", lesson.prose, re.MULTILINE)


def test_a_readers_question_is_asked(lesson):
    assert "{admonition} You may ask (" in lesson.prose


def test_exercises_and_what_stays_come_last(chapter):
    exercises, stays = chapter.sections[-2:]
    assert exercises.startswith("Exercises") and stays == "What stays"


def test_what_stays_are_five_lines_and_the_names_that_later_chapters_import(chapter):
    lines = re.findall(r"^- (.+)$", chapter.prose.rpartition("## What stays")[2], re.MULTILINE)
    assert len(lines) == FIVE_LINES
    assert any(re.search(r"`[\w./]+", line) for line in lines)
