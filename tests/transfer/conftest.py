from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from data import real_layouts
from data.test_all_sets import one_after_another
from split_for_tests import split_for_tests

from cxrtutor.data import preparation, splits
from cxrtutor.data.preparation import prepare
from cxrtutor.data.sources import rsna
from cxrtutor.data.sources.registry import SETS


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Prepares a set in its owner's layout, by its name in `real_layouts`."""
    monkeypatch.setattr(preparation, "in_processes", one_after_another)
    monkeypatch.setattr(splits, "hashed_split", split_for_tests)
    monkeypatch.setattr(rsna, "hashed_split", split_for_tests)

    def prepare_set(name: str) -> Path:
        (folder := tmp_path / name).mkdir()
        shipped = getattr(real_layouts, name)(folder)
        return prepare(SETS[name](*map(Path, shipped.arguments)), tmp_path / f"{name} prepared", side=64)

    return prepare_set
