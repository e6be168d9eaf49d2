"""MS-CXR in both forms and releases: pairs, boxes, patients; what is broken is named."""

from __future__ import annotations

import csv
import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data.real_layouts import MIMIC_IMAGES, ms_cxr
from data.truth_layouts import DICOM, OTHER_DICOM, Marked, ms_cxr_csv, ms_cxr_json
from hypothesis import given
from hypothesis import strategies as st

from cxrtutor.data.sources.ms_cxr import MsCxr, patient_of, read_csv, read_json
from cxrtutor.data.study import Box
from cxrtutor.errors import InputError

MARKS = [
    Marked(DICOM, "Pleural Effusion", "small left effusion, unchanged", (1200, 1900, 300.5, 400)),
    Marked(DICOM, "Pneumonia", "bibasilar opacities", (100, 1500, 500, 500)),
    Marked(DICOM, "Pneumonia", "bibasilar opacities", (1500, 1500, 500, 500)),
    Marked(OTHER_DICOM, "Pneumonia", "bibasilar opacities", (90, 80, 70, 60), (3056, 2544), "11888614", "train"),
]


@pytest.mark.parametrize("version", ["0.1", "1.1.0"])
@pytest.mark.parametrize(("write", "read", "suffix"), [(ms_cxr_csv, read_csv, "csv"), (ms_cxr_json, read_json, "json")])
def test_a_finding_is_a_pair_of_image_and_phrase(
    write: Callable, read: Callable, suffix: str, version: str, tmp_path: Path
) -> None:
    found = read(write(tmp_path / f"MS_CXR_Local_Alignment_v{version}.{suffix}", MARKS, version))
    assert found.layout == "MS-CXR" and found.problems == ()
    assert [(one.image, one.name, one.phrase) for one in found.findings] == [
        mark[:3] for mark in MARKS if mark.box[0] != 1500
    ]
    assert [one.boxes for one in found.findings[:2]] == [
        (Box(1200, 1900, 300.5, 400),),
        (Box(100, 1500, 500, 500), Box(1500, 1500, 500, 500)),
    ]
    assert [one.size for one in found.findings] == [(2544, 3056), (2544, 3056), (3056, 2544)]
    assert [one.patient for one in found.findings] == ["10000032", "10000032", "11888614"]
    assert [one.split for one in found.findings] == (["test", "test", "train"] if version == "1.1.0" else [None] * 3)
    assert all(one.present and one.finding().mask is None for one in found.findings)


def test_a_bad_row_costs_its_pair_and_is_named(tmp_path: Path) -> None:
    marks = [*MARKS[:2], MARKS[2]._replace(box=(1500, 1500, 0, 500)), MARKS[3]]
    for found, place in (
        (read_csv(ms_cxr_csv(tmp_path / "a.csv", marks)), "a.csv, line 4, w: "),
        (read_json(ms_cxr_json(tmp_path / "a.json", marks)), "a.json, annotations[2], bbox width: "),
    ):
        assert [one.phrase for one in found.findings] == ["small left effusion, unchanged", "bibasilar opacities"]
        assert found.findings[1].image == OTHER_DICOM and found.left_out == {(DICOM, "bibasilar opacities")}
        assert len(found.problems) == 1 and place in found.problems[0]


def test_short_and_blank_rows_are_named(tmp_path: Path) -> None:
    path = ms_cxr_csv(tmp_path / "a.csv", MARKS[:1])
    path.write_text(
        path.read_text() + f"{DICOM},Edema\n{DICOM},,edema,p,1,1,2,2,9,9,test\n,Edema,x,p,1,1,2,2,9,9,test\n"
    )
    problems = read_csv(path).problems
    assert [problem.split(", ", 1)[1] for problem in problems] == [
        "line 3, phrase: is blank.",
        "line 4, category_name: is blank.",
        "line 5, image: is blank.",
    ]


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("dicom_id,category_name,label_text,x,y,w,h\n")
    with pytest.raises(InputError, match="no column 'image_width', 'image_height'"):
        read_csv(tmp_path / "a.csv")


def test_paths_without_a_patient() -> None:
    assert patient_of("files/p10/p10000032/s50414267/a.jpg") == "10000032"
    assert patient_of("/data/mimic/files/p19/p19999987/s5/a.dcm") == "19999987"
    assert patient_of("") is None and patient_of("images/a.jpg") is None


@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize("version", ["0.1", "1.1.0"])
def test_an_image_is_listed_once_with_all_its_phrases(form: str, version: str, tmp_path: Path) -> None:
    shipped = ms_cxr(tmp_path, version, form)
    source = MsCxr(*map(Path, shipped.arguments))
    found = source.listing()
    assert [one.image for one in found.entries] == list(shipped.images) and found.skipped == found.problems == ()
    assert all(one.report.is_file() and one.annotated and one.image.is_file() for one in found.entries)
    splits = ["train", "test", "validation", "test", "train", "validation", "test"]
    assert [one.split for one in found.entries] == (splits if version == "1.1.0" else ["test"] * 7)
    first = found.entries[0]
    assert (first.id, first.patient, first.study) == (MIMIC_IMAGES[0][2], *MIMIC_IMAGES[0][:2])
    assert [(one.phrase, len(one.boxes)) for one in first.truth] == [("opacity 0, new", 2), ("left", 1)]
    assert MsCxr(source.annotations, source.folder).listing().entries[0].report is None
    assert set(source.tables().values()) == set(shipped.needed)


@pytest.mark.parametrize("form", ["csv", "json"])
def test_all_images_are_for_testing_if_asked(form: str, tmp_path: Path) -> None:
    shipped = ms_cxr(tmp_path, form=form)
    source = MsCxr(*map(Path, shipped.arguments), all_for_testing=True)
    assert source.asked_for()["splits"] == "all for testing"
    assert [one.split for one in source.listing().entries] == ["test"] * 7
    shipped.table.write_text(shipped.table.read_text().replace("train", "fold-1"))
    assert [one.split for one in source.listing().entries] == ["test"] * 7, "splits are not read then"


def test_exchanged_arguments_are_told(tmp_path: Path) -> None:
    annotations, folder, reports = map(Path, ms_cxr(tmp_path).arguments)
    with pytest.raises(InputError, match=r"^ANNOTATIONS, .*, is a folder"):
        MsCxr(folder, annotations, reports)


def test_another_file_is_refused(tmp_path: Path) -> None:
    _, folder, reports = map(Path, ms_cxr(tmp_path).arguments)
    for name in ("other.csv", "other.json", "missing.csv"):
        if not name.startswith("missing"):
            (tmp_path / name).write_text("{}")
        with pytest.raises(InputError, match="is no file of MS-CXR that can be read"):
            MsCxr(tmp_path / name, folder, reports).listing()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('("left".*)train', r"\1test", "contradicting rows"),
        ('("left".*)61', r"\g<1>60", "contradicting rows"),
        ("20.5,30,50,61,train", "0,30,50,61,train", "truth cannot be read"),
        (",61,train", ",61,", "split not stated"),
        (",61,train", ",61,fold-1", "split not stated"),
        ("files/p10/p10000032/s50414267/02", "s50414267/02", "path not stated"),
        ("files/p10/p10000032/s50414267/02", "files/p10/p10000032/s50414267/12", "path not stated"),
        ("files/p10/p10000032/s50414267/02", "../files/p10/p10000032/s50414267/02", "path not stated"),
    ],
)
def test_an_image_that_cannot_be_listed_is_told(old: str, new: str, reason: str, tmp_path: Path) -> None:
    shipped = ms_cxr(tmp_path)
    text, number = re.subn(old, new, shipped.table.read_text())
    assert number
    shipped.table.write_text(text)
    found = MsCxr(*map(Path, shipped.arguments)).listing()
    assert MIMIC_IMAGES[0][2] in {one.id for one in found.skipped if one.reason == reason}
    assert len(found.entries) + len(found.skipped) == 7 and found.entries


TEXT = st.text(st.characters(codec="utf-8", exclude_characters='\r\n"'), max_size=9)
COLUMN = st.sampled_from(["dicom_id", "label_text", "path", "x", "w", "image_width", "split", "category_name"])


@given(st.lists(st.tuples(st.integers(0, 8), COLUMN, TEXT), min_size=1, max_size=5))
def test_no_row_is_lost(changes: list[tuple[int, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        shipped = ms_cxr(Path(place))
        with shipped.table.open() as file:
            rows = list(csv.DictReader(file))
        for number, column, text in changes:
            rows[number][column] = text
        with shipped.table.open("w", encoding="utf-8") as file:
            table = csv.DictWriter(file, rows[0].keys())
            table.writeheader()
            table.writerows(rows)
        found = MsCxr(*map(Path, shipped.arguments)).listing()
    images = {row["dicom_id"].strip() for row in rows} - {""}
    assert {one.id for one in (*found.entries, *found.skipped)} == images


@given(st.recursive(st.none() | st.integers() | TEXT, lambda inside: st.lists(inside, max_size=2), max_leaves=3))
def test_json_of_any_kind_is_read_or_told(value: Any) -> None:
    with tempfile.TemporaryDirectory() as place:
        shipped = ms_cxr(Path(place), form="json")
        content = json.loads(shipped.table.read_text())
        for number, key in enumerate(("image_id", "category_id", "bbox", "label_text", "split", "id")):
            content["annotations"][number][key] = value
        shipped.table.write_text(json.dumps(content))
        found = MsCxr(*map(Path, shipped.arguments)).listing()
    assert len(found.entries) + len(found.skipped) in range(1, 8)
