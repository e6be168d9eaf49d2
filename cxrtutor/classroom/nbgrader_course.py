"""nbgrader's work on a course folder: releasing an assignment, and marking what was handed in.

The folder is nbgrader's own, so its Formgrader and its other commands work there too.
"""

from __future__ import annotations

import csv
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import InputError
from ..store import write_file

if TYPE_CHECKING:
    from nbgrader.apps import NbGraderAPI


@dataclass(frozen=True)
class Mark:
    """A student's points in one assignment, cell by cell; cells are called `check-NAME` and `fresh-NAME`."""

    assignment: str
    student: str
    points: dict[str, float]
    at_most: dict[str, float]

    @property
    def share(self) -> float:
        """Of all points, from 0 to 1."""
        return sum(self.points.values()) / sum(self.at_most.values())


class Marking(NamedTuple):
    """The marks of a class, and, by student and assignment, why nbgrader could not mark what was handed in."""

    marks: list[Mark]
    refused: dict[str, str]


def released(course: Path, assignment: str) -> Path:
    """Have nbgrader make the students' version of `source/ASSIGNMENT`; the folder it is in.

    Raises:
        InputError: nbgrader refuses, for instance since marked cells have changed after students were marked.
    """
    with _opened(course) as api:
        _check(api.generate_assignment(assignment, force=True, create=True), f"releasing {assignment}")
    return course / "release" / assignment


def marked(course: Path, number: str, students: list[str] | None = None) -> Marking:
    """Mark what lies in `submitted` for a chapter, anew where it was marked before; all students if none is named.

    Every notebook is run, cell by cell; it loses the points of the cells that fail or take too long, and of those
    alone. One that cannot be run at all, such as a file that is no notebook, keeps nobody else from being marked.

    Raises:
        InputError: nothing was handed in, or a named student handed nothing in.
    """
    from tqdm import tqdm

    handed_in = sorted(
        (folder.parent.name, folder.name)
        for folder in (course / "submitted").glob("*/*")
        if folder.is_dir() and _is_of(number, folder.name) and (students is None or folder.parent.name in students)
    )
    missing = set(students or ()) - {student for student, _ in handed_in}
    if missing or not handed_in:
        who = f"of {', '.join(sorted(missing))} " if missing else ""
        place, chapter = course / "submitted" / "STUDENT" / "ASSIGNMENT", number.zfill(2)
        raise InputError(
            f"Nothing {who}to mark: put the notebooks that were handed in into {place}. ASSIGNMENT is {chapter}, or "
            f"{chapter}-group-1 and so on."
        )
    marking = Marking([], {})
    with _opened(course) as api:
        for student, assignment in tqdm(handed_in, unit="notebook", disable=None, delay=5):
            try:
                _check(api.autograde(assignment, student, force=True, create=True), "marking")
                marking.marks.append(_mark(api, assignment, student))
            except InputError as error:
                marking.refused[f"{student}, {assignment}"] = str(error)
    return marking


def mark_rows(marks: list[Mark]) -> list[dict[str, Any]]:
    """A row for each student and assignment, with points, what could be had, and every cell's."""
    return [
        {
            "student": mark.student,
            "assignment": mark.assignment,
            "points": sum(mark.points.values()),
            "of": sum(mark.at_most.values()),
            **mark.points,
        }
        for mark in marks
    ]


def write_marks(course: Path, rows: list[dict[str, Any]]) -> Path:
    """Put rows into `marks.csv`, in place of what stands there of the same students and assignments; the file.

    Raises:
        InputError: `marks.csv` is another table, or cannot be written.
    """
    import pandas as pd

    target = course / "marks.csv"
    kept = {}
    try:
        for row in [*_rows_in(target), *rows]:
            kept[row["student"], row["assignment"]] = row
    except (KeyError, ValueError, csv.Error) as error:
        raise InputError(
            f"{target} is no table of marks any more ({error!r}), so nothing was added to it. Move it away."
        ) from error
    write_file(target, pd.DataFrame([kept[key] for key in sorted(kept)]).to_csv(index=False))
    return target


def _rows_in(table: Path) -> list[dict[str, Any]]:
    if not table.exists():
        return []
    with table.open(newline="", encoding="utf-8-sig") as file:  # a spreadsheet may have saved it
        return list(csv.DictReader(file))


def _is_of(number: str, assignment: str) -> bool:
    return re.fullmatch(rf"{re.escape(number.zfill(2))}(-group-\d+)?", assignment) is not None


def _mark(api: NbGraderAPI, assignment: str, student: str) -> Mark:
    with api.gradebook as gradebook:
        notebooks = gradebook.find_submission(assignment, student).notebooks
        if len(notebooks) != 1:
            raise InputError(f"source/{assignment} had {len(notebooks)} notebooks, not one. Make the assignment anew.")
        grades = sorted(notebooks[0].grades, key=lambda grade: grade.cell.name)
        points = {grade.cell.name: float(grade.score) for grade in grades}
        return Mark(assignment, student, points, {grade.cell.name: float(grade.max_score) for grade in grades})


@contextmanager
def _opened(course: Path) -> Iterator[NbGraderAPI]:
    """nbgrader on a folder, with its own configuration and without its many words."""
    try:
        from nbgrader.apps import NbGraderAPI
    except ImportError as error:
        raise InputError("nbgrader is not installed. Run: pip install nbgrader") from error
    from traitlets.config import PyFileConfigLoader

    settings = course / "nbgrader_config.py"
    if not settings.is_file():
        raise InputError(f"There is no {settings}. Make the assignment first: cxrtutor class assignment --help")
    config = PyFileConfigLoader(settings.name, path=str(course)).load_config()
    config.CourseDirectory.root = str(course.absolute())
    if "root" not in config.Exchange:  # Nobody's business here, but nbgrader warns of one that it cannot write to.
        config.Exchange.root = str(course.absolute())
    with _programs_on_path(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Object of type", module="nbgrader")  # SQLAlchemy's, about its rows
        yield NbGraderAPI(config=config)


@contextmanager
def _programs_on_path() -> Iterator[None]:
    """nbgrader calls `alembic` by its name; it lies beside Python, where the system looks only in an activated venv."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    try:
        yield
    finally:
        os.environ["PATH"] = before


def _check(result: dict[str, Any], what: str) -> None:
    """Raise what nbgrader caught. It catches Ctrl-C too, and the next student's turn would come."""
    if result["success"]:
        return
    if (result.get("error") or "").rstrip().endswith("KeyboardInterrupt"):
        raise KeyboardInterrupt
    told = (result.get("log") or result.get("error") or "it gives no reason").strip()
    raise InputError(f"nbgrader failed at {what}:\n{told}")
