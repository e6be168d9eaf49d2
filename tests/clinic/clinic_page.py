"""The tests that the page of the bug clinic holds: smoke tests, a worked example, and the model solution."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import nbformat

from cxrtutor.clinic.tests import asked_for, tests_among

PAGE = Path(__file__).resolve().parents[2] / "book" / "bug-clinic.ipynb"


def sources(kind: str) -> list[str]:
    """The page's cells."""
    return [cell.source for cell in nbformat.read(PAGE, as_version=4).cells if cell.cell_type == kind]


def file_of_tests() -> str:
    """The page's tests with what they use, as the text of a file; the page's own grading is left out."""
    cells = [
        cell for cell in sources("code") if cell.startswith(("import", "torch.manual_seed")) or "def test_" in cell
    ]
    statements = [statement for cell in cells for statement in ast.parse(cell).body]
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.Assign, ast.AugAssign)
    texts = [ast.unparse(one) for one in statements if isinstance(one, kinds) or "manual_seed" in ast.unparse(one)]
    return "\n\n".join(text for text in texts if "clinic." not in text) + "\n"


@cache
def page_tests() -> dict[str, Callable[..., object]]:
    """All tests of the page by name."""
    names: dict[str, Any] = {}
    exec(compile(file_of_tests(), str(PAGE), "exec"), names)
    return tests_among(names)


def smoke_tests() -> dict[str, Callable[..., object]]:
    """By a patient's name, the page's test that only looks whether something comes out."""
    return {asked_for(test)[0]: test for name, test in page_tests().items() if name.startswith("test_smoke")}


def model_tests() -> dict[str, list[Callable[..., object]]]:
    """By a patient's name, the page's tests that mean it."""
    found: dict[str, list[Callable[..., object]]] = {}
    for name, test in page_tests().items():
        if not name.startswith("test_smoke"):
            found.setdefault(asked_for(test)[0], []).append(test)
    return found
