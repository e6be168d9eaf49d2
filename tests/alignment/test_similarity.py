"""The local-similarity kernel against plain loops, and the pitfalls that peers' code fell into."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from loops import local_similarity_loop
from scipy.special import logsumexp, softmax

from cxrtutor.alignment import similarity
from cxrtutor.alignment.similarity import local_similarity, matching_attention


def a_batch(lengths=(3, 1, 4, 3), images=4, regions=6, dim=5, dtype=torch.float64, seed=0):
    """Regions [images, regions, dim], and units with as many per report as `lengths` says, at scattered places."""
    generator = torch.Generator().manual_seed(seed)
    width = max(lengths, default=0) + 1
    mask = torch.zeros(len(lengths), width, dtype=torch.bool)
    for row, length in zip(mask, lengths, strict=True):
        row[torch.randperm(width, generator=generator)[:length]] = True
    region = torch.randn(images, regions, dim, generator=generator, dtype=torch.float64)
    units = torch.randn(len(lengths), width, dim, generator=generator, dtype=torch.float64) * mask[..., None]
    return region.to(dtype).requires_grad_(), units.to(dtype).requires_grad_(), mask


@pytest.fixture(params=["everything kept", "everything computed again", "one image of four kept"])
def memory(request, monkeypatch):
    """The three ways through the backward pass."""
    if request.param == "everything computed again":
        monkeypatch.setattr(similarity, "KEPT_BYTES", 0)
    if request.param == "one image of four kept":
        monkeypatch.setattr(similarity, "CHUNK_ELEMENTS", 1)
        # One image's shares (11 units x 6 regions) and contexts (11 x 5) in float64.
        monkeypatch.setattr(similarity, "KEPT_BYTES", 11 * (6 + 5) * 8)


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_kernel_equals_loop_in_value_and_gradient(dtype, tolerance, background):
    regions, units, mask = a_batch(dtype=dtype)
    weights = torch.randn(4, 4, dtype=dtype)
    results = [
        local_similarity(regions, units, mask, background=background),
        local_similarity_loop(regions, units, mask, background=background),
    ]
    torch.testing.assert_close(*results, rtol=tolerance, atol=tolerance)
    gradients = [torch.autograd.grad((z * weights).sum(), (regions, units)) for z in results]
    torch.testing.assert_close(*gradients, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("t1", "t2"), [(1.0, 1.0), (4.0, 5.0), (25.0, 0.5)])
def test_kernel_equals_numpy_with_scipys_reductions(t1, t2):
    regions, units, mask = a_batch(images=3)
    expected = np.empty((3, 4))
    for i, r in enumerate(regions.detach().numpy()):
        for j in range(4):
            u = units[j][mask[j]].detach().numpy()
            c = softmax(t1 * softmax(r @ u.T, axis=1), axis=0).T @ r
            cosine = (c * u).sum(1) / np.linalg.norm(c, axis=1) / np.linalg.norm(u, axis=1)
            expected[i, j] = logsumexp(t2 * cosine)
    got = local_similarity(regions, units, mask, attention_temperature=t1, aggregation_temperature=t2)
    np.testing.assert_allclose(got.detach().numpy(), expected, rtol=1e-12)


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize("background", [False, True])
def test_gradient_is_the_slope(background):
    regions, units, mask = a_batch()

    def similarity_of(r, u):
        return local_similarity(r, u, mask, attention_temperature=7.0, background=background)

    assert torch.autograd.gradcheck(similarity_of, (regions, units))


def test_gradient_for_one_side_alone():
    regions, units, mask = a_batch()
    both = torch.autograd.grad(local_similarity(regions, units, mask).sum(), (regions, units))
    regions_alone = torch.autograd.grad(local_similarity(regions, units.detach(), mask).sum(), regions)
    units_alone = torch.autograd.grad(local_similarity(regions.detach(), units, mask).sum(), units)
    torch.testing.assert_close(regions_alone + units_alone, both)


def test_mean_aggregation_subtracts_the_logarithm_of_the_length():
    regions, units, mask = a_batch()
    total, mean = (local_similarity(regions, units, mask, aggregation=a) for a in ("sum", "mean"))
    torch.testing.assert_close(total - mean, mask.sum(1).log().double().expand(4, 4))


def test_the_two_sides_may_differ_in_number():
    regions, units, mask = a_batch(lengths=(2, 5), images=7)
    torch.testing.assert_close(local_similarity(regions, units, mask), local_similarity_loop(regions, units, mask))


def test_a_report_without_units_is_like_no_image_and_leaves_the_others_alone():
    regions, units, mask = a_batch(lengths=(3, 0, 4))
    z = local_similarity(regions, units, mask)
    assert (z[:, 1] == -torch.inf).all()
    others = torch.tensor([0, 2])
    torch.testing.assert_close(z[:, others], local_similarity(regions, units[others], mask[others]))
    gradients = torch.autograd.grad(z[:, others].sum(), (regions, units))
    assert all(g.isfinite().all() for g in gradients)


@pytest.mark.parametrize(("images", "lengths"), [(0, ()), (0, (2, 1)), (2, ()), (2, (0, 0))])
def test_nothing_to_compare(images, lengths):
    regions, units, mask = a_batch(lengths=lengths, images=images)
    z = local_similarity(regions, units, mask)
    assert z.shape == (images, len(lengths))
    finite = z.masked_fill(z == -torch.inf, 0.0).sum()
    assert all((g == 0).all() for g in torch.autograd.grad(finite, (regions, units)))


@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    padding=st.integers(1, 40),
    garbage=st.sampled_from([0.0, 7.0, 1e30, math.inf, math.nan]),
)
def test_pitfall_5_padding_changes_nothing(lengths, padding, garbage):
    regions, units, mask = a_batch(lengths, images=len(lengths), dtype=torch.float32)
    padded = torch.cat([units, torch.zeros(len(lengths), padding, units.shape[2])], dim=1)
    longer = torch.cat([mask, torch.zeros(len(lengths), padding, dtype=torch.bool)], dim=1)
    padded = padded.masked_fill(~longer[..., None], garbage)
    z, z_padded = local_similarity(regions, units, mask), local_similarity(regions, padded, longer)
    assert torch.equal(z, z_padded)
    gradients = [torch.autograd.grad(table.sum(), (regions, units)) for table in (z, z_padded)]
    assert torch.equal(gradients[0][0], gradients[1][0])
    assert torch.equal(gradients[0][1][mask], gradients[1][1][mask])
    attention, padded_attention = matching_attention(regions, units, mask), matching_attention(regions, padded, longer)
    torch.testing.assert_close(padded_attention[:, : mask.shape[1]], attention)
    assert (padded_attention[:, mask.shape[1] :] == 0).all()


@given(seed=st.integers(0, 2**16), lengths=st.lists(st.integers(1, 4), min_size=2, max_size=5))
def test_order_of_images_reports_units_and_regions(seed, lengths):
    regions, units, mask = a_batch(lengths, images=3)
    generator = torch.Generator().manual_seed(seed)
    images, cells, reports, places = (
        torch.randperm(n, generator=generator) for n in (3, regions.shape[1], len(lengths), mask.shape[1])
    )
    shuffled = local_similarity(regions[images][:, cells], units[reports][:, places], mask[reports][:, places])
    torch.testing.assert_close(shuffled, local_similarity(regions, units, mask)[images][:, reports])


def test_order_of_regions_and_units_in_the_attention():
    regions, units, mask = a_batch()
    attention = matching_attention(regions, units, mask)
    cells, places = torch.randperm(6), torch.randperm(mask.shape[1])
    shuffled = matching_attention(regions[:, cells], units[:, places], mask[:, places])
    torch.testing.assert_close(shuffled, attention[:, places][:, :, cells])


def test_attention_is_that_of_the_equations_for_matching_pairs():
    regions, units, mask = a_batch()
    attention = matching_attention(regions, units, mask)
    assert attention.dtype == torch.float32
    assert not attention.requires_grad
    for r, u, present, got in zip(regions, units, mask, attention, strict=True):
        expected = (4 * (r @ u[present].T).softmax(dim=1)).softmax(dim=0).T
        torch.testing.assert_close(got[present], expected.float())
        assert (got[~present] == 0).all()


def test_pitfall_1_attention_has_a_ceiling():
    """One region that alone belongs to a unit gets `e^t1 / (e^t1 + N - 1)` of its attention, and no more."""
    for side, ceiling in ((19, 0.132), (38, 0.036)):
        regions = torch.full((1, side * side, 1), -100.0)
        regions[0, 7] = 100.0
        units, mask = torch.tensor([[[1.0], [-1.0]]]), torch.ones(1, 2, dtype=torch.bool)
        attention = matching_attention(regions, units, mask)[0, 0]
        assert attention.argmax() == 7
        assert attention[7].item() == pytest.approx(math.exp(4) / (math.exp(4) + side * side - 1), rel=1e-5)
        assert attention[7].item() == pytest.approx(ceiling, abs=5e-4)


def test_pitfall_2_a_single_unit_attends_uniformly_unless_there_is_a_background():
    regions, units, mask = a_batch(lengths=(1, 1), images=2)
    attention = matching_attention(regions, units, mask)[mask]
    assert torch.equal(attention, torch.full_like(attention, attention[0, 0].item()))
    # The context is then the mean of the regions, wherever the finding is.
    means = regions.mean(dim=1)
    cosine = torch.nn.functional.cosine_similarity(means[:, None], units[mask][None], dim=-1)
    torch.testing.assert_close(local_similarity(regions, units, mask), 5 * cosine)

    free = matching_attention(regions, units, mask, background=True)[mask]
    scores = (units[mask][:, None] * regions).sum(-1)
    assert torch.equal(free.argmax(dim=1), scores.argmax(dim=1))
    assert free.std(dim=1).min() > 1e-3


def test_pitfall_4_batch_of_one():
    regions, units, mask = a_batch(lengths=(1,), images=1)
    z = local_similarity(regions, units, mask)
    assert z.shape == (1, 1)
    torch.testing.assert_close(z, local_similarity_loop(regions, units, mask))


def test_pitfall_4_vectors_without_a_direction_have_cosine_zero_and_finite_gradients():
    regions, units, mask = a_batch(dtype=torch.float32)
    regions, units = regions.detach().clone(), units.detach().clone()
    regions[1] = 0.0
    units[2] = 0.0
    regions.requires_grad_(), units.requires_grad_()
    z = local_similarity(regions, units, mask)
    torch.testing.assert_close(z[:, 2], torch.full((4,), math.log(4.0)))
    torch.testing.assert_close(z[1], mask.sum(1).log())
    gradients = torch.autograd.grad(z.sum(), (regions, units))
    assert all(g.isfinite().all() and g.abs().max() < 100 for g in gradients)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_pitfall_7_half_precision_reduces_in_float32(half):
    """Scores beyond fp16's largest number, from inputs it holds with ease, and an exponential it would not hold."""
    regions, units, mask = a_batch(dtype=half)
    big_regions, big_units = (200 * x.detach() for x in (regions, units))
    big_regions.requires_grad_(), big_units.requires_grad_()
    z = local_similarity(big_regions, big_units, mask, aggregation_temperature=50.0)
    assert z.dtype == torch.float32
    exact = local_similarity(big_regions.double(), big_units.double(), mask, aggregation_temperature=50.0)
    torch.testing.assert_close(z, exact.float(), rtol=1e-4, atol=1e-4)
    gradients = torch.autograd.grad(z.sum(), (big_regions, big_units))
    assert all(g.dtype == half and g.isfinite().all() for g in gradients)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_autocast_changes_nothing_forward_or_backward(half):
    regions, units, mask = a_batch(dtype=torch.float32)
    expected = local_similarity(regions, units, mask)
    gradients = torch.autograd.grad(expected.sum(), (regions, units))
    with torch.autocast("cpu", half):
        z = local_similarity(regions, units, mask)
        autocast_gradients = torch.autograd.grad(z.sum(), (regions, units))
        attention = matching_attention(regions, units, mask)
    assert torch.equal(z, expected)
    assert all(torch.equal(a, b) for a, b in zip(autocast_gradients, gradients, strict=True))
    assert torch.equal(attention, matching_attention(regions, units, mask))


def test_large_scores_do_not_overflow():
    regions, units, mask = a_batch()
    z = local_similarity(1e4 * regions, 1e4 * units, mask)
    gradients = torch.autograd.grad(z.sum(), (regions, units))
    assert z.isfinite().all()
    assert all(g.isfinite().all() for g in gradients)


@pytest.mark.parametrize(("aggregation", "gain"), [("sum", math.log(3)), ("mean", 0.0)])
def test_pitfall_10_sum_favours_long_reports_and_mean_does_not(aggregation, gain):
    """What a report gains by saying the same thing three times."""
    regions, units, _ = a_batch(lengths=(2,), images=1)
    once = units[:, :2]
    # Without attention to speak of the contexts are the same, and only the aggregation differs.
    settings = {"attention_temperature": 1e-9, "aggregation": aggregation}
    fits = [
        local_similarity(regions, said, torch.ones(said.shape[:2], dtype=torch.bool), **settings)
        for said in (once, once.repeat(1, 3, 1))
    ]
    assert (fits[1] - fits[0]).item() == pytest.approx(gain, abs=1e-6)


@pytest.mark.parametrize("limit", [0, 30_000])
def test_little_is_kept_for_the_backward_pass(monkeypatch, limit):
    """Beyond what `KEPT_BYTES` allows, nothing of the size images x regions x units outlives the forward pass."""
    monkeypatch.setattr(similarity, "KEPT_BYTES", limit)
    monkeypatch.setattr(similarity, "CHUNK_ELEMENTS", 1)
    regions, units, mask = a_batch(lengths=(20, 15, 5), images=8, regions=50, dim=4, dtype=torch.float32)
    sizes = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.nbytes) or t, lambda t: t):
        local_similarity(regions, units, mask)
    inputs_and_tables = 4 * (2 * regions.numel() + 4 * units.numel() + 8 * 8 * 40)
    all_pairs = 4 * 8 * 50 * 40
    assert sum(sizes) < limit + inputs_and_tables < all_pairs
    # An image's shares and contexts take 40 * (50 + 4) * 4 bytes, so 30 kB hold three images' and no more.
    assert sizes.count(4 * 40 * 50) == limit // (4 * 40 * (50 + 4))
