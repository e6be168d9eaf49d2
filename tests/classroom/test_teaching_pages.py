"""The teachers' pages: links lead somewhere, commands exist, every exercise is spoken of, releases agree."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

import cxrtutor
from cxrtutor.classroom.contents import card
from cxrtutor.classroom.reset import ORIGINALS
from cxrtutor.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "book" / "teaching").glob("*.md"))
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
CONTAINER = ROOT / "Containerfile"


def tags_of(notebook: Path) -> set[str]:
    cells = json.loads(notebook.read_text())["cells"]
    return {tag for cell in cells for tag in cell["metadata"].get("tags", ())}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_to_a_page_and_to_the_cell_that_answers(page):
    for link, anchor in re.findall(r"\]\(([^)#\s]+)(?:#([\w-]+))?\)", page.read_text()):
        if "://" in link:
            continue
        target = (page.parent / link).resolve()
        assert target.is_file(), link
        assert not anchor or anchor in tags_of(target), f"{link}#{anchor}"


@pytest.mark.parametrize("page", [*PAGES, CONTAINER], ids=lambda page: page.stem)
def test_every_command_that_is_named_exists(page):
    text = page.read_text()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"\bmake ([a-z]+)\b(?= |`|$)", re.sub(r"(?<![`\n])make", "", text))) <= targets
    root = get_command(app)
    for first, second in re.findall(r"(?:`|^|bin/|Scripts\\|& )cxrtutor ([a-z][a-z-]*)(?: ([a-z]+))?", text, re.M):
        assert first in root.commands, first
        inner = getattr(root.commands[first], "commands", None)
        assert inner is None or second in inner, f"{first} {second}"


def test_the_guide_to_marking_says_how_to_mark():
    text = (ROOT / "book" / "teaching" / "marking-guide.md").read_text()
    assert "cxrtutor class grade 06" in text and "`submitted/STUDENT/ASSIGNMENT/`" in text


def test_pinned_pytorch_is_the_tested_one():
    pinned = dict(re.findall(r"^(torch|torchvision)==(\S+)", (ROOT / "requirements.txt").read_text(), re.M))
    named = [pair for page in PAGES for pair in re.findall(r"\b(torch|torchvision)==([\d.]+)", page.read_text())]
    assert len(named) >= 8 and set(named) == set(pinned.items())


def test_common_mistakes_has_every_chapter_and_every_exercise_in_it():
    text = (ROOT / "book" / "teaching" / "common-mistakes.md").read_text()
    sections = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", text, re.M))
    assert list(sections) == [
        f"{path.name[:2]} {card(ROOT, path.relative_to(ROOT).as_posix()).title}" for path in CHAPTERS
    ]
    for path, section in zip(CHAPTERS, sections.values(), strict=True):
        cells = json.loads(path.read_text())["cells"]
        prose = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        asked = re.findall(r"\{exercise\}.*?check\.(\w+)\(", prose, re.S)
        assert sorted(re.findall(r"^- `(\w+)`:", section, re.M)) == sorted(asked), path.name


def test_every_page_stands_in_the_table_of_contents():
    parts = {part["caption"]: part["chapters"] for part in yaml.safe_load((ROOT / "_toc.yml").read_text())["parts"]}
    listed = {entry["file"] for entry in parts["For teachers"]}
    assert listed == {f"book/teaching/{page.stem}" for page in PAGES}


def test_the_syllabus_of_twelve_weeks_has_every_chapter_but_the_one_on_how_to_read():
    twelve = (ROOT / "book" / "teaching" / "syllabus.md").read_text().split("\n## ")[2]
    linked = set(re.findall(r"chapters/([\w-]+\.ipynb)", twelve))
    assert linked == {path.name for path in CHAPTERS[1:]}


def test_version_citation_and_changelog_name_one_release():
    [newest, *_] = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert re.fullmatch(r"20\d\d\.(?:0[1-9]|1[0-2])", newest)
    assert cxrtutor.__version__ == newest
    assert str(yaml.load((ROOT / "CITATION.cff").read_text(), yaml.BaseLoader)["version"]) == newest


def test_the_container_copies_what_is_there_and_leaves_out_what_is_not_the_books():
    for files in re.findall(r"^COPY --chown=reader (.+) \S+$", CONTAINER.read_text(), re.M):
        assert all((ROOT / file).exists() for file in files.split())
    assert {".git", ".venv", "_build", "data"} <= set((ROOT / ".dockerignore").read_text().split())
    [after] = re.findall(r"^COPY --chown=reader \. \.\n(.+)", CONTAINER.read_text(), re.M | re.S)
    assert f"RUN mkdir {ORIGINALS} && cp chapters/*.ipynb {ORIGINALS}\n" in after, "what chapters are reset from"
    [line] = re.findall(r"sed -n -E 's/(.+?)/\\1/p'", CONTAINER.read_text())
    found = re.findall(line.removesuffix(".*"), (ROOT / "requirements.txt").read_text(), re.M)
    assert [name for _, name in found] == ["torch", "torchvision"], "the same pattern that the image's shell uses"
