"""A chapter's number stands before its title, and where the prose names it, it leads there."""

from __future__ import annotations

import re


def html_of(small_book, page: str) -> str:
    return (small_book / "_build" / "html" / page).read_text(encoding="utf-8")


def test_the_title_has_the_number_on_the_page_in_the_side_bar_and_in_the_tab(small_book):
    assert re.search(r"<h1>07 Later", html_of(small_book, "chapters/07-later.html"))
    assert "<title>07 Later" in html_of(small_book, "chapters/07-later.html")
    assert re.search(
        r'<a class="reference internal" href="chapters/07-later.html">\s*07 Later', html_of(small_book, "start.html")
    )


def test_a_page_whose_file_has_no_number_gets_none(small_book):
    assert "<h1>Try it" in html_of(small_book, "chapters/try.html")


def test_a_mention_leads_to_the_chapter_and_says_its_title(small_book):
    page = html_of(small_book, "start.html")
    links = re.findall(r'<a class="reference internal" href="([^"]*)" title="07 Later">([^<]*)</a>', page)
    assert links == [("chapters/07-later.html", "chapter 07"), ("chapters/07-later.html", "chapters 07")]
    assert "</a> and 09; <code" in page and "and 07 alone a number" in page


def test_a_chapter_does_not_lead_to_itself(small_book):
    assert "<p>Chapter 07 is this one.</p>" in html_of(small_book, "chapters/07-later.html")
