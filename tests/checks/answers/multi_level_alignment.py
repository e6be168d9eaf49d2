"""Answers to the exercises of `cxrtutor/checks/multi_level_alignment.py`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from answers.helpers import cosine_of
from scipy.spatial.distance import cosine
from scipy.special import softmax


def paid(S, axis):
    """What those pay on average who choose along an axis of a table."""
    return -np.log(np.diag(softmax(S, axis=axis))).mean()


def both_ways(S):
    return paid(S, 0) + paid(S, 1)


def gathered(maps, owner, sentences, count):
    """Maps of words added to their sentences one by one, padding too, and divided by a count of each."""
    total, number = np.zeros((sentences, *maps.shape[1:])), np.zeros(sentences)
    for values, sentence in zip(maps, owner, strict=True):
        total[sentence] += values
        number[sentence] += sentence >= 0
    return total / count(number)[:, None, None]


def added_up(maps, owner, sentences):
    return gathered(maps[owner >= 0], owner[owner >= 0], sentences, np.ones_like)


def mean_of_nothing(maps, owner, sentences):
    with np.errstate(invalid="ignore"):
        return gathered(maps[owner >= 0], owner[owner >= 0], sentences, np.copy)


def differences(a, b):
    return [a[sample] - b[sample] for sample in a if sample in b]


WRONG = {
    "six_terms": [
        (lambda tables: sum(paid(S, 1) for S in tables), "Films choose"),
        (lambda tables: sum(paid(S, 0) for S in tables), "Reports choose"),
        (lambda tables: sum(both_ways(S) / 2 for S in tables), "not averaged"),
        (lambda tables: np.mean([both_ways(S) for S in tables]), "over levels"),
        (lambda tables: sum(len(S) * both_ways(S) for S in tables), "over its pairs"),
        (lambda tables: both_ways(np.sum(tables, axis=0)), "tables first"),
        (lambda tables: -sum(both_ways(S) for S in tables), "negative"),
    ],
    "report_logit": [
        (lambda r, u, t2, t3: t3 * t2 * np.mean([cosine_of(one, u) for one in r]), "mean of the cosines"),
        (lambda r, u, t2, t3: t3 * t2 * max(cosine_of(one, u) for one in r), "cannot choose"),
        (lambda r, u, t2, t3: t3 * cosine_of(r.mean(axis=0), u), "t2"),
        (lambda r, u, t2, t3: t3 * np.exp(t2 * cosine_of(r.mean(axis=0), u)), "logarithm"),
        (lambda r, u, t2, t3: t3 * t2 * r.mean(axis=0) @ u, "dot product"),
    ],
    "sentence_maps": [
        (mean_of_nothing, "without words"),
        (lambda maps, owner, n: gathered(maps, owner, n, lambda number: np.maximum(number, 1)), "the last one"),
        (added_up, "add up"),
        (lambda maps, owner, n: added_up(maps, owner, n) / len(owner), "all words"),
        (lambda maps, owner, n: maps * (owner >= 0)[:, None, None], "for each word"),
    ],
    "paired_gain": [
        (lambda a, b: np.mean(differences(a, b)), "One NaN"),
        (lambda a, b: np.nanmean(differences(b, a)), "turned round"),
        (lambda a, b: np.nanmean(list(a.values())) - np.nanmean(list(b.values())), "its own samples"),
        (lambda a, b: np.nanmean([a.get(s, 0) - b.get(s, 0) for s in a.keys() | b.keys()]), "counts as 0"),
        (lambda a, b: np.nansum(differences(a, b)) / len(differences(a, b)), "no difference"),
    ],
}


def by_cross_entropy(tables):
    tables = [torch.from_numpy(np.asarray(table, dtype=float)) for table in tables]
    return sum(
        torch.nn.functional.cross_entropy(one, torch.arange(len(one))) for table in tables for one in (table, table.T)
    )


def by_membership(maps, owner, sentences):
    belongs = np.arange(sentences)[:, None] == owner
    return np.einsum("sw,whv->shv", belongs / belongs.sum(axis=1, keepdims=True).clip(min=1), maps)


ALSO_RIGHT = {
    "six_terms": by_cross_entropy,
    "report_logit": lambda regions, report, t2, t3: t3 * t2 * (1 - cosine(regions.sum(axis=0), report)),
    "sentence_maps": by_membership,
    "paired_gain": lambda a, b: (pd.Series(a) - pd.Series(b)).mean(),
}


def from_tensors(tables):
    stack = torch.stack(tables)
    return -(stack.log_softmax(dim=1) + stack.log_softmax(dim=2)).diagonal(dim1=1, dim2=2).mean(dim=1).sum()


IN_OTHER_TYPES = {"six_terms": from_tensors}
