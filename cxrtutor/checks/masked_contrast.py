"""Exercises of `15-masked-contrast`."""

from __future__ import annotations

import numpy as np

from cxrtutor.checks.comparing import as_array, same
from cxrtutor.checks.formulas import entropy, softmax
from cxrtutor.checks.judging import exercise


@exercise(
    right=lambda truth, hidden: float((truth & _enlarged(hidden, truth.shape)).sum() / truth.sum()),
    inputs=[
        (np.array([[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1]], bool), np.array([[1, 0], [0, 1]], bool)),
        (np.array([[0, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]], bool), np.array([[0, 1], [1, 1]], bool)),
        (np.array([[1, 0, 0, 1, 0, 1], [1, 1, 0, 0, 0, 0]], bool), np.array([[1, 0, 0], [0, 0, 1]], bool)),
    ],
)
def hidden_share(answer):
    """Masked contrast: how much of a lesion lies under hidden patches."""
    truth, hidden = hidden_share.inputs[0]
    given, covered = answer(truth, hidden), _enlarged(hidden, truth.shape)
    both = truth & covered
    yield same(given, both.sum()), "You counted pixels. Which share of the lesion's are they?"
    yield same(given, both.sum() / covered.sum()), "That is the share of the *mask* that is lesion. Turn it round."
    yield same(given, both.sum() / (truth | covered).sum()), "That is the IoU. Only the lesion's pixels are judged."
    yield same(given, both.mean()), "The share of all pixels? Only the lesion's are judged."
    yield same(given, 1 - both.sum() / truth.sum()), "That is what stays in sight."
    touched = truth.reshape(2, 2, 2, 2).any(axis=(1, 3))
    yield same(given, (touched & hidden).sum() / touched.sum()), "You counted patches. Count the lesion's pixels."


@exercise(
    right=lambda likeness, tau: len(likeness) * softmax(likeness / tau),
    inputs=[
        (np.array([0.8, 0.4, 0.5]), 0.2),
        (np.array([0.1, -0.3, 0.9, 0.9]), 1.0),
        (np.array([0.99, 0.1]), 0.001),
    ],
)
def sample_weights(answer):
    """Masked contrast: the weights of a batch, by how much masked films look like themselves."""
    likeness, tau = sample_weights.inputs[0]
    given, right = answer(likeness, tau), 3 * softmax(likeness / tau)
    yield same(given, right / 3), "Yours add up to 1. So that a batch counts as before, their *mean* is 1."
    yield same(given, 3 * softmax(likeness * tau)), "The temperature *divides*."
    yield same(given, 3 * softmax(likeness)), "Yours do not hear of the temperature."
    yield same(given, 3 * likeness / likeness.sum()), "Shares of what? Exponentials come first."
    yield same(given, 3 * softmax(-likeness / tau)), "A sign: what looks like itself counts *more*."
    yield same(given, right / right.max()), "Divide by the mean, not by the largest."
    yield (
        not np.isfinite(as_array(answer(*sample_weights.inputs[2]))).all(),
        "At $\\tau_\\omega=.001$ yours overflow: take the largest exponent out first.",
    )


@exercise(
    right=lambda weights: float(weights.sum() ** 2 / (weights**2).sum()),
    inputs=[
        (np.array([2.0, 1.0, 0.5, 0.5]),),
        (np.array([0.5, 0.5]),),
        (np.array([0.0, 0.0, 3.0]),),
    ],
)
def effective_studies(answer):
    """Masked contrast: of how many studies a weighted mean is worth."""
    (weights,) = effective_studies.inputs[0]
    given, shares = answer(weights), weights / weights.sum()
    yield same(given, 1 / (weights**2).sum()), "Right for weights that add up to 1, and only for those."
    yield same(given, (shares**2).sum()), "Turn it round: the more even the weights, the *more* studies count."
    yield same(given, np.exp(entropy(shares))), "That is the exponential of the entropy, another way to count."
    yield same(given, weights.sum() / weights.max()), "That looks at the largest weight alone."
    yield same(given, (weights > 0).sum()), "You count the studies with any weight at all. A crumb is not a loaf."
    yield same(given, weights.sum() / (weights**2).sum()), "The sum above is squared, too."


@exercise(
    right=lambda predicted, pixels, hidden: _hidden_error(predicted, pixels, hidden),
    inputs=[
        (
            np.array([[1.0, 0.0], [2.0, 2.0], [0.0, -1.0], [0.5, 0.5]]),
            np.array([[0.0, 0.0], [0.0, 2.0], [1.0, -1.0], [0.5, 1.5]]),
            np.array([True, True, False, False]),
        ),
        (np.ones((3, 2)), np.zeros((3, 2)), np.zeros(3, bool)),
        (np.array([[3.0], [1.0]]), np.array([[0.0], [1.0]]), np.array([True, True])),
    ],
)
def hidden_error(answer):
    """Masked contrast: the decoder's mean square error, on hidden patches only."""
    predicted, pixels, hidden = arguments = hidden_error.inputs[0]
    given, squares = answer(*arguments), (predicted - pixels) ** 2
    yield same(given, squares.mean()), "The visible patches are in it. They could be copied: leave them out."
    yield same(given, squares[~hidden].mean()), "Those are the visible patches."
    yield same(given, squares[hidden].sum()), "You summed. The mean keeps masks of different ratios comparable."
    yield same(given, squares[hidden].sum() / squares.size), "You divided by all pixels: count the hidden ones only."
    yield same(given, np.abs(predicted - pixels)[hidden].mean()), "Those are absolute errors. Square them."
    yield (
        not np.isfinite(as_array(answer(*hidden_error.inputs[1]))).all(),
        "Where nothing is hidden yours is not a number. It should be 0.",
    )


def _enlarged(patches: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A grid of patches at the size of its image."""
    return np.kron(patches, np.ones((shape[0] // patches.shape[0], shape[1] // patches.shape[1]), bool)).astype(bool)


def _hidden_error(predicted: np.ndarray, pixels: np.ndarray, hidden: np.ndarray) -> float:
    errors = (predicted - pixels)[hidden]
    return float((errors**2).sum() / max(1, errors.size))
