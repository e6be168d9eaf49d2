import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from cxrtutor.localization.heatmap import (
    HeatMap,
    attention,
    keep_centre,
    min_max,
    smooth,
    smoothing_matrix,
    upsample,
    zero_where_silent,
)


@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from([0.3, 1.0, 1.5, 3.0]), st.integers(0, 100))
def test_smoothing_is_scipys(height, width, sigma, seed):
    maps = np.random.default_rng(seed).normal(size=(2, height, width)).astype(np.float32)
    expected = [ndimage.gaussian_filter(one, sigma, mode="reflect", truncate=4.0) for one in maps]
    np.testing.assert_allclose(smooth(torch.from_numpy(maps), sigma).numpy(), expected, atol=1e-5)


def test_smoothing_keeps_a_constant_and_the_total():
    weights = smoothing_matrix(16, 1.5)
    torch.testing.assert_close(weights.sum(1), torch.ones(16))
    torch.testing.assert_close(weights.sum(0), torch.ones(16))


def test_upsampling_a_square_is_torchs():
    maps = torch.randn(3, 16, 16)
    expected = F.interpolate(maps[:, None], (128, 128), mode="bilinear", align_corners=False)[:, 0]
    assert torch.equal(upsample(maps, (128, 128)), expected)


@pytest.mark.parametrize("size", [(60, 80), (80, 60)])
def test_upsampling_leaves_out_the_padding_of_the_letterbox(size):
    maps = torch.randn(1, 8, 8)
    square = upsample(maps, (80, 80))
    inner = square[:, 10:70] if size[0] < size[1] else square[:, :, 10:70]
    assert torch.equal(upsample(maps, size), inner)


def test_nearest_upsampling_repeats_cells():
    maps = torch.randn(2, 14, 14)
    expected = maps.repeat_interleave(16, 1).repeat_interleave(16, 2)
    assert torch.equal(upsample(maps, (224, 224), "nearest"), expected)


def test_the_margin_of_224_pixels_leaves_the_central_196():
    kept = ~keep_centre(torch.zeros(1, 224, 224), 7 / 8).isnan()[0]
    expected = torch.zeros(224, 224, dtype=torch.bool)
    expected[14:210, 14:210] = True
    assert torch.equal(kept, expected)


def test_the_margin_belongs_to_the_square_not_to_the_image():
    kept = ~keep_centre(torch.zeros(1, 160, 80), 7 / 8).isnan()[0]
    assert kept.all(1).sum() == 140 and kept[10:150].all()


def test_a_margin_of_the_shorter_side_cuts_the_longer_one_too():
    kept = ~keep_centre(torch.zeros(1, 160, 80), 15 / 16, "shorter").isnan()[0]
    expected = torch.zeros(160, 80, dtype=torch.bool)
    expected[43:117, 3:77] = True  # centres within 37.5 pixels of the middle
    assert torch.equal(kept, expected)


@given(st.integers(0, 100), st.floats(0.5, 20), st.floats(-5, 5))
def test_min_max_ignores_scale_shift_and_unjudged_pixels(seed, scale, shift):
    maps = torch.from_numpy(np.random.default_rng(seed).normal(size=(2, 6, 5)))
    maps[:, 0] = torch.nan
    stretched = min_max(maps, -1.0, 1.0)
    torch.testing.assert_close(min_max(maps * scale + shift, -1.0, 1.0), stretched, equal_nan=True)
    assert torch.equal(stretched.isnan(), maps.isnan())
    torch.testing.assert_close(stretched[:, 1:].amax((1, 2)), torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(stretched[:, 1:].amin((1, 2)), -torch.ones(2, dtype=torch.float64))


def test_a_constant_map_is_stretched_to_the_lower_end():
    maps = torch.full((1, 4, 4), 0.7)
    maps[0, 0, 0] = torch.nan
    assert (min_max(maps, -1.0, 1.0)[0].flatten()[1:] == -1).all()


def test_maps_that_say_nothing_become_zero_and_broken_ones_are_warned_of():
    maps = torch.randn(4, 4, 4)
    maps[1, 2, 2], maps[2, 0, 0] = torch.nan, torch.inf
    maps[3] = 0.7
    with pytest.warns(UserWarning, match="2 of 4 similarity maps"):
        settled = zero_where_silent(maps)
    assert torch.equal(settled[0], maps[0])
    assert not settled[1:].any()


def test_attention_is_softmax_relative_to_uniform():
    maps = torch.randn(2, 14, 14)
    torch.testing.assert_close(attention(maps).flatten(1), torch.softmax(maps.flatten(1), 1) * 196)
    torch.testing.assert_close(attention(torch.zeros(1, 5, 5)), torch.ones(1, 5, 5))


def test_peak_and_mask_of_a_heat_map():
    values = np.zeros((5, 7), np.float32)
    values[0] = np.nan
    values[3, 2] = 2
    heat_map = HeatMap(values)
    assert heat_map.peak == (3, 2)
    assert heat_map.mask(1.0).sum() == 1 and heat_map.mask(-1.0).sum() == 28
    assert HeatMap(np.zeros((3, 3), np.float32)).peak is None
    assert HeatMap(np.full((3, 3), np.nan, np.float32)).peak is None
