"""Object-CXR: rectangles, ellipses and polygons in one string, and sizes that only the images tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data.real_layouts import OBJECT_CXR_IMAGES, object_cxr
from data.truth_layouts import written
from hypothesis import given
from hypothesis import strategies as st

from cxrtutor.data.annotations import UnreadableRow
from cxrtutor.data.geometry import Box
from cxrtutor.data.sources.object_cxr import ObjectCxr, annotated, read_csv

SIZE = (60, 50)
NUMBERS = st.sampled_from(["0", "1", "2", "3", "10", "20.5", "-4", "nan", "1e999", "x", ""])
OBJECTS = st.lists(NUMBERS, min_size=1, max_size=8).map(" ".join)


def test_rectangles_are_boxes_alone() -> None:
    found = annotated("a", "0 10 20 30 40;0 1 2 3 4;", SIZE)
    assert found.boxes == (Box(10, 20, 20, 20), Box(1, 2, 2, 2)) and found.runs is None
    assert (found.name, found.phrase, found.present) == ("foreign object", "foreign object", True)
    assert not annotated("a", "", SIZE).present and not annotated("a", " ; ", SIZE).present


def test_an_ellipse_fills_its_rectangle() -> None:
    found = annotated("a", "1 10 20 30 50", SIZE)
    mask = found.finding().mask
    assert found.boxes == (Box(10, 20, 20, 30),)
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (20, 49, 10, 29)
    assert mask.sum() == pytest.approx(np.pi * 10 * 15, rel=0.02) and not mask[20, 10]


def test_a_polygon_has_the_box_around_it() -> None:
    found = annotated("a", "2 10 10 40 10 10 50", SIZE)
    mask = found.finding().mask
    assert found.boxes == (Box(10, 10, 30, 40),)
    assert mask[12, 12] and mask[12, 34] and not mask[45, 35]


def test_where_one_object_has_a_mask_all_of_them_have() -> None:
    mask = annotated("a", "0 1 2 9 8;2 20 20 30 20 25 40", SIZE).finding().mask
    assert mask[2:8, 1:9].all() and mask[:10].sum() == 48 and mask[25, 25]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3 1 2 3 4", "neither rectangle"),
        ("0 1 2 3", "points x y"),
        ("0 1 2 3 4 5 6", "two corners"),
        ("2 1 2 3 4", "three or more points"),
        ("0 1 2 x 4", "points x y"),
        ("0 10 2 3 4", "no area"),
        ("1 100 2 130 40", "outside the image"),
        ("2 1 2 3 nan 5 6", "'?nan'? is no number|no list"),
    ],
)
def test_a_broken_object_is_named(text: str, said: str) -> None:
    with pytest.raises(UnreadableRow, match=said) as error:
        annotated("a", f"0 1 1 5 5;{text}", SIZE)
    assert error.value.key.startswith("annotation")


@given(
    st.lists(st.lists(NUMBERS, min_size=1, max_size=8).map(" ".join), max_size=3).map(";".join) | st.text(max_size=20)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = annotated("a", text, SIZE)
    except UnreadableRow:
        return
    assert len(found.boxes) == sum(bool(one.strip()) for one in text.split(";"))


def test_the_set_is_listed_by_the_owners_splits(tmp_path: Path) -> None:
    shipped = object_cxr(tmp_path)
    listing = ObjectCxr(tmp_path).listing()
    assert [entry.image for entry in listing.entries] == list(shipped.images) and listing.problems == ()
    assert [entry.split for entry in listing.entries] == ["train"] * 4 + ["validation"] * 2
    assert [entry.truth[0].present for entry in listing.entries] == [
        bool(text) for _, text in OBJECT_CXR_IMAGES.values()
    ]
    assert all(entry.annotated and entry.truth[0].size == (61, 50) for entry in listing.entries)


def test_rows_that_contradict_each_other_skip_the_image(tmp_path: Path) -> None:
    object_cxr(tmp_path)
    table = tmp_path / "train.csv"
    table.write_text(table.read_text() + "00001.jpg,0 1 1 5 5\n00003.jpg,1 5 5 25 45;0 40 10 45 20\n00002.jpg,9 9\n")
    listing = ObjectCxr(tmp_path).listing()
    assert {one.id: one.reason for one in listing.skipped} == {
        "00001": "contradicting rows",
        "00002": "contradicting rows",
    }
    assert any("00003 is listed twice, alike" in problem for problem in listing.problems)


def test_the_other_name_of_the_column_and_whole_paths_are_read(tmp_path: Path) -> None:
    path = written(tmp_path / "dev.csv", "image_name,annotation\n/path/08001.jpg,0 1 2 3 4\n08002.jpg,\n08003.jpg,7\n")
    found = read_csv(path, lambda image: SIZE)
    assert [(one.image, one.present) for one in found.findings] == [("08001", True), ("08002", False)]
    assert len(found.problems) == 1 and "dev.csv, line 4, annotation: '7'" in found.problems[0]
    assert read_csv(path, {"08001": SIZE}.get).findings[0].size == SIZE
