"""The healthy functions against the package's own, or against a plain loop: a chart must not lie."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from cxrtutor.alignment.contrast import both_ways
from cxrtutor.alignment.global_alignment import GlobalAlignment, cosines
from cxrtutor.alignment.prototype_alignment import codes as package_codes
from cxrtutor.alignment.similarity import local_similarity, matching_attention
from cxrtutor.clinic import healthy
from cxrtutor.errors import InputError

seeds, few = st.integers(0, 2**32 - 1), st.integers(1, 6)


def batch(seed, studies, regions, units, dim=4):
    """Regions, units, and a mask under which every report has a unit."""
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, units + 1, (studies, 1), generator=draw)
    vectors = [torch.randn(studies, number, dim, generator=draw) for number in (regions, units)]
    return *vectors, torch.arange(units) < lengths


@given(regions=st.integers(2, 400), temperature=st.floats(0.5, 12))
def test_sharpness_ends_where_attention_does(regions, temperature):
    even = torch.full((regions,), 1 / regions, dtype=torch.float64)
    sharpest = (temperature * torch.eye(1, regions, dtype=torch.float64)[0]).softmax(dim=0)
    ends = healthy.sharpness(torch.stack([even, sharpest]), temperature)
    assert torch.allclose(ends, torch.tensor([0.0, 1.0], dtype=torch.float64), atol=1e-6)


def test_sharpness_of_the_packages_sharpest_attention():
    """Two units, of which one takes a single region and the other all the rest, as surely as float32 can say."""
    units = 30 * torch.eye(2)[None]
    regions = units[:, [0, *[1] * 15]]
    found = matching_attention(regions, units, torch.ones(1, 2, dtype=torch.bool), attention_temperature=4.0)
    assert math.isclose(healthy.sharpness(found[0])[0], 1, abs_tol=1e-5)


@given(seed=seeds, studies=few, regions=few, units=few)
def test_attention_is_the_packages(seed, studies, regions, units):
    given = batch(seed, studies, regions, units)
    assert torch.allclose(healthy.attention(*given), matching_attention(*given, background=True), atol=1e-6)


@given(st.lists(st.lists(st.sampled_from(["no", "Heart", "effusion."]), max_size=5), max_size=4))
def test_word_batch_word_by_word(reports):
    vocabulary = {"no": 2, "heart": 3}
    numbers, mask = healthy.word_batch([" ".join(words) for words in reports], vocabulary)
    longest = max(map(len, reports), default=0)
    assert numbers.shape == mask.shape == (len(reports), longest)
    for row, words in enumerate(reports):
        expected = [{"no": 2, "Heart": 3, "effusion.": 1}[word] for word in words]
        assert numbers[row].tolist() == expected + [0] * (longest - len(words))
        assert mask[row].tolist() == [True] * len(words) + [False] * (longest - len(words))


@given(seed=seeds, reports=few, longest=few)
def test_report_vectors_one_by_one(seed, reports, longest):
    words, _, mask = batch(seed, reports, longest, longest)
    mask[0] = False
    means = [row[kept].mean(dim=0) if kept.any() else torch.zeros(4) for row, kept in zip(words, mask, strict=True)]
    assert torch.allclose(healthy.report_vectors(words, mask), torch.stack(means), atol=1e-6)


@given(seed=seeds, studies=few, regions=few, units=few, t1=st.floats(1, 8), t2=st.floats(1, 8))
def test_local_loss_is_the_packages(seed, studies, regions, units, t1, t2):
    given = batch(seed, studies, regions, units)
    similarity = local_similarity(*given, attention_temperature=t1, aggregation_temperature=t2)
    assert torch.allclose(healthy.local_loss(*given, t1, t2), sum(both_ways(10 * similarity)), atol=1e-4, rtol=1e-4)


@given(seed=seeds, opacity=st.floats(0, 1))
def test_overlay_pixel_by_pixel(seed, opacity):
    film, heat = np.random.default_rng(seed).random((2, 3, 4))
    picture = healthy.overlay(film, heat, opacity)
    warmth = np.interp(heat, [heat.min(), heat.max()], [0, 1])
    for channel, colour in enumerate((warmth, 0 * warmth, 1 - warmth)):
        assert np.allclose(picture[..., channel], 255 * ((1 - opacity) * film + opacity * colour), atol=0.51)


def test_overlay_of_nothing_hot_is_blue():
    assert healthy.overlay(np.zeros((1, 1)), np.full((1, 1), 7.0), 1).tolist() == [[[0, 0, 255]]]


@given(seed=seeds, studies=few, prototypes=few, iterations=st.integers(1, 20))
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_codes_are_the_packages(dtype, seed, studies, prototypes, iterations):
    scores = 2 * torch.rand(studies, prototypes, generator=torch.Generator().manual_seed(seed)) - 1
    found = healthy.codes(scores.to(dtype), iterations=iterations)
    assert found.dtype == torch.promote_types(dtype, torch.float32)
    assert torch.allclose(found, package_codes(scores.to(dtype), iterations=iterations).to(found.dtype), atol=1e-4)


@given(seed=seeds, studies=st.integers(1, 9), devices=few)
def test_global_loss_is_the_packages_on_any_number_of_devices(seed, studies, devices):
    films, reports, _ = batch(seed, studies, 1, 1)
    films, reports = films[:, 0], reports[:, 0]
    expected = GlobalAlignment(temperature=0.1).loss_from_cosines(cosines(films, reports))
    assert torch.allclose(healthy.global_loss(films, reports, devices), expected, atol=1e-5)


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.5, math.nan]), st.floats(0, 1)), min_size=1, max_size=5))
def test_choose_checkpoint_one_after_another(scores):
    history = [{"step": step, "validation": seen, "test": test} for step, (seen, test) in enumerate(scores)]
    best = None
    for entry in history:
        if not math.isnan(entry["validation"]) and (best is None or entry["validation"] > best["validation"]):
            best = entry
    if best is None:
        with pytest.raises(InputError, match="Validate"):
            healthy.choose_checkpoint(history)
    else:
        assert healthy.choose_checkpoint(history) == (best["step"], best["test"])


@given(seed=seeds, films=few, reports=few, units=few, temperature=st.floats(1, 8))
def test_report_scores_are_the_packages(seed, films, reports, units, temperature):
    """On films of a single region, where the context of every unit is that region."""
    _, vectors, mask = batch(seed, reports, 1, units)
    region, _, _ = batch(seed + 1, films, 1, 1)
    expected = local_similarity(region, vectors, mask, aggregation_temperature=temperature, aggregation="mean")
    table = torch.einsum("id,jkd->ijk", F.normalize(region[:, 0], dim=1), F.normalize(vectors, dim=2))
    assert torch.allclose(healthy.report_scores(table, mask, temperature), expected, atol=1e-5)
