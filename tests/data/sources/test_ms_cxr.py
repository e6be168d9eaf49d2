"""MS-CXR in both forms and releases: pairs, boxes, patients; what is broken is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from data.truth_layouts import DICOM, OTHER_DICOM, Marked, ms_cxr_csv, ms_cxr_json

from cxrtutor.data.sources.ms_cxr import patient_of, read_csv, read_json
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
