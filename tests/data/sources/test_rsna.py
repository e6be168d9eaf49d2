"""RSNA's labels and MedKLIP's table of them say the same; blanks of negative rows are no problem, others are."""

from __future__ import annotations

from pathlib import Path

import pytest
from data.truth_layouts import medklip_csv, rsna_csv

from cxrtutor.data.sources.rsna import read_labels, read_medklip
from cxrtutor.data.study import Box

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
