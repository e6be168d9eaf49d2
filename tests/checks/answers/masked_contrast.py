"""Answers to the exercises of `cxrtutor/checks/masked_contrast.py`."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax
from scipy.stats import entropy
from sklearn.metrics import mean_squared_error


def enlarged(hidden, truth):
    high, wide = np.array(truth.shape) // hidden.shape
    return hidden.repeat(high, axis=0).repeat(wide, axis=1)


def touched_patches(truth, hidden):
    high, wide = np.array(truth.shape) // hidden.shape
    return np.array(
        [
            [truth[r * high :, c * wide :][:high, :wide].any() for c in range(hidden.shape[1])]
            for r in range(hidden.shape[0])
        ]
    )


WRONG = {
    "hidden_share": [
        (lambda truth, hidden: (truth & enlarged(hidden, truth)).sum(), "counted pixels"),
        (lambda truth, hidden: truth[enlarged(hidden, truth)].mean(), "share of the *mask*"),
        (
            lambda truth, hidden: (truth & enlarged(hidden, truth)).sum() / (truth | enlarged(hidden, truth)).sum(),
            "IoU",
        ),
        (lambda truth, hidden: (truth & enlarged(hidden, truth)).mean(), "all pixels"),
        (lambda truth, hidden: 1 - enlarged(hidden, truth)[truth].mean(), "in sight"),
        (lambda truth, hidden: hidden[touched_patches(truth, hidden)].mean(), "counted patches"),
    ],
    "sample_weights": [
        (lambda likeness, tau: softmax(likeness / tau), "add up to 1"),
        (lambda likeness, tau: len(likeness) * softmax(likeness * tau), "*divides*"),
        (lambda likeness, tau: len(likeness) * softmax(likeness), "not hear of the temperature"),
        (lambda likeness, tau: likeness / likeness.mean(), "Exponentials"),
        (lambda likeness, tau: len(likeness) * softmax(-likeness / tau), "counts *more*"),
        (lambda likeness, tau: np.exp((likeness - likeness.max()) / tau), "not by the largest"),
        (
            lambda likeness, tau: np.full(2, np.nan) if tau < 0.01 else len(likeness) * softmax(likeness / tau),
            "overflow",
        ),
    ],
    "effective_studies": [
        (lambda weights: 1 / (weights @ weights), "only for those"),
        (lambda weights: ((weights / weights.sum()) ** 2).sum(), "Turn it round"),
        (lambda weights: np.exp(entropy(weights)), "entropy"),
        (lambda weights: weights.sum() / weights.max(), "largest weight alone"),
        (lambda weights: np.count_nonzero(weights), "crumb"),
        (lambda weights: weights.sum() / (weights @ weights), "squared, too"),
    ],
    "hidden_error": [
        (lambda predicted, pixels, hidden: np.mean((predicted - pixels) ** 2), "visible patches are in it"),
        (lambda predicted, pixels, hidden: np.mean((predicted - pixels)[~hidden] ** 2), "Those are the visible"),
        (lambda predicted, pixels, hidden: np.sum((predicted - pixels)[hidden] ** 2), "You summed"),
        (lambda predicted, pixels, hidden: np.sum((predicted - pixels)[hidden] ** 2) / pixels.size, "all pixels"),
        (
            lambda predicted, pixels, hidden: np.abs(predicted - pixels)[hidden].sum() / max(1, 2 * hidden.sum()),
            "absolute",
        ),
        (
            lambda predicted, pixels, hidden: np.mean((predicted - pixels)[hidden] ** 2) if hidden.any() else np.nan,
            "nothing is hidden",
        ),
    ],
}


def by_kronecker(truth, hidden):
    patch = np.ones(np.array(truth.shape) // hidden.shape, bool)
    return (np.kron(hidden, patch) & truth).sum() / truth.sum()


ALSO_RIGHT = {
    "hidden_share": by_kronecker,
    "sample_weights": lambda likeness, tau: len(likeness) * softmax(likeness / tau),
    "effective_studies": lambda weights: 1 / np.square(weights / weights.sum()).sum(),
    "hidden_error": lambda p, x, hidden: mean_squared_error(x[hidden], p[hidden]) if hidden.any() else 0.0,
}
