"""A cell that answers a question has an id, and a link to it is checked when the book is built."""

from __future__ import annotations

import re

from small_book import build, notebook


def test_the_first_cell_with_a_tag_has_its_id(small_book):
    page = (small_book / "_build" / "html" / "chapters" / "try.html").read_text(encoding="utf-8")
    for anchor in ("answers-a10", "answers-l1"):
        (start,) = [found.start() for found in re.finditer(f'id="{anchor}"', page)]
        following = re.sub(r"<[^>]+>", "", page[start:].partition(">")[2])
        assert following.split()[0] == "print(6" and "42" in following.partition("54")[0].partition("48")[0]


def test_a_link_leads_to_the_cell(small_book):
    page = (small_book / "_build" / "html" / "start.html").read_text(encoding="utf-8")
    assert 'href="chapters/try.html#answers-a10"' in page
    assert 'href="chapters/try.html#answers-l1"' in page


def test_a_link_to_a_cell_that_is_not_there_stops_the_build(tmp_path):
    pages = {"start.md": "# A start\n\n[No cell](try.ipynb#answers-a11).\n", "try.ipynb": notebook("# Try it")}
    built = build(tmp_path, pages)
    assert built.returncode != 0
    assert "local id not found in doc 'try': 'answers-a11'" in built.stdout + built.stderr
