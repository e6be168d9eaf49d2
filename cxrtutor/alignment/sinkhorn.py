"""Entropic optimal transport: balanced, unbalanced and partial, by Sinkhorn's iterations in the log domain.

A plan `P` moves mass from rows to columns. All three kinds minimise one objective over the non-negative plans,

    <P, C> + epsilon * KL(P | a b^T)        with KL(p | q) = sum p ln(p / q) - p + q

where `a` and `b` are the masses of rows and columns. They differ in what holds the plan to these masses:

- balanced (Cuturi, NeurIPS 2013): `P 1 = a` and `P^T 1 = b`.
- unbalanced (Chizat et al., 2018): a marginal may differ at a price, `+ rho * KL(P 1 | a)`, and so for the columns.
- partial (Benamou et al., 2015, section 5): `P 1 <= a`, `P^T 1 <= b`, and the plan moves only so much mass in all.

Every plan is `P = a b^T exp((f + g + h - C) / epsilon)`, with a potential `f` for the rows, `g` for the columns and,
where transport is partial, a number `h` for the whole mass. An iteration sets each of them in turn to what is best
given the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError

NOTHING = -1e30
"""The logarithm of no mass: finite, so that a difference of two is a number."""


@dataclass(frozen=True, eq=False)
class Transport:
    """A plan and what it costs.

    Attributes:
        plan: how much of each row goes to each column.
        cost: `<plan, cost matrix>`.
        value: the whole objective, by its dual. At convergence its gradient with respect to the cost is the plan.
        row_potential: `f`; 0 where a row has no mass. Where transport is balanced a constant may move from `f` to `g`.
        column_potential: `g`; 0 where a column has no mass.
        mass_potential: `h`, which is 0 unless transport is partial.
    """

    plan: Float[Tensor, "*batch rows columns"]
    cost: Float[Tensor, "*batch"]
    value: Float[Tensor, "*batch"]
    row_potential: Float[Tensor, "*batch rows"]
    column_potential: Float[Tensor, "*batch columns"]
    mass_potential: Float[Tensor, "*batch"]


def sinkhorn(
    cost: Float[Tensor, "*batch rows columns"],
    row_mass: Float[Tensor, "*#batch rows"],
    column_mass: Float[Tensor, "*#batch columns"],
    *,
    epsilon: float,
    iterations: int,
    relaxation: float | tuple[float | None, float | None] | None = None,
    mass: float | None = None,
) -> Transport:
    """The entropic plan between two masses, balanced unless `relaxation` or `mass` is given.

    Rows come first in an iteration and columns last, so that a balanced plan's columns are exact. Plain torch: it can
    be differentiated through all iterations, and as often as one likes. It computes in float32 at least, under autocast
    too. A row or column without mass takes no part; where one side has none at all, plan and value are 0.

    It agrees with POT's `ot.sinkhorn`, with `ot.unbalanced.sinkhorn_unbalanced(reg_type="kl")`, and with
    `ot.partial.entropic_partial_wasserstein` where masses are uniform. Where they are not, that function has another
    reference measure in its KL, ones instead of `a b^T`; given `C - epsilon ln(a b^T)` it finds the plan found here.

    Args:
        cost: what moving a unit of mass costs.
        row_mass: `a`, not negative.
        column_mass: `b`, not negative, as much in all as `a` where transport is balanced.
        epsilon: the weight of the entropy, in units of the cost. A smaller one makes a sharper plan and needs more
            iterations.
        iterations: how often every potential is set.
        relaxation: `rho`, the price of a marginal that differs, for both sides or as (rows, columns); None where that
            marginal is exact.
        mass: the share of the mass to move, above 0 and up to 1, of the side that has less.

    Raises:
        InputError: a number is out of range, or both `relaxation` and `mass` are given.
    """
    settings = SinkhornSettings(epsilon, iterations, relaxation, mass)
    with torch.autocast(cost.device.type, enabled=False):
        cost = cost.to(torch.promote_types(cost.dtype, torch.float32))
        a, b = (side.to(cost.dtype).expand(*cost.shape[:-2], -1) for side in (row_mass, column_mass))
        a, b = a * (b.sum(-1, keepdim=True) > 0), b * (a.sum(-1, keepdim=True) > 0)
        return _solve(cost, a, b, settings)


@dataclass(frozen=True)
class SinkhornSettings:
    """What kind of transport it is, and how exactly it is solved; see `sinkhorn` for what its numbers mean.

    Raises:
        InputError: a number is out of range, or both `relaxation` and `mass` are given.
    """

    epsilon: float
    iterations: int
    relaxation: float | tuple[float | None, float | None] | None = None
    mass: float | None = None

    def __post_init__(self) -> None:
        if not self.epsilon > 0:
            raise InputError(f"epsilon is {self.epsilon}; it weighs the entropy of a plan and must be positive.")
        if self.iterations < 1:
            raise InputError(f"iterations is {self.iterations}; a plan takes at least one.")
        if self.relaxation is not None and self.mass is not None:
            raise InputError("Both relaxation and mass are given. Transport is unbalanced or partial: leave one out.")
        if not all(weight is None or weight > 0 for weight in self._relaxations):
            raise InputError(f"relaxation is {self.relaxation}; it is a price and must be positive, or None.")
        if self.mass is not None and not 0 < self.mass <= 1:
            raise InputError(f"mass is {self.mass}; give the share to move, above 0 and up to 1.")

    @property
    def exponents(self) -> tuple[float, float]:
        """How much of the way towards the exact marginal a potential goes, of rows and of columns: 1 is all of it."""
        return tuple(1.0 if weight is None else weight / (weight + self.epsilon) for weight in self._relaxations)

    def gain(
        self, row_potential: Float[Tensor, "*rows"], column_potential: Float[Tensor, "*columns"]
    ) -> tuple[Float[Tensor, "*rows"], Float[Tensor, "*columns"]]:
        """What the dual gains from a unit of mass with these potentials, of rows and of columns."""
        return tuple(
            potential if weight is None else -weight * torch.expm1(-potential / weight)
            for potential, weight in zip((row_potential, column_potential), self._relaxations, strict=True)
        )

    @property
    def _relaxations(self) -> tuple[float | None, float | None]:
        return self.relaxation if isinstance(self.relaxation, tuple) else (self.relaxation, self.relaxation)


def _solve(cost: Tensor, a: Tensor, b: Tensor, settings: SinkhornSettings) -> Transport:
    epsilon, partial, (to_rows, to_columns) = settings.epsilon, settings.mass is not None, settings.exponents
    scores, log_a, log_b = -cost / epsilon, _log(a), _log(b)
    moved = (settings.mass if partial else 1) * torch.minimum(a.sum(-1), b.sum(-1))
    f, g, h = torch.zeros_like(a), torch.zeros_like(b), torch.zeros_like(moved)  # over epsilon until the end
    for _ in range(settings.iterations):
        reach = (scores + (log_b + g)[..., None, :]).logsumexp(-1) + h[..., None]
        f = _potential(reach, to_rows, partial).masked_fill(a == 0, 0)
        reach = (scores + (log_a + f)[..., None]).logsumexp(-2)
        g = _potential(reach + h[..., None], to_columns, partial).masked_fill(b == 0, 0)
        if partial:
            h = (_log(moved) - (reach + log_b + g).logsumexp(-1)).masked_fill(moved == 0, 0)
    plan = (scores + (log_a + f)[..., None] + (log_b + g + h[..., None])[..., None, :]).exp()
    f, g, h = epsilon * f, epsilon * g, epsilon * h
    row_gain, column_gain = settings.gain(f, g)
    value = (a * row_gain).sum(-1) + (b * column_gain).sum(-1) + moved * h
    value = value - epsilon * (plan.sum((-2, -1)) - a.sum(-1) * b.sum(-1))
    return Transport(plan, (plan * cost).sum((-2, -1)), value, f, g, h)


def _potential(reach: Tensor, exponent: float, partial: bool) -> Tensor:
    """The best potential of a side, given the logarithm of how many times its mass it would have without one."""
    return (-reach).clamp(max=0) if partial else -exponent * reach


def _log(mass: Tensor) -> Tensor:
    return torch.where(mass > 0, mass.where(mass > 0, 1).log(), NOTHING)
