"""The house keeps its shape: rooms import only the rooms below them, and importing the package costs nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "timm", "transformers", "pandas", "matplotlib", "scipy", "pyarrow", "pydicom", "numpy")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the import contracts of the package that lies in a folder."""
    tool = Path(sys.executable).with_name("lint-imports")
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run([tool, "--no-cache"], cwd=folder, env=environment, capture_output=True, text=True)


def test_rooms_import_only_rooms_below_them():
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_an_import_against_the_way_of_a_study_is_caught(tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    rooms = {"": "", "data": "from cxrtutor import methods\n", "methods": ""}
    for room, code in rooms.items():
        (tmp_path / "cxrtutor" / room).mkdir(parents=True, exist_ok=True)
        (tmp_path / "cxrtutor" / room / "__init__.py").write_text(code)
    result = lint_imports(tmp_path)
    assert result.returncode == 1
    assert "cxrtutor.data -> cxrtutor.methods" in result.stdout


def test_a_room_that_the_contract_does_not_know_is_caught(tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "cxrtutor" / "attic").mkdir(parents=True)
    for package in ("cxrtutor", "cxrtutor/attic"):
        (tmp_path / package / "__init__.py").write_text("")
    result = lint_imports(tmp_path)
    assert result.returncode == 1
    assert "attic" in result.stdout


def test_importing_the_package_is_instant():
    code = (
        "import sys, time; start = time.perf_counter(); import cxrtutor; print(time.perf_counter() - start);"
        f"print(*(name for name in {HEAVY} if name in sys.modules))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for _ in range(5)
    ]
    seconds, heavy = zip(*(run.split("\n")[:2] for run in runs), strict=True)
    assert min(map(float, seconds)) < 0.3
    assert set(heavy) == {""}
