"""The committed anatomy is the one its script made, and it is a chest."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy import ndimage

from cxrtutor.data.teaching import asset
from cxrtutor.data.teaching.asset import Label


@pytest.fixture(scope="module")
def chest() -> asset.Chest:
    return asset.chest()


def test_file_is_the_one_the_script_made_and_small():
    content = asset.FILE.read_bytes()
    assert hashlib.sha256(content).hexdigest() == asset.SHA256
    assert len(content) < 1_000_000


def test_attribution_stands_beside_it():
    text = (asset.FILE.parent / "chest.md").read_text()
    assert "LIDC-IDRI" in text and "CC BY 3.0" in text and "CC BY 4.0" in text


def test_lungs_are_air_on_their_own_sides_and_of_human_size(chest: asset.Chest):
    middle = chest.density.shape[2] / 2
    litre = np.prod(asset.SPACING_MM) / 1e6
    for side, sign in (("right", -1), ("left", 1)):
        lung = np.isin(chest.labels, asset.LOBES[side])
        columns = np.nonzero(lung)[2]
        assert sign * (columns.mean() - middle) > 30, side
        assert 1.5 < lung.sum() * litre < 4.5, side
        assert 0.1 < np.median(chest.density[lung]) < 0.3, side


def test_heart_lies_in_front_left_and_holds_no_contrast_agent(chest: asset.Chest):
    heart = chest.labels == Label.HEART
    slabs, _, columns = np.nonzero(heart)
    assert columns.mean() > chest.density.shape[2] / 2
    assert slabs.mean() < chest.density.shape[0] / 2
    assert chest.density[heart].max() < 1.15
    assert 0.9 < chest.density[heart].mean() < 1.1


def test_liver_side_and_gravity_order(chest: asset.Chest):
    """Rows run downwards: lungs above, solid abdomen below; the right dome stands higher than the left."""
    right, left = (np.isin(chest.labels, asset.LOBES[side]).sum((0, 2)) for side in ("right", "left"))
    assert chest.density[:, -10:].sum() > 1.2 * chest.density[:, 40:50].sum()
    domes = [side[asset.WALL_POINTS :, 0].mean() for side in chest.reference]
    assert domes[0] < domes[1]
    assert right[:5].sum() == left[:3].sum() == 0


def test_spine_is_straight(chest: asset.Chest):
    """Its bone stands within 7 mm of the midline on every height."""
    bone = np.maximum(chest.density - 1.12, 0)[20:30, 12:, 105:151].sum(0)
    centres = (bone * np.arange(105, 151)).sum(1) / bone.sum(1)
    offset = (centres - (chest.density.shape[2] - 1) / 2) * asset.SPACING_MM[2]
    assert np.abs(np.convolve(offset, np.ones(15) / 15, mode="valid")).max() < 7


def test_nothing_of_the_patients_own_mass_or_the_table_is_left(chest: asset.Chest):
    inner = np.isin(chest.labels, asset.LOBES["left"])
    solid = inner & (chest.density > 0.75)
    pieces, count = ndimage.label(ndimage.binary_erosion(solid, np.ones((1, 3, 3))))
    volumes = ndimage.sum_labels(solid, pieces, range(1, count + 1)) * np.prod(asset.SPACING_MM)
    assert volumes.size == 0 or volumes.max() < 3000  # the mass had over 30,000 cubic millimetres
    assert chest.density[-1].max() < 0.8 or chest.density[-1].mean() < 0.1


def test_outlines_are_split_and_plausible(chest: asset.Chest):
    counts = np.bincount(chest.outline_splits, minlength=3)
    assert counts.min() >= 25 and counts[0] > counts[1:].sum()
    shapes = chest.outline_mean + np.tensordot(chest.outline_coefficients, chest.outline_components, 1)
    right, left = shapes[:, 0, :, 1], shapes[:, 1, :, 1]
    assert (right.mean(1) < 0).all() and (left.mean(1) > 0).all()
    heights = (shapes[:, :, asset.WALL_POINTS - 1, 0] - shapes[:, :, 0, 0]).mean(1)
    np.testing.assert_allclose(heights, 1, atol=0.12)
    flat = chest.outline_components.reshape(asset.COMPONENTS, -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(asset.COMPONENTS), atol=1e-4)
