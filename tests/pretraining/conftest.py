from __future__ import annotations

from collections.abc import Iterator

import pytest
from small_runs import use_small_text_encoder


@pytest.fixture(autouse=True, scope="module")
def small_text_encoder() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        use_small_text_encoder(patch)
        yield
