"""Answers to the exercises of `cxrtutor/checks/token_alignment.py`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from answers.helpers import length_one
from scipy.special import softmax
from torch.nn import functional as F


def only_between_the_limits(attention):
    low, high = np.quantile(attention, [0.1, 0.9])
    kept = attention * ((low <= attention) & (attention <= high))
    return kept / kept.sum()


WRONG = {
    "token_context": [
        (lambda word, regions, a: softmax(regions @ word / a) @ regions, "normalised once more"),
        (lambda word, regions, a: length_one(softmax(regions @ word * a) @ regions), "*divides*"),
        (lambda word, regions, a: length_one(softmax(regions @ word) @ regions), "not hear of the temperature"),
        (lambda word, regions, a: length_one(regions.T @ (regions @ word)), "a softmax makes them"),
        (lambda word, regions, a: regions[np.argmax(regions @ word)], "best region alone"),
    ],
    "token_weights": [
        (lambda attention: attention / attention.sum(), "clip first"),
        (lambda attention: np.clip(attention, *np.quantile(attention, [0.1, 0.9])), "not one"),
        (
            lambda attention: np.clip(attention / attention.sum(), *np.quantile(attention, [0.1, 0.9])),
            "*then* share out",
        ),
        (only_between_the_limits, "not to drop it"),
        (
            lambda attention: (cut := np.minimum(attention, np.quantile(attention, 0.9))) / cut.sum(),
            "lower limit",
        ),
    ],
    "token_choice": [
        (lambda table, weights: -weights @ np.log(np.diag(softmax(table, axis=1))), "columns pay"),
        (lambda table, weights: -weights @ np.log(np.diag(softmax(table, axis=0))), "rows pay"),
        (
            lambda table, weights: -weights @ sum(np.log(np.diag(softmax(table, axis=axis))) for axis in (0, 1)),
            "*halved*",
        ),
        (
            lambda table, weights: -sum(np.log(np.diag(softmax(table, axis=axis))).mean() for axis in (0, 1)) / 2,
            "weights are missing",
        ),
        (
            lambda table, weights: weights @ sum(np.log(np.diag(softmax(table, axis=axis))) for axis in (0, 1)) / 2,
            "never negative",
        ),
    ],
    "stranger_share": [
        (lambda table: np.mean(table < np.diag(table)), "no stranger"),
        (lambda table: (np.diag(table)[:, None] > table).sum() / (len(table) * (len(table) - 1)), "Films lie in rows"),
        (lambda table: (table > np.diag(table)).sum() / (len(table) * (len(table) - 1)), "fit *better*"),
        (lambda table: np.mean(table.argmax(axis=0) == np.arange(len(table))), "how often the own film"),
    ],
}


def by_torch(word, regions, a):
    word, regions = torch.from_numpy(word), torch.from_numpy(regions)
    return F.normalize((regions @ word / a).softmax(dim=0) @ regions, dim=0)


def clipped_by_pandas(attention):
    attention = pd.Series(attention)
    clipped = attention.clip(attention.quantile(0.1), attention.quantile(0.9))
    return (clipped / clipped.sum()).to_numpy()


def by_cross_entropy(table, weights):
    table, own = torch.from_numpy(table), torch.arange(len(table))
    return sum(torch.from_numpy(weights) @ F.cross_entropy(one, own, reduction="none") for one in (table, table.T)) / 2


ALSO_RIGHT = {
    "token_context": by_torch,
    "token_weights": clipped_by_pandas,
    "token_choice": by_cross_entropy,
    "stranger_share": lambda t: np.mean(
        [t[film, own] < t[own, own] for own in range(len(t)) for film in range(len(t)) if film != own]
    ),
}


def from_tensors(table, weights):
    own = torch.arange(len(table))
    return weights @ sum(torch.nn.functional.cross_entropy(one, own, reduction="none") for one in (table, table.T)) / 2


def clamped(attention):
    kept = attention.clamp(*attention.quantile(torch.tensor([0.1, 0.9])))
    return kept / kept.sum()


IN_OTHER_TYPES = {"token_choice": from_tensors, "token_weights": clamped}
