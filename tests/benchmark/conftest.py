from __future__ import annotations

import pytest
from small_runs import use_small_text_encoder


@pytest.fixture
def small_text_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_text_encoder(monkeypatch)
