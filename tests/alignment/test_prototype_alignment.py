"""MGCA's prototype-wise loss: codes against SwAV's form and POT, the loss against loops, and when prototypes learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import ot
import pytest
import torch
from batches import attended, paired, select
from hypothesis import given
from hypothesis import strategies as st
from loops import prototype_loss_loop, swav_codes
from torch.nn.functional import normalize

from cxrtutor.alignment import PairedFeatures, PrototypeAlignment
from cxrtutor.alignment.prototype_alignment import codes, nearest, perplexity, swapped_prediction
from cxrtutor.alignment.token_weights import region_weights, word_weights
from cxrtutor.errors import InputError


def objective(of="instances", frozen_epochs=0, seed=0, **settings):
    torch.manual_seed(seed)
    return PrototypeAlignment(8, 6, of=of, frozen_epochs=frozen_epochs, **settings)


def inputs_of(pairs, of):
    if of == "instances":
        return pairs.image.pooled, pairs.text.report
    return pairs.image.deep, pairs.text.words


def some_scores(studies=7, prototypes=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(studies, prototypes, generator=generator, dtype=torch.float64) - 1


@pytest.mark.parametrize("iterations", [1, 3, 20])
@pytest.mark.parametrize("epsilon", [0.05, 0.5])
def test_codes_are_those_of_swavs_published_form(epsilon, iterations):
    scores = some_scores()
    found = codes(scores, epsilon, iterations)
    torch.testing.assert_close(found, swav_codes(scores, epsilon, iterations), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(codes(scores.float(), epsilon, iterations).double(), found, rtol=1e-4, atol=1e-6)


def test_codes_are_the_entropic_plan_of_pot():
    scores = some_scores()
    plan = ot.sinkhorn(
        np.full(5, 1 / 5), np.full(7, 1 / 7), -scores.T.numpy(), reg=0.2, numItermax=10_000, stopThr=1e-14
    )
    np.testing.assert_allclose(codes(scores, 0.2, 2000).numpy(), 7 * plan.T, rtol=1e-8)


@given(seed=st.integers(0, 2**16), studies=st.integers(1, 9), prototypes=st.integers(1, 7))
def test_each_study_is_assigned_as_a_whole_and_in_the_end_prototypes_are_used_alike(seed, studies, prototypes):
    scores = some_scores(studies, prototypes, seed)
    after_three = codes(scores)
    assert (after_three >= 0).all()
    torch.testing.assert_close(after_three.sum(dim=1), torch.ones(studies, dtype=torch.float64))
    shares = codes(scores, 0.5, 500).mean(dim=0)
    torch.testing.assert_close(shares, torch.full_like(shares, 1 / prototypes))


@given(seed=st.integers(0, 2**16))
def test_order_of_studies_and_prototypes(seed):
    scores = some_scores()
    generator = torch.Generator().manual_seed(seed)
    studies, kinds = (torch.randperm(n, generator=generator) for n in scores.shape)
    torch.testing.assert_close(codes(scores[studies][:, kinds]), codes(scores)[studies][:, kinds])


def test_codes_of_one_study_are_even_those_of_none_are_empty_and_duplicates_share():
    alone = codes(some_scores(studies=1))
    torch.testing.assert_close(alone, torch.full_like(alone, 1 / 5))
    assert codes(some_scores(studies=0)).shape == (0, 5)
    scores = some_scores(studies=3)[[0, 1, 1, 2]]
    shared = codes(scores)
    assert torch.equal(shared[1], shared[2])


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_pitfall_7_codes_of_half_precision_overflow_nowhere(half):
    """exp(1 / .05) is beyond float16."""
    scores = some_scores().to(half)
    with torch.autocast("cpu", half):
        found = codes(scores)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), codes(scores.double()), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-10)])
def test_loss_equals_loop_in_value_and_gradient(dtype, tolerance):
    pairs = paired([2, 1, 3, 1], dtype=dtype)
    one = objective(epsilon=0.1, iterations=4, temperature=0.3).to(dtype)
    with torch.no_grad():
        one.prototypes *= 2
    found = one(pairs)
    leaves = pairs.image.pooled, pairs.text.report, one.prototypes
    expected = prototype_loss_loop(*leaves, epsilon=0.1, iterations=4, tau=0.3)
    torch.testing.assert_close(found.loss, expected, rtol=tolerance, atol=tolerance, check_dtype=False)
    slopes = [torch.autograd.grad(loss, leaves) for loss in (found.loss, expected)]
    torch.testing.assert_close(*slopes, rtol=tolerance, atol=tolerance)
    parts = found.parts["image_to_text"] + found.parts["text_to_image"]
    torch.testing.assert_close(found.loss.detach(), parts / 2)


def test_swapped_prediction_as_torch_has_its_cross_entropy():
    image, report = some_scores(seed=1), some_scores(seed=2)
    image_codes, report_codes = codes(image), codes(report)
    found = swapped_prediction(image, report, image_codes, report_codes, 0.2)
    cross_entropy = torch.nn.functional.cross_entropy
    expected = cross_entropy(report / 0.2, image_codes), cross_entropy(image / 0.2, report_codes)
    torch.testing.assert_close(found, expected)


def test_gradient_is_the_slope_where_codes_stay():
    """Of the prediction alone: codes, which move with the scores too, have no gradient by design."""
    image, report = (some_scores(seed=s).requires_grad_() for s in (1, 2))
    fixed = codes(some_scores(seed=3)), codes(some_scores(seed=4))
    assert torch.autograd.gradcheck(lambda i, r: swapped_prediction(i, r, *fixed, 0.2), (image, report))
    assert not codes(image).requires_grad


@pytest.mark.parametrize("weights", ["attention", "uniform"])
def test_tokens_are_assigned_by_the_weighted_mean_of_their_directions(weights):
    pairs = attended(paired([2, 0, 3], dtype=torch.float64))
    one = objective("tokens", weights=weights).double()
    images, reports = one.assigned(pairs)
    counts = region_weights(pairs.image, "deep", weights), word_weights(pairs.text, weights)
    for row, study in enumerate([0, 2]):
        regions = normalize(pairs.image.deep[study].flatten(1).T, dim=1)
        words = normalize(pairs.text.words[study][pairs.text.word_mask[study]], dim=1)
        torch.testing.assert_close(images[row], (counts[0][study][:, None] * regions).sum(dim=0))
        own = counts[1][study][pairs.text.word_mask[study]]
        torch.testing.assert_close(reports[row], (own[:, None] * words).sum(dim=0))
    present = select(pairs, [0, 2])
    expected = prototype_loss_loop(images, reports, one.prototypes)
    torch.testing.assert_close(one(pairs).loss, expected)
    torch.testing.assert_close(one(present).loss, expected)


def test_hidden_regions_are_not_assigned():
    pairs = attended(paired([2, 1], dtype=torch.float64))
    visible = torch.arange(9).reshape(3, 3).expand(2, 3, 3) % 2 == 0
    hidden = PairedFeatures(replace(pairs.image, visible=visible), pairs.text)
    loss = objective("tokens").double()(hidden).loss
    slope = torch.autograd.grad(loss, pairs.image.deep)[0].permute(0, 2, 3, 1)
    assert (slope[~visible] == 0).all()
    assert (slope[visible] != 0).any(dim=1).all()


@pytest.mark.parametrize("of", ["instances", "tokens"])
def test_pitfall_5_padding_changes_nothing(of):
    one, losses = objective(of, weights="uniform"), []
    for columns in (0, 1, 40):
        pairs = paired([2, 1, 3], padding=columns)
        garbage = pairs.text.words.masked_fill(~pairs.text.word_mask[..., None], torch.nan)
        losses.append(one(PairedFeatures(pairs.image, replace(pairs.text, words=garbage))).loss)
    torch.testing.assert_close(losses, [losses[0]] * 3)


@pytest.mark.parametrize("of", ["instances", "tokens"])
@given(order=st.permutations(range(4)))
def test_order_of_studies(of, order):
    pairs = attended(paired([2, 1, 0, 3], dtype=torch.float64))
    one = objective(of).double()
    torch.testing.assert_close(one(pairs).loss, one(select(pairs, order)).loss)


@pytest.mark.parametrize("sentences", [[1], [0], [2, 0, 3], [0, 0], [1, 1], []])
@pytest.mark.parametrize("of", ["instances", "tokens"])
def test_empty_reports_and_small_batches_give_a_number_and_a_gradient(of, sentences):
    pairs, one = attended(paired(sentences)), objective(of)
    found = one(pairs)
    slopes = torch.autograd.grad(found.loss, (*inputs_of(pairs, of), one.prototypes))
    assert found.loss.isfinite()
    assert found.parts["perplexity"].isfinite()
    assert all(slope.isfinite().all() for slope in slopes)
    present = [row for row, count in enumerate(sentences) if count]
    torch.testing.assert_close(found.loss, one(select(pairs, present)).loss)
    assert present or found.loss == 0


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("of", ["instances", "tokens"])
def test_half_precision_is_close_to_full(of, half):
    pairs, one = attended(paired([1, 2, 3], dtype=half)), objective(of, weights="uniform")
    with torch.autocast("cpu", half):
        loss = one(pairs).loss
    exact = one.double()(PairedFeatures(pairs.image.to(dtype=torch.float64), pairs.text.to(dtype=torch.float64))).loss
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), exact, rtol=1e-3, atol=1e-3)


def test_a_vector_without_a_direction_fits_all_prototypes_alike():
    pairs, one = paired([2, 1, 3]), objective()
    with torch.no_grad():
        pairs.image.pooled[1] = 0
    slopes = torch.autograd.grad(one(pairs).loss, (pairs.image.pooled, one.prototypes))
    assert all(slope.isfinite().all() for slope in slopes)
    assert (slopes[0][1] == 0).all()


def test_prototypes_are_of_length_one_at_every_step():
    one, pairs = objective(), paired([2, 1, 3])
    torch.testing.assert_close(one.prototypes.norm(dim=1), torch.ones(6))
    with torch.no_grad():
        one.prototypes *= 3
    loss = one(pairs).loss
    torch.testing.assert_close(one.prototypes.norm(dim=1), torch.ones(6))
    torch.testing.assert_close(loss, objective()(pairs).loss)
    before = one.prototypes.detach().clone()
    one(pairs)
    loss.backward()  # a second look has changed nothing that the first one's gradient needs
    assert torch.equal(one.prototypes, before)


def test_frozen_they_stay_to_the_last_bit_and_then_they_learn():
    one, pairs = objective(frozen_epochs=2), paired([2, 1, 3])
    optimizer = torch.optim.AdamW([{"params": [one.prototypes], "weight_decay": 0.0}], lr=0.1)
    first = one.prototypes.detach().clone()
    for epoch in range(4):
        one.on_epoch(epoch)
        loss = one(pairs).loss
        optimizer.zero_grad()
        loss.backward()
        assert one.prototypes.grad is not None
        assert one.prototypes.grad.any() == (epoch >= 2)
        assert torch.equal(one.prototypes, first) == (epoch <= 2)  # what epoch 2 steps is seen from epoch 3 on
        optimizer.step()
    inputs = torch.autograd.grad(objective(frozen_epochs=2)(pairs).loss, inputs_of(pairs, "instances"))
    assert all(slope.any() for slope in inputs)


def test_it_is_frozen_before_the_first_epoch_is_announced_unless_nothing_is_ever_frozen():
    assert objective(frozen_epochs=1).frozen
    assert not objective(frozen_epochs=0).frozen


def test_scores_are_cosines():
    one, vectors = objective(), torch.randn(3, 8)
    with torch.no_grad():
        one.prototypes *= 5
    expected = torch.nn.functional.cosine_similarity(vectors[:, None], one.prototypes[None], dim=2)
    torch.testing.assert_close(one.scores(vectors), expected)


def test_perplexity_counts_the_prototypes_in_use():
    one_hot = torch.eye(5)
    assert perplexity(one_hot[[0, 0, 0]]).item() == pytest.approx(1)
    assert perplexity(one_hot[[0, 1, 3]]).item() == pytest.approx(3)
    assert perplexity(torch.full((2, 5), 0.2)).item() == pytest.approx(5)
    assert perplexity(torch.zeros(0, 5)) == 0


def test_the_log_shows_when_all_are_nearest_to_one_prototype():
    pairs, one = paired([1] * 6), objective()
    with torch.no_grad():
        pairs.image.pooled[:] = pairs.text.report[:] = one.prototypes[2]
    assert one(pairs).parts["perplexity"].item() == pytest.approx(1)
    with torch.no_grad():
        pairs.image.pooled[:] = one.prototypes
    assert one(pairs).parts["perplexity"].item() > 2
    scores = one.scores(pairs.image.pooled)
    assert torch.equal(nearest(scores), torch.eye(6))


def test_training_brings_both_sides_of_a_study_to_the_same_prototypes():
    generator = torch.Generator().manual_seed(0)
    images, reports = (torch.randn(12, 8, generator=generator).requires_grad_() for _ in range(2))
    pairs = paired([1] * 12)
    one = objective(frozen_epochs=1)
    optimizer = torch.optim.Adam([images, reports, *one.parameters()], lr=0.05)
    agreement = []
    for epoch in range(40):
        one.on_epoch(epoch)
        loss = one(PairedFeatures(replace(pairs.image, pooled=images), replace(pairs.text, report=reports))).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assigned = [one.scores(side).argmax(dim=1) for side in (images, reports)]
        agreement.append((assigned[0] == assigned[1]).float().mean().item())
    assert agreement[0] < 0.5
    assert agreement[-1] == 1
    assert len(set(assigned[0].tolist())) >= 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epsilon": 0.0}, "epsilon is 0"),
        ({"temperature": -1.0}, "temperature is -1"),
        ({"iterations": 0}, "iterations is 0"),
        ({"prototypes": 0}, "prototypes is 0"),
    ],
)
def test_what_cannot_be(settings, message):
    with pytest.raises(InputError, match=message):
        PrototypeAlignment(8, **settings)


def test_tokens_need_the_attention_that_is_asked_for():
    with pytest.raises(InputError, match="cls_attention"):
        objective("tokens")(paired([1]))
