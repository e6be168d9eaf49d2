"""Exercises of `14-transport-alignment`."""

from __future__ import annotations

import numpy as np

from cxrtutor.checks.comparing import as_array, same
from cxrtutor.checks.judging import exercise


@exercise(
    right=lambda kernel, columns, row_mass: row_mass / (kernel @ columns),
    inputs=[
        (np.array([[0.5, 0.25, 1.0], [0.1, 0.7, 0.2]]), np.array([1.0, 2.0, 0.5]), np.array([0.4, 0.6])),
        (np.array([[1.0, 3.0], [2.0, 1.0], [0.5, 0.5]]), np.array([0.2, 0.3]), np.array([0.2, 0.3, 0.5])),
    ],
)
def row_scaling(answer):
    """Transport: the scaling of the rows that gives every row its mass."""
    kernel, columns, row_mass = row_scaling.inputs[0]
    given = answer(kernel, columns, row_mass)
    yield same(given, 1 / (kernel @ columns)), "Now every row has mass 1. How much *should* it have?"
    yield same(given, (kernel @ columns) / row_mass), "Upside down: a row that has too much must be scaled down."
    yield same(given, row_mass / kernel.sum(axis=1)), "The columns have been scaled already. Sum what is there *now*."
    yield same(given, row_mass * (kernel @ columns)), "Multiplied: a row that has too much would get still more."


@exercise(
    right=lambda cost, column_potential, column_mass, epsilon: (
        -epsilon * np.logaddexp.reduce((column_potential - cost) / epsilon + np.log(column_mass), axis=1)
    ),
    inputs=[
        (np.array([[0.9, 0.1], [0.2, 0.7], [0.5, 0.5]]), np.array([0.1, -0.2]), np.array([0.25, 0.75]), 0.1),
        (np.array([[0.5, 1.5]]), np.array([0.0, 0.3]), np.array([0.5, 0.5]), 0.3),
        (np.array([[0.9, 0.6], [0.2, 0.7]]), np.array([0.0, 0.0]), np.array([0.5, 0.5]), 0.0005),
    ],
)
def row_potential(answer):
    """Transport: the same scaling as a potential, in the log domain."""
    cost, potential, mass, epsilon = arguments = row_potential.inputs[0]
    given = answer(*arguments)

    def soft(exponents):
        return np.logaddexp.reduce(exponents, axis=1)

    exponents = (potential - cost) / epsilon + np.log(mass)
    yield same(given, epsilon * soft(exponents)), "The sign: where everything is dear the potential must be *high*."
    yield same(given, -soft(exponents)), "A potential is in units of the cost. Which factor brings it back there?"
    yield same(given, -epsilon * soft(exponents - np.log(mass))), "All columns count alike. Where are their masses?"
    yield same(given, -epsilon * soft(-cost / epsilon + np.log(mass))), "The columns' potential is not in it."
    yield (
        not np.isfinite(as_array(answer(*row_potential.inputs[2]))).all(),
        "At $\\varepsilon=.0005$ every exponential is 0, and so is their sum. Use a log-sum-exp.",
    )


@exercise(
    right=lambda plan: np.divide(plan, plan.sum(axis=0), out=np.zeros_like(plan), where=plan.sum(axis=0) > 0),
    inputs=[
        (np.array([[0.1, 0.2], [0.3, 0.0], [0.0, 0.4]]),),
        (np.array([[0.5, 0.0, 0.1], [0.1, 0.0, 0.3]]),),
    ],
)
def plan_as_attention(answer):
    """Transport: where each sentence's mass comes from, as shares of that sentence's mass."""
    (plan,) = plan_as_attention.inputs[0]
    given = answer(plan)
    yield (
        same(given, plan / plan.sum(axis=1)[:, None]),
        "That is how each *region* shares itself. Sum over regions.",
    )
    yield same(given, plan / plan.max(axis=0)), "The largest is 1 now. It is the *sum* that attention has at 1."
    yield same(given, plan * plan.shape[1]), "Right only while every sentence has an even share of the mass."
    yield (
        not np.isfinite(as_array(answer(plan_as_attention.inputs[1][0]))).all(),
        "A sentence that gets no mass, as in partial transport, gives 0 / 0. Let it look nowhere: zeros.",
    )


@exercise(
    right=lambda plan, wanted: 1 - plan.sum(axis=0) / wanted,
    inputs=[
        (np.array([[0.2, 0.05, 0.0], [0.1, 0.05, 0.1]]), np.array([0.4, 0.2, 0.4])),
        (np.array([[0.25, 0.0], [0.25, 0.0]]), np.array([0.5, 0.5])),
    ],
)
def unplaced(answer):
    """Transport: the share of each sentence's mass that found no place."""
    plan, wanted = unplaced.inputs[0]
    given, got = answer(plan, wanted), plan.sum(axis=0)
    yield same(given, got / wanted), "That is the share that *did* find a place."
    yield same(given, wanted - got), "That is mass. Which share of what the sentence should have got is it?"
    yield same(given, 1 - got), "Sentences have different masses here: compare each with its own."
    yield same(given, 1 - plan.sum(axis=1)[:, None] / wanted), "You summed over sentences. Regions are in the rows."
    yield same(given, 1 - got / got.sum() / wanted), "You brought the plan to mass 1 first, and so hid what is missing."
