"""A page with widgets on it, and what any widget must be: readable, and no wider than its page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cxrtutor.viewing.widgets.page_widget import PageWidget

_REACH_OUT = """host => {
    const [card, ...parts] = host.lastElementChild.shadowRoot.querySelectorAll(".card, .card :not(.hidden, q)");
    const limit = card.getBoundingClientRect().right;
    return parts.filter((part) => part.getBoundingClientRect().right > limit).map((part) => part.outerHTML);
}"""

_CONTRAST = """element => {
    const light = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number)
        .map((value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
        .reduce((sum, value, k) => sum + value * [0.2126, 0.7152, 0.0722][k], 0);
    const card = element.closest(".card");
    const [ink, paper] = [getComputedStyle(element).color, getComputedStyle(card).backgroundColor].map(light);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
}"""


def written(tmp_path: Path, *widgets: PageWidget) -> None:
    """Writes `page.html` with nothing but these widgets."""
    html = "".join(widget._repr_mimebundle_()[0]["text/html"] for widget in widgets)
    (tmp_path / "page.html").write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Test</title><link rel="icon" href="data:,">'
        f'<main><h1 style="position: absolute; left: -99px">Test</h1>{html}</main></html>',
        encoding="utf-8",
    )


@contextmanager
def opened(request: pytest.FixtureRequest, *widgets: PageWidget, **context_options: object) -> Iterator:
    """For a fixture: a page with these widgets, over http or, with the parameter "file", from a file.

    At the end nothing was asked for and nothing went wrong.
    """
    tmp_path, open_page = map(request.getfixturevalue, ("tmp_path", "open_page"))
    written(tmp_path, *widgets)
    from_file = getattr(request, "param", "http") == "file"
    base = tmp_path.as_uri() if from_file else request.getfixturevalue("server")
    page, watch = open_page(f"{base}/page.html", **context_options)
    yield page
    watch.assert_silent()


def assert_fits(page, width: int, left: str, right: str) -> bool:
    """Nothing reaches out of the first card on a page so wide; returns whether `right` stands beside `left`."""
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(100)
    assert page.locator(".cxrtutor-widget").first.evaluate(_REACH_OUT) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    first, second = (page.locator(part).first.bounding_box() for part in (left, right))
    return second["x"] > first["x"] + first["width"]


def assert_stands_out(page, *parts: str) -> None:
    """The text of these parts has the contrast that WCAG asks for (AA)."""
    for part in parts:
        assert page.locator(part).first.evaluate(_CONTRAST) >= 4.5, part
