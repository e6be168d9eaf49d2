"""Answers to the exercises of `cxrtutor/checks/sentence_alignment.py`."""

from __future__ import annotations

import numpy as np
import torch
from answers.helpers import cosine_of
from scipy.special import logsumexp, softmax

WRONG = {
    "attention_ceiling": [
        (lambda t1, n: np.exp(t1) / (np.exp(t1) + n), "*other*"),
        (lambda t1, n: 1 / n, "share 1"),
        (lambda t1, n: 1.0, "$e^0$"),
        (lambda t1, n: t1 / (t1 + n - 1), "exponentials"),
    ],
    "mean_similarity": [
        (lambda cosines, t2: np.log(np.exp(t2 * cosines).sum()), "That is the sum"),
        (lambda cosines, t2: np.log(np.exp(t2 * cosines).sum()) / len(cosines), "divide the logarithm"),
        (lambda cosines, t2: t2 * cosines.mean(), "mean of the cosines"),
        (lambda cosines, t2: np.log(np.exp(t2 * cosines).mean()) / t2, "divide by $t_2$"),
        (lambda cosines, t2: float("inf") if t2 > 100 else np.log(np.exp(t2 * cosines).mean()), "overflows"),
    ],
    "masked_shares": [
        (lambda scores, mask: softmax(scores, axis=0), "takes its part"),
        (lambda scores, mask: softmax(scores, axis=0) * mask[:, None], "no longer gives out 1"),
        (lambda scores, mask: softmax(scores, axis=1) * mask[:, None], "choose among regions"),
        (lambda scores, mask: np.where(mask[:, None], softmax(scores, axis=0), np.nan), "NaN"),
    ],
    "context_fit": [
        (
            lambda r, a, u: a @ (r @ u / (np.linalg.norm(r, axis=1) * np.linalg.norm(u))),
            "cosine of the mean",
        ),
        (lambda r, a, u: a @ r @ u, "grows with the lengths"),
        (lambda r, a, u: cosine_of(r.mean(axis=0), u), "looks everywhere"),
        (lambda r, a, u: a @ r, "That is the context"),
    ],
}


def only_the_real(scores, mask):
    shares = np.zeros_like(scores)
    shares[mask] = softmax(scores[mask], axis=0)
    return shares


def by_torch(regions, attention, sentence):
    regions, attention, sentence = map(torch.from_numpy, (regions, attention, sentence))
    return torch.nn.functional.cosine_similarity(attention @ regions, sentence, dim=0)


ALSO_RIGHT = {
    "attention_ceiling": lambda t1, regions: softmax([t1] + [0] * (regions - 1))[0],
    "mean_similarity": lambda cosines, t2: logsumexp(t2 * cosines, b=1 / len(cosines)),
    "masked_shares": only_the_real,
    "context_fit": by_torch,
}

IN_OTHER_TYPES = {
    "masked_shares": lambda scores, mask: scores.masked_fill(~mask[:, None], -torch.inf).softmax(dim=0),
}
