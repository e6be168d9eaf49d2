"""`cxrtutor class ...`: what the commands print and write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cxrtutor.classroom import assignments, nbgrader_course, slides
from cxrtutor.classroom.nbgrader_course import Mark, Marking
from cxrtutor.classroom.reset import keep_originals
from cxrtutor.cli import app
from cxrtutor.errors import InputError


def run(*arguments):
    done = CliRunner().invoke(app, ["class", *map(str, arguments)])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("edition", ["student", "solutions"])
def test_editions(edition, small_book, tmp_path):
    out = tmp_path / "made"
    told = run(edition, "--book", small_book, "--out", out)
    assert told.split("\n")[1] == str(out) and (out / "chapters" / "06-small.ipynb").is_file()
    assert json.loads(run(edition, "--book", small_book, "--out", out, "--json")) == {"made": [str(out)]}


def test_slides(small_book, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(slides, "make_slides", lambda *given: asked.append(given) or [tmp_path / "06.slides.html"])
    assert "06.slides.html" in run("slides", "06", "--book", small_book, "--out", tmp_path)
    assert asked == [(small_book, tmp_path, ["06"])]


def test_an_assignment_is_made_for_every_group(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(assignments, "make_assignment", lambda *given: asked.append(given) or [tmp_path / "release"])
    assert json.loads(run("assignment", "6", "--group", "1-2", "--seed", 7, "--json"))["made"] == [
        str(tmp_path / "release")
    ]
    run("assignment", "06", "--book", tmp_path, "--out", tmp_path)
    assert asked == [
        (Path(), "6", Path("_build/assignments/06"), [1, 2], 7),
        (tmp_path, "06", tmp_path, [None], 0),
    ]


def test_marks_are_printed_and_written_and_what_was_refused_is_told(tmp_path, monkeypatch):
    ada = Mark("06", "ada", {"check-f": 1.0, "fresh-f": 0.0}, {"check-f": 1.0, "fresh-f": 1.0})
    monkeypatch.setattr(nbgrader_course, "marked", lambda course, number, students: Marking([ada], {}))
    (row,) = json.loads(run("grade", "6", "--out", tmp_path, "--json"))["marks"]
    assert row == {"student": "ada", "assignment": "06", "points": 1, "of": 2, "check-f": 1, "fresh-f": 0}
    assert (
        tmp_path / "marks.csv"
    ).read_text() == "student,assignment,points,of,check-f,fresh-f\nada,06,1.0,2.0,1.0,0.0\n"
    monkeypatch.setattr(nbgrader_course, "marked", lambda *_: Marking([ada], {"bob, 06": "no notebook"}))
    done = CliRunner().invoke(app, ["class", "grade", "6", "--out", str(tmp_path)])
    assert done.exit_code == 2 and "Not marked: bob, 06. no notebook" in done.stdout and "ada" in done.stdout


def test_marks_of_groups_whose_cells_differ_are_told_as_json(tmp_path, monkeypatch):
    marks = [Mark("06-group-1", "ada", {"check-f": 1.0}, {"check-f": 1.0}), Mark("06", "bob", {"g": 0.0}, {"g": 1.0})]
    monkeypatch.setattr(nbgrader_course, "marked", lambda *_: Marking(marks, {}))
    ada, bob = json.loads(run("grade", "6", "--out", tmp_path, "--json"))["marks"]
    assert "g" not in ada and "check-f" not in bob


def test_reset(small_book):
    keep_originals(small_book)
    assert "nothing was changed" in run("reset", "06", "--book", small_book)
    (small_book / "chapters" / "06-small.ipynb").write_text("mine")
    assert "06-small-1.ipynb" in run("reset", "06", "--book", small_book)


def test_what_is_wrong_is_told(tmp_path):
    with pytest.raises(InputError, match="--book FOLDER"):
        run("student", "--book", tmp_path)
    with pytest.raises(InputError, match="names no groups"):
        run("assignment", "06", "--group", "x")
