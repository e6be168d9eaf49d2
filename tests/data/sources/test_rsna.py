"""RSNA's labels and MedKLIP's table of them say the same; blanks of negative rows are no problem, others are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from data.real_layouts import RSNA_IMAGES, rsna, rsna_of_medklip
from data.truth_layouts import medklip_csv, rsna_csv, written

from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.geometry import Box
from cxrtutor.data.preparation import prepare
from cxrtutor.data.sources.rsna import Rsna, read_labels, read_medklip
from cxrtutor.data.splits import hashed_split
from cxrtutor.errors import InputError

A, B = "0004cfab-14fd-4e49-80ba-63a80b6bddd6", "00436515-870c-4b36-a041-de91049b9ab4"
BOXES = [[264.0, 152.0, 213.0, 379.0], [562.0, 152.0, 256.0, 453.0]]


def test_both_tables_say_the_same(tmp_path: Path) -> None:
    labels = read_labels(rsna_csv(tmp_path / "labels.csv", [(A, None), (B, BOXES[0]), (B, BOXES[1])]))
    medklip = read_medklip(medklip_csv(tmp_path / "medklip.csv", {A: [], B: BOXES}))
    for found in (labels, medklip):
        negative, positive = found.findings
        assert (negative.image, negative.present, positive.image, positive.present) == (A, False, B, True)
        assert positive.boxes == tuple(Box(*box) for box in BOXES)
        assert (positive.name, positive.phrase, positive.size, positive.patient) == (
            "pneumonia",
            "pneumonia",
            (1024, 1024),
            None,
        )
        assert found.problems == ()


def test_an_unreadable_row_of_the_labels_is_named(tmp_path: Path) -> None:
    path = rsna_csv(tmp_path / "labels.csv", [(A, BOXES[0])])
    path.write_text(path.read_text() + f"{B},1,2,,4,1\n{B}2,1,2,3,4,\n{B}3,1100,2,3,4,1\n")
    found = read_labels(path)
    assert len(found.findings) == 1
    starts = ["line 3, width: is blank", "line 4, Target: ''", "line 5, x: the box"]
    for problem, start in zip(found.problems, starts, strict=True):
        assert f"labels.csv, {start}" in problem


@pytest.mark.parametrize(
    ("text", "key"), [("1;2;3", "boxes: '1;2;3'"), ("1;2;3;x", "boxes h: 'x'"), ("1;2;0;4", "boxes w")]
)
def test_an_unreadable_row_of_medklip_is_named(text: str, key: str, tmp_path: Path) -> None:
    path = medklip_csv(tmp_path / "medklip.csv", {A: BOXES})
    path.write_text(path.read_text() + f"{B},x.dcm,{text},1\n")
    found = read_medklip(path)
    assert len(found.findings) == 1 and f"medklip.csv, line 3, {key}" in found.problems[0]


def test_boxes_classes_and_splits_reach_the_studies(tmp_path: Path) -> None:
    rsna(tmp_path / "raw")
    studies = {study.id: study for study in StudyDataset(prepare(Rsna(tmp_path / "raw"), tmp_path / "set"))}
    assert studies.keys() == RSNA_IMAGES.keys()
    assert all(study.split == hashed_split(study.id) and study.annotated for study in studies.values())
    study = studies[B]
    (finding,) = study.findings
    assert finding.boxes == tuple(Box(*(side / 16 for side in box)) for box in BOXES)  # 64 pixels for 1,024
    assert study.labels == {
        "pneumonia": 1,
        "Lung Opacity": 1,
        "No Lung Opacity / Not Normal": 0,
        "Normal": 0,
    }
    assert studies[A].labels["pneumonia"] == 0 and not studies[A].findings
    assert {study.view for study in studies.values()} == {"PA", "AP"}  # the files say so
    card = StudyDataset(tmp_path / "set").card
    assert "hash" in card["details"]["split_by"] and card["redistribution"] is False


def test_medklips_table_lists_its_own_images_for_testing(tmp_path: Path) -> None:
    shipped = rsna_of_medklip(tmp_path / "raw")
    source = Rsna(tmp_path / "raw", shipped.table)
    studies = StudyDataset(prepare(source, tmp_path / "set"))
    assert studies.ids() == [path.stem for path in shipped.images] and set(studies.card["splits"]) == {"test"}
    boxes = [len(study.findings[0].boxes) if study.findings else 0 for study in studies]
    assert boxes == [len(RSNA_IMAGES[image][1]) for image in studies.ids()] and sum(boxes) == 2


def test_what_the_tables_say_badly_is_skipped_with_its_reason(tmp_path: Path) -> None:
    rsna(tmp_path)
    boxes, classes = tmp_path / "stage_2_train_labels.csv", tmp_path / "stage_2_detailed_class_info.csv"
    boxes.write_text(boxes.read_text() + f"{B},1,2,,4,1\n../{A},,,,,0\n,1,2,3,4,1\n{A},1,2,3,4,1\n")
    other = list(RSNA_IMAGES)[1]
    classes.write_text(classes.read_text() + f"{other},Normal\n")
    listing = Rsna(tmp_path).listing()
    assert {one.id: one.reason for one in listing.skipped} == {
        A: "truth cannot be read",
        B: "truth cannot be read",
        other: "contradicting rows",
    }
    assert len(listing.entries) == len(RSNA_IMAGES) - 3
    said = "\n".join(listing.problems)
    for words in ("line 12, width: is blank", f"line 13, patientId: '../{A}' is no id", "line 14, image: is blank"):
        assert words in said
    assert "said both to be there and not to be there" in said


@pytest.mark.parametrize("written", ["Lung opacity", ""])
def test_a_class_that_is_none_is_not_taken_for_no_class(written: str, tmp_path: Path) -> None:
    rsna(tmp_path)
    classes = tmp_path / "stage_2_detailed_class_info.csv"
    head, first, *rest = classes.read_text().splitlines()
    image = first.split(",")[0]
    rest = [row for row in rest if not row.startswith(image)]
    classes.write_text("\n".join([head, f"{image},{written}", *rest, ""]))
    [skipped] = Rsna(tmp_path).listing().skipped
    assert (skipped.id, skipped.reason) == (image, "row cannot be read")
    assert f"class_info.csv says {written!r}, which is none of Lung Opacity" in skipped.detail


def test_a_table_of_classes_without_its_column_is_told(tmp_path: Path) -> None:
    rsna(tmp_path)
    written(tmp_path / "stage_2_detailed_class_info.csv", "patientId,klass\n")
    with pytest.raises(InputError, match=r"class_info\.csv.*'class'"):
        Rsna(tmp_path).listing()


def mappings(path: Path, **changed: Any) -> Path:
    """RSNA's file for all images, of which the first four show one patient; `changed` is added to the last object."""
    content = [
        {"subset_img_id": image, "img_id": f"{number // 4 + 13:08d}_{number:03d}.png", "orig_labels": ["No Finding"]}
        for number, image in enumerate(RSNA_IMAGES)
    ]
    content[-1] |= changed
    return written(path, json.dumps(content))


def test_with_the_mappings_nobody_is_on_both_sides(tmp_path: Path) -> None:
    rsna(tmp_path / "raw")
    source = Rsna(tmp_path / "raw", mappings=mappings(tmp_path / "mappings.json"))
    studies = StudyDataset(prepare(source, tmp_path / "set"))
    assert [study.patient for study in studies] == ["13"] * 4 + ["14"] * 4
    assert all(study.split == hashed_split(study.patient) for study in studies)
    assert studies.card["details"]["split_by"] == "ours: 70/15/15 by a hash of the patient"
    assert "mappings to NIH's images" in studies.card["asked_for"]["tables"]


def test_without_them_it_is_said_that_one_patient_may_be_on_both_sides(tmp_path: Path) -> None:
    rsna(tmp_path)
    assert all(entry.patient == entry.id for entry in Rsna(tmp_path).listing().entries)
    assert "one patient may be on both sides" in Rsna(tmp_path).asked_for()["splits"]


@pytest.mark.parametrize(
    ("changed", "reason", "said"),
    [
        ({"img_id": "13_x"}, "row cannot be read", "mappings.json, object 7, img_id: '13_x' is no name of NIH's"),
        ({"img_id": None}, "row cannot be read", "None is no name of NIH's"),
        ({"subset_img_id": "another"}, "patient not stated", None),
        ({"subset_img_id": ""}, "patient not stated", "object 7, subset_img_id: is blank"),
        ({"subset_img_id": next(iter(RSNA_IMAGES))}, "patient not stated", "is listed twice, and otherwise"),
    ],
)
def test_an_image_without_a_patient_is_skipped(
    changed: dict[str, Any], reason: str, said: str | None, tmp_path: Path
) -> None:
    rsna(tmp_path)
    listing = Rsna(tmp_path, mappings=mappings(tmp_path / "mappings.json", **changed)).listing()
    assert (list(RSNA_IMAGES)[-1], reason) in {(one.id, one.reason) for one in listing.skipped}
    assert said is None or any(said in problem for problem in listing.problems)


@pytest.mark.parametrize("text", ["{}", "[1]", "null", "[{]"])
def test_another_file_than_the_mappings_is_refused(text: str, tmp_path: Path) -> None:
    rsna(tmp_path)
    with pytest.raises(InputError, match=r"other\.json"):
        Rsna(tmp_path, mappings=written(tmp_path / "other.json", text)).listing()
