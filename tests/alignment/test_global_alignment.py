"""Global InfoNCE."""

from __future__ import annotations

import math

import pytest
import torch
from batches import paired, select
from loops import global_loss_loop, info_nce_loop
from torch.nn.functional import cosine_similarity, cross_entropy

from cxrtutor.alignment import GlobalAlignment
from cxrtutor.errors import InputError


def _inputs(pairs):
    return pairs.image.pooled, pairs.text.report


def gradients(alignment, pairs):
    return torch.autograd.grad(alignment.loss, _inputs(pairs))


@pytest.mark.parametrize("tau", [0.05, 0.5, 2.0])
def test_loss_of_cosines_equals_the_loop_and_cross_entropy(tau):
    table = torch.rand(5, 5, dtype=torch.float64) * 2 - 1
    loss = GlobalAlignment(temperature=tau).loss_from_cosines(table)
    assert loss.item() == pytest.approx(info_nce_loop(table.tolist(), tau), rel=1e-10)
    target = torch.arange(5)
    torch.testing.assert_close(loss, cross_entropy(table / tau, target) + cross_entropy(table.T / tau, target))


def test_two_studies_by_hand():
    """Film 1 asks softmax(1.6, .4), film 2 softmax(1.2, 1.4); report 1 softmax(1.6, 1.2), report 2 softmax(1.4, .4)."""
    films = [math.log(1 + math.exp(0.4 - 1.6)), math.log(1 + math.exp(1.2 - 1.4))]
    reports = [math.log(1 + math.exp(1.2 - 1.6)), math.log(1 + math.exp(0.4 - 1.4))]
    loss = GlobalAlignment(temperature=0.5).loss_from_cosines(torch.tensor([[0.8, 0.2], [0.6, 0.7]]))
    assert films[0] == pytest.approx(0.263, abs=5e-4)
    assert loss.item() == pytest.approx(sum(films) / 2 + sum(reports) / 2)


def test_forward_takes_cosines_of_pooled_images_and_reports():
    pairs = paired([2, 1, 3], dtype=torch.float64)
    table = cosine_similarity(pairs.image.pooled[:, None], pairs.text.report[None], dim=-1)
    objective = GlobalAlignment(temperature=0.2)
    alignment = objective(pairs)
    torch.testing.assert_close(alignment.loss, objective.loss_from_cosines(table))
    torch.testing.assert_close(sum(alignment.parts.values()), alignment.loss.detach())
    expected = torch.autograd.grad(objective.loss_from_cosines(table), (pairs.image.pooled, pairs.text.report))
    torch.testing.assert_close(gradients(alignment, pairs), expected)


@pytest.mark.parametrize("settings", [{}, {"image_to_text_weight": 0.75}, {"learnable": True}], ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)], ids=str)
@pytest.mark.parametrize("lengths", [[1, 1], [2, 1, 3, 1, 4], [2, 0, 3]])
def test_loss_and_gradients_equal_the_loop(lengths, dtype, tolerance, settings):
    pairs = paired(lengths, dtype=dtype, seed=len(lengths))
    objective = GlobalAlignment(temperature=0.1, **settings).to(dtype)
    alignment = objective(pairs)
    used = torch.tensor(lengths) > 0
    weight = settings.get("image_to_text_weight", 0.5)
    # A learnt temperature starts as a float32.
    tau = torch.as_tensor(objective.temperature, dtype=dtype).detach().clone().requires_grad_()
    expected = global_loss_loop(pairs.image.pooled[used], pairs.text.report[used], tau, weight)
    close = {"rtol": tolerance, "atol": tolerance}
    torch.testing.assert_close(alignment.loss, expected, **close)
    *wanted, slope = torch.autograd.grad(expected, (pairs.image.pooled, pairs.text.report, tau))
    torch.testing.assert_close(torch.autograd.grad(alignment.loss, _inputs(pairs), retain_graph=True), wanted, **close)
    if objective.log_temperature is not None:  # d/d(log tau) = tau * d/d(tau)
        (by_log,) = torch.autograd.grad(alignment.loss, objective.log_temperature)
        torch.testing.assert_close(by_log, tau.detach() * slope, **close)


@pytest.mark.parametrize("learnable", [False, True])
def test_padding_changes_nothing(learnable):
    lengths = [2, 1, 0, 3]
    short, long = paired(lengths, dtype=torch.float64), paired(lengths, dtype=torch.float64, padding=40)
    with torch.no_grad():  # the report's vector is the encoder's; what stands in padded rows must not be looked at
        long.text.sentences[~long.text.sentence_mask] = math.nan
        long.text.report.copy_(short.text.report)
        for depth in ("shallow", "deep", "pooled"):
            getattr(long.image, depth).copy_(getattr(short.image, depth))
    objective = GlobalAlignment(learnable=learnable)
    one, other = objective(short), objective(long)
    assert torch.equal(one.loss, other.loss)
    for first, second in zip(gradients(one, short), gradients(other, long), strict=True):
        assert torch.equal(first, second)


def test_weight_divides_the_loss_between_the_directions():
    pairs = paired([1, 1, 1])
    parts = GlobalAlignment()(pairs).parts
    assert parts["image_to_text"] != parts["text_to_image"]
    for weight in (0.0, 0.75, 1.0):
        loss = GlobalAlignment(image_to_text_weight=weight)(pairs).loss
        expected = 2 * (weight * parts["image_to_text"] + (1 - weight) * parts["text_to_image"])
        torch.testing.assert_close(loss.detach(), expected)


def test_order_of_studies_does_not_matter():
    pairs = paired([2, 1, 3, 1])
    torch.testing.assert_close(GlobalAlignment()(select(pairs, [2, 0, 3, 1])).loss, GlobalAlignment()(pairs).loss)


def test_empty_reports_take_no_part():
    pairs = paired([2, 0, 3, 0, 1])
    alignment = GlobalAlignment()(pairs)
    torch.testing.assert_close(alignment.loss, GlobalAlignment()(select(pairs, [0, 2, 4])).loss)
    for gradient in gradients(alignment, pairs):
        assert gradient.isfinite().all()
        assert (gradient[[1, 3]] == 0).all()
        assert (gradient[[0, 2, 4]] != 0).any(dim=1).all()


@pytest.mark.parametrize("lengths", [[1], [0], [0, 0], [0, 2], []])
def test_fewer_than_two_reports_cost_nothing_and_stay_connected(lengths):
    pairs = paired(lengths)
    alignment = GlobalAlignment()(pairs)
    assert alignment.loss == 0
    assert all((gradient == 0).all() for gradient in gradients(alignment, pairs))


def test_a_zero_vector_of_a_report_that_has_text_is_finite():
    pairs = paired([1, 1, 1])
    with torch.no_grad():
        pairs.text.report[1] = 0.0
        pairs.image.pooled[2] = 0.0
    alignment = GlobalAlignment()(pairs)
    assert alignment.loss.isfinite()
    assert all(gradient.isfinite().all() and gradient.abs().max() < 100 for gradient in gradients(alignment, pairs))


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("lengths", [[1], [0, 0], [1, 0, 2], [1, 1, 1, 1]])
@pytest.mark.parametrize("learnable", [False, True])
def test_autocast_is_finite(half, lengths, learnable):
    pairs = paired(lengths, dtype=half)
    objective = GlobalAlignment(temperature=0.01, learnable=learnable)
    with torch.autocast("cpu", half):
        alignment = objective(pairs)
    alignment.loss.backward()
    assert alignment.loss.isfinite()
    assert all(x.grad.isfinite().all() for x in (*_inputs(pairs), *objective.parameters()))


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_reduces_in_float32(half):
    pairs = paired([1, 2, 1], dtype=half)
    with torch.autocast("cpu", half):
        alignment = GlobalAlignment(temperature=0.01)(pairs)
        assert alignment.loss.dtype == torch.float32
        exact = GlobalAlignment(temperature=0.01)(
            type(pairs)(pairs.image.to(dtype=torch.float64), pairs.text.to(dtype=torch.float64))
        )
        torch.testing.assert_close(alignment.loss.double(), exact.loss, rtol=1e-5, atol=1e-5)
        assert all(gradient.isfinite().all() for gradient in gradients(alignment, pairs))


def test_fixed_temperature_is_no_parameter():
    assert GlobalAlignment(temperature=0.3).temperature == 0.3
    assert not list(GlobalAlignment().parameters())
    assert set(GlobalAlignment()(paired([1, 1])).parts) == {"image_to_text", "text_to_image"}


def test_a_learnable_temperature_is_logged():
    objective = GlobalAlignment(temperature=0.3, learnable=True)
    temperature = objective(paired([1, 1])).parts["temperature"]
    assert temperature.item() == pytest.approx(0.3) and not temperature.requires_grad


def test_learnable_temperature_starts_where_told_and_follows_its_gradient():
    pairs = paired([1, 2, 1, 1])
    objective = GlobalAlignment(temperature=0.5, learnable=True)
    assert objective.temperature.item() == pytest.approx(0.5)
    alignment = objective(pairs)
    torch.testing.assert_close(alignment.loss, GlobalAlignment(temperature=0.5)(pairs).loss)
    alignment.loss.backward()
    step = 1e-3
    higher, lower = (GlobalAlignment(temperature=0.5 * math.exp(s))(pairs).loss.item() for s in (step, -step))
    assert objective.log_temperature.grad.item() == pytest.approx((higher - lower) / (2 * step), rel=1e-2)


def test_learnable_temperature_stops_at_a_hundredth_and_can_come_back():
    objective = GlobalAlignment(temperature=0.02, learnable=True)
    with torch.no_grad():
        objective.log_temperature.fill_(-20.0)
    # Every report fits another film best, so the loss wants a higher temperature.
    loss = objective.loss_from_cosines(torch.eye(3).roll(1, dims=0))
    loss.backward()
    assert objective.temperature.item() == pytest.approx(0.01)
    assert objective.log_temperature.grad < 0


@pytest.mark.parametrize("settings", [{"temperature": 0.0}, {"temperature": math.nan}, {"image_to_text_weight": 1.5}])
def test_impossible_settings(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        GlobalAlignment(**settings)
