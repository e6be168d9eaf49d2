"""A truth file is recognised by what it holds, and a box means the same in every layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
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


@pytest.mark.parametrize(("name", "text"), [("a.csv", "a,b\n1,2\n"), ("a.json", "[]"), ("a.json", "{}")])
def test_an_unknown_layout_is_refused_with_those_that_are_known(name: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\..* Known are MS-CXR"):
        read_truth(written(tmp_path / name, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Cannot read .*absent\.csv"):
        read_truth(tmp_path / "absent.csv")
