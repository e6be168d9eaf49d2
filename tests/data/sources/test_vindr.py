"""VinDr-CXR: several readers, who differ, in PhysioNet's four tables and in Kaggle's one."""

from __future__ import annotations

from pathlib import Path

import pytest
from data.real_layouts import VINDR_TEST, VINDR_TRAIN, vindr, vindr_of_kaggle
from data.truth_layouts import written

from cxrtutor.data.geometry import Box
from cxrtutor.data.sources.open_i import installed_archive
from cxrtutor.data.sources.vindr import VinDr, read_boxes
from cxrtutor.errors import InputError

NORMAL, HEART, NODULE = VINDR_TRAIN
SIZE = (64, 64)


def truth(source: VinDr) -> dict[tuple[str, str], tuple[Box, ...]]:
    return {(entry.id, one.name): one.boxes for entry in source.listing().entries for one in entry.truth}


def test_two_of_three_readers_make_a_finding_and_all_of_their_boxes_count(tmp_path: Path) -> None:
    shipped = vindr(tmp_path)
    listing = VinDr(tmp_path).listing()
    assert [entry.image for entry in listing.entries] == list(shipped.images)
    assert [entry.split for entry in listing.entries] == ["train"] * 3 + ["test"] * 3
    assert listing.problems == listing.skipped == () and all(entry.annotated for entry in listing.entries)
    found = {(one.image, one.name): one for entry in listing.entries for one in entry.truth}
    assert found[HEART, "Cardiomegaly"].boxes == (Box(10, 30, 40, 30), Box(12, 28, 40, 32), Box(11, 30, 40, 31))
    assert found[NODULE, "Nodule/Mass"].boxes == (Box(30, 10, 8, 10), Box(40, 40, 5, 6), Box(31, 11, 7, 8))
    assert {name for image, name in found if image in VINDR_TRAIN} == {"Cardiomegaly", "Nodule/Mass"}
    assert {name for image, name in found if image in VINDR_TEST} == {"Lung Opacity", "Rib fracture"}
    assert found[HEART, "Cardiomegaly"].size == SIZE


def test_labels_say_what_readers_do_not_agree_on(tmp_path: Path) -> None:
    vindr(tmp_path)
    labels = {entry.id: entry.labels for entry in VinDr(tmp_path).listing().entries}
    assert {name for name, value in labels[HEART].items() if value == 1} == {"Cardiomegaly", "Pneumonia"}
    assert {name for name, value in labels[HEART].items() if value == -1} == {"Pleural effusion", "Atelectasis"}
    assert labels[NODULE]["No finding"] == -1 and labels[NORMAL]["No finding"] == 1 and labels[HEART]["COPD"] == 0
    first = labels["002a34c58c5b758217ed1f584ccbcfe9"]
    assert first["Other diseases"] == 1 and "Other disease" not in first and len(first) == 28


@pytest.mark.parametrize(
    ("agreement", "names"),
    [
        (1, {"Cardiomegaly", "Pleural effusion", "Atelectasis", "Nodule/Mass"}),
        (2, {"Cardiomegaly", "Nodule/Mass"}),
        (3, {"Cardiomegaly"}),
        (9, {"Cardiomegaly"}),
    ],
)
def test_how_many_must_agree_is_a_choice(agreement: int, names: set[str], tmp_path: Path) -> None:
    vindr(tmp_path)
    found = VinDr(tmp_path, agreement, "train")
    assert {name for _, name in truth(found)} == names
    assert {name for entry in found.listing().entries for name, value in entry.labels.items() if value == 1} >= names


def test_kaggles_table_says_the_same_as_physionets(tmp_path: Path) -> None:
    vindr(tmp_path / "physionet")
    vindr_of_kaggle(tmp_path / "kaggle")
    theirs, ours = VinDr(tmp_path / "kaggle"), VinDr(tmp_path / "physionet", only="train")
    assert truth(theirs) == truth(ours)
    listing = theirs.listing()
    assert listing.problems == () and {entry.split for entry in listing.entries} <= {"train", "validation", "test"}
    labels = {entry.id: entry.labels for entry in listing.entries}
    for entry in ours.listing().entries:
        assert labels[entry.id].items() <= entry.labels.items()


def test_one_part_alone_needs_no_more(tmp_path: Path) -> None:
    vindr(tmp_path)
    source = VinDr(tmp_path, only="test")
    assert [path.name for path in source.tables().values()] == ["annotations_test.csv", "image_labels_test.csv", "test"]
    assert [entry.id for entry in source.listing().entries] == list(VINDR_TEST)


def test_the_readers_column_has_two_spellings(tmp_path: Path) -> None:
    vindr(tmp_path)
    for path in (tmp_path / "annotations").glob("*_train.csv"):
        path.write_text(path.read_text().replace("rad_id", "rad_ID"))
    assert {name for _, name in truth(VinDr(tmp_path, only="train"))} == {"Cardiomegaly", "Nodule/Mass"}


def test_readers_who_saw_nothing_count_even_where_the_boxes_do_not_name_them(tmp_path: Path) -> None:
    vindr(tmp_path)
    path = tmp_path / "annotations" / "annotations_train.csv"
    rows = [
        row for row in path.read_text().splitlines() if "No finding" not in row and not row.startswith(f"{NODULE},R9")
    ]
    written(path, "\n".join([*rows, ""]))
    assert {name for _, name in truth(VinDr(tmp_path, only="train"))} == {"Cardiomegaly"}


def test_broken_rows_are_named_and_their_images_skipped(tmp_path: Path) -> None:
    vindr(tmp_path)
    annotations = tmp_path / "annotations"
    boxes, labels = annotations / "annotations_train.csv", annotations / "image_labels_train.csv"
    boxes.write_text(boxes.read_text() + f"{NORMAL},R7,Edema,5,6,5,9\nunknown,R7,Edema,5,6,9,9\n")
    labels.write_text(labels.read_text().replace(f"{NODULE},R8,0", f"{NODULE},R8,yes"))
    test = annotations / "image_labels_test.csv"
    (first, _, last), lines = VINDR_TEST, test.read_text().splitlines()
    test.write_text("\n".join([*lines, lines[-1].replace(",0,", ",1,", 1), lines[1], ""]))
    listing = VinDr(tmp_path).listing()
    assert {one.id: one.reason for one in listing.skipped} == {
        NORMAL: "truth cannot be read",
        NODULE: "row cannot be read",
        last: "contradicting rows",
    }
    said = "\n".join(listing.problems)
    for words in (
        "annotations_train.csv, line 14, x_max: is 0, so that the box has no area",
        "annotations_train.csv: unknown has no row among the labels.",
        "image_labels_train.csv, line 10, Aortic enlargement: 'yes' is neither 0 nor 1.",
        f"image_labels_test.csv, line 5: {last} is listed twice for one reader, and otherwise.",
        f"image_labels_test.csv, line 6: {first} is listed twice for one reader, alike; it counts once.",
    ):
        assert words in said, said


def test_a_film_whose_size_cannot_be_read_is_not_taken_for_a_normal_one(tmp_path: Path) -> None:
    films = vindr(tmp_path).images
    films[1].write_bytes(films[1].read_bytes()[:400])
    [skipped] = VinDr(tmp_path).listing().skipped
    assert (skipped.id, skipped.reason) == (HEART, "image cannot be read") and str(films[1]) in skipped.detail


@pytest.mark.parametrize("kept", [[NORMAL], []])
def test_a_folder_may_hold_normal_films_alone(kept: list[str], tmp_path: Path) -> None:
    vindr(tmp_path)
    for path in (tmp_path / "train").iterdir():
        if path.stem not in kept:
            path.unlink()
    entries = {entry.id: entry for entry in VinDr(tmp_path, only="train").listing().entries}
    assert len(entries) == 3 and [name for name, entry in entries.items() if entry.annotated] == kept
    assert all(entry.truth == () for entry in entries.values())


def test_nobody_agrees_with_fewer_than_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="0 readers cannot agree"):
        VinDr(tmp_path, 0)


def test_the_real_table_of_the_challenge_is_read() -> None:
    table = installed_archive().with_name("vinbigdata-train.csv.gz")
    found = read_boxes(table, lambda image: (4000, 4000))
    assert found.problems == () and len({one.name for one in found.findings}) == 14 and len(found.findings) == 8825
