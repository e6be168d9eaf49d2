"""From path to picture."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from cxrtutor.data.teaching.asset import SPACING_MM
from cxrtutor.data.teaching.projection import Film, coarse_blur, project, sample_exposure, with_marker


@pytest.fixture
def film() -> Film:
    rng = np.random.default_rng(0)
    water, lungs = phantom()
    return Film.adjusted_to(water, lungs, sample_exposure(rng, shifted=False), 2.0)


def phantom() -> tuple[np.ndarray, np.ndarray]:
    water = np.full((96, 96), 220, np.float32)
    lungs = np.zeros((96, 96), bool)
    lungs[20:70, 12:40] = lungs[20:70, 56:84] = True
    water[lungs] = 70
    return water, lungs


def test_projection_is_a_sum_of_path_lengths():
    density = np.zeros((3, 2, 2), np.float32)
    density[1, 0, 1] = 2
    np.testing.assert_allclose(project(density), [[0, 2 * SPACING_MM[0]], [0, 0]])


def test_more_water_is_brighter_and_lungs_are_dark(film: Film):
    water, lungs = phantom()
    image = film.displayed(film.detected(water))
    assert image.min() >= 0 and image.max() <= 1
    assert image[lungs].mean() + 0.3 < image[~lungs].mean()
    more = water.copy()
    more[40:44, 20:24] += 15
    assert film.displayed(film.detected(more))[42, 22] > image[42, 22] + 0.02


def test_noise_falls_with_the_square_root_of_the_photons(film: Film):
    detected = np.full((64, 64), 0.1, np.float32)
    noisy = film.noisy(detected, np.random.default_rng(0))
    expected = np.sqrt(0.1 / film.exposure.photons)
    assert noisy.std() == pytest.approx(expected, rel=0.1)
    assert noisy.mean() == pytest.approx(0.1, rel=0.01)


def test_shifted_exposure_is_another_room():
    for seed in range(20):
        usual = sample_exposure(np.random.default_rng(seed), shifted=False)
        other = sample_exposure(np.random.default_rng(seed), shifted=True)
        assert other.photons < usual.photons and other.blur_mm > usual.blur_mm and other.scatter > usual.scatter
        assert not 0.75 < other.gamma < 1.4


def test_coarse_blur_is_a_gaussian_blur():
    image = np.random.default_rng(0).random((64, 80)).astype(np.float32)
    image[20:40, 10:30] += 3
    exact = ndimage.gaussian_filter(image, 8, mode="nearest")
    assert np.abs(coarse_blur(image, 8.0) - exact).max() < 0.12 < np.abs(image - exact).max()


@pytest.mark.parametrize("shifted", [False, True])
def test_marker_names_the_side_it_stands_on(shifted: bool):
    """An R stands on the patient's right (the image's left), an L on the left; both occur."""
    sides = set()
    for seed in range(30):
        blank = np.full((128, 128), 0.4, np.float32)
        marked = with_marker(blank, np.random.default_rng(seed), shifted)
        changed = np.argwhere(marked > 0.5)
        assert 8 < len(changed) < 400
        letter = str(np.random.default_rng(seed).choice(["L", "R"]))
        column = changed[:, 1].mean()
        assert column < 40 if letter == "R" else column > 88
        assert (changed[:, 0].mean() > 64) == shifted
        sides.add(letter)
    assert sides == {"L", "R"}
