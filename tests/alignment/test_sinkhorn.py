"""Three kinds of transport against POT, against each other, and where numbers could fail."""

from __future__ import annotations

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrtutor.alignment.sinkhorn import sinkhorn
from cxrtutor.errors import InputError

KINDS = {
    "balanced": {},
    "unbalanced": {"relaxation": 0.3},
    "unbalanced rows": {"relaxation": (0.2, None)},
    "unbalanced columns": {"relaxation": (None, 0.5)},
    "partial": {"mass": 0.7},
}


def problem(rows=7, columns=4, seed=0):
    """A cost from 0 to 2 and uneven masses of 1, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    cost = 2 * torch.rand(rows, columns, generator=generator, dtype=torch.float64)
    a, b = (0.1 + torch.rand(n, generator=generator, dtype=torch.float64) for n in (rows, columns))
    return cost, a / a.sum(), b / b.sum()


def objective(plan, cost, a, b, epsilon, relaxation=None, mass=None):
    """What the module's docstring says is minimised, from the plan."""

    def kl(p, q):
        return (torch.special.xlogy(p, p / q) - p + q).sum()

    rows, columns = relaxation if isinstance(relaxation, tuple) else (relaxation, relaxation)
    total = (plan * cost).sum() + epsilon * kl(plan, a[:, None] * b)
    total = total + (rows * kl(plan.sum(1), a) if rows else 0)
    return total + (columns * kl(plan.sum(0), b) if columns else 0)


def plan_by_pot(cost, a, b, epsilon, relaxation=None, mass=None):
    if mass is not None:
        cost = cost - epsilon * (a[:, None] * b).log()  # POT's reference measure for this one is ones
        return ot.partial.entropic_partial_wasserstein(
            a.numpy(), b.numpy(), cost.numpy(), epsilon, mass, method="sinkhorn_log", numItermax=3000
        )
    if relaxation is None:
        return ot.sinkhorn(a, b, cost, epsilon, method="sinkhorn_log", stopThr=1e-14, numItermax=3000).numpy()
    rows, columns = relaxation if isinstance(relaxation, tuple) else (relaxation, relaxation)
    prices = [rows or float("inf"), columns or float("inf")]
    return ot.unbalanced.sinkhorn_unbalanced(
        a.numpy(), b.numpy(), cost.numpy(), epsilon, prices, reg_type="kl", stopThr=1e-14, numItermax=3000
    )


@pytest.mark.parametrize("epsilon", [0.1, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_plan_is_that_of_pot(kind, epsilon):
    cost, a, b = problem()
    found = sinkhorn(cost, a, b, epsilon=epsilon, iterations=1000, **KINDS[kind])
    np.testing.assert_allclose(found.plan, plan_by_pot(cost, a, b, epsilon, **KINDS[kind]), atol=1e-9)


def test_partial_plan_of_even_masses_is_that_of_pot_as_it_stands():
    cost, _, _ = problem()
    a, b = torch.full((7,), 1 / 7, dtype=torch.float64), torch.full((4,), 1 / 4, dtype=torch.float64)
    wanted = ot.partial.entropic_partial_wasserstein(
        a.numpy(), b.numpy(), cost.numpy(), 0.1, 0.6, method="sinkhorn_log", numItermax=3000
    )
    found = sinkhorn(cost, a, b, epsilon=0.1, iterations=1000, mass=0.6)
    np.testing.assert_allclose(found.plan, wanted, atol=1e-9)


@pytest.mark.parametrize("kind", ["balanced", "unbalanced"])
def test_gradient_of_the_cost_is_that_of_pot(kind):
    """POT differentiates through its iterations too; at convergence both are the derivative of the optimum."""
    cost, a, b = problem()
    cost.requires_grad_()
    found = sinkhorn(cost, a, b, epsilon=0.3, iterations=400, **KINDS[kind]).cost
    if kind == "balanced":
        plan = ot.sinkhorn(a, b, cost, 0.3, method="sinkhorn_log", stopThr=1e-14, numItermax=400)
    else:
        plan = ot.unbalanced.sinkhorn_unbalanced(a, b, cost, 0.3, 0.3, stopThr=1e-14, numItermax=400)
    [slope], [wanted] = torch.autograd.grad(found, cost), torch.autograd.grad((plan * cost).sum(), cost)
    torch.testing.assert_close(slope, wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_value_is_the_objective_and_its_gradient_is_the_plan(kind):
    cost, a, b = problem()
    cost.requires_grad_()
    found = sinkhorn(cost, a, b, epsilon=0.2, iterations=1000, **KINDS[kind])
    torch.testing.assert_close(found.value, objective(found.plan, cost, a, b, 0.2, **KINDS[kind]), rtol=0, atol=1e-12)
    torch.testing.assert_close(torch.autograd.grad(found.value, cost)[0], found.plan.detach(), rtol=0, atol=1e-12)


def test_after_one_iteration_the_gradient_is_not_yet_the_plan():
    cost, a, b = problem()
    cost.requires_grad_()
    found = sinkhorn(cost, a, b, epsilon=0.05, iterations=1)
    assert (torch.autograd.grad(found.value, cost)[0] - found.plan).abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_iterations_can_be_differentiated(kind):
    cost, a, b = problem(3, 2)

    def values(cost, a, b):
        found = sinkhorn(cost, a, b, epsilon=0.5, iterations=3, **KINDS[kind])
        return found.plan, found.value, found.cost

    assert torch.autograd.gradcheck(values, [x.requires_grad_() for x in (cost, a, b)])


@pytest.mark.parametrize(("near", "far"), [({"relaxation": 1e6}, {"relaxation": 1.0}), ({"mass": 1.0}, {"mass": 0.9})])
def test_unbalanced_and_partial_transport_end_in_balanced(near, far):
    exact = sinkhorn(*problem(), epsilon=0.2, iterations=500)
    found, other = (sinkhorn(*problem(), epsilon=0.2, iterations=2000, **kind) for kind in (near, far))
    torch.testing.assert_close(found.plan, exact.plan, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.value, exact.value, rtol=0, atol=1e-5)
    assert (other.plan - exact.plan).abs().max() > 1e-3


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 99), st.sampled_from(list(KINDS)))
@settings(max_examples=20)
def test_marginals_are_what_the_kind_promises(rows, columns, seed, kind):
    cost, a, b = problem(rows, columns, seed)
    plan = sinkhorn(cost, a, b, epsilon=0.5, iterations=200, **KINDS[kind]).plan
    exact = {"balanced": (True, True), "unbalanced rows": (False, True), "unbalanced columns": (True, False)}
    for marginal, mass, held in zip((plan.sum(1), plan.sum(0)), (a, b), exact.get(kind, (False, False)), strict=True):
        if held:
            torch.testing.assert_close(marginal, mass, rtol=0, atol=1e-6)
        if kind == "partial":
            assert (marginal <= mass + 1e-6).all()
            assert marginal.sum().item() == pytest.approx(0.7)


def test_columns_are_exact_even_after_one_iteration():
    cost, a, b = problem()
    plan = sinkhorn(cost, a, b, epsilon=0.05, iterations=1).plan
    torch.testing.assert_close(plan.sum(0), b)
    assert (plan.sum(1) - a).abs().max() > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_rows_and_columns_without_mass_change_nothing_and_have_no_gradient(kind):
    cost, a, b = problem()
    inner = sinkhorn(cost, a, b, epsilon=0.2, iterations=20, **KINDS[kind])
    padded = torch.full((9, 6), -3.0, dtype=torch.float64)
    padded[:7, :4] = cost
    leaves = [x.requires_grad_() for x in (padded, *(torch.nn.functional.pad(x, (0, 2)) for x in (a, b)))]
    outer = sinkhorn(*leaves, epsilon=0.2, iterations=20, **KINDS[kind])
    torch.testing.assert_close(outer.plan[:7, :4], inner.plan)
    torch.testing.assert_close(outer.value, inner.value)
    assert not outer.plan[7:].any()
    assert not outer.plan[:, 4:].any()
    slopes = torch.autograd.grad(outer.value, leaves)
    assert all(slope.isfinite().all() for slope in slopes)
    assert not slopes[0][7:].any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("empty", ["rows", "columns", "both"])
def test_a_side_without_any_mass_gives_zero(kind, empty):
    cost, a, b = problem()
    a, b = a * (empty == "columns"), b * (empty == "rows")
    cost.requires_grad_()
    found = sinkhorn(cost, a, b, epsilon=0.2, iterations=5, **KINDS[kind])
    assert found.value.item() == found.plan.abs().sum().item() == 0
    assert not torch.autograd.grad(found.value, cost)[0].any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 1)])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_one_row_one_column_and_huge_costs_stay_finite(kind, shape, scale):
    cost, a, b = (x.float() for x in problem(*shape))
    cost = (scale * cost).requires_grad_()
    found = sinkhorn(cost, a, b, epsilon=0.01, iterations=20, **KINDS[kind])
    assert found.value.isfinite()
    assert found.plan.isfinite().all()
    assert torch.autograd.grad(found.value, cost)[0].isfinite().all()


def test_half_precision_is_computed_in_single_under_autocast():
    cost, a, b = (x.half() for x in problem())
    with torch.autocast("cpu", torch.float16):
        found = sinkhorn(cost, a, b, epsilon=0.01, iterations=50)
    exact = sinkhorn(cost.double(), a.double(), b.double(), epsilon=0.01, iterations=50)
    assert found.plan.dtype == torch.float32
    torch.testing.assert_close(found.plan.double(), exact.plan, rtol=0, atol=1e-4)


def test_a_batch_is_its_problems_one_by_one_and_masses_broadcast():
    costs = torch.stack([problem(seed=seed)[0] for seed in range(6)]).view(2, 3, 7, 4)
    _, a, b = problem()
    found = sinkhorn(costs, a, b.expand(3, 4), epsilon=0.1, iterations=10)
    alone = sinkhorn(costs[1, 2], a, b, epsilon=0.1, iterations=10)
    torch.testing.assert_close(found.plan[1, 2], alone.plan)
    assert found.value.shape == (2, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epsilon": 0.0}, "epsilon is 0.0"),
        ({"iterations": 0}, "iterations is 0"),
        ({"relaxation": (None, -1.0)}, "relaxation is"),
        ({"mass": 1.5}, "mass is 1.5"),
        ({"mass": 0.5, "relaxation": 1.0}, "Both relaxation and mass"),
    ],
)
def test_numbers_out_of_range_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        sinkhorn(*problem(), **{"epsilon": 0.1, "iterations": 5} | given)
