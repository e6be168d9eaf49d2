"""Marking without nbgrader's rounds: which notebooks, what Ctrl-C does, and what becomes of the table."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from cxrtutor.classroom import nbgrader_course
from cxrtutor.classroom.nbgrader_course import Mark, mark_rows, marked, write_marks
from cxrtutor.errors import InputError


@pytest.fixture
def course(tmp_path):
    """A course folder of a term: four handed in two chapters."""
    for folder in ("ada/06", "bob/06-group-1", "cy/07", "dee/06-draft"):
        (tmp_path / "submitted" / folder).mkdir(parents=True)
    return tmp_path


def nbgrader(monkeypatch, end, notebooks=1):
    """Stand in for nbgrader's interface, with an `Autograde` that ends as `end` does, caught by nbgrader itself."""
    from nbgrader.utils import capture_log

    app = SimpleNamespace(start=end, log=logging.getLogger("app"))
    grade = SimpleNamespace(cell=SimpleNamespace(name="check-f"), score=1, max_score=1)
    submission = SimpleNamespace(notebooks=[SimpleNamespace(grades=[grade])] * notebooks)
    api = SimpleNamespace(
        autograde=lambda *_, **__: capture_log(app),
        gradebook=nullcontext(SimpleNamespace(find_submission=lambda *_: submission)),
    )
    monkeypatch.setattr(nbgrader_course, "_opened", lambda course: nullcontext(api))


def well():
    pass


def test_a_chapters_own_assignments_are_marked_and_no_others(course, monkeypatch):
    nbgrader(monkeypatch, well)
    assert [(mark.student, mark.assignment) for mark in marked(course, "6").marks] == [
        ("ada", "06"),
        ("bob", "06-group-1"),
    ]
    assert [mark.student for mark in marked(course, "07").marks] == ["cy"]
    with pytest.raises(InputError, match=r"Nothing of cy to mark.*ASSIGNMENT is 06"):
        marked(course, "06", ["cy"])


def test_ctrl_c_ends_the_marking_though_nbgrader_catches_it(course, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    nbgrader(monkeypatch, interrupted)
    with pytest.raises(KeyboardInterrupt):
        marked(course, "06")


@pytest.mark.parametrize("notebooks", [0, 2])
def test_an_assignment_of_other_than_one_notebook_is_refused_and_the_others_are_marked(notebooks, course, monkeypatch):
    nbgrader(monkeypatch, well, notebooks)
    assert f"{notebooks} notebooks, not one" in marked(course, "06").refused["ada, 06"]


def test_a_folder_without_an_assignment_is_told(course):
    with pytest.raises(InputError, match="Make the assignment first"):
        marked(course, "06")


def rows(student, points, assignment="06"):
    return mark_rows([Mark(assignment, student, {"check-f": points}, {"check-f": 2.0})])


def test_marks_take_the_place_of_the_same_students_in_the_same_assignment(tmp_path):
    write_marks(tmp_path, rows("zoe", 2.0) + rows("007", 1.0) + rows("NA", 0.0))
    write_marks(tmp_path, rows("007", 2.0) + rows("007", 1.0, "07"))
    assert (tmp_path / "marks.csv").read_text() == (
        "student,assignment,points,of,check-f\n"
        "007,06,2.0,2.0,2.0\n007,07,1.0,2.0,1.0\nNA,06,0.0,2.0,0.0\nzoe,06,2.0,2.0,2.0\n"
    )


@pytest.mark.parametrize("content", [b"student;assignment\nada;06\n", b"student\n\xff\n"])
def test_a_table_that_is_no_table_of_marks_is_not_touched(content, tmp_path):
    (tmp_path / "marks.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"marks\.csv is no table of marks"):
        write_marks(tmp_path, rows("ada", 1.0))
    assert (tmp_path / "marks.csv").read_bytes() == content
