"""A page that watches what it asks for and what it complains of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from chromium import served


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of the test's temporary folder."""
    with served(tmp_path) as address:
        yield address


@dataclass
class Watch:
    """What a page asked for beyond its own address, and what it complained of; both should stay empty."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def assert_silent(self) -> None:
        assert self.requests == []
        assert self.complaints == []


@pytest.fixture
def open_page(browser):
    """`open_page(url, **context_options) -> (page, watch)`: a fresh profile; all it asks for besides is blocked."""
    contexts = []

    def open_(url: str, **options: object):
        context = browser.new_context(**options)
        contexts.append(context)
        page, watch = context.new_page(), Watch()

        def decide(route, request) -> None:
            if request.url == url:
                route.continue_()
            else:
                watch.requests.append(request.url)
                route.abort()

        context.route(lambda address: urlsplit(address).scheme not in ("blob", "data"), decide)
        page.on("console", lambda message: watch.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: watch.complaints.append(str(error)))
        page.goto(url)
        return page, watch

    yield open_
    for context in contexts:
        context.close()
