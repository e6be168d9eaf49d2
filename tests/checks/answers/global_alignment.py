"""Answers to the exercises of `cxrtutor/checks/global_alignment.py`."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from answers.helpers import arrays
from scipy.special import log_softmax, softmax


def chosen(table):
    """Cross-entropy of the rows, with the diagonal as targets."""
    return -np.mean(np.diag(table - np.logaddexp.reduce(table, axis=1, keepdims=True)))


def underflowing(S, tau):
    with np.errstate(divide="ignore"):
        return -np.mean(np.log(np.diag(softmax(S / tau, axis=1))))


def others(row, own):
    return softmax(np.delete(row, own)).max()


WRONG = {
    "image_to_text": [
        (arrays(lambda S, tau: -np.mean(np.diag(np.log(softmax(S / tau, axis=0))))), "Which axis"),
        (arrays(lambda S, tau: chosen(S / tau) + chosen(S.T / tau)), "both halves"),
        (arrays(lambda S, tau: chosen(S)), "does not change when tau does"),
        (arrays(lambda S, tau: chosen(S * tau)), "*divided*"),
        (arrays(lambda S, tau: len(S) * chosen(S / tau)), "Twice the studies"),
        (arrays(lambda S, tau: -chosen(S / tau)), "sign"),
        (arrays(underflowing), "softmax and logarithm at once"),
    ],
    "hardest_share": [
        (arrays(lambda row, own, tau: np.delete(softmax(row / tau), own).max()), "Leave it out"),
        (arrays(lambda row, own, tau: (p := softmax(row / tau)).max() / (1 - p[own])), "*others*"),
        (arrays(lambda row, own, tau: others(row, own)), "does not change when tau does"),
        (
            arrays(lambda row, own, tau: np.delete(row / tau, own).max() / np.delete(row / tau, own).sum()),
            "exponentials",
        ),
        (arrays(lambda row, own, tau: np.argmax(np.where(np.arange(len(row)) == own, -np.inf, row))), "*which*"),
    ],
    "recall_at_k": [
        (arrays(lambda S, k: float((np.sum(np.diag(S) < S, axis=0) < k).mean())), "look along its row"),
        (arrays(lambda S, k: float((np.sum(np.diag(S)[:, None] < S, axis=1) < k).sum())), "Which share"),
        (arrays(lambda S, k: float((np.sum(np.diag(S)[:, None] < S, axis=1) < k - 1).mean())), "second"),
        (arrays(lambda S, k: float((np.sum(np.diag(S)[:, None] < S, axis=1) <= k).mean())), "third"),
    ],
    "false_negatives": [
        (lambda stories: sum(a == b for a in stories for b in stories), "diagonal"),
        (lambda stories: sum(a == b for a in stories for b in stories) - len(stories), "twice"),
        (lambda stories: len(stories) - len(set(stories)), "*three* pairs"),
        (lambda stories: sum(bool(a & b) for i, a in enumerate(stories) for b in stories[:i]), "*equal*"),
        (lambda stories: sum(bool(a) and a == b for i, a in enumerate(stories) for b in stories[:i]), "healthy"),
    ],
}


ALSO_RIGHT = {
    "image_to_text": arrays(lambda S, tau: -np.diag(log_softmax(S / tau, axis=1)).mean()),
    "hardest_share": arrays(
        lambda row, own, tau: softmax(np.where(np.arange(len(row)) == own, -np.inf, row / tau)).max()
    ),
    "recall_at_k": lambda S, k: np.mean([film in S[film].topk(k).indices for film in range(len(S))]),
    "false_negatives": lambda stories: sum(a == b for a, b in combinations(stories, 2)),
}
