"""What all tests share: checked annotations, a cache folder of their own, and the same draws on every run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Before anything imports cxrtutor: every annotated shape and type is checked while the tests run.
install_import_hook("cxrtutor", "beartype.beartype")

# Before anything imports torch, transformers or matplotlib.
os.environ.setdefault("OMP_NUM_THREADS", "2")  # the order of summation, and so the last digits, depend on it
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MPLBACKEND"] = "Agg"

settings.register_profile("course", derandomize=True, deadline=None, max_examples=25)
settings.load_profile("course")


@pytest.fixture(scope="session", autouse=True)
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache folder of all processes that test, with the quick teaching set: `$CXRTUTOR_HOME`, or a new one."""
    with pytest.MonkeyPatch.context() as patch:
        if "CXRTUTOR_HOME" not in os.environ:
            folder = tmp_path_factory.getbasetemp()
            of_all = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
            patch.setenv("CXRTUTOR_HOME", str(of_all / "home"))
        yield Path(os.environ["CXRTUTOR_HOME"])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder for one test."""
    folder = tmp_path / "home"
    monkeypatch.setenv("CXRTUTOR_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, headless."""
    from chromium import launched

    with launched() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set of 24 + 8 + 6 small studies."""
    from small_runs import small_set

    return small_set(tmp_path_factory.mktemp("small") / "set")
