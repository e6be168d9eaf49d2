import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage.filters import threshold_otsu
from sklearn.preprocessing import minmax_scale

from cxrtutor.errors import InputError
from cxrtutor.localization.heatmap import smooth
from cxrtutor.localization.presence import presence
from cxrtutor.localization.protocols import AFLOC, PROTOCOLS, PerFinding, protocol_named

TUNED = PerFinding((0.2, 0.6), {"mass": 0.6, "edema": 0.2})
GATED = replace(TUNED, gates={"mass": 0.25, "edema": -math.inf})


def ready(name):
    """A protocol that can cut; those that are tuned are given thresholds."""
    protocol = PROTOCOLS[name]
    gated = protocol.untuned and protocol.thresholds.gates is not None
    return replace(protocol, thresholds=GATED if gated else TUNED) if protocol.untuned else protocol


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


def biovil_by_hand(similarity, height, width):
    """BioViL's code for one map of its crop: 480 pixels in the centre of an image whose shorter side is 512."""
    smooth = ndimage.gaussian_filter(similarity, sigma=(1.5, 1.5), order=0)
    side = round(480 / 512 * min(height, width))
    crop = torch.nn.functional.interpolate(torch.from_numpy(smooth)[None, None], size=(side, side), mode="nearest")
    above, left = (height - side) // 2, (width - side) // 2
    margins = (left, width - side - left, above, height - side - above)
    return torch.nn.functional.pad(crop[0, 0], margins, value=float("nan")).numpy()


@pytest.mark.parametrize("size", [(128, 128), (128, 256), (256, 128)])
def test_biovil_judges_its_crop_by_the_smoothed_similarity_itself(size):
    protocol = PROTOCOLS["biovil"]
    cells = [length // 8 for length in size]
    similarity = torch.rand(1, max(cells), max(cells)) * 0.5
    heat = protocol.heat(similarity, size)[0].numpy()
    crop = biovil_by_hand(np.ones((15, 15), np.float32), *size)
    np.testing.assert_array_equal(np.isnan(heat), np.isnan(crop))
    smooth = ndimage.gaussian_filter(similarity[0].numpy(), 1.5)
    above, left = ((max(cells) - number) // 2 for number in cells)
    inside = smooth[above : above + cells[0], left : left + cells[1]].repeat(8, 0).repeat(8, 1)
    np.testing.assert_allclose(heat[~np.isnan(crop)], inside[~np.isnan(crop)], atol=1e-5)


@given(st.integers(0, 200))
def test_the_top_five_percent_are_numpys(seed):
    protocol = PROTOCOLS["top-5-percent"]
    heat = protocol.heat(torch.from_numpy(np.random.default_rng(seed).normal(size=(1, 16, 16))), (60, 50))[0].numpy()
    cut = np.partition(heat.ravel(), -151)[-151]  # 150 of 3,000 pixels lie above it
    np.testing.assert_array_equal(protocol.masks(torch.from_numpy(heat)[None])[0, 0], heat > cut)


@pytest.mark.parametrize("name", ["chexlocalize", "chexlocalize-tuned", "chexlocalize-gated", "top-5-percent", "best"])
def test_the_family_of_chexlocalize_cuts_one_map(name):
    """Torch's own enlarging and scikit-learn's stretching, for the five protocols that differ in thresholds alone."""
    similarity = torch.randn(2, 16, 16)
    large = torch.nn.functional.interpolate(similarity[:, None], (128, 128), mode="bilinear")[:, 0]
    expected = minmax_scale(large.flatten(1).numpy(), axis=1).reshape(2, 128, 128)
    np.testing.assert_allclose(PROTOCOLS[name].heat(similarity, (128, 128)), expected, atol=1e-5)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_heat_keeps_its_range_and_masks_shrink_as_thresholds_rise(name):
    protocol, similarity = ready(name), 3 * torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(0))
    heat = protocol.heat(similarity, (96, 128))
    low, high = (-1, 1) if name.startswith("afloc") else (0, 1)
    if name not in ("biovil", "medklip"):
        torch.testing.assert_close(heat.nan_to_num(low).amin((1, 2)), torch.full((3,), float(low)))
        torch.testing.assert_close(heat.nan_to_num(low).amax((1, 2)), torch.full((3,), float(high)))
    areas = protocol.masks(heat, ["mass"] * 3, presence(similarity)).sum((2, 3))
    assert (areas[:, 1:] <= areas[:, :-1]).all() and (areas[:, 0] > 0).all()


@pytest.mark.parametrize("name", PROTOCOLS)
def test_an_image_of_twice_the_size_gives_masks_of_twice_the_size(name):
    noise = torch.randn(4, 16, 16, generator=torch.Generator().manual_seed(0))
    protocol, similarity = ready(name), 5 * smooth(noise, sigma=1.0)
    findings, scores = ["mass"] * 4, presence(similarity)
    small, large = (
        protocol.masks(protocol.heat(similarity, size), findings, scores) for size in ((112, 96), (224, 192))
    )
    shrunk = large.float().flatten(0, 1)[:, None]
    shrunk = torch.nn.functional.avg_pool2d(shrunk, 2)[:, 0].view(small.shape) > 0.5
    assert (shrunk == small).float().mean() > 0.97


def test_the_top_five_percent_are_five_percent():
    protocol = PROTOCOLS["top-5-percent"]
    mask = protocol.masks(protocol.heat(torch.randn(2, 16, 16), (100, 100)))
    areas = mask.sum((1, 2, 3))
    assert ((areas > 490) & (areas <= 500)).all()  # values that tie at the threshold stay below it


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("value", [0.0, 3.0, math.nan])
@pytest.mark.filterwarnings("ignore:.*similarity maps hold NaN:UserWarning")
def test_a_map_that_says_nothing_gives_an_empty_mask(name, value):
    protocol, similarity = ready(name), torch.full((1, 16, 16), value)
    assert not protocol.masks(protocol.heat(similarity, (64, 48)), ["mass"], presence(similarity)).any()


@pytest.mark.parametrize("name", PROTOCOLS)
def test_protocols_follow_a_flip_and_a_transposition(name):
    protocol = PROTOCOLS[name]
    similarity = torch.randn(2, 16, 16)
    heat = protocol.heat(similarity, (96, 128))
    flipped = protocol.heat(similarity.flip(2), (96, 128)).flip(2)
    turned = protocol.heat(similarity.mT, (128, 96)).mT
    torch.testing.assert_close(flipped, heat, equal_nan=True, atol=1e-5, rtol=0)
    torch.testing.assert_close(turned, heat, equal_nan=True, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", sorted(PROTOCOLS.keys() - {"biovil", "medklip"}))
def test_stretching_protocols_ignore_scale_and_shift(name):
    protocol = PROTOCOLS[name]
    similarity = torch.randn(2, 16, 16)
    a, b = (protocol.heat(maps, (64, 64)) for maps in (similarity, 5 * similarity - 2))
    torch.testing.assert_close(a, b, equal_nan=True, atol=1e-5, rtol=0)


def test_thresholds_of_findings_cut_each_map_by_its_own():
    protocol, similarity = ready("chexlocalize-tuned"), torch.randn(3, 16, 16)
    heat = protocol.heat(similarity, (64, 64))
    findings = ["edema", "mass", "edema"]
    masks = protocol.masks(heat, findings)
    assert masks.shape == (3, 1, 64, 64)
    for one, mask, threshold in zip(heat, masks[:, 0], (0.2, 0.6, 0.2), strict=True):
        assert torch.equal(mask, one > threshold)


def test_a_gate_empties_the_masks_of_maps_that_hardly_answer():
    protocol = ready("chexlocalize-gated")
    similarity = torch.randn(1, 16, 16).repeat(5, 1, 1)
    similarity -= presence(similarity)[:, None, None]
    similarity += torch.tensor([0.49, 0.51, -3.0, 7.0, torch.nan])[:, None, None]  # the gate of masses lies at 2 x 0.25
    with pytest.warns(UserWarning, match="1 of 5"):
        heat = protocol.heat(similarity, (64, 64))
    masks = protocol.masks(heat, ["mass", "mass", "edema", "mass", "mass"], presence(similarity))
    assert masks.any(dim=3).any(dim=2)[:, 0].tolist() == [False, True, True, True, False]
    assert torch.equal(masks[1, 0], heat[1] > 0.6) and torch.equal(masks[2, 0], heat[2] > 0.2)


def test_thresholds_that_are_missing_are_missed():
    heat = torch.rand(1, 4, 4)
    for name in ("chexlocalize-tuned", "chexlocalize-gated"):
        assert PROTOCOLS[name].untuned and not ready(name).untuned
        with pytest.raises(InputError, match=f"'{name}' has no thresholds yet.*validation split"):
            PROTOCOLS[name].cuts(heat, ["mass"])
    with pytest.raises(InputError, match=r"no threshold for 'nodule'.*has those of mass, edema"):
        ready("chexlocalize-tuned").cuts(heat, ["nodule"])
    with pytest.raises(InputError, match="cuts by finding"):
        ready("chexlocalize-tuned").cuts(heat)
    with pytest.raises(InputError, match="by presence where gated"):
        ready("chexlocalize-gated").cuts(heat, ["mass"])


def test_what_the_truth_chooses_is_an_upper_bound():
    assert [name for name in PROTOCOLS if PROTOCOLS[name].upper_bound] == ["best"]
    assert [name for name in PROTOCOLS if PROTOCOLS[name].untuned] == ["chexlocalize-tuned", "chexlocalize-gated"]


def test_a_protocol_is_found_by_name_or_given_whole():
    assert protocol_named("afloc") is AFLOC
    own = replace(AFLOC, name="own")
    assert protocol_named(own) is own
    with pytest.raises(InputError, match=r"no protocol 'aflock'.*afloc, "):
        protocol_named("aflock")
