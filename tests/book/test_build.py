"""When executed chapters are kept, and when they are executed anew."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "book" / "build.py"


@pytest.fixture
def build(tmp_path, monkeypatch):
    """The build script, at work in a small book of which the chapters were once executed."""
    spec = importlib.util.spec_from_file_location("build", SCRIPT)
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    for name in ("BUILD", "OUTPUTS", "KEY", "LEDGER", "ROOT"):
        monkeypatch.setattr(build, name, tmp_path / getattr(build, name).relative_to(build.ROOT))
    for file in (
        "cxrtutor/model.py",
        "cxrtutor/chest.npz",
        "configs/lsm.yaml",
        "chapters/01.ipynb",
        "requirements.txt",
    ):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("old")
    build.drop_stale_outputs()
    build.OUTPUTS.mkdir()
    build.LEDGER.touch()
    return build


def test_outputs_are_kept_while_nothing_changes(build):
    (build.ROOT / "cxrtutor" / "__pycache__").mkdir()
    (build.ROOT / "cxrtutor" / "__pycache__" / "model.pyc").write_text("compiled")
    (build.ROOT / "chapters" / "01.ipynb").write_text("Jupyter Book itself sees this change")
    build.drop_stale_outputs()
    assert build.OUTPUTS.exists()
    assert build.LEDGER.exists()


@pytest.mark.parametrize("file", ["cxrtutor/model.py", "cxrtutor/chest.npz", "configs/lsm.yaml", "requirements.txt"])
def test_outputs_are_dropped_when_something_they_rest_on_changes(build, file):
    (build.ROOT / file).write_text("new")
    build.drop_stale_outputs()
    assert not build.OUTPUTS.exists()
    assert not build.LEDGER.exists()


def test_outputs_are_dropped_when_a_record_is_added(build):
    (build.ROOT / "chapters" / "records").mkdir()
    (build.ROOT / "chapters" / "records" / "lsm.json").write_text("{}")
    build.drop_stale_outputs()
    assert not build.OUTPUTS.exists()


def test_a_renamed_file_counts_as_a_change(build):
    (build.ROOT / "configs" / "lsm.yaml").rename(build.ROOT / "configs" / "afloc.yaml")
    build.drop_stale_outputs()
    assert not build.OUTPUTS.exists()
