"""Answers to the exercises of `cxrtutor/checks/limits_and_responsibility.py`."""

from __future__ import annotations

from itertools import count

import numpy as np


def bayes(sensitivity, specificity, prevalence):
    return sensitivity * prevalence / (sensitivity * prevalence + (1 - specificity) * (1 - prevalence))


def rates(found, missed, false, quiet):
    return found / (found + missed), quiet / (false + quiet)


def believed(found, missed, false, quiet, prevalence):
    """The negative predictive value."""
    sensitivity, specificity = rates(found, missed, false, quiet)
    return bayes(specificity, sensitivity, 1 - prevalence)


def forgets_the_well(found, missed, false, quiet, prevalence):
    sensitivity, specificity = rates(found, missed, false, quiet)
    return sensitivity * prevalence / (sensitivity * prevalence + 1 - specificity)


def sums(alone, right, on_right, on_wrong):
    """Share corrected, share led astray."""
    return np.mean((1 - alone) * right) * on_right, np.mean(alone * (1 - right)) * on_wrong


WRONG = {
    "alarm_worth": [
        (lambda found, missed, false, quiet, prevalence: found / (found + false), "in the test set"),
        (forgets_the_well, "1 - prevalence of all"),
        (lambda a, b, c, d, prevalence: bayes(*rates(a, b, c, d)[::-1], prevalence), "sensitivity for specificity"),
        (believed, "how far *no* alarm"),
        (lambda found, missed, false, quiet, prevalence: found / (found + false) * prevalence, "times the prevalence"),
    ],
    "patients_needed": [
        (lambda rate, surely: np.log(1 - surely) / np.log(1 - rate), "come whole"),
        (lambda rate, surely: int(np.log(1 - surely) / np.log(1 - rate)), "One too few"),
        (lambda rate, surely: int(np.ceil(3 / rate)), "rule of three"),
        (lambda rate, surely: int(np.ceil(np.log(surely) / np.log(1 - rate))), "must be improbable"),
        (lambda rate, surely: int(np.ceil(np.log((1 - surely) / 2) / np.log(1 - rate))), "only one end"),
        (lambda rate, surely: int(np.ceil(1 / rate)), "*expected*"),
    ],
    "reader_change": [
        (lambda a, r, f, g: len(a) * (sums(a, r, f, g)[0] - sums(a, r, f, g)[1]), "a number of films"),
        (lambda a, r, f, g: sums(a, r, f, g)[0], "leads astray"),
        (lambda a, r, f, g: sums(a, r, f, g)[1] - sums(a, r, f, g)[0], "The sign"),
        (lambda a, r, f, g: sums(a, r, g, f)[0] - sums(a, r, g, f)[1], "exchanged"),
        (lambda a, r, f, g: np.mean(r * f - (1 - r) * g), "right already"),
        (lambda a, r, f, g: (1 - a.mean()) * r.mean() * f - a.mean() * (1 - r.mean()) * g, "multiplied means"),
        (lambda a, r, f, g: a.mean() + sums(a, r, f, g)[0] - sums(a, r, f, g)[1], "did it *change*"),
    ],
    "lost_by_update": [
        (lambda before, after: before.mean() - after.mean(), "change of the mean"),
        (lambda before, after: np.mean((before == 1) & (after == 0)), "Of all questions"),
        (lambda before, after: np.mean(before != after), "counts what is won"),
        (lambda before, after: np.sum(before * (1 - after)), "A number of questions"),
        (lambda before, after: after[before == 1].mean(), "*stays* right"),
        (lambda before, after: after[before == 0].mean(), "among the wrong ones"),
    ],
}


def worth_of_a_million(found, missed, false, quiet, prevalence):
    """By counting people."""
    ill = 1_000_000 * prevalence
    true_alarms, false_alarms = ill * found / (found + missed), (1_000_000 - ill) * false / (false + quiet)
    return true_alarms / (true_alarms + false_alarms)


def one_patient_more(rate, surely):
    return next(n for n in count(1) if (1 - rate) ** n <= 1 - surely)


def film_by_film(alone, right, follows_right, follows_wrong):
    total = 0.0
    for reader, shown in zip(alone, right, strict=True):
        follows = follows_right if shown else follows_wrong
        total += follows * (float(shown) - float(reader))
    return total / len(alone)


def lost_among_right(before, after):
    right = [new for old, new in zip(before, after, strict=True) if old]
    return sum(not new for new in right) / len(right)


ALSO_RIGHT = {
    "alarm_worth": worth_of_a_million,
    "patients_needed": one_patient_more,
    "reader_change": film_by_film,
    "lost_by_update": lost_among_right,
}
