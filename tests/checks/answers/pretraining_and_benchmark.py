"""Answers to the exercises of `cxrtutor/checks/pretraining_and_benchmark.py`."""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import sem


def cross_entropies(S):
    """Of a table of similarities: what every film pays, and below it what every report pays."""
    return np.stack([np.log(np.exp(S).sum(axis=way)) - np.diag(S) for way in (1, 0)])


def parts_of(S, parts):
    """The tables of equal parts of a batch, in order."""
    size = len(S) // parts
    return [S[k : k + size, k : k + size] for k in range(0, len(S), size)]


def limits(gaps, reach):
    return np.mean(gaps) - reach, np.mean(gaps) + reach


WRONG = {
    "cut_contrast": [
        (lambda S, parts: cross_entropies(S).mean(axis=1).sum(), "rows *and* columns"),
        (lambda S, parts: sum(cross_entropies(own).mean(axis=1).sum() for own in parts_of(S, parts)), "Summed over"),
        (lambda S, parts: np.mean([cross_entropies(own) for own in parts_of(S, parts)]), "not averaged"),
        (lambda S, parts: np.mean([cross_entropies(own)[0] for own in parts_of(S, parts)]), "reports choose films"),
        (lambda S, parts: cross_entropies(S)[0].mean(), "reports choose films"),
        (lambda S, parts: 2 * np.mean([cross_entropies(S[k::parts, k::parts]) for k in range(parts)]), "In order"),
    ],
    "weight_gradient": [
        (lambda films, cache, size: cache.T @ films, "rows of `dim`"),
        (lambda films, cache, size: films[-1:].T @ cache[-1:], "last piece's alone"),
        (lambda films, cache, size: films.T @ cache / -(-len(films) // size), "mean over the pieces"),
        (
            lambda films, cache, size: films[: len(films) // size * size].T @ cache[: len(films) // size * size],
            "smaller and counts",
        ),
    ],
    "seed_interval": [
        (lambda gaps, factor: limits(gaps, factor * np.std(gaps, ddof=1)), "*single* seed"),
        (lambda gaps, factor: limits(gaps, factor * np.std(gaps, ddof=1) / len(gaps)), "*root*"),
        (lambda gaps, factor: limits(gaps, factor * np.std(gaps) / len(gaps) ** 0.5), "n - 1"),
        (lambda gaps, factor: limits(gaps, 1.96 * np.std(gaps, ddof=1) / len(gaps) ** 0.5), "many seeds"),
        (lambda gaps, factor: factor * np.std(gaps, ddof=1) / len(gaps) ** 0.5, "both limits"),
    ],
    "winners_luck": [
        (lambda chosen, fresh: (chosen.max(axis=0) - fresh.max(axis=0)).mean(), "*same* method"),
        (
            lambda chosen, fresh: np.mean([f[c.argmax()] - c.max() for c, f in zip(chosen.T, fresh.T, strict=True)]),
            "other way round",
        ),
        (
            lambda chosen, fresh: np.mean([c[f.argmax()] - f.max() for c, f in zip(chosen.T, fresh.T, strict=True)]),
            "not by the fresh",
        ),
        (lambda chosen, fresh: (chosen - fresh)[chosen.mean(axis=1).argmax()].mean(), "winner of its own"),
        (lambda chosen, fresh: (chosen - fresh).mean(), "Only the winner"),
    ],
}


def by_cross_entropy(S, parts):
    tables = [torch.from_numpy(one) for one in parts_of(S, parts)]
    own = torch.arange(len(tables[0]))
    return sum(torch.nn.functional.cross_entropy(one, own) for table in tables for one in (table, table.T)) / parts


def by_autograd(films, cache, size):
    weight = torch.zeros(films.shape[1], cache.shape[1], dtype=torch.float64, requires_grad=True)
    for some, gradient in zip(torch.from_numpy(films).split(size), torch.from_numpy(cache).split(size), strict=True):
        (some @ weight).backward(gradient)
    return weight.grad


ALSO_RIGHT = {
    "cut_contrast": by_cross_entropy,
    "weight_gradient": by_autograd,
    "seed_interval": lambda gaps, factor: limits(gaps, factor * sem(gaps)),
    "winners_luck": lambda chosen, fresh: np.mean(
        [old.max() - new[old.argmax()] for old, new in zip(chosen.T, fresh.T, strict=True)]
    ),
}
