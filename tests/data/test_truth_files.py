"""A truth file is recognised by what it holds, and a box means the same in every layout."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from data.real_layouts import picture
from data.truth_layouts import (
    CHEXPERT,
    COVID,
    DICOM,
    Marked,
    chexlocalize_annotations,
    chexlocalize_segmentations,
    coco_json,
    covid_rural,
    encoded,
    medklip_csv,
    ms_cxr_csv,
    ms_cxr_json,
    nih_csv,
    rectangle,
    rsna_csv,
    siim_csv,
    written,
)

from cxrtutor.data.run_lengths import RunLengths
from cxrtutor.data.truth_files import read_truth
from cxrtutor.errors import InputError
from cxrtutor.evaluation.truth import truth_mask

BOX, SIZE = (300, 500, 200, 100), (1024, 1024)
MASK = rectangle(BOX, SIZE)
GAPS = " ".join(map(str, RunLengths.of(MASK).gaps()))
MARK = Marked(DICOM, "Edema", "mild edema", BOX, SIZE)
CONTOUR = [[300, 500], [499, 500], [499, 599], [300, 599]]


@pytest.mark.parametrize(
    ("layout", "write"),
    [
        ("MS-CXR", lambda folder: ms_cxr_csv(folder / "MS_CXR_Local_Alignment_v1.0.0.csv", [MARK], "0.1")),
        ("MS-CXR", lambda folder: ms_cxr_json(folder / "MS_CXR_Local_Alignment_v1.1.0.json", [MARK])),
        ("RSNA stage 2", lambda folder: rsna_csv(folder / "stage_2_train_labels.csv", [("a", BOX)])),
        ("RSNA as MedKLIP lists it", lambda folder: medklip_csv(folder / "test.csv", {"a": [BOX]})),
        ("SIIM-ACR", lambda folder: siim_csv(folder / "train-rle.csv", [("a", GAPS)])),
        ("NIH ChestX-ray14 boxes", lambda folder: nih_csv(folder / "BBox_List_2017.csv", [("a_1.png", "Mass", BOX)])),
        ("COVID Rural", lambda folder: covid_rural(folder / "covid_rural_annot", {COVID: MASK})),
        ("COCO", lambda folder: coco_json(folder / "coco.json", "a", SIZE, [{"bbox": list(BOX)}])),
        ("COCO", lambda folder: coco_json(folder / "coco.json", "a", SIZE, [{"segmentation": encoded(MASK)}])),
        (
            "CheXlocalize segmentations",
            lambda folder: chexlocalize_segmentations(folder / "gt.json", {CHEXPERT: {"Edema": MASK}}),
        ),
        (
            "CheXlocalize annotations",
            lambda folder: chexlocalize_annotations(folder / "gt.json", SIZE, {CHEXPERT: {"Edema": [CONTOUR]}}),
        ),
    ],
)
def test_one_truth_in_every_layout(layout: str, write, tmp_path: Path) -> None:
    found = read_truth(write(tmp_path))
    assert found.layout == layout and found.problems == ()
    [present] = [one for one in found.findings if one.present]
    assert present.size == SIZE
    assert np.array_equal(truth_mask([present.finding()], SIZE), MASK)


CORNERS = "300,500,500,600"
WITHOUT_SIZES = [
    ("VinDr-CXR", "annotations_test.csv", f"image_id,class_name,x_min,y_min,x_max,y_max\na,Edema,{CORNERS}\n"),
    ("VinDr-CXR", "train.csv", f"image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max\na,ILD,5,R1,{CORNERS}\n"),
    ("Object-CXR", "train.csv", "image_path,annotation\na.jpg,0 300 500 500 600\n"),
    ("Object-CXR", "dev.csv", "image_name,annotation\na.jpg,2 300 500 499 500 499 599 300 599\n"),
    (
        "ChestX-Det",
        "ChestX_Det_test.json",
        json.dumps(
            [{"file_name": "a.png", "syms": ["Mass"], "boxes": [[300, 500, 499, 599]], "polygons": [CONTOUR]}],
        ),
    ),
    (
        "PadChest-GR",
        "grounded_reports_20240819.json",
        json.dumps(
            [
                {
                    "StudyID": "1",
                    "ImageID": "a.png",
                    "findings": [
                        {
                            "sentence_en": "A mass.",
                            "abnormal": True,
                            "labels": ["mass"],
                            "boxes": [[300 / 1024, 500 / 1024, 500 / 1024, 600 / 1024]],
                        }
                    ],
                }
            ]
        ),
    ),
]


@pytest.mark.parametrize(("layout", "name", "text"), WITHOUT_SIZES)
def test_the_same_truth_where_only_images_tell_their_size(layout: str, name: str, text: str, tmp_path: Path) -> None:
    path = written(tmp_path / name, text)
    picture(tmp_path / "images" / "deep" / "a.png", 1, SIZE)
    found = read_truth(path, images=tmp_path / "images")
    assert found.layout == layout and found.problems == ()
    [present] = [one for one in found.findings if one.present]
    assert present.size == SIZE
    assert np.array_equal(truth_mask([present.finding()], SIZE), MASK)


@pytest.mark.parametrize(("layout", "name", "text"), WITHOUT_SIZES)
def test_without_its_images_it_says_what_is_needed(layout: str, name: str, text: str, tmp_path: Path) -> None:
    path = written(tmp_path / name, text)
    with pytest.raises(InputError, match=rf"{name} does not say how large its images are.*--images"):
        read_truth(path)
    with pytest.raises(InputError, match="There is no folder"):
        read_truth(path, images=tmp_path / "absent")
    with pytest.raises(InputError, match=f"no annotation can be read from this file .{layout}.*there is no image 'a'"):
        read_truth(path, images=tmp_path)


@pytest.mark.parametrize(("name", "text"), [("a.csv", "a,b\n1,2\n"), ("a.json", "[]"), ("a.json", "{}")])
def test_an_unknown_layout_is_refused_with_those_that_are_known(name: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\..* Known are MS-CXR"):
        read_truth(written(tmp_path / name, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Cannot read .*absent\.csv"):
        read_truth(tmp_path / "absent.csv")


def test_a_prepared_set_is_told_from_an_owners_file(tmp_path: Path) -> None:
    written(tmp_path / "card.json", "{}")
    for path in (tmp_path, tmp_path / "card.json"):
        with pytest.raises(InputError, match=r"prepared set\. Give the file of truth as its owner ships it"):
            read_truth(path)
