from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from small_runs import small_set, use_small_text_encoder


@pytest.fixture(autouse=True, scope="module")
def small_text_encoder() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        use_small_text_encoder(patch)
        yield


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set of 24 + 8 + 6 small studies."""
    return small_set(tmp_path_factory.mktemp("small") / "set")
