"""CheXlocalize's human benchmark from its own files, against the formulas of its own code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data.truth_layouts import (
    CHEXLOCALIZE_FINDINGS,
    CHEXPERT,
    chexlocalize_annotations,
    chexlocalize_segmentations,
    rectangle,
    salient_points,
)

from cxrtutor.data.sources.chexlocalize import read_salient_points
from cxrtutor.data.truth_files import read_truth
from cxrtutor.errors import InputError
from cxrtutor.evaluation.human_benchmark import ALL, METRICS, TRUE_POSITIVES, measure_humans
from cxrtutor.evaluation.measurements import Measurements
from cxrtutor.evaluation.tables import ResultTable

SIZE = (120, 150)
SECOND, THIRD = "patient64542_study1_view1_frontal", "patient64543_study1_view1_frontal"


def box(*values: int) -> np.ndarray:
    return rectangle(values, SIZE)


TRUTH = {
    CHEXPERT: {"Edema": box(10, 10, 40, 40), "Cardiomegaly": box(60, 60, 30, 30)},
    SECOND: {"Edema": box(10, 10, 40, 40), "Lung Lesion": box(5, 5, 9, 9)},
}
DRAWN = {
    CHEXPERT: {"Edema": box(20, 10, 40, 40), "Pneumothorax": box(0, 0, 20, 20)},
    SECOND: {"Edema": box(100, 80, 20, 20), "Lung Lesion": box(5, 5, 9, 9)},
    THIRD: {"Edema": box(0, 0, 9, 9)},
}
POINTS = {CHEXPERT: {"Edema": [[5, 5], [15.9, 12.2]]}, SECOND: {"Edema": [[9.9, 20]], "Lung Lesion": [[6, 6]]}}


@pytest.fixture
def measured(tmp_path: Path) -> Measurements:
    truth = read_truth(chexlocalize_segmentations(tmp_path / "gt_segmentations_test.json", TRUTH))
    drawn = read_truth(chexlocalize_segmentations(tmp_path / "hb_segmentations_test.json", DRAWN))
    return measure_humans(
        truth, drawn, read_salient_points(salient_points(tmp_path / "hb_salient_pt_test.json", POINTS))
    )


def by_their_code(finding: str) -> dict[str, list[float]]:
    """`calculate_iou` and `get_hb_hitrates` of CheXlocalize, for images of both files in turn."""
    found: dict[str, list[float]] = {TRUE_POSITIVES: [], ALL: [], "pointing": []}
    for image in (CHEXPERT, SECOND, THIRD):
        truth, drawn = (masks.get(image, {}).get(finding, box(0, 0, 0, 0)) for masks in (TRUTH, DRAWN))
        union = (truth | drawn).sum()
        overlap = (truth & drawn).sum() / union if union else np.nan
        found[ALL].append(overlap)
        found[TRUE_POSITIVES].append(overlap if truth.any() and drawn.any() else np.nan)
        marked = POINTS.get(image, {}).get(finding, [])
        hit = any(truth[int(y), int(x)] for x, y in marked)
        found["pointing"].append(float(hit) if truth.any() else np.nan)
    return found


@pytest.mark.parametrize("finding", CHEXLOCALIZE_FINDINGS)
def test_every_number_is_that_of_their_own_code(finding: str, measured: Measurements) -> None:
    rows = measured.rows[measured.rows.finding == finding].set_index("study")
    for column, values in by_their_code(finding).items():
        np.testing.assert_allclose(rows.loc[[CHEXPERT, SECOND, THIRD], column], values, err_msg=column)


def test_all_images_and_findings_are_there_once(measured: Measurements) -> None:
    assert len(measured.rows) == 30 and not measured.rows.duplicated(["study", "finding"]).any()
    assert not measured.rows.duplicated(["study", "lesions"]).any()
    assert set(measured.rows.patient) == {"patient64541", "patient64542", "patient64543"}
    assert measured.rows.cnr.isna().all()


def test_the_row_counts_what_the_protocol_counts(measured: Measurements) -> None:
    rows = measured.rows.set_index(["study", "finding"])
    assert rows.iou[CHEXPERT, "Cardiomegaly"] == 0 and np.isnan(rows.iou[CHEXPERT, "Pneumothorax"])
    assert rows.iou[CHEXPERT, "Edema"] == rows[ALL][CHEXPERT, "Edema"] == pytest.approx(0.6)
    assert rows.dice[CHEXPERT, "Edema"] == pytest.approx(0.75)


def test_contours_and_segmentations_measure_alike(measured: Measurements, tmp_path: Path) -> None:
    def contours(masks: dict[str, dict[str, np.ndarray]]) -> dict[str, dict[str, list]]:
        def outline(mask: np.ndarray) -> list[list[int]]:
            rows, columns = np.nonzero(mask)
            x, y, right, bottom = (int(v) for v in (columns.min(), rows.min(), columns.max(), rows.max()))
            return [[x, y], [right, y], [right, bottom], [x, bottom]]

        return {image: {name: [outline(mask)] for name, mask in drawn.items()} for image, drawn in masks.items()}

    truth = read_truth(chexlocalize_annotations(tmp_path / "gt_annotations_test.json", SIZE, contours(TRUTH)))
    drawn = read_truth(chexlocalize_annotations(tmp_path / "hb_annotations_test.json", SIZE, contours(DRAWN)))
    points = read_salient_points(salient_points(tmp_path / "p.json", POINTS))
    key = ["study", "finding"]
    found = measure_humans(truth, drawn, points).rows.sort_values(key)[[*key, *measured.metrics]]
    expected = measured.rows.sort_values(key)[[*key, *measured.metrics]]
    assert found.reset_index(drop=True).equals(expected.reset_index(drop=True))


def test_humans_are_one_more_row_of_a_table(measured: Measurements) -> None:
    method = Measurements(measured.rows.assign(iou=0.5), "chexlocalize", "simple")
    table = ResultTable({"a method": method, "Human benchmark": measured}, METRICS)
    assert table.intervals["Human benchmark"]["pointing"].value == pytest.approx(np.mean([0.5, 0, 1]))
    assert "Human benchmark" in str(table)


def test_without_points_there_is_no_hit_rate(tmp_path: Path) -> None:
    truth = read_truth(chexlocalize_segmentations(tmp_path / "gt.json", TRUTH))
    assert measure_humans(truth, truth).rows.pointing.isna().all()
    assert measure_humans(truth, truth).macro()[ALL] == 1


def test_what_cannot_be_read_is_not_taken_for_nothing(tmp_path: Path) -> None:
    truth = read_truth(chexlocalize_segmentations(tmp_path / "gt.json", TRUTH))
    path = chexlocalize_segmentations(tmp_path / "hb.json", DRAWN)
    path.write_text(path.read_text().replace('"Edema": {"size": [120', '"Edema": {"size": [121', 1))
    drawn = read_truth(path)
    rows = measure_humans(truth, drawn).rows
    assert drawn.left_out == {(CHEXPERT, "Edema")} and len(rows) == 29
    assert (CHEXPERT, "Edema") not in set(zip(rows.study, rows.finding, strict=True))


def test_different_sizes_are_refused(tmp_path: Path) -> None:
    truth = read_truth(chexlocalize_segmentations(tmp_path / "gt.json", TRUTH))
    smaller = {CHEXPERT: {"Edema": rectangle((1, 1, 5, 5), (120, 149))}}
    drawn = read_truth(chexlocalize_segmentations(tmp_path / "hb.json", smaller))
    with pytest.raises(InputError, match=rf"{CHEXPERT} is \(120, 150\) in the truth and \(120, 149\)"):
        measure_humans(truth, drawn)


def test_files_of_different_sets_are_refused(tmp_path: Path) -> None:
    truth = read_truth(chexlocalize_segmentations(tmp_path / "gt.json", TRUTH))
    other = read_truth(chexlocalize_segmentations(tmp_path / "hb.json", {"patient1_a": DRAWN[CHEXPERT]}))
    with pytest.raises(InputError, match="no image and finding in common"):
        measure_humans(truth, other)
