"""A chapter goes back to its original, and the reader's version is never lost."""

from __future__ import annotations

import subprocess

import pytest
from classroom.conftest import ROOT

from cxrtutor.classroom.chapters import find_chapter
from cxrtutor.classroom.reset import keep_originals, reset_chapter
from cxrtutor.errors import InputError


def git(folder, *arguments):
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def with_git(small_book):
    git(small_book, "init", "-q")
    git(small_book, "add", ".")
    git(small_book, "commit", "-qm", "all")
    return small_book


@pytest.fixture
def with_copies(small_book):
    keep_originals(small_book)
    return small_book


@pytest.fixture(params=["with_git", "with_copies"])
def book(request):
    return request.getfixturevalue(request.param)


def test_what_the_reader_wrote_is_put_aside(book):
    chapter = find_chapter(book, "6")
    original = chapter.read_text()
    for number, mine in enumerate(["first", "second"], start=1):
        chapter.write_text(mine)
        done = reset_chapter(book, "06")
        assert done.chapter == chapter and chapter.read_text() == original
        assert done.kept == book / "kept" / f"06-small-{number}.ipynb" and done.kept.read_text() == mine


def test_lines_that_git_ended_otherwise_are_no_change(book):
    chapter = find_chapter(book, "06")
    chapter.write_bytes(chapter.read_bytes().replace(b"\n", b"\r\n"))
    assert reset_chapter(book, "06").kept is None
    assert "*.ipynb text eol=lf" in (ROOT / ".gitattributes").read_text().splitlines()


def test_a_readers_own_commits_are_not_the_original(with_git):
    keep_originals(with_git)
    original = find_chapter(with_git, "06").read_text()
    find_chapter(with_git, "06").write_text("mine")
    git(with_git, "commit", "-qam", "mine")
    reset_chapter(with_git, "06")
    assert find_chapter(with_git, "06").read_text() == original


def test_what_was_not_changed_stays(book):
    assert reset_chapter(book, "06").kept is None
    assert not (book / "kept").exists()


def test_a_book_within_a_larger_repository(with_git, tmp_path):
    (with_git / ".git").rename(tmp_path / "apart")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "a-book")
    git(tmp_path, "commit", "-qm", "all")
    (with_git / "chapters" / "06-small.ipynb").write_text("mine")
    assert reset_chapter(with_git, "06").kept is not None


def test_without_an_original_nothing_is_touched(small_book):
    chapter = find_chapter(small_book, "06")
    chapter.write_text("mine")
    with pytest.raises(InputError, match=r"no original of 06-small\.ipynb"):
        reset_chapter(small_book, "06")
    assert chapter.read_text() == "mine"


def test_a_chapter_that_is_not_there_is_told(small_book):
    with pytest.raises(InputError, match=r"no chapter '7'.*There are: 06"):
        reset_chapter(small_book, "7")
