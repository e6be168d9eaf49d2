"""COVIDx: lines without a header, whose third word from the left need not be the class."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from data.real_layouts import covidx
from data.truth_layouts import written
from hypothesis import given
from hypothesis import strategies as st

from cxrtutor.data.preparation import prepare
from cxrtutor.data.sources.covidx import Covidx
from cxrtutor.errors import InputError


def test_lines_are_read_from_both_ends(tmp_path: Path) -> None:
    shipped = covidx(tmp_path)
    found = Covidx(tmp_path).listing()
    assert [one.image for one in found.entries] == list(shipped.images) and found.problems == found.skipped == ()
    spaced = found.entries[1]
    assert (spaced.id, spaced.patient, spaced.place) == (
        "SARS 10.1148rg.jpeg",
        "cohen 101",
        "train_COVIDx9A.txt, line 2",
    )
    assert spaced.labels == {"normal": 0, "pneumonia": 1, "COVID-19": 0}
    assert found.entries[0].patient != found.entries[2].patient, "patient 3 of one collection is not that of another"
    assert [one.split for one in found.entries] == ["train"] * 5 + ["test"] * 2


def test_whole_patients_are_held_out_for_validation(tmp_path: Path) -> None:
    covidx(tmp_path)
    source = Covidx(tmp_path, validation_images=2)
    entries = source.listing().entries
    held_out = {one.patient for one in entries if one.split == "validation"}
    assert 2 <= sum(one.split == "validation" for one in entries) <= 3
    assert not held_out & {one.patient for one in entries if one.split == "train"}
    assert [one.split for one in entries[5:]] == ["test"] * 2
    assert "2 images of training" in source.asked_for()["splits"]


def test_another_release_has_lists_of_its_own(tmp_path: Path) -> None:
    assert {path.name for path in Covidx(tmp_path, "8B").tables().values()} == {
        "train_COVIDx8B.txt",
        "test_COVIDx8B.txt",
        "train",
        "test",
    }


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("3 a.png", "line: '3 a.png' is not"),
        ("3 normal cohen", "line: '3 normal cohen' is not"),
        ("3 a.png Normal cohen", "class: 'Normal' is none of normal, pneumonia, COVID-19"),
        ("3 ../a.png normal cohen", "filename: '../a.png' is no name"),
        ("3 .. normal cohen", "filename: '..' is no name"),
    ],
)
def test_a_broken_line_is_named(line: str, problem: str, tmp_path: Path) -> None:
    covidx(tmp_path)
    path = tmp_path / "train_COVIDx9A.txt"
    path.write_text(f"{line}\n\n{path.read_text()}")
    found = Covidx(tmp_path).listing()
    assert len(found.entries) == 7 and len(found.problems) == 1
    assert found.problems[0].startswith(f"{path.name}, line 1, {problem}")


def test_lists_of_another_form_are_refused_with_their_first_line(tmp_path: Path) -> None:
    covidx(tmp_path)
    for name in ("train", "test"):
        written(tmp_path / f"{name}_COVIDx9A.txt", "3 a.png positive cohen\n")
    with pytest.raises(InputError, match=r"no image is listed.*line 1, class: 'positive' is none of"):
        prepare(Covidx(tmp_path), tmp_path / "out")


def test_an_image_that_is_in_both_lists_is_skipped(tmp_path: Path) -> None:
    covidx(tmp_path)
    path = tmp_path / "test_COVIDx9A.txt"
    path.write_text(path.read_text() + "3 ARDSSevere.png normal cohen\n")
    found = Covidx(tmp_path).listing()
    assert {one.id: one.reason for one in found.skipped} == {"ARDSSevere.png": "contradicting rows"}


def test_binary_lists_are_refused(tmp_path: Path) -> None:
    covidx(tmp_path)
    (tmp_path / "test_COVIDx9A.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"test_COVIDx9A\.txt is no text in UTF-8"):
        Covidx(tmp_path).listing()


WORD = st.sampled_from(["3", "a.png", "normal", "COVID-19", "cohen"]) | st.text(max_size=6)


@given(st.lists(st.lists(WORD, max_size=6).map(" ".join), max_size=8))
def test_no_line_is_lost(lines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        text = "\n".join(lines).encode("utf-8", "replace").decode()
        written(folder / "train_COVIDx9A.txt", text)
        written(folder / "test_COVIDx9A.txt", "")
        stated = [line for line in (folder / "train_COVIDx9A.txt").read_text("utf-8-sig").split("\n") if line.strip()]
        found = Covidx(folder).listing()
    assert len(found.entries) + len(found.skipped) + len(found.problems) == len(stated)
