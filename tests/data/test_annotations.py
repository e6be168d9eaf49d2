"""The rules that all readers of truth files share: what is united, what is reported, what is left out."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from cxrtutor.data.annotations import Annotated, UnreadableRow, box_of, gather, read_table, size_of, table_rows
from cxrtutor.data.run_lengths import RunLengths
from cxrtutor.data.study import Box
from cxrtutor.errors import InputError

PATH = Path("truth.csv")
SIZE = (8, 10)


def read(image: str, phrase: str, content: object) -> Annotated:
    if isinstance(content, Exception):
        raise content
    boxes, runs = (content, None) if isinstance(content, tuple) else ((), content)
    return Annotated(image, "mass", phrase, SIZE, boxes, runs)


def runs(rows: slice) -> RunLengths:
    mask = np.zeros(SIZE, bool)
    mask[rows] = True
    return RunLengths.of(mask)


def test_boxes_and_masks_of_one_image_and_phrase_are_united() -> None:
    boxes = Box(0, 0, 2, 2), Box(1, 1, 3, 3)
    rows = [("1", "a", "x", boxes[:1]), ("2", "a", "y", boxes[:1]), ("3", "a", "x", boxes[1:])]
    found = gather(PATH, "test", [*rows, ("4", "b", "x", runs(slice(0, 2))), ("5", "b", "x", runs(slice(1, 4)))], read)
    assert [(one.image, one.phrase) for one in found.findings] == [("a", "x"), ("a", "y"), ("b", "x")]
    assert found.findings[0].boxes == boxes and found.findings[1].boxes == boxes[:1]
    assert np.array_equal(found.findings[2].finding().mask, runs(slice(0, 4)).mask())
    assert found.problems == () and not found.left_out


def test_a_finding_with_an_unreadable_row_is_left_out_whole_and_reported() -> None:
    box = (Box(0, 0, 2, 2),)
    rows = [("line 2", "a", "x", box), ("line 3", "a", "x", UnreadableRow("w", "is blank")), ("line 4", "a", "y", box)]
    found = gather(PATH, "test", rows, read)
    assert [one.phrase for one in found.findings] == ["y"]
    assert found.left_out == {("a", "x")} and found.problems == ("truth.csv, line 3, w: is blank.",)


@pytest.mark.parametrize("phrase", ["bad \ud800 text", "\udc00"])
def test_half_a_character_is_reported(phrase: str) -> None:
    found = gather(PATH, "test", [("line 2", "a", phrase, ()), ("line 3", "b", "whole \U0001fac1", ())], read)
    [problem] = found.problems
    assert "truth.csv, line 2, phrase: " in problem and "holds half of a character" in problem and problem.encode()
    assert [one.image for one in found.findings] == ["b"]


@pytest.mark.parametrize(("image", "phrase", "key"), [("", "x", "image"), ("a", "", "phrase")])
def test_what_belongs_nowhere_is_reported(image: str, phrase: str, key: str) -> None:
    found = gather(PATH, "test", [("line 2", image, phrase, ()), ("line 3", "b", "x", ())], read)
    assert found.problems == (f"truth.csv, line 2, {key}: is blank.",) and len(found.findings) == 1


def test_rows_that_contradict_each_other_are_reported() -> None:
    rows = [("line 2", "a", "x", ()), ("line 3", "a", "x", (Box(0, 0, 2, 2),)), ("line 4", "b", "x", ())]
    found = gather(PATH, "test", rows, read)
    assert found.left_out == {("a", "x")} and "both to be there and not to be there" in found.problems[0]


def test_a_row_that_is_listed_twice_counts_once() -> None:
    rows = [("line 2", "a", "x", 1), ("line 3", "a", "x", 2), ("line 4", "a", "x", 1), ("line 5", "b", "x", 1)]
    boxes = {1: Box(1.0, 1.0, 2.0, 2.0), 2: Box(5.0, 1.0, 2.0, 2.0)}
    found = gather(PATH, "test", rows, lambda image, phrase, n: Annotated(image, phrase, phrase, (8, 9), (boxes[n],)))
    assert [one.boxes for one in found.findings] == [(boxes[1], boxes[2]), (boxes[1],)]
    assert found.problems == ("truth.csv, line 4: a is listed twice, alike; it counts once.",) and not found.left_out


def test_sizes_that_contradict_each_other_are_reported() -> None:
    sizes = iter([(8, 10), (8, 11), (8, 10)])
    rows = [("line 2", "a", "x", 1), ("line 3", "a", "x", 2), ("line 4", "b", "x", 1)]
    found = gather(PATH, "test", rows, lambda image, phrase, _: Annotated(image, phrase, phrase, next(sizes)))
    assert found.problems == ("truth.csv, line 3, size: is (8, 11) here and (8, 10) in an earlier row.",)


def test_a_file_without_a_readable_row_is_refused_with_its_first_problem() -> None:
    with pytest.raises(InputError, match=r"no annotation can be read.*truth\.csv, line 2, w: is blank"):
        gather(PATH, "test", [("line 2", "a", "x", UnreadableRow("w", "is blank"))], read)


def test_a_file_of_normal_images_alone_has_no_findings() -> None:
    assert gather(PATH, "test", [("line 2", "a", "x", ())], lambda *_: None).findings == ()
    with pytest.raises(InputError, match="no annotation can be read"):
        gather(PATH, "test", [], read)


def test_rows_are_not_held_in_memory() -> None:
    rows = (("line", "a", f"{n}", "x" * 100_000 + f"{n}") for n in range(200))
    tracemalloc.start()
    gather(PATH, "test", rows, lambda image, phrase, _: Annotated(image, phrase, phrase, SIZE))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000, "of 20 million characters"


def test_what_is_present() -> None:
    assert read("a", "x", (Box(0, 0, 1, 1),)).present and read("a", "x", runs(slice(0, 1))).present
    assert not read("a", "x", ()).present and not read("a", "x", runs(slice(0, 0))).present


@pytest.mark.parametrize(
    ("change", "key", "reason"),
    [
        ({"w": ""}, "w", "blank"),
        ({"x": "left"}, "x", "'left' is no number"),
        ({"y": "nan"}, "y", "no number"),
        ({"y": 10**400}, "y", "no number"),
        ({"h": "inf"}, "h", "no number"),
        ({"w": "0"}, "w", "no area"),
        ({"h": "-3"}, "h", "no area"),
        ({"x": "10"}, "x", "outside"),
        ({"x": "-2"}, "x", "outside"),
        ({"y": "8"}, "x", "outside"),
        ({"x": None}, "x", "no number"),
    ],
)
def test_an_impossible_box_is_named(change: dict[str, str], key: str, reason: str) -> None:
    row = {"x": "1", "y": "2", "w": "2", "h": "3"} | change
    with pytest.raises(UnreadableRow, match=reason) as error:
        box_of(row, ("x", "y", "w", "h"), SIZE)
    assert error.value.key == key


def test_a_box_may_reach_beyond_the_border() -> None:
    row = {"x": "-1.5", "y": "7", "w": "20", "h": "3"}
    assert box_of(row, ("x", "y", "w", "h"), SIZE) == Box(-1.5, 7, 20, 3)


@pytest.mark.parametrize("side", ["0", "-4", "2.5", ""])
def test_an_impossible_size_is_named(side: str) -> None:
    with pytest.raises(UnreadableRow) as error:
        size_of({"height": "4", "width": side}, "height", "width")
    assert error.value.key == "width"


def test_tables_are_read_as_they_come(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b'\xef\xbb\xbfa, b ,c\r\n1 ,"two, or\r\nthree", 3\r\n\r\n4,5\r\n')
    header, rows = read_table(path)
    assert header == ["a", "b", "c"]
    assert list(rows) == [(3, ["1", "two, or\nthree", "3"]), (5, ["4", "5"])]
    assert list(table_rows(path, "ab"))[1] == ("line 5", {"a": "4", "b": "5"})


def test_a_stray_quotation_mark_swallows_no_row(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,"\n2,3\n4,5\n')
    with pytest.raises(InputError, match=r"t\.csv, line 4: is no CSV"):
        list(table_rows(path, "ab"))


def test_a_row_that_is_longer_than_the_header_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2,,\n3,4,5\n")
    rows = table_rows(path, "ab")
    assert next(rows) == ("line 2", {"a": "1", "b": "2"})
    with pytest.raises(InputError, match=r"t\.csv, line 3: has 3 values, and the header 2 names"):
        next(rows)


def test_a_packed_table_is_read_as_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 9))
    assert list(table_rows(path, "ab")) == [(f"line {n}", {"a": "1", "b": "2"}) for n in range(2, 11)]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"t\.csv\.gz is damaged or cut short"):
        list(table_rows(path, "ab"))
    path.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(InputError, match=r"t\.csv\.gz is damaged or cut short"):
        list(table_rows(path, "ab"))


def test_files_that_are_no_tables_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with pytest.raises(InputError, match=r"Cannot read .*t\.csv: No such file"):
        read_table(path)
    path.write_bytes(b"\x1f\x8b\x08\x00\xff")
    with pytest.raises(InputError, match=r"t\.csv is no text in UTF-8"):
        read_table(path)
    path.write_text("\n\n")
    with pytest.raises(InputError, match=r"t\.csv is empty"):
        read_table(path)
    path.write_text("a,c\n1,2\n")
    with pytest.raises(InputError, match=r"t\.csv: there is no column 'b'; it has a, c"):
        list(table_rows(path, "ab"))
    path.write_text("a\n" + "1" * 200_000)
    with pytest.raises(InputError, match=r"t\.csv, line 2: is no CSV"):
        list(table_rows(path, "a"))
