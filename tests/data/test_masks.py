"""What is hidden of an image is as much as asked for, the same every time, and says nothing of itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrtutor.data.masks import blank, patch_grid, patch_mask
from cxrtutor.errors import InputError

sides = st.integers(1, 9)


@given(sides, sides, st.floats(0, 1, exclude_max=True), st.integers(0, 30), st.integers(0, 3))
def test_every_image_has_exactly_so_many_hidden_patches(
    rows: int, columns: int, ratio: float, number: int, seed: int
) -> None:
    hidden = patch_mask(np.array([5, 2, 9]), number, (rows, columns), ratio, seed)
    assert hidden.shape == (3, rows, columns)
    assert hidden.sum((1, 2)).tolist() == [min(round(ratio * rows * columns), rows * columns - 1)] * 3


def test_a_study_is_masked_alike_in_any_company_and_unlike_others() -> None:
    together = patch_mask([3, 7, 11], 2, (16, 16), 0.5, seed=1)
    assert np.array_equal(patch_mask([7], 2, (16, 16), 0.5, seed=1)[0], together[1])
    others = [patch_mask([3], 3, (16, 16), 0.5, 1), patch_mask([3], 2, (16, 16), 0.5, 2), together[1:2], together[2:]]
    for other in others:
        assert 0.3 < (other[0] == together[0]).mean() < 0.7  # by chance one half


def test_every_patch_is_hidden_alike_often() -> None:
    share = patch_mask(range(3000), 0, (4, 5), 0.75).mean(0)
    np.testing.assert_allclose(share, 0.75, atol=4 * np.sqrt(0.75 * 0.25 / 3000))


@pytest.mark.parametrize("ratio", [-0.1, 1.0, float("nan")])
def test_an_impossible_share_is_refused(ratio: float) -> None:
    with pytest.raises(InputError, match="share of patches"):
        patch_mask([0], 0, (2, 2), ratio)


def test_no_studies_and_no_patches() -> None:
    assert patch_mask([], 0, (2, 3), 0.5).shape == (0, 2, 3)
    with pytest.raises(InputError, match="0 x 3"):
        patch_mask([0], 0, (0, 3), 0.5)


def test_hidden_patches_get_the_mean_of_what_is_visible() -> None:
    image = np.array([[10, 20, 200, 210], [30, 41, 220, 230]], np.uint8)
    assert blank(image, np.array([[False, True]])).tolist() == [[10, 20, 25, 25], [30, 41, 25, 25]]
    assert np.array_equal(blank(image, np.zeros((1, 2), bool)), image)


def test_a_blanked_image_does_not_depend_on_what_was_hidden() -> None:
    random = np.random.default_rng(0)
    image, hidden = random.integers(0, 256, (12, 20)).astype(np.uint8), random.random((3, 5)) < 0.5
    pixels = np.repeat(np.repeat(hidden, 4, 0), 4, 1)
    other = np.where(pixels, 255 - image, image)
    assert np.array_equal(blank(image, hidden), blank(other, hidden))
    assert np.array_equal(blank(image, hidden)[~pixels], image[~pixels])


def test_images_are_cut_into_whole_patches() -> None:
    assert patch_grid((128, 64), 16) == (8, 4)
    for shape, patch in (((128, 100), 16), ((8, 8), 0)):
        with pytest.raises(InputError, match=f"{shape[0]} x {shape[1]}"):
            patch_grid(shape, patch)
