import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.filters import threshold_otsu

from cxrtutor.localization.threshold import otsu, top_share


@given(st.integers(0, 1000), st.floats(0.1, 10), st.booleans())
def test_otsu_is_skimages(seed, scale, two_humps):
    rng = np.random.default_rng(seed)
    heat = rng.normal(size=(3, 20, 30)) * scale
    if two_humps:
        heat[:, :5] += 6 * scale
    np.testing.assert_allclose(otsu(torch.from_numpy(heat)), [threshold_otsu(one) for one in heat], atol=1e-9 * scale)


def test_otsu_parts_two_levels_and_ignores_unjudged_pixels():
    heat = torch.zeros(1, 8, 8)
    heat[0, :2] = 1
    alone = otsu(heat)
    assert torch.equal(heat > alone[:, None, None], heat == 1)
    framed = torch.full((1, 10, 8), torch.nan)
    framed[:, 1:9] = heat
    assert torch.equal(otsu(framed), alone)


@pytest.mark.parametrize("rule", [otsu, lambda heat: top_share(heat, 0.2)])
@pytest.mark.parametrize("value", [0.0, 0.3, -1.0])
def test_a_constant_map_gives_an_empty_mask(rule, value):
    heat = torch.full((2, 6, 6), value)
    heat[:, 0] = torch.nan
    assert not (heat > rule(heat)[:, None, None]).any()


@given(st.integers(0, 100), st.sampled_from([0.0, 0.05, 0.3, 0.9]))
def test_top_share_leaves_its_share_of_the_judged_pixels(seed, share):
    heat = torch.from_numpy(np.random.default_rng(seed).permutation(2 * 100).reshape(2, 10, 10) / 7)
    heat[0, :5] = torch.nan
    above = (heat > top_share(heat, share)[:, None, None]).sum((1, 2))
    assert above.tolist() == [round(share * 50), round(share * 100)]
