"""Every notebook's time and memory, noted by its kernel and found again by its code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from small_book import ROOT, build, notebook

COSTS = """\
# Costs

```{execution-costs}
```
"""
BYTES = 400_000_000
HUNGRY = notebook("# Hungry", "kept = []", f"kept.append(bytearray(b'1' * {BYTES}))", "kept.clear()")
MODEST = notebook("# Modest", "import time", "time.sleep(1.5)")
SILENT = notebook("# Silent")


def rows(folder: Path) -> dict[str, list[str]]:
    """The cells of the table by those of its first column."""
    page = (folder / "_build" / "html" / "costs.html").read_text(encoding="utf-8")
    (table,) = re.findall(r"<table.*?</table>", page, re.DOTALL)
    found = [
        re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL)
    ]
    texts = [[re.sub(r"<[^>]+>", "", cell).strip() for cell in cells] for cells in found]
    return {first: rest for first, *rest in texts}


def measured_build(folder: Path, pages: dict[str, str]) -> dict[str, list[str]]:
    environment = {"CXRTUTOR_COSTS": str(folder / "kept" / "costs.jsonl")}
    built = build(folder, pages, PYTHONSTARTUP=str(ROOT / "book" / "measure_cells.py"), **environment)
    assert built.returncode == 0, built.stdout + built.stderr
    return rows(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("costs")


@pytest.fixture(scope="module")
def first(folder: Path) -> dict[str, list[str]]:
    """The table of a book that was built for the first time; the page with the table is read before the notebooks."""
    pages = {"costs.md": COSTS, "hungry.ipynb": HUNGRY, "modest.ipynb": MODEST, "silent.ipynb": SILENT}
    return measured_build(folder, pages)


def number(text: str) -> float:
    return float(text.split()[0])  # a space that does not break is one, too


def test_each_notebook_with_code_has_a_row_and_all_have_one_together(first):
    assert list(first) == ["notebook", "Hungry", "Modest", "all, one after another; the largest"]


def test_memory_is_that_of_the_peak(first):
    assert number(first["Hungry"][1]) > BYTES / 1e9 - 0.05
    assert number(first["Modest"][1]) < BYTES / 1e9
    assert first["all, one after another; the largest"][1] == first["Hungry"][1]


def test_time_covers_the_cells(first):
    assert number(first["Modest"][0]) >= 2  # the sleep, and the start of the kernel: rounded
    parts = number(first["Hungry"][0]) + number(first["Modest"][0])
    assert number(first["all, one after another; the largest"][0]) == pytest.approx(parts, abs=1)


def test_kept_outputs_keep_their_costs_and_changed_ones_get_new_ones(folder, first):
    pages = {"costs.md": COSTS, "hungry.ipynb": HUNGRY, "modest.ipynb": notebook("# Modest", "'quick'")}
    before = (folder / "kept" / "costs.jsonl").read_text().splitlines()
    (folder / "silent.ipynb").unlink()
    second = measured_build(folder, pages)
    assert second["Hungry"] == first["Hungry"]
    added = (folder / "kept" / "costs.jsonl").read_text().splitlines()[len(before) :]
    assert len(added) == 1 and number(second["Modest"][0]) == round(json.loads(added[0])["seconds"])


def test_without_the_measure_the_table_says_so(tmp_path):
    built = build(tmp_path, {"costs.md": COSTS, "modest.ipynb": notebook("# Modest", "6 * 7")})
    assert built.returncode == 0, built.stdout + built.stderr
    assert rows(tmp_path)["Modest"] == ["not measured", "not measured"]
