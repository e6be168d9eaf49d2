"""`cxrtutor class ...`: what the commands print and write."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from cxrtutor.classroom import slides
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


@pytest.mark.slow
def test_an_assignment_is_made_handed_in_and_marked(small_book, tmp_path):
    course = tmp_path / "course"
    made = json.loads(run("assignment", "6", "--group", "2", "--book", small_book, "--out", course, "--json"))
    assert made == {"made": [str(course / "release" / "06-group-2")]}
    folder = course / "submitted" / "ada" / "06-group-2"
    folder.parent.mkdir(parents=True)
    (course / "source" / "06-group-2").rename(folder)
    (row,) = json.loads(run("grade", "6", "--out", course, "--json"))["marks"]
    assert (row["student"], row["points"], row["of"]) == ("ada", 2, 2)
    assert (course / "marks.csv").read_text().startswith("student,assignment,points,of,check-cosine_similarity")


def test_reset(small_book):
    from cxrtutor.classroom.reset import keep_originals

    keep_originals(small_book)
    assert "nothing was changed" in run("reset", "06", "--book", small_book)
    (small_book / "chapters" / "06-small.ipynb").write_text("mine")
    assert "06-small-1.ipynb" in run("reset", "06", "--book", small_book)


def test_what_is_wrong_is_told(tmp_path):
    with pytest.raises(InputError, match="--book FOLDER"):
        run("student", "--book", tmp_path)
    with pytest.raises(InputError, match="names no groups"):
        run("assignment", "06", "--group", "x")
