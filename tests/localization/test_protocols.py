import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage.filters import threshold_otsu

from cxrtutor.errors import InputError
from cxrtutor.localization.protocols import AFLOC, PROTOCOLS, protocol_named


def afloc_by_hand(similarity, side):
    """AFLoc's inference code for one map, with scipy and numpy."""
    smooth = ndimage.gaussian_filter(similarity, sigma=(1.5, 1.5), order=0)
    large = torch.nn.functional.interpolate(
        torch.from_numpy(smooth)[None, None], size=(side, side), mode="bilinear", align_corners=False
    )[0, 0].numpy()
    margin = side // 16
    inner = large[margin:-margin, margin:-margin]
    heat = np.full_like(large, np.nan)
    heat[margin:-margin, margin:-margin] = (inner - inner.min()) / (inner.max() - inner.min()) * 2 - 1
    return heat


@given(st.integers(0, 200), st.sampled_from([16, 19]), st.sampled_from([128, 224]))
def test_afloc_is_its_code(seed, grid, side):
    similarity = np.random.default_rng(seed).normal(size=(2, grid, grid)).astype(np.float32)
    heat = AFLOC.heat(torch.from_numpy(similarity), (side, side))
    for ours, one in zip(heat.numpy(), similarity, strict=True):
        np.testing.assert_allclose(ours, afloc_by_hand(one, side), atol=2e-5)
    masks = AFLOC.masks(heat)
    for index, threshold in enumerate((0.1, 0.2, 0.3, 0.4, 0.5)):
        assert torch.equal(masks[:, index], heat > threshold)


def test_chexlocalize_cuts_the_stretched_map_by_otsu():
    protocol = PROTOCOLS["chexlocalize"]
    heat = protocol.heat(torch.randn(3, 16, 16), (128, 128))
    assert heat.amin() == 0 and heat.amax() == 1
    expected = [threshold_otsu(one) for one in heat.double().numpy()]
    np.testing.assert_allclose(protocol.cuts(heat)[:, 0], expected, atol=1e-5)


def test_medklips_threshold_is_the_published_one_on_its_own_grid():
    protocol = PROTOCOLS["medklip"]
    similarity = torch.randn(2, 14, 14)
    published = similarity.flatten(1).softmax(1).view(2, 14, 14) > 0.008
    masks = protocol.masks(protocol.heat(similarity, (224, 224)))[:, 0]
    assert torch.equal(masks, published.repeat_interleave(16, 1).repeat_interleave(16, 2))


def test_biovil_thresholds_the_smoothed_similarity_itself():
    protocol = PROTOCOLS["biovil"]
    similarity = torch.rand(1, 15, 15) * 0.5
    heat = protocol.heat(similarity, (150, 150))
    expected = ndimage.gaussian_filter(similarity[0].numpy(), 1.5)
    np.testing.assert_allclose(heat[0, 5::10, 5::10], expected, atol=1e-5)


def test_the_top_five_percent_are_five_percent():
    protocol = PROTOCOLS["top-5-percent"]
    mask = protocol.masks(protocol.heat(torch.randn(2, 16, 16), (100, 100)))
    areas = mask.sum((1, 2, 3))
    assert ((areas > 490) & (areas <= 500)).all()  # values that tie at the threshold stay below it


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("value", [0.0, 3.0, math.nan])
@pytest.mark.filterwarnings("ignore:.*similarity maps hold NaN:UserWarning")
def test_a_map_that_says_nothing_gives_an_empty_mask(name, value):
    protocol = PROTOCOLS[name]
    assert not protocol.masks(protocol.heat(torch.full((1, 16, 16), value), (64, 48))).any()


@pytest.mark.parametrize("name", PROTOCOLS)
def test_protocols_follow_a_flip_and_a_transposition(name):
    protocol = PROTOCOLS[name]
    similarity = torch.randn(2, 16, 16)
    heat = protocol.heat(similarity, (96, 128))
    flipped = protocol.heat(similarity.flip(2), (96, 128)).flip(2)
    turned = protocol.heat(similarity.mT, (128, 96)).mT
    torch.testing.assert_close(flipped, heat, equal_nan=True, atol=1e-5, rtol=0)
    torch.testing.assert_close(turned, heat, equal_nan=True, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["afloc", "chexlocalize", "top-5-percent", "best"])
def test_stretching_protocols_ignore_scale_and_shift(name):
    protocol = PROTOCOLS[name]
    similarity = torch.randn(2, 16, 16)
    a, b = (protocol.heat(maps, (64, 64)) for maps in (similarity, 5 * similarity - 2))
    torch.testing.assert_close(a, b, equal_nan=True, atol=1e-5, rtol=0)


def test_a_protocol_is_found_by_name_or_given_whole():
    assert protocol_named("afloc") is AFLOC
    own = replace(AFLOC, name="own")
    assert protocol_named(own) is own
    with pytest.raises(InputError, match=r"no protocol 'aflock'.*afloc, "):
        protocol_named("aflock")
