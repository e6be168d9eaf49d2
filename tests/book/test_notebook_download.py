"""The button that saves a page's notebook, over http and from a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from chromium import served


@pytest.mark.browser
@pytest.mark.parametrize("way", ["http", "file"])
def test_the_button_saves_the_notebook(small_book, browser, way):
    site = small_book / "_build" / "html"
    with served(site) as address:
        page = browser.new_page()
        page.goto(f"{address if way == 'http' else site.as_uri()}/chapters/try.html")
        button = page.locator("a.btn-download-source-button")
        with page.expect_download() as download:
            button.evaluate("button => button.click()")
        assert download.value.suggested_filename == "try.ipynb"
        saved = Path(download.value.path()).read_text(encoding="utf-8")
        page.close()
    assert saved == (small_book / "chapters" / "try.ipynb").read_text(encoding="utf-8")
