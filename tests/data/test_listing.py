"""The rules for rows: every one is an entry, is skipped, or stands among the problems; each image once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrtutor.data.annotations import Annotated, Annotations, UnreadableRow
from cxrtutor.data.listing import Skip, check_id, first_rows, list_images, look_up, numbered, truth_by_image
from cxrtutor.data.source import Entry
from cxrtutor.errors import InputError


def entry(place: str, image: str, content: str) -> Entry:
    """What the content asks for: a patient's name, or a failure."""
    if content == "lateral":
        raise Skip("lateral view", "ViewPosition is LL")
    if content == "broken":
        raise UnreadableRow("patient", "is no number")
    return Entry(image, content, "train", Path(f"{image}.png"), place)


def test_rows_become_entries_once_in_their_order() -> None:
    found = list_images(
        [
            ("line 2", "b", "p1"),
            ("line 3", "a", "p1"),
            ("line 4", "b", "p1"),
            ("line 5", "c", "lateral"),
            ("line 6", "c", "lateral"),
            ("line 7", "", "p1"),
            ("line 8", "d", "broken"),
            ("line 9", "a", "p2"),
        ],
        entry,
    )
    assert [(one.id, one.place) for one in found.entries] == [("b", "line 2")]
    assert {one.id: one.reason for one in found.skipped} == {"c": "lateral view", "a": "contradicting rows"}
    assert found.skipped[1].detail == "line 5: ViewPosition is LL" and "line 9" in found.skipped[0].detail
    assert found.problems == (
        "line 4: b is listed twice, alike; it counts once.",
        "line 6: c is listed twice, alike; it counts once.",
        "line 7, image: is blank.",
        "line 8, patient: is no number.",
        "line 9: a is listed twice, and otherwise; it is skipped.",
    )


@given(st.lists(st.tuples(st.sampled_from(["", "a", "b"]), st.sampled_from(["p", "q", "lateral", "broken"]))))
def test_every_row_is_accounted_for(rows: list[tuple[str, str]]) -> None:
    found = list_images([(f"line {number}", *row) for number, row in enumerate(rows)], entry)
    assert len(found.entries) + len(found.skipped) + len(found.problems) == len(rows)
    assert max(Counter(one.id for one in (*found.entries, *found.skipped)).values(), default=0) <= 1
    readable = {image: {what for name, what in rows if name == image and what != "broken"} for image in "ab"}
    assert {one.id for one in found.entries} == {
        image for image, said in readable.items() if len(said) == 1 and said != {"lateral"}
    }


def test_a_table_is_looked_up_by_its_key(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,n\na,1\nb,2\n,3\nb,2\nc,4\nc,5\nd,x\n")

    def value(row: dict[str, str]) -> int:
        if not row["n"].isdigit():
            raise UnreadableRow("n", "is no number")
        return int(row["n"])

    found = look_up(path, "id", ["n"], value)
    assert (found.get("a"), found.get("b"), found.get("e")) == (1, 2, None)
    for key, reason in (("c", "contradicting rows"), ("d", "row cannot be read")):
        with pytest.raises(Skip) as skip:
            found.get(key)
        assert skip.value.reason == reason
    assert [problem.split(":")[0] for problem in found.problems] == [
        "t.csv, line 4, id",
        "t.csv, line 5",
        "t.csv, line 7",
        "t.csv, line 8, n",
    ]
    with pytest.raises(InputError, match="no column 'm'"):
        look_up(path, "id", ["m"], value)


def test_rows_are_numbered_by_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,n\na,1\n\nb,2\n")
    rows = [("t.csv, line 2", "a", {"id": "a", "n": "1"}), ("t.csv, line 4", "b", {"id": "b", "n": "2"})]
    assert list(numbered(tmp_path / "t.csv", ["n"], "id")) == rows
    assert [row[1] for row in numbered(tmp_path / "t.csv", ["n"], lambda row: row["id"] + row["n"])] == ["a1", "b2"]


def test_of_several_rows_on_one_image_the_first_counts(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,n\na,1\n,2\nb,3\na,4\n")
    assert list(first_rows(tmp_path / "t.csv", ["n"], "id")) == [
        ("t.csv, line 2", "a", None),
        ("t.csv, line 4", "b", None),
    ]


@pytest.mark.parametrize("image", ["", "../a", "a/b", "a b", "a" * 101, "a\n"])
def test_what_is_no_id_is_named_by_its_column(image: str) -> None:
    check_id("02aa804e-bde0", "id")
    with pytest.raises(UnreadableRow, match="is no id") as error:
        check_id(image, "dicom_id")
    assert error.value.key == "dicom_id"


def test_truth_that_is_not_complete_is_no_truth() -> None:
    findings = [Annotated(image, "mass", phrase, (8, 10)) for image, phrase in (("a", "x"), ("b", "x"), ("a", "y"))]
    truth = truth_by_image(Annotations("test", tuple(findings), ("a problem",), frozenset({("b", "y"), ("c", "x")})))
    assert truth.get("a") == (findings[0], findings[2]) and truth.get("d") is None and truth.problems == ("a problem",)
    for image in "bc":
        with pytest.raises(Skip) as skip:
            truth.get(image)
        assert skip.value.reason == "truth cannot be read"
