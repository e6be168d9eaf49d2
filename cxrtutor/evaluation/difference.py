"""One result less another, where the metric is of all samples together and no sample has a difference of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .results import Result, statistic_in


@dataclass(frozen=True, eq=False)
class Difference:
    """A result whose statistic is the first's less the second's, draw by draw.

    What a result's `less` gives, once it has made sure that the two are of the same samples.
    """

    first: Result
    second: Result

    @property
    def protocol(self) -> str:
        return self.first.protocol

    @property
    def metrics(self) -> list[str]:
        return [metric for metric in self.first.metrics if metric in self.second.metrics]

    @property
    def samples(self) -> int:
        return self.first.samples

    @property
    def patients(self) -> tuple[str, ...]:
        return self.first.patients

    def statistic(self, metric: str, weights: Float[np.ndarray, "draws patients"]) -> Float[np.ndarray, " draws"]:
        """The difference of the metric; NaN where it is undefined for one of the two."""
        return statistic_in(weights, self.first, metric) - statistic_in(weights, self.second, metric)

    def less(self, other: Difference) -> Difference:
        """How far two differences differ: whether a change helps one method more than another.

        Raises:
            InputError: they are not of the same samples.
        """
        self.first.less(other.first)
        return Difference(self, other)

    def undefined(self) -> Mapping[str, int]:
        """How many samples each metric leaves out, in the one of the two that leaves out more."""
        counts = self.first.undefined(), self.second.undefined()
        return {metric: max(int(count[metric]) for count in counts) for metric in self.metrics}
