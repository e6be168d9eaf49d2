"""The first time a page uses a word of the glossary, its meaning lies behind it; shown by pointer, key and touch."""

from __future__ import annotations

import re
from html import unescape

import pytest
from playwright.sync_api import Page, expect


def marked(small_book, page: str) -> list[tuple[str, str, str]]:
    """Every explained word of a page: its text, where it leads, what it says."""
    html = (small_book / "_build" / "html" / page).read_text(encoding="utf-8")
    words = re.findall(r'<a class="glossary-term" href="([^"]*)" data-definition="([^"]*)">([^<]*)</a>', html)
    return [(word, link, unescape(definition)) for link, definition, word in words]


def test_the_first_use_of_each_word_in_running_text_is_explained(small_book):
    assert marked(small_book, "start.html") == [
        ("heat map", "words.html#term-heat-map", "A value for every “pixel” < 1."),
        ("prompt", "words.html#term-prompt-query", "What is asked."),
        ("region", "words.html#term-region", "A cell of a heat map."),
        ("Feature-maps", "words.html#term-feature-map", "A grid of regions."),
    ]


def test_the_word_in_code_and_the_one_that_is_a_link_already_are_passed_over(small_book):
    page = (small_book / "_build" / "html" / "start.html").read_text(encoding="utf-8")
    assert 'but the next <a class="glossary-term" href="words.html#term-region"' in page


def test_code_and_its_output_are_left_alone(small_book):
    assert marked(small_book, "chapters/try.html") == []


def test_the_glossary_does_not_explain_itself(small_book):
    assert marked(small_book, "words.html") == []


@pytest.fixture
def page(small_book, browser):
    page = browser.new_page(viewport={"width": 360, "height": 640})
    page.goto((small_book / "_build" / "html" / "start.html").as_uri())
    yield page
    page.close()


def within_window(page: Page) -> bool:
    box = page.get_by_role("tooltip").bounding_box()
    return box["x"] >= 0 and box["y"] >= 0 and box["x"] + box["width"] <= 360 and box["y"] + box["height"] <= 640


@pytest.mark.browser
def test_the_pointer_shows_the_meaning_and_may_rest_on_it(page):
    meaning = page.get_by_role("tooltip")
    expect(meaning).to_have_count(0)
    page.locator("a.glossary-term", has_text="region").hover()
    expect(meaning).to_have_text("A cell of a heat map.")
    assert within_window(page)
    meaning.hover()
    page.wait_for_timeout(300)
    expect(meaning).to_be_visible()
    page.mouse.move(5, 5)
    expect(meaning).to_have_count(0)


@pytest.mark.browser
def test_the_tab_key_shows_the_meaning_and_escape_puts_it_away(page):
    word = page.locator("a.glossary-term").first
    word.focus()
    meaning = page.get_by_role("tooltip")
    expect(meaning).to_have_text("A value for every “pixel” < 1.")
    assert within_window(page)
    assert word.get_attribute("aria-describedby") == meaning.get_attribute("id")
    page.keyboard.press("Escape")
    expect(meaning).to_have_count(0)
    assert word.get_attribute("aria-describedby") is None
    page.keyboard.press("Enter")
    page.wait_for_url("**/words.html#term-heat-map")


@pytest.mark.browser
def test_a_word_that_the_tab_key_scrolls_to_has_its_meaning_beside_it(page):
    word = page.locator("a.glossary-term", has_text="Feature-maps")
    word.evaluate("one => one.insertAdjacentHTML('beforebegin', '<div style=\"height: 3000px\"></div>')")
    page.locator("a.glossary-term", has_text="region").focus()
    page.keyboard.press("Tab")
    expect(word).to_be_focused()
    page.wait_for_function("scrollY > 0")
    page.wait_for_timeout(500)  # a page may scroll slowly
    meaning = page.get_by_role("tooltip")
    expect(meaning).to_have_text("A grid of regions.")
    assert within_window(page)
    of_word, of_meaning = word.bounding_box(), meaning.bounding_box()
    assert abs(of_word["y"] - of_meaning["y"]) < 100
    page.locator("body").evaluate("() => document.activeElement.blur()")
    expect(meaning).to_have_count(0)


@pytest.mark.browser
def test_a_first_tap_shows_the_meaning_and_a_second_follows_the_link(small_book, browser):
    page = browser.new_page(has_touch=True)
    page.goto((small_book / "_build" / "html" / "start.html").as_uri())
    word = page.locator("a.glossary-term", has_text="prompt")
    word.tap()
    expect(page.get_by_role("tooltip")).to_have_text("What is asked.")
    assert page.url.endswith("start.html")
    word.tap()
    page.wait_for_url("**/words.html#term-prompt-query")
    page.close()
