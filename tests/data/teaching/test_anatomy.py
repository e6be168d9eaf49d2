"""One CT becomes many chests, none of them folded or bent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrtutor.data.teaching import anatomy, asset
from cxrtutor.data.teaching.anatomy import (
    Geometry,
    Warp,
    cardiothoracic_ratio,
    sample_anatomy,
    sample_geometry,
    sample_outline,
    smooth_noise,
)


@pytest.fixture(scope="module")
def one() -> anatomy.Anatomy:
    return sample_anatomy(np.random.default_rng(0), 96, "train", 0.45)


def test_ratio_of_drawn_silhouettes():
    heart, lungs = np.zeros((20, 40), bool), np.zeros((20, 40), bool)
    lungs[4:16, 5:35] = True
    lungs[10, 2:38] = True
    heart[8:12, 15:30] = True
    assert cardiothoracic_ratio(heart, lungs) == pytest.approx(15 / 36)
    assert cardiothoracic_ratio(np.zeros_like(heart), lungs) == 0


@pytest.mark.parametrize("ratio", [0.42, 0.47, 0.57])
def test_heart_gets_the_wanted_ratio(ratio: float):
    drawn = [sample_anatomy(np.random.default_rng(k), 96, "test", ratio).cardiothoracic_ratio for k in range(3)]
    np.testing.assert_allclose(drawn, ratio, atol=0.035)


def test_patient_right_is_image_left_and_heart_points_left(one: anatomy.Anatomy):
    columns = np.arange(96)
    right, left = (one.fields[side].sum(0) @ columns / one.fields[side].sum() for side in ("right", "left"))
    heart = one.heart.sum(0) @ columns / one.heart.sum()
    assert right < 40 < 56 < left
    assert heart > 48
    assert one.hila["right"][1] < 0 < one.hila["left"][1]


def test_liver_dome_is_on_the_image_left_below_the_right_lung(one: anatomy.Anatomy):
    for side in ("right", "left"):
        top, dome = one.heights[side]
        assert top < -60 and dome > 20 and 120 < dome - top < 280


def test_lungs_fill_the_image(one: anatomy.Anatomy):
    both = one.fields["right"] | one.fields["left"]
    rows, columns = np.flatnonzero(both.any(1)), np.flatnonzero(both.any(0))
    assert 0.7 < len(rows) / 96 < 0.95
    assert 0.6 < len(columns) / 96 < 0.97


@given(seed=st.integers(0, 10_000), outlines=st.sampled_from(asset.OUTLINES))
def test_warp_never_folds_and_holds_the_spine(seed: int, outlines: str):
    rng = np.random.default_rng(seed)
    outline = sample_outline(rng, outlines)
    geometry = sample_geometry(rng, outline, 64, near=False)
    v, u = np.meshgrid(geometry.offsets, geometry.offsets, indexing="ij")
    y, x = Warp(outline)(geometry.centre[0] + v, geometry.centre[1] + u)
    assert np.diff(y, axis=0).min() > 0
    assert np.diff(x, axis=1).min() > 0
    middle = np.abs(geometry.centre[1] + geometry.offsets).argmin()
    assert np.abs(x[:, middle] - (geometry.centre[1] + geometry.offsets[middle])).max() < 6


def test_warp_moves_the_walls_to_the_outline():
    outline = sample_outline(np.random.default_rng(5), "train")
    reference = asset.chest().reference
    warp = Warp(outline)
    walls = outline[:, 2 : asset.WALL_POINTS - 1].reshape(-1, 2)
    arrived = walls[:, 1] + warp.across(walls)
    wanted = reference[:, 2 : asset.WALL_POINTS - 1, 1].ravel()
    assert np.abs(arrived - wanted).mean() < 4 < np.abs(walls[:, 1] - wanted).max()


def test_no_outline_is_shared_between_splits():
    chest = asset.chest()
    rows = {
        name: {row.tobytes() for row in chest.outline_coefficients[chest.outline_splits == k]}
        for k, name in enumerate(asset.OUTLINES)
    }
    assert not rows["train"] & rows["test"] and not rows["train"] & rows["validation"]
    first = sample_outline(np.random.default_rng(1), "train")
    assert not np.allclose(first, sample_outline(np.random.default_rng(1), "test"))


def test_what_is_in_front_is_magnified():
    geometry = Geometry(size=8, pixel_mm=2.0, centre=(0.0, 0.0), source_mm=1000.0)
    assert geometry.depth[0] > 0 > geometry.depth[-1]
    assert geometry.scale[0] < 1 < geometry.scale[-1]


def test_vessels_differ_between_patients_of_one_outline():
    first, second = (sample_anatomy(np.random.default_rng(k), 64, "train", 0.45) for k in (1, 2))
    both = first.lungs["right"] & second.lungs["right"]
    correlation = np.corrcoef(first.tissue[both], second.tissue[both])[0, 1]
    assert correlation < 0.8


def test_smooth_noise_is_smooth_and_of_unit_variance():
    noise = smooth_noise(np.random.default_rng(0), (16, 64, 64), (4, 8, 8))
    assert noise.std() == pytest.approx(1, abs=0.1)
    assert np.abs(np.diff(noise, axis=2)).mean() < 0.3
