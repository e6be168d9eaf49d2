"""NIH's boxes, whose header has more names than a row has values."""

from __future__ import annotations

from pathlib import Path

from data.truth_layouts import nih_csv

from cxrtutor.data.sources.nih import read_boxes
from cxrtutor.data.study import Box


def test_rows_are_read_in_spite_of_the_header(tmp_path: Path) -> None:
    rows = [
        ("00013118_008.png", "Atelectasis", (225.084745762712, 547.019216763771, 86.7796610169491, 79.1864406779661)),
        ("00013118_008.png", "Infiltrate", (1, 2, 3, 4)),
        ("00013118_008.png", "Infiltrate", (5, 6, 7, 8)),
        ("00014716_007.png", "Mass", (1, 2, "", 4)),
    ]
    found = read_boxes(nih_csv(tmp_path / "BBox_List_2017.csv", rows))
    first, second = found.findings
    assert (first.image, first.name, first.patient, first.size) == (
        "00013118_008",
        "Atelectasis",
        "00013118",
        (1024, 1024),
    )
    assert first.boxes == (Box(*rows[0][2]),) and second.boxes == (Box(1, 2, 3, 4), Box(5, 6, 7, 8))
    assert len(found.problems) == 1 and "BBox_List_2017.csv, line 5, w: is blank" in found.problems[0]
