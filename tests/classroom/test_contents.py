"""The table of contents and the teachers' goals and times: as the cards have them now."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nbformat
import pytest
import yaml

from cxrtutor.classroom import contents
from cxrtutor.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
CARD = """# A title

```{admonition} After this chapter you can
- add two numbers by hand, and
- say why the sum
  is even.

*You need:* chapter 01. *7 minutes to read, 3 minutes to run the first time, one afterwards.*
```"""


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A book of two pages."""
    for folder in ("chapters", "book/teaching", "configs"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "book" / "intro.md").write_text("# Welcome\n")
    write_card(tmp_path, CARD + "\n\n````{exercise} One\n````\n\n````{exercise} Two\n````")
    parts = {"Before": {"file": "book/intro"}, "Chapters": {"glob": "chapters/*"}}
    toc = {"parts": [{"caption": caption, "chapters": [entry]} for caption, entry in parts.items()]}
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(toc))
    return tmp_path


def write_card(book: Path, text: str) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
    nbformat.write(notebook, book / "chapters" / "03-three.ipynb")


@pytest.mark.parametrize("path", [contents.CONTENTS, contents.GOALS])
def test_the_committed_page_is_what_the_cards_say_now(path):
    made = {contents.CONTENTS: contents.contents_page, contents.GOALS: contents.goals_page}[path](ROOT)
    assert (ROOT / path).read_text() == made, "a card has changed: run `cxrtutor class contents`"


def test_every_link_of_both_pages_leads_to_a_file():
    for path in (contents.CONTENTS, contents.GOALS):
        text = (ROOT / path).read_text()
        links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
        assert len(links) > 20
        assert not [link for link in links if not ((ROOT / path).parent / link).is_file()]


def test_a_card_is_read_whole(book):
    assert contents.card(book, "chapters/03-three.ipynb") == contents.Card(
        "chapters/03-three.ipynb",
        "A title",
        ("add two numbers by hand", "say why the sum is even"),
        "chapter 01",
        7,
        "3 minutes the first time, one afterwards",
        2,
    )


@pytest.mark.parametrize("spoil", ["minutes to read", "{admonition} After", "\n\n*You"])
def test_a_page_without_a_card_is_refused_by_name(spoil, book):
    write_card(book, CARD.replace(spoil, "?"))
    with pytest.raises(InputError, match=r"03-three\.ipynb has no card"):
        contents.contents_page(book)


def test_the_contents_follow_the_books_order_and_say_what_chapters_cost(book):
    lines = [line for line in contents.contents_page(book).splitlines() if line.startswith(("## ", "- "))]
    assert lines == [
        "## Before",
        "- [Welcome](book/intro.md)",
        "## Chapters",
        "- 03 [A title](chapters/03-three.ipynb) (7 minutes to read; to run: 3 minutes the first time, one afterwards)",
    ]


def test_both_pages_are_written_from_a_changed_card(book):
    first = [path.read_text() for path in contents.write_pages(book)]
    write_card(book, CARD.replace("7 minutes", "70 minutes"))
    for path, before in zip(contents.write_pages(book), first, strict=True):
        assert path.read_text() == before.replace(" 7 ", " 70 ").replace("(7 ", "(70 ").replace("| 2 |", "| 0 |")


def test_where_there_is_no_book_nothing_is_written(book):
    shutil.rmtree(book / "chapters")
    with pytest.raises(InputError, match="--book"):
        contents.write_pages(book)
    assert not (book / contents.CONTENTS).exists()
