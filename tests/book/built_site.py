"""Where the built site lies, and what stands in a page of it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

SITE = Path(__file__).resolve().parents[2] / "_build" / "html"
INDEX = SITE / "index.html"


class Elements(HTMLParser):
    """Every element of a page in order: its tag and its attributes."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attributes}))
