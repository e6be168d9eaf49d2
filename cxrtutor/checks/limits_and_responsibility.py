"""Exercises of `19-limits-and-responsibility`."""

from __future__ import annotations

import numpy as np

from cxrtutor.checks.comparing import same
from cxrtutor.checks.judging import exercise


def _worth(sensitivity: float, specificity: float, prevalence: float) -> float:
    right = sensitivity * prevalence
    return right / (right + (1 - specificity) * (1 - prevalence))


@exercise(
    right=lambda found, missed, false, quiet, prevalence: _worth(
        found / (found + missed), quiet / (false + quiet), prevalence
    ),
    inputs=[(90, 10, 60, 240, 0.01), (83, 12, 147, 358, 0.2), (40, 0, 0, 60, 0.002), (5, 15, 30, 10, 0.5)],
)
def alarm_worth(answer):
    """Limits and responsibility: the share of alarms that would be true at another prevalence."""
    found, _, false, _, prevalence = arguments = alarm_worth.inputs[0]
    given, sensitivity, specificity = answer(*arguments), 0.9, 0.8
    yield (
        same(given, found / (found + false)),
        "That is the share of true alarms *in the test set*, whatever `prevalence` says.",
    )
    yield (
        same(given, sensitivity * prevalence / (sensitivity * prevalence + 1 - specificity)),
        "False alarms come from those *without* the finding, and they are a share 1 - prevalence of all.",
    )
    yield (
        same(given, _worth(specificity, sensitivity, prevalence)),
        "You took sensitivity for specificity. The first is about those *with* the finding.",
    )
    yield (
        same(given, specificity * (1 - prevalence) / (specificity * (1 - prevalence) + (1 - sensitivity) * prevalence)),
        "That is how far *no* alarm may be believed. Asked is for the alarms.",
    )
    share_of_alarms = found / (found + false)
    yield (
        same(given, share_of_alarms * prevalence),
        "It is not the test set's share times the prevalence: false alarms become *more* where the finding is rare.",
    )


@exercise(
    right=lambda rate, surely: int(np.ceil(np.log(1 - surely) / np.log(1 - rate))),
    inputs=[(0.02, 0.95), (0.001, 0.95), (0.05, 0.99), (0.5, 0.95)],
)
def patients_needed(answer):
    """Limits and responsibility: how many patients without a failure a small rate needs."""
    rate, surely = arguments = patients_needed.inputs[0]
    given, number = answer(*arguments), np.log(1 - surely) / np.log(1 - rate)
    yield same(given, number), "Patients come whole. Round, and to the side that is enough."
    yield same(given, int(number)), "One too few: rounded down, a little more than 5 % is left. Round up."
    yield (
        same(given, int(np.ceil(3 / rate))),
        "The rule of three is an approximation, and only for 95 %. Solve (1 - rate)^n = 1 - surely for n.",
    )
    yield (
        same(given, int(np.ceil(np.log(surely) / np.log(1 - rate)))),
        "That many without a failure happen 95 times of 100 where `rate` do fail. It must be improbable: 1 - surely.",
    )
    yield (
        same(given, int(np.ceil(np.log((1 - surely) / 2) / np.log(1 - rate)))),
        "Both ends? With no failure there is only one end to the question: the chance that is left is 1 - surely.",
    )
    yield same(given, int(np.ceil(1 / rate))), "Among so many one failure is *expected*; none at all is no rarity."


@exercise(
    right=lambda alone, right, follows_right, follows_wrong: float(
        np.mean((1 - alone) * right * follows_right - alone * (1 - right) * follows_wrong)
    ),
    inputs=[
        (np.array([1, 1, 1, 1, 0, 0, 1, 0]), np.array([1, 0, 0, 1, 1, 0, 0, 1]), 0.6, 0.2),
        (np.array([1, 0, 1, 0]), np.array([0, 1, 0, 1]), 0.5, 0.5),
        (np.array([0, 0, 1]), np.array([1, 1, 1]), 1.0, 0.3),
    ],
)
def reader_change(answer):
    """Limits and responsibility: what a map does to a reader, film by film."""
    alone, right, follows_right, follows_wrong = arguments = reader_change.inputs[0]
    given, corrected, astray = answer(*arguments), (1 - alone) * right, alone * (1 - right)
    wanted = reader_change.right(*arguments)
    yield same(given, wanted * len(alone)), "That is a number of films. Asked is a share of all."
    yield same(given, np.mean(corrected * follows_right)), "And those whom a wrong map leads astray?"
    yield same(given, -wanted), "The sign: who is corrected is a gain."
    yield (
        same(given, np.mean(corrected * follows_wrong - astray * follows_right)),
        "The two habits are exchanged. `follows_right` belongs to films on which the *map* is right.",
    )
    yield (
        same(given, np.mean(right * follows_right - (1 - right) * follows_wrong)),
        "A right map changes nothing for a reader who was right already, nor a wrong one for who was wrong.",
    )
    yield (
        same(
            given,
            (1 - alone.mean()) * right.mean() * follows_right - alone.mean() * (1 - right.mean()) * follows_wrong,
        ),
        "You multiplied means, as if the errors were independent. You have every film: multiply first, then average.",
    )
    yield (
        same(given, np.mean(corrected * follows_right + alone * (1 - (1 - right) * follows_wrong))),
        "That is the share that the reader gets right with the map. By how much did it *change*?",
    )


@exercise(
    right=lambda before, after: float(1 - np.asarray(after)[np.asarray(before) == 1].mean()),
    inputs=[
        (np.array([1, 1, 1, 1, 1, 0, 0, 0, 0]), np.array([1, 0, 1, 0, 1, 1, 0, 0, 0])),
        (np.array([1, 0, 1, 1]), np.array([1, 0, 1, 1])),
        (np.array([0, 1, 1, 0]), np.array([1, 0, 0, 1])),
    ],
)
def lost_by_update(answer):
    """Limits and responsibility: of what the old version had right, the share that the new one has wrong."""
    before, after = arguments = lost_by_update.inputs[0]
    given, lost = answer(*arguments), (before == 1) & (after == 0)
    yield (
        same(given, before.mean() - after.mean()),
        "That is the change of the mean: what is lost less what is won. An update hides behind just that.",
    )
    yield same(given, lost.mean()), "Of all questions. Asked is: of those that the old version had right."
    yield same(given, np.mean(before != after)), "That counts what is won as well. Only the losses hurt."
    yield same(given, lost.sum()), "A number of questions. Which share of what was right is it?"
    yield same(given, after[before == 1].mean()), "That is the share that *stays* right."
    yield (
        same(given, after[before == 0].mean()),
        "That is what is won among the wrong ones. Look at those that were right.",
    )
