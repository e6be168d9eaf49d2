"""`cxrtutor class bundle`, `prepare`, `check` and `contents`: what they print, and with which exit status they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cxrtutor.classroom import bundle, contents, setup_check
from cxrtutor.classroom.setup_check import Line
from cxrtutor.cli import app


def ended(*arguments: object):
    return CliRunner().invoke(app, ["class", *map(str, arguments)])


def test_a_bundle_is_named_with_its_size_its_commit_and_its_hash(tmp_path, monkeypatch):
    asked = []
    made = bundle.Bundle(tmp_path / "cxrtutor-1.pyz", "a" * 64, 321_000_000, 7, "0123456789abcdef")
    monkeypatch.setattr(bundle, "make_bundle", lambda *given: asked.append(given) or made)
    told = ended("bundle", "--out", tmp_path).stdout
    assert "cxrtutor-1.pyz: 321 MB, 7 files, the book as of commit 0123456789ab\n" in told and "a" * 64 in told
    answer = json.loads(ended("bundle", "--repository", tmp_path, "--json").stdout)
    assert answer == made._asdict() | {"file": str(made.file)}
    assert asked == [(Path(), tmp_path), (tmp_path, Path("_build"))]


def test_prepare_makes_the_folders_of_the_books_recipes(small_book, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(bundle, "class_folders", lambda recipes: asked.append(recipes) or iter([tmp_path]))
    assert json.loads(ended("prepare", "--book", small_book, "--json").stdout) == {"made": [str(tmp_path)]}
    assert asked == [small_book / "configs" / "teaching"]


@pytest.mark.parametrize(("verdict", "status"), [("good", 0), ("look", 0), ("mend", 2)])
def test_the_check_ends_badly_only_if_something_has_to_be_mended(verdict, status, monkeypatch):
    line = Line("disk", "1 GB", verdict, "" if verdict == "good" else "Make room.", "/home/me")
    monkeypatch.setattr(setup_check, "check_setup", lambda: [line])
    plain, as_json = ended("check"), ended("check", "--json")
    assert plain.exit_code == as_json.exit_code == status
    assert plain.stdout.startswith(f"{verdict}  disk  1 GB (/home/me)") and ("Make room." in plain.stdout) == bool(
        line.advice
    )
    assert json.loads(as_json.stdout) == {"passes": status == 0, "lines": [line._asdict()]}


def test_contents_are_written_where_the_book_is(tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "write_pages", lambda book: [book / "CONTENTS.md"])
    assert str(tmp_path / "CONTENTS.md") in ended("contents", "--book", tmp_path).stdout
