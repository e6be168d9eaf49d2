"""A page on paper: nothing to press, and nothing folded away."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["light", "dark"])
def page(request, small_book, browser):
    page = browser.new_page(color_scheme=request.param)
    page.goto((small_book / "_build" / "html" / "chapters" / "try.html").as_uri(), wait_until="networkidle")
    page.locator("button.toggle-button").last.wait_for()  # what is folded is folded by a script
    yield page
    page.close()


def is_seen(page, selector: str) -> bool:
    """Whether the last such element would be drawn."""
    options = "{contentVisibilityAuto: true, opacityProperty: true, visibilityProperty: true}"
    return page.locator(selector).last.evaluate(f"element => element.checkVisibility({options})")


FOLDED = ("details.hide pre", ".admonition.dropdown p:not(.admonition-title)")
PRESSED = (".bd-header-article", ".bd-sidebar-primary", ".prev-next-footer", "button.toggle-button")


@pytest.mark.browser
def test_paper_shows_what_is_folded_and_hides_what_is_pressed(page):
    assert not any(is_seen(page, folded) for folded in FOLDED)
    assert all(is_seen(page, pressed) for pressed in PRESSED)
    page.emulate_media(media="print")
    assert all(is_seen(page, folded) for folded in FOLDED)
    assert not any(is_seen(page, pressed) for pressed in PRESSED)


@pytest.mark.browser
def test_paper_has_dark_ink(page):
    page.emulate_media(media="print")
    for selector in (".bd-article p", "div.cell_input pre span", "div.cell_output pre"):
        colour = page.locator(selector).first.evaluate("element => getComputedStyle(element).color")
        levels = [int(level) for level in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        assert max(levels) < 0x90, f"{selector} is printed in {colour}"
