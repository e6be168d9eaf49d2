"""Answers to the exercises of `cxrtutor/checks/zero_and_few_shot.py`."""

from __future__ import annotations

import numpy as np
import torch
from answers.helpers import cosine_of, length_one
from scipy.special import expit
from sklearn.metrics import average_precision_score, roc_auc_score


def mean_direction(prompts):
    return np.mean([length_one(prompt) for prompt in prompts], axis=0)


def probe_errors(z, y, weights, offset):
    return expit(z @ weights + offset) - y


def precisions(scores, shown):
    """At every place of the list, the share of films so far that show it."""
    return np.cumsum(shown[np.argsort(-scores)]) / np.arange(1, len(shown) + 1)


def at_odds(probability, times):
    odds = probability / (1 - probability) * times
    return odds / (1 + odds)


WRONG = {
    "prompt_ensemble": [
        (lambda film, prompts: cosine_of(film, prompts.mean(axis=0)), "longest prompt"),
        (lambda film, prompts: np.mean([cosine_of(film, one) for one in prompts]), "mean of the cosines"),
        (lambda film, prompts: max(cosine_of(film, one) for one in prompts), "best prompt"),
        (lambda film, prompts: film @ mean_direction(prompts), "A dot product"),
    ],
    "probe_gradient": [
        (
            lambda z, y, w, b, c: (w - c * probe_errors(z, y, w, b) @ z, -c * probe_errors(z, y, w, b).sum()),
            "other sign",
        ),
        (lambda z, y, w, b, c: (c * probe_errors(z, y, w, b) @ z, c * probe_errors(z, y, w, b).sum()), "the penalty?"),
        (
            lambda z, y, w, b, c: (w + c * probe_errors(z, y, w, b) @ z, b + c * probe_errors(z, y, w, b).sum()),
            "offset too",
        ),
        (
            lambda z, y, w, b, c: (w + c * probe_errors(z, y, w, b) @ z / len(z), c * probe_errors(z, y, w, b).mean()),
            "*sum*",
        ),
        (
            lambda z, y, w, b, c: (c * w + probe_errors(z, y, w, b) @ z, probe_errors(z, y, w, b).sum()),
            "not to the penalty",
        ),
    ],
    "list_precision": [
        (lambda scores, shown: average_precision_score(shown, -scores), "*up* the list"),
        (lambda scores, shown: precisions(scores, shown).mean(), "every place"),
        (lambda scores, shown: (precisions(scores, shown) * shown[np.argsort(-scores)]).mean(), "how many these are"),
        (lambda scores, shown: roc_auc_score(shown, scores), "counts pairs"),
        (lambda scores, shown: precisions(scores, shown)[shown.sum() - 1], "one place"),
    ],
    "at_prevalence": [
        (lambda p, taught, here: p * here / taught, "no longer add up"),
        (lambda p, taught, here: at_odds(p, (1 - here) / here * taught / (1 - taught)), "wrong way round"),
        (lambda p, taught, here: p / (1 - p) * (1 - taught) / taught * here / (1 - here), "Those are the odds"),
        (lambda p, taught, here: p + here - taught, "below 0 or above 1"),
        (lambda p, taught, here: at_odds(p, here / taught), "q / (1 - q)"),
    ],
}


def by_autograd(z, y, weights, offset, strength):
    z, y = torch.from_numpy(z), torch.from_numpy(np.asarray(y, dtype=float))
    w, b = torch.tensor(weights, requires_grad=True), torch.tensor(float(offset), requires_grad=True)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(z @ w + b, y.to(z), reduction="sum")
    return torch.autograd.grad(strength * loss + w @ w / 2, (w, b))


def by_bayes(p, taught, here):
    there, absent = p * here / taught, (1 - p) * (1 - here) / (1 - taught)
    return there / (there + absent)


ALSO_RIGHT = {
    "prompt_ensemble": lambda film, prompts: (
        np.mean([cosine_of(film, one) for one in prompts]) / np.linalg.norm(mean_direction(prompts))
    ),
    "probe_gradient": by_autograd,
    "list_precision": lambda scores, shown: average_precision_score(shown, scores),
    "at_prevalence": by_bayes,
}
