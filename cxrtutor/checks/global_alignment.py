"""Exercises of `06-global-alignment`."""

from __future__ import annotations

import numpy as np

from cxrtutor.checks.comparing import as_array, same
from cxrtutor.checks.drawing import FINDINGS
from cxrtutor.checks.formulas import matching, softmax
from cxrtutor.checks.judging import exercise


@exercise(
    right=lambda S, tau: matching(np.asarray(S) / tau),
    inputs=[
        (np.array([[0.8, 0.2], [0.6, 0.7]]), 0.5),
        (np.array([[0.9, 0.1, -0.3], [0.2, 0.4, 0.5], [0.0, 0.3, 0.1]]), 0.1),
        (np.array([[0.4]]), 0.1),
    ],
    tensors=True,
)
def image_to_text(answer):
    """Global alignment: the half of the loss in which films choose reports."""
    S, tau = image_to_text.inputs[0]
    given, half = answer(S, tau), matching(S / tau)
    other = matching(S.T / tau)
    yield same(given, other), "You let reports choose films. Which axis holds the candidates of *one film*?"
    yield same(given, half + other), "That is both halves. Here only films choose."
    yield same(given, answer(S, tau / 2)), "Your value does not change when tau does."
    yield same(given, matching(S * tau)), "You multiply by tau. Cosines are *divided* by it."
    yield same(given, len(S) * half), "Twice the studies, twice the loss? The mean keeps batches comparable."
    yield same(given, -half), "The sign: a film that surely knows its report pays nothing, and one that does not pays."
    small = answer(np.array([[0.1, 0.95], [0.6, 0.7]]), 0.001)
    yield (
        not np.isfinite(as_array(small)).all(),
        "Right at tau = 0.5, but no number at 0.001. Is there a function that does softmax and logarithm at once?",
    )


@exercise(
    right=lambda row, own, tau: _hardest_share(np.asarray(row), own, tau),
    inputs=[
        (np.array([0.5, 0.6, 0.1, 0.2]), 0, 0.1),
        (np.array([0.2, 0.9, 0.3]), 1, 0.5),
        (np.array([0.3, 0.3]), 1, 1.0),
    ],
    tensors=True,
)
def hardest_share(answer):
    """Global alignment: of what the loss pushes away from one film, the share that falls on the hardest negative."""
    row, own, tau = np.array([0.5, 0.6, 0.1, 0.2]), 0, 0.1
    given, p = answer(row, own, tau), softmax(row / tau)
    yield same(given, p[1]), "Its own report takes part of that softmax, but it is not pushed away. Leave it out."
    own_is_best = np.array([0.9, 0.6, 0.1, 0.2])
    powers = np.exp(own_is_best / tau)
    yield (
        same(answer(own_is_best, own, tau), powers[0] / powers[1:].sum()),
        "The largest of all may be the film's own report. Which is the largest of the *others*?",
    )
    yield same(given, 0.6 / 0.9), "A softmax weighs exponentials, not cosines."
    yield same(given, 1), "That is *which* report is the hardest. How much of the push does it get?"
    yield same(given, answer(row, own, 2 * tau)), "Your share does not change when tau does."


@exercise(
    right=lambda S, k: float((_ahead(np.asarray(S)) < k).mean()),
    inputs=[
        (np.array([[0.5, 0.95, 0.7, 0.8], [0.6, 0.9, 0.2, 0.3], [0.55, 0.95, 0.2, 0.1], [0.0, 0.1, 0.3, 0.2]]), 2),
        (np.array([[0.2, 0.9], [0.8, 0.1]]), 1),
        (np.array([[0.2, 0.9], [0.8, 0.1]]), 2),
    ],
    tensors=True,
    fresh=lambda draws: (draws.random((5, 5)), int(draws.integers(1, 4))),
)
def recall_at_k(answer):
    """Global alignment: the share of films whose own report is among the best k."""
    S, k = recall_at_k.inputs[0]
    given, ahead = answer(S, k), _ahead(S)
    yield (
        same(given, float((_ahead(S.T) < k).mean())),
        "You rank films for a report. Here a film ranks reports: look along its row.",
    )
    yield same(given, float((ahead < k).sum())), "That is how many films. Which share is it?"
    yield same(given, float((ahead < k - 1).mean())), "A report with one better one ahead is second, and so among two."
    yield same(given, float((ahead <= k).mean())), "A report with two better ones ahead is third, and not among two."


@exercise(
    right=lambda stories: sum(a == b for i, a in enumerate(stories) for b in stories[:i]),
    inputs=[
        ([frozenset({"mass"}), frozenset(), frozenset({"mass"}), frozenset({"edema", "mass"}), frozenset({"mass"})],),
        ([frozenset(), frozenset({"edema"}), frozenset()],),
    ],
    fresh=lambda draws: ([_a_story(draws) for _ in range(draws.integers(4, 12))],),
)
def false_negatives(answer):
    """Global alignment: how many pairs of studies in a batch tell the same story."""
    stories = [*false_negatives.inputs[0][0], frozenset({"edema"})]  # without it, to overlap and to count twice are one
    given = answer(stories)
    yield same(given, 12), "Every study tells its own story, but it is not its own negative. Leave the diagonal out."
    yield same(given, 6), "You count each pair twice: first with second, and second with first."
    yield same(given, 2), "That is how many studies repeat a story. Three that tell the same make *three* pairs."
    yield same(given, 7), "A mass beside an edema is another story than a mass alone: the sets must be *equal*."
    healthy = answer([frozenset(), frozenset({"edema"}), frozenset()])
    yield same(healthy, 0), "Two healthy patients tell the same story too: that nothing was found."


def _a_story(draws: np.random.Generator) -> frozenset[str]:
    """One of four, so that some are told twice."""
    return frozenset(name for name in FINDINGS[:2] if draws.random() < 0.5)


def _ahead(table: np.ndarray) -> np.ndarray:
    """How many candidates of each row are better than the one on the diagonal."""
    return np.sum(np.diag(table)[:, None] < table, axis=1)


def _hardest_share(row: np.ndarray, own: int, tau: float) -> float:
    return float(softmax(np.delete(row, own) / tau).max())
