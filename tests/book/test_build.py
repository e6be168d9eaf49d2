"""When executed chapters are kept, and when they are executed anew."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
from jupyter_cache import get_cache
from small_book import notebook

from cxrtutor import guard

SCRIPT = Path(__file__).resolve().parents[2] / "book" / "build.py"


@pytest.fixture
def build(tmp_path, monkeypatch):
    """The build script, at work in a small book of which the chapters were once executed."""
    spec = importlib.util.spec_from_file_location("build", SCRIPT)
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    for name in ("BUILD", "OUTPUTS", "COSTS", "KEY", "LEDGER", "ROOT"):
        monkeypatch.setattr(build, name, tmp_path / getattr(build, name).relative_to(build.ROOT))
    for file in (
        "cxrtutor/model.py",
        "cxrtutor/chest.npz",
        "configs/lsm.yaml",
        "chapters/01.ipynb",
        "requirements.txt",
        "book/measure_cells.py",
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


@pytest.mark.parametrize(
    "file", ["cxrtutor/model.py", "cxrtutor/chest.npz", "configs/lsm.yaml", "requirements.txt", "book/measure_cells.py"]
)
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


@pytest.fixture
def notebooks(build, monkeypatch):
    """The small book with three notebooks: one waits for what another does, and one fails."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    shutil.rmtree(build.ROOT / "chapters")
    waits = "import pathlib, time\nwhile not pathlib.Path('met').exists():\n    time.sleep(0.1)"
    pages = {"book/waits": waits, "chapters/meets": "open('../book/met', 'x').close()", "chapters/fails": "1 / 0"}
    for page, code in pages.items():
        path = build.ROOT / f"{page}.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_text(notebook(code))
    (build.ROOT / "_config.yml").write_text("execute:\n  timeout: 60\n")
    return {page: build.ROOT / f"{page}.ipynb" for page in pages}


def test_notebooks_are_executed_two_at_a_time_and_kept_unless_they_fail(build, notebooks):
    build.execute_notebooks()
    kept = {page for page, path in notebooks.items() if build.is_kept(path, get_cache(build.OUTPUTS))}
    assert kept == {"book/waits", "chapters/meets"}
    build.execute_notebooks()  # to make 'met' twice would fail, and the notebook would no longer be kept
    assert build.is_kept(notebooks["chapters/meets"], get_cache(build.OUTPUTS))


def test_a_changed_notebook_is_executed_anew(build, notebooks):
    build.execute_notebooks()
    notebooks["chapters/meets"].write_text(notebook("2 + 2"))
    assert not build.is_kept(notebooks["chapters/meets"], get_cache(build.OUTPUTS))
    build.execute_notebooks()
    assert build.is_kept(notebooks["chapters/meets"], get_cache(build.OUTPUTS))


@pytest.mark.parametrize("free", [True, False])
def test_a_site_that_must_not_be_published_says_so_loudly(build, monkeypatch, capfd, free):
    def small_site():
        build.SITE.mkdir(parents=True)
        (build.SITE / "index.html").write_text("<p>Book</p>")
        (build.SITE / guard.LEDGER_NAME).write_text(json.dumps({"name": "MS-CXR", "redistribution": free}) + "\n")
        return 0

    monkeypatch.setattr(build, "SITE", build.BUILD / "html")
    monkeypatch.setattr(build, "build_site", small_site)
    for step in ("tell_kernels", "execute_notebooks"):
        monkeypatch.setattr(build, step, lambda: None)
    assert build.main() == 0
    assert (build.SITE / build.WARNING_NAME).exists() is not free
    assert ("must not be published" in capfd.readouterr().err) is not free
    if not free:
        assert "MS-CXR" in (build.SITE / build.WARNING_NAME).read_text()
