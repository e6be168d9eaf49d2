"""NIH's boxes, whose header has more names than a row has values."""

from __future__ import annotations

from pathlib import Path

import pytest
from data.real_layouts import NIH_IMAGES, nih
from data.truth_layouts import nih_csv

from cxrtutor.data.sources.nih import LABELS, Nih, read_boxes
from cxrtutor.data.sources.open_i import installed_archive
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


def test_the_real_boxes_are_read() -> None:
    found = read_boxes(installed_archive().with_name("BBox_List_2017.csv.gz"))
    assert found.problems == () and sum(len(one.boxes) for one in found.findings) == 984
    assert len({one.image for one in found.findings}) == 880


def test_all_images_are_listed_with_labels_views_and_the_owners_test(tmp_path: Path) -> None:
    shipped = nih(tmp_path)
    listing = Nih(tmp_path).listing()
    assert [entry.image for entry in listing.entries] == list(shipped.images)
    assert listing.problems == listing.skipped == ()
    assert [entry.split == "test" for entry in listing.entries] == [split == "test" for *_, split in NIH_IMAGES]
    assert listing.entries[0].split == listing.entries[1].split  # one patient
    assert [entry.patient for entry in listing.entries[1:4]] == ["1", "2", "32"]
    assert [entry.view for entry in listing.entries] == [view for *_, view, _ in NIH_IMAGES]
    assert [len(entry.truth) for entry in listing.entries] == [0, 0, 0, 1, 2, 0]
    second, third = listing.entries[1].labels, listing.entries[2].labels
    assert {name for name, value in second.items() if value} == {"Cardiomegaly", "Emphysema"}
    assert tuple(second) == LABELS and third["No Finding"] == 1 and sum(third.values()) == 1
    assert {one.name for one in listing.entries[4].truth} == {"Atelectasis", "Infiltrate"}
    # 32_037 has a nodule too, in which nobody drew a box; of the others without boxes nothing is known.
    assert [entry.annotated for entry in listing.entries] == [False, False, False, False, True, False]


def test_the_images_with_boxes_can_be_had_alone(tmp_path: Path) -> None:
    nih(tmp_path)
    assert [entry.id for entry in Nih(tmp_path, boxes_only=True).listing().entries] == ["00000032_037", "00013118_008"]


def test_the_older_table_is_read_too(tmp_path: Path) -> None:
    nih(tmp_path)
    (tmp_path / "Data_Entry_2017_v2020.csv").rename(tmp_path / "Data_Entry_2017.csv")
    assert len(Nih(tmp_path).listing().entries) == len(NIH_IMAGES)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (",M,PA,", ",M,L,", "lateral view"),
        (",M,PA,", ",M,,", "view not stated"),
        ("00000002_000.png", "00000002_001.png", "split not stated"),
    ],
)
def test_an_image_that_is_not_prepared_says_why(old: str, new: str, reason: str, tmp_path: Path) -> None:
    nih(tmp_path)
    table = tmp_path / "Data_Entry_2017_v2020.csv"
    head, row, rest = table.read_text().partition("00000002_000.png")
    table.write_text(head + (row + rest).replace(old, new, 1))
    [skipped] = Nih(tmp_path).listing().skipped
    assert skipped.id.startswith("00000002") and skipped.reason == reason
    assert "Data_Entry_2017_v2020.csv, line 4" in skipped.detail


def test_an_image_in_both_lists_is_skipped_and_one_without_a_row_is_told(tmp_path: Path) -> None:
    nih(tmp_path)
    path = tmp_path / "test_list.txt"
    path.write_text(path.read_text() + "00000002_000.png\n00099999_000.png\n")
    listing = Nih(tmp_path).listing()
    assert [(one.id, one.reason) for one in listing.skipped] == [("00000002_000", "contradicting rows")]
    assert listing.problems == ("test_list.txt: 1 images, such as 00099999_000, are not in the table of images.",)


def test_an_image_that_misses_a_box_is_skipped_and_an_unknown_label_is_a_problem(tmp_path: Path) -> None:
    nih(tmp_path)
    boxes, table = tmp_path / "BBox_List_2017.csv", tmp_path / "Data_Entry_2017_v2020.csv"
    boxes.write_text(boxes.read_text() + "00000032_037.png,Mass,1,2,,4\n")
    table.write_text(table.read_text().replace("Cardiomegaly|Emphysema", "Cardiomegaly|Emphysma"))
    listing = Nih(tmp_path).listing()
    assert [(one.id, one.reason) for one in listing.skipped] == [("00000032_037", "truth cannot be read")]
    assert any("line 3, Finding Labels: 'Emphysma' is none of the set's labels" in one for one in listing.problems)
    assert len(listing.entries) == len(NIH_IMAGES) - 2
