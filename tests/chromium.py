"""The system's Chromium, driven by Playwright, and a folder served to it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def missing(what: str) -> None:
    """Skip on a reader's machine; fail where CXRTUTOR_REQUIRE_BROWSER says that pages must be checked."""
    if os.environ.get("CXRTUTOR_REQUIRE_BROWSER"):
        pytest.fail(what)
    pytest.skip(what)


@contextmanager
def launched() -> Iterator[Browser]:
    """A fresh headless Chromium; where there is none, see `missing`."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        missing(f"No browser found, so pages are not checked in one. Install any of: {', '.join(NAMES)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing: requests are recorded by the browser."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which `folder` is served on a free port of this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
