"""What every result is, so that one table and one interval serve all tasks: a statistic that patients can be drawn for.

`Measurements` (of localization, retrieval, segmentation), `Predictions` (of classification) and `Detections` are
results.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable
from weakref import ReferenceType, WeakKeyDictionary, ref

import numpy as np
from jaxtyping import Float

from ..errors import InputError


@runtime_checkable
class Result(Protocol):
    """What one model was measured to do on one set.

    Attributes:
        protocol: how it was measured; results of different protocols are not compared.
        metrics: the names of what was measured.
        samples: how many there are.
        patients: whose they are, each once, in sorted order.
    """

    protocol: str

    @property
    def metrics(self) -> list[str]: ...

    @property
    def samples(self) -> int: ...

    @property
    def patients(self) -> tuple[str, ...]: ...

    def statistic(self, metric: str, weights: Float[np.ndarray, "draws patients"]) -> Float[np.ndarray, " draws"]:
        """The metric in every draw, where `weights` says how often each patient was drawn; NaN where undefined."""
        ...

    def less(self, other: Any) -> Result:
        """A result whose statistic is the difference of the two, paired: on the same samples, in the same draws.

        Raises:
            InputError: they were measured under different protocols or on different samples.
        """
        ...

    def undefined(self) -> Mapping[str, int]:
        """How many samples each metric leaves out."""
        ...


_LAST: WeakKeyDictionary[Result, tuple[str, ReferenceType[np.ndarray], np.ndarray]] = WeakKeyDictionary()
"""Of each result the metric and the draws that it was last asked for, and what it answered."""


def statistic_in(
    draws: Float[np.ndarray, "draws patients"], result: Result, metric: str
) -> Float[np.ndarray, " draws"]:
    """`result.statistic`, computed once for the same array of draws: to compare all pairs of n results, n times."""
    if len(draws) == 1:  # cheap, and not to push out what was dear
        return result.statistic(metric, draws)
    last = _LAST.get(result)
    if last is not None and last[0] == metric and last[1]() is draws:
        return last[2]
    values = result.statistic(metric, draws)
    _LAST[result] = metric, ref(draws), values
    return values


@dataclass(frozen=True, eq=False)
class Repeats:
    """One method measured several times on the same samples: with other draws of the labels, or other seeds.

    Two methods are compared repeat by repeat, so the first repeat of both had the same labels.

    Repeats may be of repeats: of several seeds, each with the same draws of the labels. Seeds and draws are crossed.

    Attributes:
        results: of the repeats.

    Raises:
        InputError: there is none, or they were measured under different protocols or on different samples; or some
            were repeated more often than others.
    """

    results: tuple[Result | Repeats, ...]

    def __post_init__(self) -> None:
        if not self.results:
            raise InputError("There is no repeat to average.")
        for what in ("protocol", "patients"):
            if any(getattr(one, what) != getattr(self.results[0], what) for one in self.results):
                raise InputError(f"These repeats differ in {what} and are not of one measurement.")
        for one in self.results[1:]:
            self.results[0].less(one)  # which refuses other samples

    @property
    def protocol(self) -> str:
        return self.results[0].protocol

    @property
    def metrics(self) -> list[str]:
        return self.results[0].metrics

    @property
    def samples(self) -> int:
        return self.results[0].samples

    @property
    def patients(self) -> tuple[str, ...]:
        return self.results[0].patients

    def less(self, other: Repeats) -> Repeats:
        """The paired differences, repeat by repeat.

        Raises:
            InputError: the one has more repeats than the other, or two repeats cannot be paired.
        """
        if len(self.results) != len(other.results):
            raise InputError(
                f"{len(self.results)} repeats cannot be paired with {len(other.results)}. Measure both equally often."
            )
        pairs = zip(self.results, other.results, strict=True)
        return Repeats(tuple(one.less(another) for one, another in pairs))

    def undefined(self) -> Mapping[str, int]:
        """How many samples each metric leaves out in the repeat that leaves out most."""
        counts = [one.undefined() for one in self.results]
        return {metric: max(int(count[metric]) for count in counts) for metric in self.metrics}
