"""The first page shows what the book is about on one screen, with a widget that answers without a kernel."""

from __future__ import annotations

import pytest
from built_site import INDEX, SITE
from chromium import missing
from playwright.sync_api import expect

SCREEN = {"width": 1280, "height": 800}


@pytest.fixture
def page(browser):
    if not INDEX.exists():
        missing("The site is not built: make book")
    page = browser.new_page(viewport=SCREEN)
    page.goto(INDEX.as_uri(), wait_until="networkidle")
    yield page
    page.close()


@pytest.mark.browser
def test_the_site_opens_on_the_front_page(page):
    assert page.url == (SITE / "book" / "intro.html").as_uri()


@pytest.mark.browser
def test_the_film_and_the_threshold_are_on_the_first_screen(page):
    widget = page.locator(".cxrtutor-widget")
    for part in (widget.locator("select"), widget.get_by_role("slider", name="Threshold")):
        box = part.bounding_box()
        assert box["y"] + box["height"] < SCREEN["height"]
    film = widget.locator("canvas, img, svg").first.bounding_box()
    assert film["y"] + film["height"] / 2 < SCREEN["height"]


@pytest.mark.browser
def test_the_overlap_follows_the_threshold_and_the_film(page):
    widget = page.locator(".cxrtutor-widget")
    overlap, prompts = widget.locator(".iou"), widget.locator("select option")
    at_first = overlap.inner_text()
    widget.get_by_role("slider", name="Threshold").focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    expect(overlap).not_to_have_text(at_first)
    of_one_film = overlap.inner_text()
    assert prompts.count() == 3
    widget.locator("select").select_option(index=1)
    expect(overlap).not_to_have_text(of_one_film)
