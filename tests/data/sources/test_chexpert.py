"""CheXpert: frontal images with their labels, whatever the folder is called; MGCA's convention of splits."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from data.real_layouts import CHEXPERT_LABELS, chexpert
from data.truth_layouts import written
from hypothesis import given
from hypothesis import strategies as st

from cxrtutor.data.annotations import UnreadableRow
from cxrtutor.data.sources.chexpert import LABELS, Chexpert, Named, labels_of, shared_labels
from cxrtutor.errors import InputError

TEXT = st.text(st.characters(codec="utf-8", exclude_characters='\r\n"'), max_size=9)


def test_frontal_images_are_listed_with_their_labels(tmp_path: Path) -> None:
    shipped = chexpert(tmp_path)
    moved = tmp_path / "elsewhere"
    Path(*shipped.arguments).rename(moved)
    found = Chexpert(moved).listing()
    assert [moved / path.relative_to(*shipped.arguments) for path in shipped.images] == [
        one.image for one in found.entries
    ]
    assert [one.split for one in found.entries] == ["train"] * 8 + ["validation"] * 4 and found.problems == ()
    first = found.entries[0]
    assert (first.id, first.patient, first.study) == (
        "patient00001_study1_view1_frontal",
        "patient00001",
        "patient00001_study1",
    )
    assert first.labels == {"Cardiomegaly": 1, "Lung Opacity": -1, "Pleural Effusion": 0, "Support Devices": 1}
    assert first.view == "AP" and not first.annotated and first.place == "train.csv, line 3"
    assert [one.reason for one in found.skipped] == ["lateral view"] * 2


@pytest.mark.parametrize(("number", "expected"), [(1, 2), (2, 2), (3, 4), (100, 8)])
def test_whole_patients_are_held_out_for_validation(number: int, expected: int, tmp_path: Path) -> None:
    source = Chexpert(Path(*chexpert(tmp_path).arguments), number)
    entries = source.listing().entries
    assert [one.split for one in entries[8:]] == ["test"] * 4
    held_out = [one.patient for one in entries[:8] if one.split == "validation"]
    assert len(held_out) == expected
    assert not set(held_out) & {one.patient for one in entries if one.split == "train"}
    assert f"{number} images of training" in source.asked_for()["splits"]


def test_labels_are_four_valued() -> None:
    row = {name: "" for name in LABELS} | {"Edema": "1.0", "Fracture": "0.0", "Pneumonia": "-1.0"}
    assert labels_of(row) == {"Edema": 1, "Fracture": 0, "Pneumonia": -1}
    assert labels_of({"Airspace Opacity": "1"}) == {"Lung Opacity": 1}
    with pytest.raises(UnreadableRow, match=r"'2\.0' is neither"):
        labels_of(row | {"Edema": "2.0"})
    read = shared_labels()
    assert read(row) is read(dict(row)) and read(row) == labels_of(row)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "patient1/study1/view1_frontal.jpg",
        "train/patient1/study1/view1_frontal",
        "train/../study1/view1_frontal.jpg",
    ],
)
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(UnreadableRow, match="is no path of CheXpert"):
        Named.by(path)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    source = Chexpert(Path(*chexpert(tmp_path).arguments))
    table = source.folder / "valid.csv"
    table.write_text(table.read_text().replace("Frontal/Lateral", "View"))
    with pytest.raises(InputError, match="no column 'Frontal/Lateral'"):
        source.listing()


@given(
    st.lists(
        st.tuples(
            st.sampled_from([f"train/patient1/study1/view{n}_{v}.jpg" for n in (1, 2) for v in ("frontal", "lateral")])
            | TEXT,
            st.sampled_from(["Frontal", "Lateral", ""]) | TEXT,
            st.sampled_from(["1.0", "-1.0", ""]) | TEXT,
        ),
        min_size=1,
        max_size=8,
    )
)
def test_no_row_is_lost(rows: list[tuple[str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        header = f"Path,Sex,Age,Frontal/Lateral,AP/PA,{CHEXPERT_LABELS}\n"
        lines = [f'"{path}",Male,59,"{view}",AP,{"," * 12},"{label}"\n' for path, view, label in rows]
        written(folder / "train.csv", header + "".join(lines))
        written(folder / "valid.csv", header)
        found = Chexpert(folder).listing()
    assert len(found.entries) + len(found.skipped) + len(found.problems) == len(rows)
