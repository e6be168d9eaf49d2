"""Answers to the exercises of `cxrtutor/checks/transport_alignment.py`."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import logsumexp


def quietly(function):
    """The same without NumPy's warnings, for answers that overflow or divide by nothing."""

    def called(*arguments):
        with np.errstate(all="ignore"):
            return function(*arguments)

    return called


WRONG = {
    "row_scaling": [
        (lambda K, v, a: 1 / (K @ v), "*should* it have"),
        (lambda K, v, a: (K @ v) / a, "Upside down"),
        (lambda K, v, a: a / K.sum(axis=1), "what is there *now*"),
        (lambda K, v, a: a * (K @ v), "still more"),
    ],
    "row_potential": [
        (lambda C, g, b, eps: eps * logsumexp((g - C) / eps, axis=1, b=b), "The sign"),
        (lambda C, g, b, eps: -logsumexp((g - C) / eps, axis=1, b=b), "units of the cost"),
        (lambda C, g, b, eps: -eps * logsumexp((g - C) / eps, axis=1), "Where are their masses"),
        (lambda C, g, b, eps: -eps * logsumexp(-C / eps, axis=1, b=b), "is not in it"),
        (quietly(lambda C, g, b, eps: -eps * np.log(np.exp((g - C) / eps) @ b)), "Use a log-sum-exp"),
    ],
    "plan_as_attention": [
        (lambda plan: plan / plan.sum(axis=1)[:, None], "how each *region* shares"),
        (lambda plan: plan / plan.max(axis=0), "It is the *sum*"),
        (lambda plan: plan * plan.shape[1], "an even share of the mass"),
        (quietly(lambda plan: plan / plan.sum(axis=0)), "Let it look nowhere"),
    ],
    "unplaced": [
        (lambda plan, wanted: plan.sum(axis=0) / wanted, "*did* find"),
        (lambda plan, wanted: wanted - plan.sum(axis=0), "That is mass"),
        (lambda plan, wanted: 1 - plan.sum(axis=0), "with its own"),
        (lambda plan, wanted: 1 - plan.sum(axis=1)[:, None] / wanted, "Regions are in the rows"),
        (lambda plan, wanted: 1 - plan.sum(axis=0) / plan.sum() / wanted, "hid what is missing"),
    ],
}


def by_torch(cost, potential, mass, epsilon):
    cost, potential, mass = map(torch.from_numpy, (cost, potential, mass))
    return -epsilon * torch.logsumexp((potential - cost) / epsilon + mass.log(), dim=1)


def divided_where_there_is_mass(plan):
    mass = np.broadcast_to(plan.sum(axis=0), plan.shape)
    return np.divide(plan, mass, out=np.zeros_like(plan), where=mass > 0)


ALSO_RIGHT = {
    "row_scaling": lambda K, v, a: [mass / sum(row * v) for row, mass in zip(K, a, strict=True)],
    "row_potential": by_torch,
    "plan_as_attention": divided_where_there_is_mass,
    "unplaced": lambda plan, wanted: (wanted - plan.sum(axis=0)) / wanted,
}

IN_OTHER_TYPES = {"row_potential": lambda C, g, b, eps: -eps * ((g - C) / eps + b.log()).logsumexp(dim=1)}
