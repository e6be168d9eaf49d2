"""The notebooks as they are committed: nothing in them but what their authors wrote, in pieces a reader can hold."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
NOTEBOOKS = [*sorted((ROOT / "book").glob("*.ipynb")), *CHAPTERS]
LONGEST_CELL = 15


def cells(chapter: Path, kind: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(chapter, as_version=4).cells if cell.cell_type == kind]


@pytest.fixture(params=NOTEBOOKS, ids=lambda chapter: chapter.stem)
def chapter(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_there_are_chapters_and_pages_before_them():
    assert CHAPTERS and len(NOTEBOOKS) > len(CHAPTERS)


def test_a_chapter_is_valid_and_stripped(chapter):
    nbformat.validate(nbformat.read(chapter, as_version=4))
    tool = Path(sys.executable).with_name("nbstripout")
    result = subprocess.run([tool, "--verify", "--keep-id", chapter], capture_output=True, text=True)
    assert result.returncode == 0, f"{chapter.name} carries outputs; strip it: nbstripout --keep-id {chapter}"


def test_a_chapter_runs_on_any_machine(chapter):
    metadata = nbformat.read(chapter, as_version=4).metadata
    assert metadata.kernelspec.name == "python3"


def test_a_cell_holds_one_thing(chapter):
    long = [
        cell.source.split("\n")[0]
        for cell in cells(chapter, "code")
        if sum(bool(line.strip()) for line in cell.source.split("\n")) > LONGEST_CELL
    ]
    assert not long, f"cells of more than {LONGEST_CELL} lines begin with: {long}"


def test_a_chapter_opens_with_its_title_and_its_card(chapter):
    prose = [cell.source for cell in cells(chapter, "markdown")]
    assert prose[0].startswith("# ")
    assert "{admonition}" in prose[0] + prose[1], "the card is missing: what you will be able to do, need, and how long"


def asked_and_answered(path: Path) -> tuple[set[str], set[str]]:
    """The ids of the questions that a chapter asks, and of those that a code cell below answers, in the same section.

    A section ends at the next heading of the second level; the next *You may ask* ends it too.
    """
    asked: set[str] = set()
    answered: set[str] = set()
    open_now: set[str] = set()
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            answered |= open_now & {tag.removeprefix("answers-").upper() for tag in cell.metadata.get("tags", [])}
            continue
        for heading, ids in re.findall(
            r"^(## )|\{admonition\} You may ask \(([A-Z0-9, ]+)\)", cell.source, re.MULTILINE
        ):
            open_now = set() if heading else set(ids.split(", "))
            asked |= open_now
    return asked, answered


def linked_questions() -> set[tuple[str, str]]:
    """Every id of the table of questions with each chapter that its row leads into, at a cell of that id's."""
    rows = re.findall(r"^\| ([A-Z]\d+) \|.*\| (.+) \|$", (ROOT / "book" / "questions.md").read_text(), re.MULTILINE)
    links = [(question, link) for question, cell in rows for link in re.findall(r"\]\(([^)]+)\)", cell)]
    for question, link in links:
        assert link.endswith(f".ipynb#answers-{question.lower()}"), f"{question} does not lead to a cell: {link}"
    return {(question, Path(link.partition("#")[0]).name) for question, link in links}


def test_every_question_that_is_asked_is_answered_by_a_cell_below():
    missing = {path.name: sorted(set.__sub__(*asked_and_answered(path))) for path in CHAPTERS}
    assert not {name: ids for name, ids in missing.items() if ids}


def test_the_appendix_links_every_question_to_the_cells_that_answer_it():
    answered = {(question, path.name) for path in CHAPTERS for question in asked_and_answered(path)[1]}
    linked = linked_questions()
    assert answered == linked, f"without a link: {answered - linked}; without a cell: {linked - answered}"
    assert len({question for question, _ in linked}) > 40
