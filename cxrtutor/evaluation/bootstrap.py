"""How sure a number is: percentile bootstrap over patients.

Findings of one patient are not independent, so whole patients are drawn, with replacement, as many as there are, and
the statistic is computed anew for every draw. Of localization it is the mean over samples in a category, then over
categories. Runs of one method with several seeds are averaged sample by sample first (`average_runs`); the interval
then says what other *patients* would change, not what another seed would. Of `Repeats`, the repeats are drawn too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float

from .measurements import Measurements
from .results import Repeats, Result, statistic_in


@dataclass(frozen=True)
class Interval:
    """A value with the limits between which it would stay for other patients like these."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"

    def excludes(self, value: float | int) -> bool:
        """Whether `value` lies outside the limits; limits that are undefined (NaN) exclude nothing."""
        return value < self.low or value > self.high


def interval(
    result: Result | Repeats, metric: str, *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Interval:
    """A metric with its percentile interval over patients; NaN where it is undefined for all of them.

    Of repeats it is their mean, and every draw takes repeats, with replacement, as it takes patients. Of few repeats,
    such an interval is somewhat too narrow: by about 1 / (2 n) of the part that they make of it. Of repeats of repeats,
    such as seeds by draws of labels, each of the two is drawn, and a pair taken as often as one times the other (the
    pigeonhole bootstrap: Owen, Annals of Applied Statistics 2007).
    """
    repeats = _each(result)
    weights, draw = _patients(len(result.patients), resamples, seed)
    taken = _taken(draw, result, resamples)
    once = np.stack([repeat.statistic(metric, np.ones((1, len(result.patients)))) for repeat in repeats], axis=1)
    value = _mean(once, np.ones((1, len(repeats))))[0]
    means = _mean(np.stack([statistic_in(weights, repeat, metric) for repeat in repeats], axis=1), taken)
    means = means[~np.isnan(means)]  # a draw may miss every patient whose samples are defined
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail]) if len(means) else (np.nan, np.nan)
    return Interval(float(value), float(low), float(high))


def patient_draws(number: int) -> Float[np.ndarray, "draws {number}"]:
    """How often every draw of `interval` takes each of so many patients, in sorted order: for who draws elsewhere."""
    return _patients(number, 1000, 0)[0]


def intervals_by_finding(measurements: Measurements, metric: str) -> dict[str, Interval]:
    """The mean of a metric with its `interval` for every finding alone, in alphabetical order."""
    return {name: interval(measurements.of_findings([name]), metric) for name in sorted(set(measurements.rows.finding))}


def paired_difference(
    a: Result | Repeats,
    b: Result | Repeats,
    metric: str,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """A metric of `a` less that of `b` on the same samples, with its interval; where it excludes 0, the two differ.

    What is hard for both cancels, so this is far narrower than the overlap of two separate intervals suggests. Samples
    that are undefined for either are left out where a metric is a mean over samples.

    Raises:
        InputError: the two were measured under different protocols or on different samples.
    """
    return interval(a.less(b), metric, resamples=resamples, level=level, seed=seed)


def _each(result: Result | Repeats) -> tuple[Result, ...]:
    """The results that there are, of repeats of repeats in one row."""
    if not isinstance(result, Repeats):
        return (result,)
    return tuple(one for repeat in result.results for one in _each(repeat))


def _taken(
    draw: np.random.Generator, result: Result | Repeats, resamples: int
) -> Float[np.ndarray, "{resamples} repeats"]:
    """How often every draw takes each of them."""
    if not isinstance(result, Repeats):
        return np.ones((resamples, 1))
    outer = _multinomial(draw, len(result.results), resamples)
    inner = _taken(draw, result.results[0], resamples)
    return (outer[:, :, None] * inner[:, None, :]).reshape(resamples, -1)


def _multinomial(draw: np.random.Generator, number: int, resamples: int) -> Float[np.ndarray, "{resamples} {number}"]:
    """How often each of a number is drawn, where as many are drawn as there are."""
    return draw.multinomial(number, np.full(number, 1 / number), size=resamples).astype(float)


def _patients(
    number: int, resamples: int, seed: int
) -> tuple[Float[np.ndarray, "{resamples} {number}"], np.random.Generator]:
    """How often every draw takes each patient, and the generator that the draws go on with."""
    weights, state = _drawn_patients(number, resamples, seed)
    draw = np.random.default_rng()
    draw.bit_generator.state = state
    return weights, draw


@lru_cache(maxsize=1)
def _drawn_patients(number: int, resamples: int, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    """The same array for the same question, as long as no other is put: `statistic_in` knows it again."""
    draw = np.random.default_rng(seed)
    weights = _multinomial(draw, number, resamples)
    weights.flags.writeable = False
    return weights, draw.bit_generator.state


def _mean(
    values: Float[np.ndarray, "draws repeats"], taken: Float[np.ndarray, "draws repeats"]
) -> Float[np.ndarray, " draws"]:
    """In every draw the mean over the repeats that were taken and are defined."""
    taken = np.where(np.isnan(values), 0.0, taken)
    with np.errstate(invalid="ignore"):
        return (taken * np.nan_to_num(values)).sum(axis=1) / taken.sum(axis=1)
