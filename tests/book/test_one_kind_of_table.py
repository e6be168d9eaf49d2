"""A table that hides its index looks like its neighbours: the theme finds on it the class that it knows tables by."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_styled_tables_have_the_class_of_the_others(pages: list[Path]):
    texts = [page.read_text(encoding="utf-8") for page in pages]
    assert any('<table class="dataframe" id="T_' in text for text in texts)
    assert not any('<table id="T_' in text for text in texts)


@pytest.mark.browser
def test_no_card_is_laid_under_them_in_the_dark(browser, pages: list[Path]):
    (file,) = [page for page in pages if page.name == "01-see-it-first.html"]
    page = browser.new_page(color_scheme="dark")
    page.goto(file.as_uri())
    tables = page.locator(".cell_output .output:has(table)")
    assert tables.count() >= 2
    shades = tables.evaluate_all("all => all.map((one) => getComputedStyle(one).backgroundColor)")
    assert set(shades) == {"rgba(0, 0, 0, 0)"}, shades
    page.close()
