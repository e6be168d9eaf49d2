import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from cxrtutor.localization.presence import gate_score, presence


@given(st.integers(0, 1000), st.integers(4, 20), st.integers(4, 20))
def test_presence_is_the_peak_of_scipys_smoothed_map(seed, height, width):
    maps = np.random.default_rng(seed).normal(size=(3, height, width)).astype(np.float32)
    expected = [ndimage.gaussian_filter(one, sigma=1.5).max() for one in maps]
    np.testing.assert_allclose(presence(torch.from_numpy(maps)), expected, atol=1e-5)


@given(st.integers(0, 1000), st.floats(0.1, 10), st.floats(-5, 5))
def test_presence_keeps_the_similaritys_own_unit(seed, scale, shift):
    maps = torch.randn(2, 8, 8, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(presence(scale * maps + shift), scale * presence(maps) + shift, atol=1e-4, rtol=1e-4)


def test_one_noisy_patch_counts_less_than_an_answer_of_many():
    maps = torch.zeros(2, 16, 16)
    maps[0, 3, 3] = 2.0
    maps[1, 8:12, 8:12] = 1.0
    assert presence(maps)[0] < presence(maps)[1]


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_broken_map_has_no_presence(value):
    maps = torch.zeros(2, 6, 6)
    maps[0, 2, 2] = value
    assert presence(maps).isnan().tolist() == [True, False]


def test_the_score_of_the_gate_is_cut_off_and_halved():
    scores = torch.tensor([-1.0, 0.0, 0.5, 2.0, 3.0, torch.nan])
    np.testing.assert_allclose(gate_score(scores), [0, 0, 0.25, 1, 1, np.nan])
