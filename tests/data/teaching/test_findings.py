"""Each finding is where and what it says."""

from __future__ import annotations

import numpy as np
import pytest

from cxrtutor.data.teaching.anatomy import Anatomy, path, sample_anatomy
from cxrtutor.data.teaching.findings import PAINTERS, STEPS, NoRoom, Painted, ball, paint, severity_of, zone_of
from cxrtutor.data.teaching.lesion import FINDINGS, UNSEEN_FINDINGS, Lesion


@pytest.fixture(scope="module")
def chest() -> Anatomy:
    return sample_anatomy(np.random.default_rng(3), 96, "train", 0.45)


def painted(chest: Anatomy, lesion: Lesion, seed: int = 0) -> Painted:
    rng = np.random.default_rng(seed)
    for _ in range(20):
        try:
            return paint(lesion, chest, chest.tissue, rng)
        except NoRoom:
            continue
    raise AssertionError(f"no room for {lesion}")


def centroid(chest: Anatomy, shadow: np.ndarray) -> tuple[float, float]:
    offsets = chest.geometry.offsets
    return float(shadow.sum(1) @ offsets / shadow.sum()), float(shadow.sum(0) @ offsets / shadow.sum())


def test_every_finding_but_cardiomegaly_has_a_painter_and_all_measures_have_steps():
    assert {*PAINTERS} == {*FINDINGS, *UNSEEN_FINDINGS} - {"cardiomegaly"}
    assert {*STEPS} == {*PAINTERS}
    for finding, (small, large) in STEPS.items():
        assert severity_of(finding, small - 1e-6) == "small"
        assert severity_of(finding, small) == "moderate"
        assert severity_of(finding, large) == "large"


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(
    "finding", ["consolidation", "ground-glass opacity", "nodule", "mass", "atelectasis", "cavity"]
)
def test_focal_findings_stay_in_their_lung_and_name_their_zone(chest: Anatomy, finding: str, side: str):
    size = {"nodule": 24.0, "mass": 40.0, "cavity": 40.0}.get(finding)
    zone = "middle" if finding == "atelectasis" else "upper"
    result = painted(chest, Lesion(finding, side, zone, "moderate", size_mm=size))
    assert result.lesion.side == side and result.lesion.size_mm == size
    assert not result.change[~chest.lungs[side]].any()
    assert result.shadow.max() > 2
    y, x = centroid(chest, result.shadow)
    assert (x < 0) == (side == "right")
    if finding != "cavity":
        assert result.lesion.zone == zone_of(chest, side, y)


@pytest.mark.parametrize("diameter", [12.0, 24.0, 50.0])
def test_ball_has_its_diameter_and_volume(chest: Anatomy, diameter: float):
    share = ball(chest, (0.0, 0.0, 40.0), diameter / 2, np.random.default_rng(0), 0.08)
    disc = share.sum(0) > 0.02
    rows, columns = np.nonzero(disc)
    across = np.hypot(rows[:, None] - rows, columns[:, None] - columns).max() * chest.geometry.pixel_mm
    assert across == pytest.approx(diameter, abs=1.6 * chest.geometry.pixel_mm)
    volume = share.sum() * chest.geometry.pixel_mm**2 * 8.4375
    assert 0.6 < volume / (np.pi / 6 * diameter**3) < 1.2


def test_solid_is_denser_than_ground_glass(chest: Anatomy):
    solid = painted(chest, Lesion("consolidation", "right", "upper", "moderate"))
    glass = painted(chest, Lesion("ground-glass opacity", "right", "upper", "moderate"))
    assert np.percentile(solid.change, 99.9) > 1.4 * np.percentile(glass.change, 99.9)
    assert (solid.change >= 0).all() and (glass.change >= 0).all()


@pytest.mark.parametrize("side", ["right", "left"])
def test_effusion_lies_at_the_base_and_rises_at_the_wall(chest: Anatomy, side: str):
    heights = {}
    for severity in ("small", "moderate", "large"):
        result = painted(chest, Lesion("pleural effusion", side, "basal", severity), seed=1)
        assert result.lesion.severity == severity
        assert not result.change[~chest.lungs[side]].any()
        top, dome = chest.heights[side]
        assert centroid(chest, result.shadow)[0] > (top + dome) / 2
        heights[severity] = (result.shadow > 5).sum()
    filled = result.shadow > 0.3 * np.maximum(path(chest.lungs[side]), 10)
    columns = np.flatnonzero(chest.fields[side].any(0))
    quarter = len(columns) // 4
    outer, inner = (columns[quarter], columns[-quarter]) if side == "right" else (columns[-quarter], columns[quarter])
    assert filled[:, outer].argmax() < filled[:, inner].argmax()
    assert heights["small"] < heights["moderate"] < heights["large"]


def test_pneumothorax_is_air_at_the_apex_along_the_wall(chest: Anatomy):
    areas = []
    for severity in ("small", "large"):
        result = painted(chest, Lesion("pneumothorax", "left", "apical", severity), seed=2)
        assert result.lesion.severity == severity
        assert not result.change[~chest.lungs["left"]].any()
        air = result.shadow > 2
        assert result.change.sum(0)[air].mean() < 0
        y, _ = centroid(chest, result.shadow)
        top, dome = chest.heights["left"]
        assert y < (top + dome) / 2
        areas.append(air.sum())
    assert areas[0] < areas[1]


def test_atelectasis_is_long_and_thin(chest: Anatomy):
    result = painted(chest, Lesion("atelectasis", "right", "lower", "large"), seed=4)
    rows, columns = np.nonzero(result.shadow > 0.4 * result.shadow.max())
    spread = np.linalg.eigvalsh(np.cov(np.stack([rows, columns])))
    assert spread[1] > 8 * spread[0]


def test_edema_is_around_both_roots(chest: Anatomy):
    result = painted(chest, Lesion("edema", "both", "perihilar", "large"))
    right, left = (result.shadow[chest.fields[side]].sum() for side in ("right", "left"))
    assert 0.3 < right / left < 3.5
    wall = chest.geometry.offsets[np.flatnonzero(chest.fields["right"].any(0))[0]]
    _, x = centroid(chest, np.where(chest.fields["right"], result.shadow, 0))
    assert x > wall / 2 - 15


def test_viral_pneumonia_is_basal_and_peripheral_on_both_sides(chest: Anatomy):
    viral = painted(chest, Lesion("viral pneumonia", "both", "basal", "moderate"))
    edema = painted(chest, Lesion("edema", "both", "perihilar", "moderate"))
    for side in ("right", "left"):
        inside = {name: np.where(chest.fields[side], p.shadow, 0) for name, p in (("v", viral), ("e", edema))}
        assert inside["v"].sum() > 0
        (y_viral, x_viral), (y_edema, x_edema) = (centroid(chest, inside[name]) for name in "ve")
        assert abs(x_viral) > abs(x_edema) and y_viral > y_edema


def test_cavity_is_a_ring_whose_shadow_is_a_disc(chest: Anatomy):
    result = painted(chest, Lesion("cavity", "left", "upper", "moderate", size_mm=50.0), seed=0)
    y, x = (round(value / chest.geometry.pixel_mm + 47.5) for value in centroid(chest, result.shadow))
    change = result.change.sum(0)
    radius = int(25 / chest.geometry.pixel_mm)
    wall = max(change[y - radius + 2 : y - 2, x].max(), change[y, x - radius + 2 : x].max())
    assert change[y - 2 : y + 1, x - 1 : x + 2].min() < 0.75 * wall
    assert result.shadow[y, x] > 0.6 * result.shadow.max()


def test_no_room_is_said():
    chest = sample_anatomy(np.random.default_rng(3), 48, "train", 0.45)
    with pytest.raises(NoRoom):
        for seed in range(5):
            paint(
                Lesion("mass", "left", "lower", "large", size_mm=400.0),
                chest,
                chest.tissue,
                np.random.default_rng(seed),
            )
