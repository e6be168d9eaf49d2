"""Exercises of `17-zero-and-few-shot`."""

from __future__ import annotations

import numpy as np

from cxrtutor.checks.comparing import same
from cxrtutor.checks.formulas import cosine_of
from cxrtutor.checks.judging import exercise


@exercise(
    right=lambda film, prompts: _prompt_ensemble(film, prompts),
    inputs=[
        (np.array([1.0, 2.0, 0.0]), np.array([[3.0, 0.0, 0.0], [0.0, 1.0, 1.0]])),
        (np.array([0.6, 0.8]), np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]])),
        (np.array([-1.0, 0.5]), np.array([[0.2, 0.1]])),
    ],
)
def prompt_ensemble(answer):
    """Transfer: the cosine of a film with the mean of several prompts' directions."""
    film, prompts = arguments = prompt_ensemble.inputs[0]
    given = answer(*arguments)
    lengths = np.linalg.norm(prompts, axis=1)
    cosines = prompts @ film / lengths / np.linalg.norm(film)
    mean = (prompts / lengths[:, None]).mean(axis=0)
    yield (
        same(given, cosine_of(film, prompts.mean(axis=0))),
        "You took the mean of the vectors as they are: the longest prompt has the most say. Length 1 first.",
    )
    yield (
        same(given, cosines.mean()),
        "That is the mean of the cosines. Take one cosine with the mean *prompt*; its length is not 1.",
    )
    yield same(given, cosines.max()), "That is the best prompt's cosine. All are to have a say."
    yield same(given, film @ mean), "A dot product. A cosine divides by *both* lengths, the film's and the mean's."


@exercise(
    right=lambda z, y, weights, offset, strength: (
        weights + strength * _probe_errors(z, y, weights, offset) @ z,
        strength * _probe_errors(z, y, weights, offset).sum(),
    ),
    inputs=[
        (np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), np.array([1.0, 1.0, 0.0]), np.array([0.5, -0.3]), 0.4, 3.0),
        (np.array([[1.0], [-1.0]]), np.array([0.0, 1.0]), np.array([0.0]), 0.0, 1.0),
    ],
)
def probe_gradient(answer):
    """Transfer: the gradient of the penalised logistic loss, of weights and offset."""
    z, y, weights, offset, strength = arguments = probe_gradient.inputs[0]
    errors = _probe_errors(z, y, weights, offset)
    given = answer(*arguments)
    yield (
        same(given, (weights - strength * errors @ z, -strength * errors.sum())),
        "A film's error is what was said *less* what is true; yours has the other sign.",
    )
    yield (
        same(given, (strength * errors @ z, strength * errors.sum())),
        "Where is the penalty? Its gradient is the weights.",
    )
    yield (
        same(given, (weights + strength * errors @ z, offset + strength * errors.sum())),
        "You penalised the offset too. Only the weights are pulled back.",
    )
    yield (
        same(given, (weights + strength * errors @ z / len(z), strength * errors.mean())),
        "The loss is a *sum* over films here: more labels weigh more against the penalty.",
    )
    yield (
        same(given, (strength * weights + errors @ z, errors.sum())),
        "The strength belongs to the labels, and not to the penalty.",
    )


@exercise(
    right=lambda scores, shown: _list_precision(scores, shown),
    inputs=[
        (np.array([0.9, 0.7, 0.4, 0.3, 0.1]), np.array([True, False, False, True, False])),
        (np.array([1.0, 5.0, 2.0, 4.0]), np.array([False, True, False, True])),
        (np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, False, False, False])),
    ],
)
def list_precision(answer):
    """Transfer: the average precision of a list of films."""
    scores, shown = arguments = list_precision.inputs[0]
    given, ranked = answer(*arguments), shown[np.argsort(-scores)]
    so_far = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    yield same(given, _list_precision(-scores, shown)), "You went *up* the list. Begin with the highest score."
    yield same(given, so_far.mean()), "Ask only where a film *with* the finding comes up, and not at every place."
    yield (
        same(given, so_far[ranked].sum() / len(ranked)),
        "A mean over the films with the finding: divide by how many these are.",
    )
    pairs = scores[shown][:, None] > scores[~shown]
    yield same(given, pairs.mean()), "That is the AUROC, which counts pairs. Here you count down the list."
    yield same(given, so_far[ranked.sum() - 1]), "That is the precision of one place. Take the mean over all hits."


@exercise(
    right=lambda probability, taught, here: _at_prevalence(probability, taught, here),
    inputs=[
        (np.array([0.5, 0.8, 0.1]), 0.5, 0.1),
        (np.array([0.5, 0.2]), 0.2, 0.2),
        (np.array([0.3, 0.6]), 0.2, 0.4),
    ],
)
def at_prevalence(answer):
    """Transfer: what a probability means where the finding is rarer or more frequent than in training."""
    probability, taught, here = arguments = at_prevalence.inputs[2]
    given = answer(*arguments)
    odds = probability / (1 - probability) * (1 - taught) / taught * here / (1 - here)
    yield (
        same(given, probability * here / taught),
        "The probabilities of yes and of no no longer add up to 1. Multiply the *odds*, p / (1 - p).",
    )
    yield same(given, _at_prevalence(probability, here, taught)), "The wrong way round: from `here` to `taught`."
    yield same(given, odds), "Those are the odds. Odds o are a probability of o / (1 + o)."
    yield (
        same(given, probability + here - taught),
        "A difference may lead below 0 or above 1. What is multiplied are the odds.",
    )
    scaled = probability / (1 - probability) * here / taught
    yield same(given, scaled / (1 + scaled)), "The odds of a prevalence q are q / (1 - q), and not q."


def _prompt_ensemble(film: np.ndarray, prompts: np.ndarray) -> float:
    mean = (prompts / np.linalg.norm(prompts, axis=1, keepdims=True)).mean(axis=0)
    return cosine_of(film, mean)


def _probe_errors(z: np.ndarray, y: np.ndarray, weights: np.ndarray, offset: float) -> np.ndarray:
    return 1 / (1 + np.exp(-(z @ weights + offset))) - y


def _list_precision(scores: np.ndarray, shown: np.ndarray) -> float:
    ranked = shown[np.argsort(-scores)]
    return float((np.cumsum(ranked) / np.arange(1, len(ranked) + 1))[ranked].mean())


def _at_prevalence(probability: np.ndarray, taught: float, here: float) -> np.ndarray:
    with_it, without = probability * here / taught, (1 - probability) * (1 - here) / (1 - taught)
    return with_it / (with_it + without)
