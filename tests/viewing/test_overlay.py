"""The overlay is the radiograph where it is cold, heat where it is hot, and pixel for pixel in place."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cxrtutor.errors import InputError
from cxrtutor.localization.heatmap import HeatMap
from cxrtutor.localization.localize import Localization
from cxrtutor.viewing.colours import HEAT
from cxrtutor.viewing.overlay import overlay, write_overlay


def found(values: np.ndarray, threshold: float = np.inf) -> Localization:
    heat_map = HeatMap(values.astype(np.float32))
    return Localization("mass", "afloc", heat_map, threshold, heat_map.mask(threshold), None)


def ramp(height: int = 30, width: int = 20) -> np.ndarray:
    """Cold on the left, hot on the right."""
    return np.tile(np.linspace(-1, 1, width), (height, 1))


def grey(height: int = 30, width: int = 20) -> np.ndarray:
    return np.random.default_rng(0).random((height, width), dtype=np.float32)


def test_the_coldest_pixels_are_the_radiograph_itself() -> None:
    picture = overlay(grey(), found(ramp()))
    assert picture.shape == (30, 20, 3)
    np.testing.assert_array_equal(picture[:, 0], np.repeat(np.rint(grey()[:, :1] * 255), 3, axis=1))


@given(opacity=st.floats(0, 1))
def test_the_hottest_pixels_are_blended_with_the_hottest_colour(opacity: float) -> None:
    picture = overlay(grey(), found(ramp()), opacity)
    hottest = np.array(matplotlib.colormaps[HEAT](1.0)[:3])
    expected = (1 - opacity) * grey()[:, -1:] + opacity * hottest
    np.testing.assert_allclose(picture[:, -1] / 255, expected, atol=0.5 / 255 + 1e-6)


def test_pixels_that_are_not_judged_stay_grey_and_do_not_stretch_the_scale() -> None:
    values = ramp()
    values[:3] = np.nan
    picture = overlay(grey(), found(values))
    np.testing.assert_array_equal(picture[:3], np.repeat(np.rint(grey()[:3, :, None] * 255), 3, axis=2))
    np.testing.assert_array_equal(picture[3:], overlay(grey(), found(ramp()))[3:])


@pytest.mark.parametrize("values", [np.zeros((30, 20)), np.full((30, 20), np.nan)])
def test_a_map_that_says_nothing_leaves_the_radiograph(values: np.ndarray) -> None:
    picture = overlay(grey(), found(values))
    np.testing.assert_array_equal(picture, np.repeat(np.rint(grey()[..., None] * 255), 3, axis=2))


def test_the_masks_edge_is_white_and_lies_inside_the_mask() -> None:
    values = np.zeros((30, 20))
    values[5:12, 3:9] = 1
    picture = overlay(np.zeros((30, 20), np.float32), found(values, threshold=0.5), opacity=0.0)
    white = (picture == 255).all(axis=2)
    edge = values > 0
    edge[6:11, 4:8] = False
    np.testing.assert_array_equal(white, edge)


def test_the_edge_of_a_mask_that_leaves_the_image_is_open() -> None:
    values = np.zeros((30, 20))
    values[:, :10] = 1
    picture = overlay(np.zeros((30, 20), np.float32), found(values, threshold=0.5), opacity=0.0)
    assert np.flatnonzero((picture == 255).all(axis=(0, 2))).tolist() == [9]


def test_edges_are_wider_on_large_images() -> None:
    values = np.zeros((2048, 64))
    values[1000:1100] = 1
    picture = overlay(np.zeros((2048, 64), np.float32), found(values, threshold=0.5), opacity=0.0)
    assert (picture[:, 32] == 255).all(axis=1).sum() == 2 * 4


def test_the_file_holds_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "heat.PNG"
    write_overlay(path, grey(), found(ramp(), 0.5))
    with Image.open(path) as file:
        assert (file.format, file.size) == ("PNG", (20, 30))
        np.testing.assert_array_equal(np.asarray(file), overlay(grey(), found(ramp(), 0.5)))


@pytest.mark.parametrize("name", ["heat.jpg", "heat"])
def test_another_kind_of_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"ends in \.png, not '{name}'"):
        write_overlay(tmp_path / name, grey(), found(ramp()))
    assert not list(tmp_path.iterdir())
