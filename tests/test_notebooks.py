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


def test_the_appendix_links_every_question_to_the_chapters_that_answer_it():
    asked = set()
    for path in CHAPTERS:
        prose = "\n".join(cell.source for cell in cells(path, "markdown"))
        for ids in re.findall(r"\{admonition\} You may ask \(([A-Z0-9, ]+)\)", prose):
            asked |= {(question, path.name) for question in ids.split(", ")}
    rows = re.findall(r"^\| ([A-Z]\d+) \|.*\| (.+) \|$", (ROOT / "book" / "questions.md").read_text(), re.MULTILINE)
    linked = {(question, name) for question, links in rows for name in re.findall(r"chapters/([\w-]+\.ipynb)", links)}
    assert asked == linked
