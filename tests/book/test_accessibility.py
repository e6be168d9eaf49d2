"""The built site, for readers who see, point or move otherwise: judged by axe-core, and by the keyboard alone.

Every page is opened once, unfolded, and judged by axe-core in light and dark. As narrow as a phone, where all have the
same parts and colours in another order, every page is asked for its width, and some are judged once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from axe import faults, unfolded
from built_site import SITE
from playwright.sync_api import Browser, Page

WIDE, NARROW = 1200, 360
JUDGED_NARROW = ("book/intro.html", "book/reader-study.html", "book/glossary.html", "chapters/01-see-it-first.html")
"""Between them they have all that other pages have."""

_OUTSIDE = """() => innerWidth < document.documentElement.scrollWidth
    ? [...document.querySelectorAll("main *")].filter((part) => part.getBoundingClientRect().right > innerWidth + 1)
        .slice(0, 3).map((part) => part.outerHTML.slice(0, 120))
    : []"""

_HEADINGS = """() => [...document.querySelectorAll("main :is(h1, h2, h3, h4, h5, h6)")]
    .filter((heading) => heading.checkVisibility()).map((heading) => Number(heading.localName[1]))"""


@dataclass
class Judged:
    """What keeps readers out of one page, what sticks out of a narrow window, and the levels of its headings."""

    faults: list[str]
    outside: list[str]
    headings: list[int]


def judge(browser: Browser, address: str) -> Judged:
    page = browser.new_page(reduced_motion="reduce")  # what fades in would be judged half-way
    page.goto(address, wait_until="networkidle")
    if page.locator(".math").count():
        page.wait_for_selector("mjx-container")
    unfolded(page)
    page.set_viewport_size({"width": WIDE, "height": 900})
    found = [f"{WIDE} px, {fault}" for fault in faults(page)]
    page.set_viewport_size({"width": NARROW, "height": 900})
    if address.endswith(JUDGED_NARROW):
        found += [f"{NARROW} px, {fault}" for fault in faults(page, ["light"])]
    judged = Judged(found, page.evaluate(_OUTSIDE), page.evaluate(_HEADINGS))
    page.close()
    return judged


@pytest.fixture(scope="module")
def judged(browser: Browser, server: str, pages: list[Path]) -> dict[str, Judged]:
    """Each page by its name."""
    names = [page.relative_to(SITE).as_posix() for page in pages]
    return {name: judge(browser, f"{server}/{name}") for name in names}


@pytest.mark.browser
def test_axe_finds_nothing_that_keeps_a_reader_out(judged):
    found = [f"{name}: {fault}" for name, seen in judged.items() for fault in seen.faults]
    assert not found, "\n".join(found)


@pytest.mark.browser
def test_no_page_scrolls_sideways_on_a_phone(judged):
    assert not {name: seen.outside for name, seen in judged.items() if seen.outside}


@pytest.mark.browser
def test_headings_leave_out_no_level(judged):
    for name, seen in judged.items():
        assert seen.headings.count(1) == 1, f"{name} has {seen.headings.count(1)} titles"
        assert all(after <= before + 1 for before, after in pairwise(seen.headings)), f"{name}: {seen.headings}"


@pytest.fixture
def chapter(browser: Browser, server: str, pages: list[Path]) -> Page:
    """A page with everything: formulas, folded solutions, figures and widgets."""
    page = browser.new_page(viewport={"width": WIDE, "height": 900}, reduced_motion="reduce")
    page.goto(f"{server}/chapters/01-see-it-first.html", wait_until="networkidle")
    yield page
    page.close()


# Widgets have tests of their own; what they look like when they have the focus is theirs as well.
_FOCUSED = """() => {
    const part = document.activeElement;
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(part);
    return {
        name: part.outerHTML.slice(0, 100),
        seen: (outlineStyle !== "none" && outlineWidth !== "0px") || boxShadow !== "none" || Boolean(part.shadowRoot),
        body: part === document.body,
    };
}"""


@pytest.mark.browser
def test_the_tab_key_goes_through_the_page_and_one_sees_where_it_is(chapter):
    stops = []
    while not stops or not (stops[-1]["body"] or len(stops) > 500):
        chapter.keyboard.press("Tab")
        stops.append(chapter.evaluate(_FOCUSED))
    assert "#main-content" in stops[0]["name"]  # past all that is the same on every page
    assert 40 < len(stops) < 500  # and out again at the end
    assert not [stop["name"] for stop in stops[:-1] if not stop["seen"]]


@pytest.mark.browser
def test_a_solution_is_unfolded_by_the_keyboard(chapter):
    solution = chapter.locator(".solution").first
    button = solution.locator("button.toggle-button").first
    folded = solution.bounding_box()["height"]
    button.focus()
    chapter.keyboard.press("Enter")
    assert solution.bounding_box()["height"] > folded
    chapter.keyboard.press("Enter")
    assert solution.bounding_box()["height"] == folded


@pytest.mark.browser
def test_nothing_moves_where_the_reader_asks_for_rest(chapter):
    moving = """() => [...document.querySelectorAll("*")].filter((part) => {
        const { transitionDuration, animationName } = getComputedStyle(part);
        return animationName !== "none" || transitionDuration.split(", ").some((time) => parseFloat(time) > 0.01);
    }).map((part) => part.outerHTML.slice(0, 100))"""
    assert chapter.evaluate(moving) == []
    assert chapter.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
