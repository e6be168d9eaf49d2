"""The built site, as a reader meets it: whole, private, and asking the network for nothing, over http and from a file.

`make test` builds the site first. Without Chromium these tests are skipped, unless CXRTUTOR_REQUIRE_BROWSER is set.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from built_site import INDEX, SITE, Elements
from playwright.sync_api import Browser, ConsoleMessage, Request

from cxrtutor import guard


@dataclass
class Visit:
    """What was seen on one page after it was opened and left to settle."""

    outside: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    written_formulas: int = 0
    set_formulas: int = 0
    wrong_formulas: int = 0
    broken_pictures: list[str] = field(default_factory=list)


def visit(browser: Browser, start: str, name: str) -> Visit:
    """Open one page of the site that begins at `start`."""
    seen = Visit()

    def judge(request: Request) -> None:
        if not request.url.startswith((start, "data:", "blob:")):
            seen.outside.append(request.url)

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error":
            seen.complaints.append(f"{message.text} ({message.location['url']})")

    page = browser.new_page()
    page.on("request", judge)
    page.on("console", hear)
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.goto(f"{start}/{name}", wait_until="networkidle")
    seen.written_formulas = page.locator(".math").count()
    if seen.written_formulas:
        page.wait_for_selector("mjx-container", timeout=20_000)
    seen.set_formulas = page.locator("mjx-container").count()
    seen.wrong_formulas = page.locator("mjx-merror").count()
    seen.broken_pictures = page.evaluate("[...document.images].filter(i => !i.naturalWidth).map(i => i.src)")
    page.close()
    return seen


@pytest.fixture(scope="module", params=["http", "file"])
def visits(request: pytest.FixtureRequest, browser: Browser, pages: list[Path]) -> dict[str, Visit]:
    """A visit to each page by its name, in both of the ways in which a site may be read."""
    start = request.getfixturevalue("server") if request.param == "http" else SITE.as_uri()
    names = [page.relative_to(SITE).as_posix() for page in pages]
    return {name: visit(browser, start, name) for name in names}


@pytest.mark.browser
def test_no_page_asks_the_network_for_anything(visits):
    assert len(visits) > 4
    assert not {name: seen.outside for name, seen in visits.items() if seen.outside}


@pytest.mark.browser
def test_no_page_complains(visits):
    assert not {name: seen.complaints for name, seen in visits.items() if seen.complaints}


@pytest.mark.browser
def test_formulas_are_set(visits):
    assert sum(seen.set_formulas for seen in visits.values()) > 10
    assert not {name for name, seen in visits.items() if seen.set_formulas < seen.written_formulas}
    assert not {name for name, seen in visits.items() if seen.wrong_formulas}


@pytest.mark.browser
def test_pictures_are_shown(visits):
    assert not {name: seen.broken_pictures for name, seen in visits.items() if seen.broken_pictures}


def test_the_index_leads_into_the_book(pages):
    (target,) = re.findall(r'http-equiv="Refresh" content="0; url=([^"]+)"', INDEX.read_text(encoding="utf-8"))
    assert SITE / target in pages


def test_the_site_may_be_published(pages):
    guard.check_site(SITE)


def test_every_picture_says_what_is_seen(pages):
    for page in pages:
        for tag, attributes in Elements(page).found:
            alt = attributes.get("alt", "")
            if tag == "img" and not re.search(r"\blogo", attributes.get("class", "")):
                assert " " in alt, f"{page.name}: {attributes['src'][:80]} has no alt text, only {alt!r}"


def test_nothing_is_loaded_from_elsewhere(pages):
    """Also what a browser would fetch only later, as on a click or in print."""
    for page in pages:
        for tag, attributes in Elements(page).found:
            loads = attributes.get("src", "") if tag != "link" else attributes.get("href", "")
            assert not loads.startswith(("http:", "https:", "//")), f"{page.name}: {tag} loads {loads}"


def test_every_link_within_the_site_leads_somewhere(pages):
    names = {page: {attributes.get("id") for _, attributes in Elements(page).found} for page in pages}
    for page in pages:
        for tag, attributes in Elements(page).found:
            link = urlsplit(attributes.get("href", ""))
            if tag != "a" or link.scheme or link.netloc or not (link.path or link.fragment):
                continue
            target = (page.parent / unquote(link.path)).resolve() if link.path else page
            assert target.exists(), f"{page.name} links to {link.path}, which is not there"
            if link.fragment and target in names:
                assert unquote(link.fragment) in names[target], f"{page.name} links to {link.path}#{link.fragment}"


def test_every_question_leads_to_a_cell_that_was_executed(pages):
    questions = (SITE / "book" / "questions.html").read_text(encoding="utf-8")
    links = re.findall(r'href="\.\./(chapters/[\w-]+\.html)#(answers-\w+)"', questions)
    assert len(links) > 40 and len(links) >= questions.count("<tr") - 1
    for page, anchor in links:
        before, found, after = (SITE / page).read_text(encoding="utf-8").partition(f'id="{anchor}"')
        assert found, f"{page} has no cell {anchor}"
        assert f"tag_{anchor} " in before[before.rindex('<div class="cell ') :], f"{page}: {anchor} is no code cell"
        output = after.partition('<div class="cell ')[0].partition('<div class="cell_output')[2]
        assert re.search(r"<(img|svg|table|p|pre|script)\b", output), f"{page}: the cell {anchor} has no output"


def test_every_notebook_says_what_it_cost(pages):
    table = (SITE / "book" / "execution.html").read_text(encoding="utf-8")
    notebooks = [page for page in pages if (SITE / "_sources" / page.relative_to(SITE)).with_suffix(".ipynb").exists()]
    assert len(notebooks) > 20 and "not measured" not in table
    linked = {(SITE / "book" / link).resolve() for link in re.findall(r'<td><p><a [^>]*href="([^"#]+)"', table)}
    assert linked == set(notebooks)
