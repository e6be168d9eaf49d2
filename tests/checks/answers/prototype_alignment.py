"""Answers to the exercises of `cxrtutor/checks/prototype_alignment.py`."""

from __future__ import annotations

import numpy as np
import torch
from answers.helpers import arrays
from scipy.special import logsumexp, softmax
from scipy.stats import entropy
from torch.nn import functional as F


def normalized(table, axis):
    return table / table.sum(axis=axis, keepdims=True)


def predicted(codes, scores, tau):
    """The cost of predicting one side's codes by the other side's scores."""
    return logsumexp(scores / tau, axis=1).mean() - (codes * scores).sum(axis=1).mean() / tau


def underflowing_swap(films, reports, film_codes, report_codes, tau):
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = [np.log(softmax(scores / tau, axis=1)) for scores in (reports, films)]
        return (
            -sum((codes * log).sum(axis=1).mean() for codes, log in zip((film_codes, report_codes), logs, strict=True))
            / 2
        )


def mistaken(cosines, stories, own, tau):
    return softmax(np.delete(cosines, own) / tau)[np.delete(stories, own) == stories[own]].sum()


def unused_is_no_number(codes):
    mean = codes.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.exp(-(mean * np.log(mean)).sum())


WRONG = {
    "sinkhorn_round": [
        (lambda table: table / table.sum(axis=0), "What do the rows sum to"),
        (lambda table: table / table.sum(axis=1)[:, None], "each study by itself"),
        (lambda table: normalized(normalized(table, 1), 0), "the other way round"),
        (lambda table: table / table.sum(axis=0) / table.sum(axis=1)[:, None], "Sum them again"),
    ],
    "swapped_loss": [
        (lambda a, b, p, q, tau: (predicted(p, a, tau) + predicted(q, b, tau)) / 2, "the swap"),
        (lambda a, b, p, q, tau: predicted(p, b, tau) + predicted(q, a, tau), "halved"),
        (lambda a, b, p, q, tau: (predicted(p, b, tau) + predicted(q, a, tau)) / 2 * len(a), "mean over studies."),
        (
            lambda a, b, p, q, tau: (predicted(p, b, tau) + predicted(q, a, tau)) / 2 / a.shape[1],
            "*sum* over prototypes",
        ),
        (lambda a, b, p, q, tau: (predicted(p, b, 1) + predicted(q, a, 1)) / 2, "does not change when tau does"),
        (lambda a, b, p, q, tau: -(predicted(p, b, tau) + predicted(q, a, tau)) / 2, "The sign"),
        (arrays(underflowing_swap), "softmax and logarithm at once"),
    ],
    "mistaken_push": [
        (lambda c, s, own, tau: softmax(c / tau)[s == s[own]].sum(), "pulled, not pushed"),
        (lambda c, s, own, tau: softmax(c / tau)[s == s[own]].sum() - softmax(c / tau)[own], "*pushed*"),
        (lambda c, s, own, tau: np.mean(np.delete(s, own) == s[own]), "How hard"),
        (lambda c, s, own, tau: mistaken(c, s, own, 1), "does not change when tau does"),
        (lambda c, s, own, tau: 1 - mistaken(c, s, own, tau), "*other* stories"),
    ],
    "kinds_in_use": [
        (lambda codes: entropy(codes.mean(axis=0)), "That is the entropy"),
        (lambda codes: np.exp(entropy(codes, axis=1).mean()), "First the mean code"),
        (lambda codes: 2 ** entropy(codes.mean(axis=0)), "Base and logarithm"),
        (lambda codes: np.exp(-entropy(codes.mean(axis=0))), "The sign"),
        (arrays(unused_is_no_number), "counts as 0"),
    ],
}


def by_cross_entropy(films, reports, film_codes, report_codes, tau):
    films, reports, film_codes, report_codes = map(torch.from_numpy, (films, reports, film_codes, report_codes))
    return (F.cross_entropy(reports / tau, film_codes) + F.cross_entropy(films / tau, report_codes)) / 2


def own_left_out(cosines, stories, own, tau):
    others = [place for place in range(len(cosines)) if place != own]
    return softmax(cosines[others] / tau) @ (stories[others] == stories[own])


ALSO_RIGHT = {
    "sinkhorn_round": lambda table: F.normalize(F.normalize(torch.from_numpy(table), p=1, dim=0), p=1, dim=1),
    "swapped_loss": by_cross_entropy,
    "mistaken_push": own_left_out,
    "kinds_in_use": lambda codes: np.exp(entropy(codes.sum(axis=0))),
}


def from_tensors(films, reports, film_codes, report_codes, tau):
    costs = film_codes * (reports / tau).log_softmax(dim=1) + report_codes * (films / tau).log_softmax(dim=1)
    return -costs.sum(dim=1).mean() / 2


IN_OTHER_TYPES = {"swapped_loss": from_tensors}
