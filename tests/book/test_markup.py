"""What the book's own extensions take out of its pages or add to them, in the pages as they were built."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

_SCROLLS = "all => all.map((one) => [one.scrollWidth > one.clientWidth, one.tabIndex === 0])"


@pytest.fixture(scope="module")
def texts(pages: list[Path]) -> dict[str, str]:
    return {page.stem: page.read_text(encoding="utf-8") for page in pages}


def test_no_heading_of_a_table_is_empty(texts):
    empty = re.compile(r"<th[^>]*>(?:\s|<p>\s*</p>)*</th>")
    assert not [name for name, text in texts.items() if empty.search(text)]


def test_no_entry_of_the_sources_has_a_withdrawn_role(texts):
    assert 'class="citation"' in texts["references"]
    assert "doc-biblioentry" not in texts["references"]
    assert '<div role="list" class="citation-list">' not in texts["references"]


def test_the_data_of_a_widget_are_in_its_page_once(texts):
    assert "cxrtutor-widget" in texts["01-see-it-first"]
    assert not [name for name, text in texts.items() if "application/vnd.jupyter.widget-state+json" in text]


def test_formulas_are_set_by_what_waits_for_the_page(texts):
    assert "_static/formulas.js" in texts["06-global-alignment"]
    assert not [name for name, text in texts.items() if "mathjax/startup.js" in text]


@pytest.mark.browser
def test_only_code_that_is_wider_than_the_page_is_a_stop_of_the_tab_key(browser, pages: list[Path]):
    (file,) = [page for page in pages if page.stem == "01-see-it-first"]
    page = browser.new_page(viewport={"width": 360, "height": 900})
    page.goto(file.as_uri())
    code = page.locator(".cell_input pre")
    page.wait_for_timeout(300)
    narrow = code.evaluate_all(_SCROLLS)
    assert all(scrolls == stops for scrolls, stops in narrow)
    assert any(scrolls for scrolls, _ in narrow)
    page.set_viewport_size({"width": 1800, "height": 900})
    page.wait_for_timeout(300)
    wide = code.evaluate_all(_SCROLLS)
    assert all(scrolls == stops for scrolls, stops in wide)
    assert sum(scrolls for scrolls, _ in wide) < sum(scrolls for scrolls, _ in narrow)
    page.close()
