from __future__ import annotations

from pathlib import Path

import pytest
from small_runs import small_set, use_small_text_encoder


@pytest.fixture
def small_text_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_text_encoder(monkeypatch)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set of 24 + 8 + 6 small studies."""
    return small_set(tmp_path_factory.mktemp("small") / "set")
