"""CheXlocalize: segmentations and the contours that they were made of agree; absent findings are said to be absent."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from data.real_layouts import chexlocalize
from data.truth_layouts import (
    CHEXLOCALIZE_FINDINGS,
    CHEXPERT,
    chexlocalize_annotations,
    chexlocalize_segmentations,
    rectangle,
    salient_points,
    written,
)
from hypothesis import given
from hypothesis import strategies as st

from cxrtutor.data.sources.chexlocalize import (
    FINDINGS,
    Chexlocalize,
    read_annotations,
    read_salient_points,
    read_segmentations,
)
from cxrtutor.errors import InputError

SIZE = (232, 282)
MASK = rectangle((50, 60, 101, 81), SIZE)
CONTOUR = [[50.2, 60.4], [150.3, 60.1], [150.1, 140.2], [50.0, 140.4]]


def test_there_are_ten_findings() -> None:
    assert set(FINDINGS) == set(CHEXLOCALIZE_FINDINGS) and len(FINDINGS) == 10


def test_segmentations_and_annotations_say_the_same(tmp_path: Path) -> None:
    drawn = read_annotations(chexlocalize_annotations(tmp_path / "a.json", SIZE, {CHEXPERT: {"Edema": [CONTOUR]}}))
    coded = read_segmentations(chexlocalize_segmentations(tmp_path / "s.json", {CHEXPERT: {"Edema": MASK}}))
    for found in (drawn, coded):
        assert {one.name for one in found.findings} == set(FINDINGS) and found.problems == ()
        [present] = [one for one in found.findings if one.present]
        assert (present.image, present.name, present.patient, present.size) == (CHEXPERT, "Edema", "patient64541", SIZE)
        assert np.array_equal(present.finding().mask, MASK)


def test_contours_of_one_finding_are_united_and_cut_at_the_border(tmp_path: Path) -> None:
    beyond = [[260, 200], [400, 200], [400, 500], [260, 500]]
    path = chexlocalize_annotations(tmp_path / "a.json", SIZE, {CHEXPERT: {"Edema": [CONTOUR, beyond]}})
    [present] = [one for one in read_annotations(path).findings if one.present]
    assert np.array_equal(present.finding().mask, MASK | rectangle((260, 200, 99, 99), SIZE))


@pytest.mark.parametrize(
    "contours", [[[[1, 2]]], [[[1, 2], [3]]], [[[1, 2], ["a", 3]]], [[[1, 2], [float("nan"), 3]]], "x", [5]]
)
def test_a_broken_contour_is_named(contours: object, tmp_path: Path) -> None:
    path = chexlocalize_annotations(tmp_path / "a.json", SIZE, {CHEXPERT: {"Edema": contours}})
    found = read_annotations(path)
    assert len(found.findings) == 9 and found.left_out == {(CHEXPERT, "Edema")}
    assert f"a.json, {CHEXPERT}, Edema, Edema: " in found.problems[0]


def test_a_broken_size_is_named(tmp_path: Path) -> None:
    content = {CHEXPERT: {"img_size": [232], "Edema": [CONTOUR]}, "patient2_a": {"img_size": [232, 282]}}
    found = read_annotations(written(tmp_path / "a.json", json.dumps(content)))
    assert {one.image for one in found.findings} == {"patient2_a"} and len(found.problems) == 10
    assert "img_size: [232] is not [height, width]" in found.problems[0]


def test_damaged_run_lengths_are_named(tmp_path: Path) -> None:
    path = chexlocalize_segmentations(tmp_path / "s.json", {CHEXPERT: {"Edema": MASK}})
    content = json.loads(path.read_text())
    content[CHEXPERT]["Edema"]["counts"] = content[CHEXPERT]["Edema"]["counts"][:-2]
    content[CHEXPERT]["Atelectasis"] = {"size": [3]}
    found = read_segmentations(written(path, json.dumps(content)))
    assert len(found.findings) == 8
    assert f"{CHEXPERT}, Edema, counts: the run lengths are cut short" in "".join(found.problems)
    assert f"{CHEXPERT}, Atelectasis, counts: holds no run lengths" in "".join(found.problems)


def test_salient_points(tmp_path: Path) -> None:
    path = salient_points(
        tmp_path / "p.json", {CHEXPERT: {"Edema": [[1.5, 2], [3, 4]], "Atelectasis": [], "Lung Lesion": [[1, 2, 3]]}}
    )
    found = read_salient_points(path)
    assert {key[1]: points.tolist() for key, points in found.points.items()} == {
        "Edema": [[1.5, 2], [3, 4]],
        "Atelectasis": [],
    }
    assert len(found.problems) == 1 and f"p.json, {CHEXPERT}, Lung Lesion: " in found.problems[0]


@pytest.mark.parametrize("text", ["[]", '{"a": 1}', "{"])
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    for read in (read_segmentations, read_annotations, read_salient_points):
        with pytest.raises(InputError, match=r"a\.json"):
            read(written(tmp_path / "a.json", text))


def test_an_image_that_no_segmentation_names_shows_nothing(tmp_path: Path) -> None:
    shipped = chexlocalize(tmp_path)
    found = Chexlocalize(tmp_path).listing()
    assert {one.image for one in found.entries} == set(shipped.images) and found.problems == ()
    assert [one.split for one in found.entries] == ["validation"] * 2 + ["test"] * 2
    shows = {one.id: one for one in found.entries}[CHEXPERT]
    assert {one.name for one in shows.truth if one.present} == {"Cardiomegaly", "Atelectasis"} and len(
        shows.truth
    ) == 10
    assert (shows.patient, shows.study, shows.view) == ("patient64541", "patient64541_study1", "AP")
    [nothing] = [one for one in found.entries if one.patient == "patient64542"]
    assert nothing.truth == () and nothing.annotated and nothing.labels["Pneumonia"] == 1
    assert nothing.labels["Airspace Opacity"] == 0 and "Lung Opacity" not in nothing.labels


def test_the_test_tables_may_lack_columns_of_views(tmp_path: Path) -> None:
    chexlocalize(tmp_path)
    path = tmp_path / "CheXpert" / "test_labels.csv"
    rows = [line.split(",") for line in path.read_text().splitlines()]
    written(path, "\n".join(",".join([row[0], *row[5:]]) for row in rows).replace("Lung Op", "Airspace Op") + "\n")
    found = Chexlocalize(tmp_path).listing()
    assert len(found.entries) == 4 and [one.reason for one in found.skipped] == ["lateral view"] * 2
    assert found.entries[-1].view is None and found.entries[-1].labels["Airspace Opacity"] == 0


def test_what_labels_and_segmentations_do_not_agree_on_is_skipped(tmp_path: Path) -> None:
    chexlocalize(tmp_path)
    labels = tmp_path / "CheXpert" / "val_labels.csv"
    text = labels.read_text()
    nothing = f"AP,{','.join(['0.0'] * 7)},1.0,0.0"
    assert nothing in text
    labels.write_text(text.replace(nothing, f"AP,{','.join(['0.0'] * 3)},1.0,0.0,0.0,0.0,1.0,0.0"))
    segmentations = tmp_path / "CheXlocalize" / "gt_segmentations_test.json"
    content = json.loads(segmentations.read_text())
    [(image, masks)] = content.items()
    broken = {**masks, "Edema": {"size": [61, 50], "counts": "0"}}
    segmentations.write_text(json.dumps({image: broken, "patient9_study1_view1_frontal": masks}))
    found = Chexlocalize(tmp_path).listing()
    assert {one.id: one.reason for one in found.skipped if "frontal" in one.id} == {
        "patient64542_study1_view1_frontal": "label without truth",
        image: "truth cannot be read",
        "patient9_study1_view1_frontal": "not among the labels",
    }
    assert len(found.problems) == 1 and len(found.entries) == 2


JSON = st.none() | st.integers(-3, 99) | st.text(max_size=5) | st.lists(st.integers(-3, 99), max_size=2)


@given(
    st.sampled_from(["val", "test"]),
    st.sampled_from([*FINDINGS[:3], "size", "counts"]),
    JSON | st.dictionaries(st.sampled_from(["size", "counts"]), JSON),
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 18), st.text(max_size=6)), max_size=3),
)
def test_no_image_is_lost(part: str, key: str, value: object, changes: list[tuple[int, int, str]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        chexlocalize(Path(place))
        segmentations = Path(place, "CheXlocalize", f"gt_segmentations_{part}.json")
        content = json.loads(segmentations.read_text())
        for masks in content.values():
            (masks if key in FINDINGS else masks["Edema"])[key] = value
        segmentations.write_text(json.dumps(content))
        labels = Path(place, "CheXpert", f"{part}_labels.csv")
        with labels.open(newline="") as file:
            rows = list(csv.reader(file))
        for row, column, text in changes:
            rows[row][column] = text.encode("utf-8", "replace").decode()
        with labels.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
        found = Chexlocalize(Path(place)).listing()
    # The three rows of the other part are whole; each of this one is told of at least once.
    told = [*found.entries, *found.skipped, *found.problems]
    assert len(told) >= 6 and len({one.id for one in found.entries}) == len(found.entries)
