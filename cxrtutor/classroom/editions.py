"""The student's and the teacher's edition of the book's notebooks, both made from the same source.

In the student edition every solution is gone, text and code. Where it stood there are a stub, which has the answer's
name and arguments and raises `NotImplementedError`, and the check that the answer must pass. A check catches what an
answer raises, so that every cell of the notebook runs: an exercise that nobody has solved yet says so and stops nobody.

In the teacher's edition nothing is changed but that every solution stands open.

An edition is a folder that holds `chapters`, `book`, `configs` and `CONTENTS.md` as the source does, so that its links
and paths lead to the same things, and a hidden copy of its chapters, to reset them from. The pages for teachers stay
out of the students' one. The right answers of the self-checks are a part of the installed package: whoever looks for
them there finds them.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from ..errors import InputError
from ..store import new_folder
from .chapters import PARTS, check_is_book
from .contents import CONTENTS
from .exercises import Exercise, exercises, names_bound, pieces
from .reset import ORIGINALS, keep_originals

LEFT_OUT = ("__pycache__", ".ipynb_checkpoints", "book/_ext", "book/_templates", "book/*.py")
"""What no edition needs, as patterns of names and of paths: tools of the site, and caches."""

FOR_TEACHERS = "book/teaching"
"""The pages that are not for students."""


def make_student_edition(source: Path, target: Path) -> Path:
    """Write the student edition of the book in `source` to `target`, in place of an earlier one.

    Raises:
        InputError: there is no book in `source`; `target` is something else than an edition, or cannot be written.
    """
    return _make(source, target, student_notebook, (*LEFT_OUT, FOR_TEACHERS))


def make_solutions_edition(source: Path, target: Path) -> Path:
    """Write the teacher's edition of the book in `source` to `target`, in place of an earlier one.

    Raises:
        InputError: there is no book in `source`; `target` is something else than an edition, or cannot be written.
    """
    return _make(source, target, solutions_notebook, LEFT_OUT)


def student_notebook(notebook: NotebookNode) -> NotebookNode:
    """A notebook whose solutions are replaced by stubs and checks; the given one is not changed."""
    asked = {exercise.label: exercise for exercise in exercises(notebook)}
    cells: list[NotebookNode] = []
    has_checks = False
    replaced: set[str] = set()
    for piece in pieces(notebook):
        label = piece.solution_of
        if label is None:
            cells.append(piece.cell)
            has_checks |= piece.cell.cell_type == "code" and "check" in names_bound(piece.cell.source)
        elif label not in replaced:
            replaced.add(label)
            cells.extend(_stubs(asked[label], has_checks))
            has_checks |= bool(asked[label].answers())
    return _with_cells(notebook, cells)


def solutions_notebook(notebook: NotebookNode) -> NotebookNode:
    """A notebook whose solutions stand open; the given one is not changed."""
    opened = _with_cells(notebook, notebook.cells)
    for cell in opened.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"(\{solution(?:-start)?\} .*\n):class: dropdown\n", r"\1", cell.source)
    return opened


def _stubs(exercise: Exercise, has_checks: bool) -> list[NotebookNode]:
    """The cells that stand where a solution was: a stub and a check for every answer, or room for words."""
    answers = exercise.answers()
    if not answers:
        return [new_markdown_cell("*Your answer:*", id=f"{exercise.label}-answer")]
    cells = []
    for answer in answers:
        stub = f'{answer.signature}\n    raise NotImplementedError("your turn: {answer.name} is not written yet")'
        cells.append(new_code_cell(stub, id=f"{exercise.label}-{answer.name}"[:64]))
        check = f"{answer.checks_as}.{answer.check}({answer.name})"
        if not has_checks:
            check = f"from cxrtutor import checks as {answer.checks_as}\n\n{check}"
            has_checks = True
        cells.append(new_code_cell(check, id=f"check-{exercise.label}-{answer.name}"[:64]))
    return cells


def _with_cells(notebook: NotebookNode, cells: list[NotebookNode]) -> NotebookNode:
    return nbformat.from_dict({**notebook, "cells": [dict(cell) for cell in cells]})


def _make(
    source: Path, target: Path, edited: Callable[[NotebookNode], NotebookNode], left_out: tuple[str, ...]
) -> Path:
    check_is_book(source)
    _check_may_be_written(target.resolve(), source.resolve())
    with new_folder(target.resolve(), replace=True) as folder:
        for part in PARTS:
            shutil.copytree(source / part, folder / part, ignore=_leaving_out(source, left_out))
        for path in folder.rglob("*.ipynb"):
            try:
                nbformat.write(edited(nbformat.read(path, as_version=4)), path)
            except InputError as error:
                raise InputError(f"{source / path.relative_to(folder)}: {error}") from error
        (folder / CONTENTS).write_text(_contents(source, left_out), encoding="utf-8")
        keep_originals(folder)
    return target


def _check_may_be_written(target: Path, source: Path) -> None:
    """Make sure that nothing is replaced but an earlier edition, and nobody's ground taken away."""
    if any(place.is_relative_to(target) for place in (source, Path.cwd())):
        raise InputError(f"{target} holds the book, or the folder that you are in. Name another folder: --out FOLDER.")
    if any(target.is_relative_to(source / part) for part in PARTS):
        raise InputError(f"{target} is a part of the book. Name another folder: --out FOLDER.")
    # A whole book may have originals too; it has the package beside them.
    is_edition = (target / ORIGINALS).is_dir() and not (target / "cxrtutor").exists()
    if target.exists() and not is_edition and (not target.is_dir() or any(target.iterdir())):
        raise InputError(
            f"{target} is there already and is no edition of the book, so it is not replaced. Name another folder "
            "(--out FOLDER), or move it away."
        )


def _contents(source: Path, left_out: tuple[str, ...]) -> str:
    """The table of contents, without the parts whose pages are left out."""
    if not (source / CONTENTS).is_file():
        raise InputError(f"There is no {CONTENTS} in {source.absolute()}. Write it first: cxrtutor class contents")
    text = (source / CONTENTS).read_text(encoding="utf-8")
    for folder in left_out:
        text = re.sub(rf"^## .+\n\n(?:- .*\({re.escape(folder)}/.*\n)+\n?", "", text, flags=re.MULTILINE)
    return text


def _leaving_out(source: Path, left_out: tuple[str, ...]) -> Callable[[str, list[str]], set[str]]:
    """What `shutil.copytree` asks, by names and by paths from `source`."""

    def ignored(folder: str, names: list[str]) -> set[str]:
        paths = {name: (Path(folder) / name).relative_to(source).as_posix() for name in names}
        return {name for name, path in paths.items() if any(fnmatch(name, p) or fnmatch(path, p) for p in left_out)}

    return ignored
