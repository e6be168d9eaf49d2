"""Units of all reports on one axis, sorted by the length of their report: no padding is left to be computed.

Reports of equal length are then a dense block, so that what runs over the units of each report is a plain operation.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from jaxtyping import Bool, Float, Int
from torch import Tensor

Runs = list[tuple[int, int]]
"""How many reports there are of each length, (reports, length), from the shortest to the longest."""


def sorted_by_length(
    units: Float[Tensor, "reports units dim"], unit_mask: Bool[Tensor, "reports units"]
) -> tuple[Float[Tensor, "all_units dim"], Runs, Int[Tensor, " reports"]]:
    """All units on one axis, the runs of equal length, and each report's place in that order."""
    lengths = unit_mask.sum(dim=1)
    order = lengths.argsort(stable=True)
    runs = [(len(list(run)), length) for length, run in groupby(lengths[order].tolist())]
    return units[order][unit_mask[order]], runs, order.argsort()


def by_length(flat: Tensor, runs: Runs) -> Iterator[Tensor]:
    """Views of `flat` [images, all units, ...] as [images, reports, units, ...], one for each length of report."""
    start = 0
    for reports, length in runs:
        yield flat[:, start : start + reports * length].unflatten(1, (reports, length))
        start += reports * length
