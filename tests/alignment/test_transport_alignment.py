"""All pairs by transport: the loop's loss, the plan as gradient, and the corners in which others fail."""

from __future__ import annotations

from dataclasses import replace

import ot
import pytest
import torch
from batches import paired, select
from torch.nn.functional import cosine_similarity, cross_entropy

import cxrtutor.alignment.transport_similarity as kernel
from cxrtutor.alignment import PairedFeatures, TransportAlignment
from cxrtutor.alignment.sinkhorn import SinkhornSettings, sinkhorn
from cxrtutor.alignment.transport_similarity import cross_modal_cost, transport_similarity, unimodal_cost
from cxrtutor.errors import InputError

KINDS = {
    "balanced": {},
    "unbalanced": {"relaxation": 0.1},
    "unbalanced units": {"relaxation": (None, 0.2)},
    "partial": {"mass": 0.5},
}


def similarity_loop(regions, units, unit_mask, settings, visible=None):
    """One pair at a time, hidden regions and padding cut away."""
    rows = []
    for i, r in enumerate(regions):
        r = r if visible is None else r[visible[i]]
        row = []
        for u, mask in zip(units, unit_mask, strict=True):
            u = u[mask]
            cost = torch.stack([1 - cosine_similarity(r, unit[None], dim=1) for unit in u], dim=1)
            a, b = (cost.new_full((n,), 1 / n) for n in cost.shape)
            row.append(-sinkhorn(cost, a, b, **vars(settings)).value)
        rows.append(torch.stack(row))
    return torch.stack(rows)


def flat(pairs):
    return pairs.image.deep.flatten(2).mT, pairs.text.sentences, pairs.text.sentence_mask


def hide(pairs, visible):
    return PairedFeatures(replace(pairs.image, visible=visible), pairs.text)


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_loss_equals_loop_in_value_and_gradient(kind, hidden, dtype, tolerance):
    """At so many iterations the plan is the gradient, whether one unrolls or not."""
    pairs = paired([2, 1, 3], dtype=dtype)
    visible = torch.rand(3, 3, 3, generator=torch.Generator().manual_seed(1)) < 0.6
    pairs = hide(pairs, visible) if hidden else pairs
    objective = TransportAlignment(epsilon=0.5, iterations=80, **KINDS[kind])
    found = objective(pairs).loss
    table = similarity_loop(*flat(pairs), objective.settings, visible.flatten(1) if hidden else None)
    wanted = cross_entropy(10 * table, torch.arange(3)) + cross_entropy(10 * table.T, torch.arange(3))
    torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance)
    leaves = pairs.image.deep, pairs.text.sentences
    slopes = [torch.autograd.grad(loss, leaves) for loss in (found, wanted)]
    torch.testing.assert_close(*slopes, rtol=10 * tolerance, atol=10 * tolerance)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("epsilon", [0.02, 0.1, 1.0])
def test_scaling_gives_what_the_log_domain_gives_iteration_by_iteration(kind, epsilon):
    pairs = paired([2, 5, 3, 2], dim=4, side=6)
    for iterations in (1, 2, 30):
        settings = SinkhornSettings(epsilon, iterations, **KINDS[kind])
        with torch.no_grad():
            found = transport_similarity(*flat(pairs), settings)
            wanted = similarity_loop(*flat(pairs), settings)
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)


def test_similarity_is_minus_the_optimum_of_pot():
    pairs = paired([3, 2], dtype=torch.float64)
    regions, units, mask = flat(pairs)
    found = transport_similarity(regions, units, mask, SinkhornSettings(0.1, 300))
    cost = cross_modal_cost(regions[0], units[1, :2]).detach().numpy()
    solved = ot.solve(cost, reg=0.1, reg_type="KL", tol=1e-12, max_iter=10000)
    assert found[0, 1].item() == pytest.approx(-solved.value, abs=1e-7)


@pytest.mark.parametrize("settings", [{}, {"relaxation": 0.01}, {"mass": 1.0}])
def test_plans_beyond_the_range_of_single_precision_are_found_all_the_same(settings):
    """The second unit fits one region and no other: its scaling grows past what float32 holds."""
    regions = torch.eye(2)[[0] * 63 + [1]][None]
    units = torch.tensor([[[1.0, 0.0], [-1.0, 0.01]], [[1.0, 0.0], [0.0, 1.0]]])
    mask = torch.ones(2, 2, dtype=torch.bool)
    settings = SinkhornSettings(0.005, 60, **settings)
    found = transport_similarity(regions, units, mask, settings)
    wanted = similarity_loop(regions.double(), units.double(), mask, settings)
    torch.testing.assert_close(found.double(), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_gradcheck(kind):
    pairs = paired([2, 1], dim=3, side=2, dtype=torch.float64)
    regions, units, mask = flat(pairs)
    settings = SinkhornSettings(0.5, 80, **KINDS[kind])

    def similarity(regions, units):
        return transport_similarity(regions, units * mask[..., None], mask, settings)

    leaves = [x.detach().requires_grad_() for x in (regions, units)]
    assert torch.autograd.gradcheck(similarity, leaves, atol=1e-7)


def test_what_was_not_kept_is_computed_again(monkeypatch):
    slopes = []
    for kept in (kernel.KEPT_BYTES, 0):
        monkeypatch.setattr(kernel, "KEPT_BYTES", kept)
        monkeypatch.setattr(kernel, "CHUNK_ELEMENTS", 100)
        pairs = paired([2, 1, 3])
        slopes.append(torch.autograd.grad(TransportAlignment()(pairs).loss, [pairs.image.deep, pairs.text.sentences]))
    torch.testing.assert_close(*slopes, rtol=0, atol=0)


@pytest.mark.parametrize("columns", [1, 40])
def test_padding_changes_no_loss(columns):
    losses = [TransportAlignment()(paired([2, 1, 3], padding=more)).loss for more in (0, columns)]
    assert torch.equal(*losses)


def test_order_of_studies_does_not_matter():
    pairs = paired([2, 1, 3, 2])
    rows = [3, 1, 0, 2]
    here, there = (TransportAlignment()(x) for x in (pairs, select(pairs, rows)))
    torch.testing.assert_close(here.loss, there.loss)
    torch.testing.assert_close(here.maps["plan"][rows], there.maps["plan"], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sentences", [[1], [3], [0], [2, 0, 3], [0, 0], [1, 1], []])
def test_empty_reports_and_a_batch_of_one_give_a_number_and_a_gradient(kind, sentences):
    pairs = paired(sentences)
    objective = TransportAlignment(**KINDS[kind])
    result = objective(pairs)
    slopes = torch.autograd.grad(result.loss, [pairs.image.deep, pairs.text.sentences])
    assert result.loss.isfinite()
    assert all(slope.isfinite().all() for slope in slopes)
    present = [row for row, count in enumerate(sentences) if count]
    torch.testing.assert_close(result.loss, objective(select(pairs, present)).loss)


def test_a_study_whose_image_is_hidden_takes_no_part():
    pairs = paired([2, 1, 3])
    visible = torch.ones(3, 3, 3, dtype=torch.bool)
    visible[1] = False
    found = TransportAlignment()(hide(pairs, visible))
    torch.testing.assert_close(found.loss, TransportAlignment()(select(pairs, [0, 2])).loss)
    assert not found.maps["plan"][1].any()
    similarity = transport_similarity(*flat(pairs), SinkhornSettings(0.1, 5), visible=visible.flatten(1))
    assert not similarity[1].any()


def test_one_region_and_lone_sentences_have_only_one_plan():
    """Then the similarity is the mean cosine."""
    pairs = paired([1, 3], side=1, dtype=torch.float64)
    regions, units, mask = flat(pairs)
    found = transport_similarity(regions, units, mask, SinkhornSettings(0.1, 1))
    cosines = 1 - cross_modal_cost(regions[:, None], units[None])[:, :, 0]
    torch.testing.assert_close(found, (cosines * mask).sum(2) / mask.sum(1) - 1)


@pytest.mark.parametrize("kind", KINDS)
def test_maps_are_the_plans_of_matching_pairs_on_the_grid(kind):
    pairs = paired([2, 0, 3])
    visible = torch.ones(3, 3, 3, dtype=torch.bool)
    visible[:, 0] = False
    objective = TransportAlignment(**KINDS[kind])
    plans = objective(hide(pairs, visible)).maps["plan"]
    assert plans.shape == (3, 3, 3, 3)
    assert not plans.requires_grad
    assert not plans[:, :, 0].any()
    regions, units, mask = flat(pairs)
    for i, count in [(0, 2), (2, 3)]:
        cost = cross_modal_cost(regions[i, 3:], units[i, :count]).detach()
        masses = (torch.full((n,), 1 / n) for n in cost.shape)
        wanted = sinkhorn(cost, *masses, **vars(objective.settings)).plan.T
        torch.testing.assert_close(plans[i, :count].flatten(1)[:, 3:], wanted, rtol=1e-4, atol=1e-6)
        if kind == "balanced":
            torch.testing.assert_close(plans[i, :count].sum((1, 2)), torch.full((count,), 1 / count))
    assert not plans[~mask].any()


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_computed_in_single_under_autocast(kind, half):
    pairs = paired([1, 2, 3], dtype=half)
    objective = TransportAlignment(epsilon=0.02, **KINDS[kind])
    with torch.autocast("cpu", half):
        loss = objective(pairs).loss
        slopes = torch.autograd.grad(loss, [pairs.image.deep, pairs.text.sentences])
    exact = objective(PairedFeatures(pairs.image.to(dtype=torch.float64), pairs.text.to(dtype=torch.float64))).loss
    assert loss.dtype == torch.float32
    assert all(slope.isfinite().all() for slope in slopes)
    torch.testing.assert_close(loss.double(), exact, rtol=1e-4, atol=1e-4)


def test_vectors_without_direction_cost_one_and_get_no_gradient():
    pairs = paired([2, 2])
    with torch.no_grad():
        pairs.image.deep[0, :, 0, 0] = 0
        pairs.text.sentences[1, 0] = 0
    assert (cross_modal_cost(*flat(pairs)[:2])[0, 0] == 1).all()
    d_map, d_sentences = torch.autograd.grad(TransportAlignment()(pairs).loss, [pairs.image.deep, pairs.text.sentences])
    assert not d_map[0, :, 0, 0].any()
    assert not d_sentences[1, 0].any()


def test_costs_within_a_modality_are_those_of_its_own_vectors():
    vectors = paired([4]).text.sentences[0].detach()
    cost = unimodal_cost(vectors)
    torch.testing.assert_close(cost, cost.T)
    torch.testing.assert_close(cost.diag(), torch.zeros(4), rtol=0, atol=1e-6)
    assert cost[0, 1].item() == pytest.approx(1 - cosine_similarity(vectors[0], vectors[1], dim=0).item(), abs=1e-6)


@pytest.mark.parametrize("unit", ["words", "sentences", "report"])
@pytest.mark.parametrize("depth", ["shallow", "deep", "final"])
def test_any_unit_meets_any_depth(unit, depth):
    plans = TransportAlignment(unit, depth)(paired([2, 1])).maps["plan"]
    side = {"shallow": 4, "deep": 3, "final": 1}[depth]
    assert plans.shape == (2, {"words": 4, "sentences": 2, "report": 1}[unit], side, side)


@pytest.mark.parametrize("given", [{"logit_temperature": 0.0}, {"epsilon": -1.0}, {"mass": 0.5, "relaxation": 1.0}])
def test_numbers_out_of_range_are_refused(given):
    with pytest.raises(InputError, match=r"logit_temperature|epsilon|Both"):
        TransportAlignment(**given)
