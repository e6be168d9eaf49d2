"""The system's Chromium, driven by Playwright; a page that watches what it asks for and what it complains of."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Chromium, headless. Where none is installed the test is skipped, or fails if CXRTUTOR_REQUIRE_BROWSER is set."""
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        missing = f"no browser on the PATH (looked for {', '.join(NAMES)}); install the package `chromium`"
        pytest.fail(missing) if os.environ.get("CXRTUTOR_REQUIRE_BROWSER") else pytest.skip(missing)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield chromium
        chromium.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing: requests are recorded by the browser."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address at which the test's temporary folder is served on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path))) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


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
