"""MIMIC-CXR: every frontal image with its report, labels and split; what a model is measured on is held out."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from data.real_layouts import MIMIC_IMAGES, MIMIC_LABELS, mimic_cxr, mimic_path, packed
from data.truth_layouts import Marked, ms_cxr_csv, ms_cxr_json, written
from hypothesis import given
from hypothesis import strategies as st

from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.preparation import prepare
from cxrtutor.data.prepared import read_card
from cxrtutor.data.source import HELD_OUT
from cxrtutor.data.sources.mimic_cxr import MimicCxr
from cxrtutor.errors import InputError

FRONTAL = [row for row in MIMIC_IMAGES if row[3] in ("PA", "AP")]


def source(folder: Path, **options: Any) -> MimicCxr:
    jpg, reports = map(Path, mimic_cxr(folder).arguments)
    return MimicCxr(jpg, reports, **options)


def changed(path: Path, old: str, new: str) -> None:
    """A packed table with a piece of text replaced."""
    text = gzip.decompress(path.read_bytes()).decode()
    assert old in text
    packed(path, text.replace(old, new).splitlines())


def test_frontal_images_are_listed_with_all_that_belongs_to_them(tmp_path: Path) -> None:
    found = source(tmp_path).listing()
    assert [(one.patient, one.study, one.id, one.view) for one in found.entries] == [row[:4] for row in FRONTAL]
    assert [one.split for one in found.entries] == ["train"] * 3 + ["validation"] * 2 + ["test"] * 2
    assert {one.id: one.reason for one in found.skipped} == {
        MIMIC_IMAGES[1][2]: "lateral view",
        MIMIC_IMAGES[3][2]: "view not stated",
    }
    first, second = found.entries[:2]
    assert first.labels == {"Cardiomegaly": 1, "Fracture": 0, "Pleural Effusion": -1, "Support Devices": 1}
    assert second.labels == {} and found.problems == ("1 studies, such as 53189527, have no row among the labels.",)
    assert first.image == tmp_path / "mimic-cxr-jpg" / mimic_path(*FRONTAL[0][:3])
    assert first.place == "mimic-cxr-2.0.0-metadata.csv.gz, line 2" and not first.annotated
    assert all(one.image.is_file() and one.report.is_file() for one in found.entries)


def test_tables_may_have_been_unpacked(tmp_path: Path) -> None:
    packed_set = source(tmp_path)
    path = packed_set.tables()["metadata"]
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()
    assert packed_set.tables()["metadata"].name == "mimic-cxr-2.0.0-metadata.csv"
    assert len(packed_set.listing().entries) == 7


def test_all_that_must_be_there_is_named(tmp_path: Path) -> None:
    needed = MimicCxr(tmp_path, tmp_path / "r", "negbio", True, tmp_path / "m.csv").tables()
    assert {name: path.name for name, path in needed.items()} == {
        "metadata": "mimic-cxr-2.0.0-metadata.csv.gz",
        "split": "mimic-cxr-2.0.0-split.csv.gz",
        "negbio": "mimic-cxr-2.0.0-negbio.csv.gz",
        "radiologists' labels": "mimic-cxr-2.1.0-test-set-labeled.csv",
        "file of MS-CXR, whose images are held out (https://physionet.org/content/ms-cxr)": "m.csv",
        "images": "files",
        "reports, unpacked from mimic-cxr-reports.zip": "files",
    }


def test_radiologists_labels_replace_the_labelers(tmp_path: Path) -> None:
    read = source(tmp_path, radiologists=True)
    names = MIMIC_LABELS.replace("Lung Opacity", "Airspace Opacity")
    rows = f"study_id,{names}\n50331901{',' * 7},1.0{',' * 6}\n50051329{',' * 14}\n50051329,,x{',' * 12}\n"
    written(read.folder / "mimic-cxr-2.1.0-test-set-labeled.csv", rows.replace(f"50051329,,x{',' * 12}\n", ""))
    labels = {one.study: one.labels for one in read.listing().entries}
    assert labels["50331901"] == {"Lung Opacity": 1}, "its Airspace Opacity has the name that the other tables give it"
    assert labels["50051329"] == {} and labels["50414267"]["Cardiomegaly"] == 1
    written(read.folder / "mimic-cxr-2.1.0-test-set-labeled.csv", rows)
    found = read.listing()
    assert [one.reason for one in found.skipped if one.id == MIMIC_IMAGES[8][2]] == ["row cannot be read"]
    assert "Atelectasis" not in labels["50331901"] and "Cardiomegaly: 'x' is neither" in "".join(found.problems)


@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize(("by", "expected"), [("patient", {0, 2, 4}), ("image", {2, 4})])
def test_what_a_model_is_measured_on_is_held_out(form: str, by: Any, expected: set[int], tmp_path: Path) -> None:
    marks = [
        Marked(row[2], "Pneumonia", "left lower opacity", (5, 5, 9, 9), (61, 50), row[0], "train")
        for row in (MIMIC_IMAGES[2], MIMIC_IMAGES[4])
    ]
    marks[0] = marks[0]._replace(box=(5, 5, 0, 9))  # a row that cannot be read holds out as well
    path = {"csv": ms_cxr_csv, "json": ms_cxr_json}[form](tmp_path / f"held.{form}", marks)
    read = source(tmp_path, hold_out=path, hold_out_by=by)
    found = read.listing()
    held = {one.id for one in found.entries if one.split == "held-out"}
    assert held == {MIMIC_IMAGES[number][2] for number in expected}
    assert len(found.entries) == 7 and sum("is 0, so that the box has no area" in one for one in found.problems) == 1
    assert read.asked_for()["held out by"] == by and path in read.tables().values()


@pytest.mark.parametrize("named", ["by its path", "by a row that cannot be read"])
def test_a_patient_is_held_out_whose_measured_image_is_not_listed(named: str, tmp_path: Path) -> None:
    """An image without a view, as MIMIC_IMAGES[3] is, is skipped; others of its patient would be trained on."""
    skipped, other = MIMIC_IMAGES[3], MIMIC_IMAGES[2]
    assert not skipped[3] and skipped[0] == other[0]
    known = Marked(MIMIC_IMAGES[8][2], "Edema", "edema", (5, 5, 9, 9), (61, 50), MIMIC_IMAGES[8][0])
    mark = known._replace(image=skipped[2], patient=skipped[0] if named == "by its path" else "x")
    if named != "by its path":
        mark = mark._replace(box=(5, 5, 0, 9))
    found = source(tmp_path, hold_out=ms_cxr_csv(tmp_path / "held.csv", [known, mark])).listing()
    assert {one.split for one in found.entries if one.patient == other[0]} == {"held-out"}


def test_held_out_images_are_a_split_of_the_prepared_set(tmp_path: Path) -> None:
    image = MIMIC_IMAGES[4]
    marks = [Marked(image[2], "Edema", "edema", (5, 5, 9, 9), (61, 50))]
    read = source(tmp_path, hold_out=ms_cxr_csv(tmp_path / "held.csv", marks), hold_out_by="image")
    folder = prepare(read, tmp_path / "out", workers=1)
    [study] = StudyDataset(folder, "held-out")
    assert (study.id, study.study, study.view, study.labels["Fracture"]) == (image[2], image[1], "AP", 0)
    card = read_card(folder)
    assert card["splits"] == {"train": 2, "held-out": 1, "validation": 2, "test": 2}
    assert card["asked_for"]["options"]["held out by"] == "image"
    assert any("are held out" in table for table in card["asked_for"]["tables"]) and not card["redistribution"]
    first = StudyDataset(folder, "train")[0].report.sentences[0]
    assert first.text == "There is a small left pleural effusion, unchanged."


def test_a_list_of_splits_does_not_let_out_what_is_held_out(tmp_path: Path) -> None:
    held, other = MIMIC_IMAGES[4], MIMIC_IMAGES[0]
    marks = [Marked(held[2], "Edema", "edema", (5, 5, 9, 9), (61, 50))]
    read = source(tmp_path, hold_out=ms_cxr_csv(tmp_path / "held.csv", marks), hold_out_by="image")
    lists = {"named": f"{held[2]},train\n{other[2]},test\n", "not named": f"{other[2]},test\n"}
    for name, rows in lists.items():
        path = written(tmp_path / f"{name}.csv", f"id,split\n{rows}")
        folder = prepare(read, tmp_path / name, workers=1, splits=path)
        assert StudyDataset(folder, HELD_OUT).ids() == [held[2]] and StudyDataset(folder, "test").ids() == [other[2]]
        summary = json.loads((folder / "summary.json").read_text())
        assert summary["split_by"] == "a list of the reader's; held out by image"
        told = f"{path}: 1 of its images, such as {held[2]}, are held out, and stay so."
        assert (told == summary["problems"][0]) is (name == "named")


def test_images_to_hold_out_that_are_not_there_are_told(tmp_path: Path) -> None:
    known, stranger = MIMIC_IMAGES[4], "00000000-00000000-00000000-00000000-00000001"
    marks = [Marked(image, "Edema", "edema", (5, 5, 9, 9), (61, 50)) for image in (known[2], stranger)]
    found = source(tmp_path, hold_out=ms_cxr_csv(tmp_path / "held.csv", marks)).listing()
    assert f"1 of its images, such as {stranger}, are not listed here." in found.problems[-1]
    with pytest.raises(InputError, match="none of its images is among MIMIC-CXR's"):
        source(tmp_path, hold_out=ms_cxr_csv(tmp_path / "held.csv", marks[1:])).listing()


def test_what_is_to_be_held_out_has_to_be_a_file_of_ms_cxr(tmp_path: Path) -> None:
    missing, other = tmp_path / "MS_CXR.csv", written(tmp_path / "other.csv", "id,split\na,test\n")
    with pytest.raises(InputError, match=r"file of MS-CXR, .*https://physionet\.org/content/ms-cxr\): .*MS_CXR\.csv"):
        prepare(source(tmp_path, hold_out=missing), tmp_path / "out")
    for path in (other, tmp_path):
        with pytest.raises(InputError, match=rf"^{path} is no file of MS-CXR"):
            source(tmp_path, hold_out=path).listing()


@pytest.mark.parametrize(
    ("table", "old", "new", "reason"),
    [
        ("metadata", ",10000764,", ",1000x764,", None),
        ("metadata", "096052b7", "../096052b7", None),
        ("metadata", ",AP,61", ",AP AXIAL,61", "neither PA nor AP"),
        ("metadata", ",AP,61", ",XTABLE LATERAL,61", "lateral view"),
        ("split", "096052b7", "x", "split not stated"),
        ("split", "10000764,train", "10000764,", "row cannot be read"),
        ("split", "096052b7", "70d7e600-373c1311-929f5ff9-23ee3621-ff551ff8,1,1,test\n096052b7", "contradicting rows"),
        ("chexpert", "57375967,,1.0", "57375967,,2.0", "row cannot be read"),
    ],
)
def test_a_broken_row_is_told(table: str, old: str, new: str, reason: str | None, tmp_path: Path) -> None:
    read = source(tmp_path)
    changed(read.tables()[table], old, new)
    found = read.listing()
    skipped = {one.reason for one in found.skipped} - {"view not stated"}
    assert reason in skipped if reason else any("line 6, " in problem for problem in found.problems)
    assert len(found.entries) + len(found.skipped) == (9 if reason else 8)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    read = source(tmp_path)
    changed(read.tables()["metadata"], "ViewPosition", "View")
    with pytest.raises(InputError, match="no column 'ViewPosition'"):
        read.listing()


TEXT = st.text(st.characters(codec="utf-8", exclude_characters='\r\n"', exclude_categories=("Cs",)), max_size=12)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([row[2] for row in MIMIC_IMAGES]) | TEXT,
            st.sampled_from(["10000032"]) | TEXT,
            st.sampled_from(["50414267"]) | TEXT,
            st.sampled_from(["PA", "AP", "LL", ""]) | TEXT,
        ),
        min_size=1,
        max_size=8,
    ),
    st.lists(st.tuples(st.sampled_from([row[2] for row in MIMIC_IMAGES]) | TEXT, TEXT), max_size=4),
)
def test_no_row_is_lost(rows: list[tuple[str, ...]], splits: list[tuple[str, str]]) -> None:
    def quoted(row: tuple[str, ...]) -> str:
        return ",".join(f'"{value}"' for value in row)

    with tempfile.TemporaryDirectory() as place:
        read = source(Path(place))
        columns = "dicom_id,subject_id,study_id,ViewPosition"
        metadata = packed(read.tables()["metadata"], [columns, *map(quoted, rows)])
        if splits:
            packed(read.tables()["split"], ["dicom_id,split", *map(quoted, splits)])
        found = read.listing()
        told = [problem for problem in found.problems if problem.startswith(metadata.name)]
    stated = [row for row in rows if any(value.strip() for value in row)]
    assert len(found.entries) + len(found.skipped) + len(told) == len(stated)


def test_exchanged_folders_are_pointed_out(tmp_path: Path) -> None:
    read = source(tmp_path)
    with pytest.raises(InputError) as error:
        prepare(MimicCxr(read.reports, read.folder), tmp_path / "out")
    for path in (read.tables()[name] for name in ("metadata", "split", "chexpert")):
        assert f"{read.reports / path.name} (there is {path}: was another folder meant?)" in str(error.value)
