"""What an alarm is worth: shares with their intervals, and what they come to where a finding is more rare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from ..errors import InputError
from .abstention import Abstention
from .bootstrap import Interval
from .presence_scores import PresenceScores


def share(yes: int, of: int, level: float = 0.95) -> Interval:
    """A share of patients with Wilson's interval, which is of use for shares near 0 and 1 too (Wilson, JASA 1927).

    Args:
        yes: how many.
        of: among how many, each of whom counts once.
        level: how sure.

    Raises:
        InputError: there is nobody, or more than all.
    """
    if not 0 <= yes <= of or of == 0:
        raise InputError(f"{yes} of {of} is no share: count patients, and of those some.")
    limits = binomtest(yes, of).proportion_ci(level, method="wilson")
    return Interval(yes / of, float(limits.low), float(limits.high))


def predictive_value(sensitivity: float | int, specificity: float | int, prevalence: float | int) -> float:
    """How many of the alarms are right (the positive predictive value), by Bayes' rule; NaN where there is no alarm.

    Args:
        sensitivity: the share of those with the finding who get an alarm.
        specificity: the share of those without it who get none.
        prevalence: the share of all who have it.
    """
    right = sensitivity * prevalence
    alarms = right + (1 - specificity) * (1 - prevalence)
    return float(right / alarms) if alarms else float("nan")


@dataclass(frozen=True)
class Alarms:
    """Patients by whether they have a finding, and whether there was an alarm.

    Attributes:
        found: have it, alarm.
        missed: have it, none.
        false: have it not, alarm.
        quiet: have it not, none.
    """

    found: int
    missed: int
    false: int
    quiet: int

    @property
    def sensitivity(self) -> Interval:
        """The share of those with the finding who got an alarm."""
        return share(self.found, self.found + self.missed)

    @property
    def specificity(self) -> Interval:
        """The share of those without it who got none."""
        return share(self.quiet, self.quiet + self.false)

    def predictive_value(self, prevalence: float | int, *, resamples: int = 2000, seed: int = 0) -> Interval:
        """How many alarms would be right where the finding is so common, with an interval over patients.

        What either rate may be is drawn from Jeffreys' beta distribution (Mossman & Berger, Medical Decision Making
        2001), so that a test set without an error is no proof that there will be none. Sensitivity and specificity
        are taken to be what they were here, which other patients may belie.

        Args:
            prevalence: the share of patients who have the finding.
            resamples: how many draws.
            seed: of the draws.

        Raises:
            InputError: nobody has the finding, or everybody.
        """
        value = predictive_value(self.sensitivity.value, self.specificity.value, prevalence)
        if np.isnan(value):
            return Interval(value, value, value)
        draw = np.random.default_rng(seed)
        right = draw.beta(self.found + 0.5, self.missed + 0.5, resamples) * prevalence
        wrong = draw.beta(self.false + 0.5, self.quiet + 0.5, resamples) * (1 - prevalence)
        low, high = map(float, np.quantile(right / (right + wrong), [0.025, 0.975]))
        return Interval(value, min(low, value), max(high, value))  # a rate that was 0 or 1 here may be just that


def count_alarms(thresholds: Abstention, scored: PresenceScores) -> dict[str, Alarms]:
    """By finding, how the alarms fall: an alarm is every answer at which a model does not abstain.

    Raises:
        InputError: a finding has no threshold, or a patient has several studies.
    """
    again = len(scored.patients) - len(set(scored.patients))
    if again:
        raise InputError(
            f"{again} of {len(scored.patients)} studies are of patients who were counted already, as if they were "
            "others. Score one study of each patient."
        )
    alarm, there = ~thresholds.abstains(scored), scored.present
    kinds = (alarm & there, ~alarm & there, alarm & ~there, ~alarm & ~there)
    counts = np.stack([kind.sum(axis=0) for kind in kinds], axis=1)
    return {name: Alarms(*map(int, row)) for name, row in zip(scored.findings, counts, strict=True)}
