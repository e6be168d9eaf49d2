"""How sure a number is: percentile bootstrap over patients.

Findings of one patient are not independent, so whole patients are drawn, with replacement, as many as there are. The
statistic is computed anew for every draw: the mean over samples in a category, then over categories. Runs of one method
with several seeds are averaged sample by sample first (`average_runs`); the interval then says what other *patients*
would change, not what another seed would.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from .measurements import Measurements, same_samples


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
    measurements: Measurements, metric: str, *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Interval:
    """The macro mean of a metric with its percentile interval over patients; NaN where no sample has the metric."""
    rows = measurements.rows
    return _interval(rows[metric], rows["finding"], rows["patient"], resamples, level, seed)


def intervals_by_finding(measurements: Measurements, metric: str) -> dict[str, Interval]:
    """The mean of a metric with its `interval` for every finding alone, in alphabetical order."""
    return {name: interval(measurements.of_findings([name]), metric) for name in sorted(set(measurements.rows.finding))}


def paired_difference(
    a: Measurements, b: Measurements, metric: str, *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Interval:
    """The macro mean of `a - b` on the same samples, with its interval; where it excludes 0, the two differ.

    What is hard for both cancels, so this is far narrower than the overlap of two separate intervals suggests. Samples
    that are undefined for either are left out.

    Raises:
        InputError: the two were measured under different protocols or on different samples.
    """
    first, second = same_samples(a, b)
    return _interval(first[metric] - second[metric], first["finding"], first["patient"], resamples, level, seed)


def macro_means(
    values: Float[np.ndarray, " samples"],
    categories: Shaped[np.ndarray, " samples"],
    patients: Shaped[np.ndarray, " samples"],
    weights: Float[np.ndarray, "draws patients"],
) -> Float[np.ndarray, " draws"]:
    """The macro mean in every draw, where `weights` says how often each patient (in sorted order) was drawn.

    Sums and counts a patient and category are taken once; a draw is then one row of two matrix products. A category of
    which a draw holds no sample is left out of that draw's mean, and so are NaN values.
    """
    defined = ~np.isnan(values)
    _, category = np.unique(categories, return_inverse=True)
    _, patient = np.unique(patients, return_inverse=True)
    sums = np.zeros((patient.max() + 1, category.max() + 1))
    counts = np.zeros_like(sums)
    np.add.at(sums, (patient[defined], category[defined]), values[defined])
    np.add.at(counts, (patient[defined], category[defined]), 1.0)
    drawn = weights @ counts
    with np.errstate(invalid="ignore"):
        means = np.where(drawn > 0, (weights @ sums) / drawn, 0.0)
        return means.sum(axis=1) / (drawn > 0).sum(axis=1)


def _interval(values, categories, patients, resamples: int, level: float, seed: int) -> Interval:
    columns = values.to_numpy(float), categories.to_numpy(str), patients.to_numpy(str)
    number = len(np.unique(columns[2]))
    draws = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=resamples)
    value = macro_means(*columns, np.ones((1, number)))[0]
    means = macro_means(*columns, draws.astype(float))
    means = means[~np.isnan(means)]  # a draw may miss every patient whose samples are defined
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail]) if len(means) else (np.nan, np.nan)
    return Interval(float(value), float(low), float(high))
