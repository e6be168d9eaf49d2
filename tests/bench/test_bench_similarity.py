"""How fast and how small the local-similarity kernel is. Run by `make bench`; one thread, forward and backward."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
from measuring import operations, operations_a_second, peak_bytes, seconds
from similarity_forms import FORMS, all_pairs, inputs, kernel, loop_of_the_peers, step

from cxrtutor.viewing import colours, figures

SETTINGS = {
    "words, 128-d": {"batch": 32, "shortest": 32, "longest": 64, "side": 19, "dim": 128},
    "words, 768-d": {"batch": 32, "shortest": 32, "longest": 64, "side": 19, "dim": 768},
    "sentences, 128-d": {"batch": 64, "shortest": 3, "longest": 8, "side": 16, "dim": 128},
}
WORDS = [8, 16, 32, 64, 128]
SIDES = [7, 10, 14, 19, 27, 38]


@pytest.mark.parametrize("setting", SETTINGS)
def test_at_least_one_and_a_half_times_as_fast_as_the_peers_loop(report, setting):
    tensors = inputs(**SETTINGS[setting])
    works = {name: partial(step, form, *tensors) for name, form in FORMS.items()}
    taken = seconds(works, repeats=4)
    counted, rate = operations(works["kernel"]), operations_a_second()
    table = pd.DataFrame({"seconds": taken, "MiB at most": {n: peak_bytes(w) / 2**20 for n, w in works.items()}})
    table.insert(1, "speed", table["seconds"]["loop_of_the_peers"] / table["seconds"])
    table.insert(3, "of all pairs", table["MiB at most"] / table["MiB at most"]["all_pairs"])
    bound = taken["loop_of_the_peers"] / (counted / rate)
    report.add(
        f"Local similarity: {setting}",
        "Batch {batch}, {shortest} to {longest} units a report, {side} x {side} regions, {dim} dimensions. ".format(
            **SETTINGS[setting]
        )
        + "speed: times as fast as the peers' loop, which skips padding. "
        f"Matrix products are {counted / 1e9:.1f} GFLOP (10⁹ operations), the same in the kernel and in the loop; "
        f"at the {rate / 1e9:.0f} GFLOP a second that this machine reaches in a plain product they alone "
        f"take {counted / rate:.3f} s, so nothing that computes them in this precision is more than {bound:.2f} times "
        "as fast.",
        table.round({"seconds": 3, "speed": 2, "MiB at most": 0, "of all pairs": 2}),
    )
    assert table["speed"]["kernel"] >= 1.5


def test_a_third_of_the_memory_of_all_pairs():
    tensors = inputs(**SETTINGS["words, 128-d"])
    ours, theirs = (peak_bytes(partial(step, form, *tensors)) for form in (kernel, all_pairs))
    assert 0 < ours <= theirs / 3


def test_cost_grows_no_faster_than_units_and_regions(report):
    longer = {words: {"shortest": words // 2, "longest": words, "side": 14} for words in WORDS}
    finer = {side**2: {"shortest": 16, "longest": 32, "side": side} for side in SIDES}
    taken = {"units a report": growth(longer), "regions an image": growth(finer)}
    figure, grid = figures.panels(2, aspect=0.75)
    for axes, (axis, table) in zip(grid, taken.items(), strict=True):
        for (form, column), colour in zip(table.items(), colours.SERIES, strict=False):
            axes.plot(column.index, column, marker="o", markersize=4, color=colour, label=form)
        axes.set(xlabel=axis, ylabel="seconds", xlim=(0, None), ylim=(0, None))
        axes.legend(frameon=False, fontsize=8)
    report.add(
        "Growth with units and regions",
        "Batch 16, 128 dimensions; reports ragged from half the units to all. Left on 14 x 14 regions, right with "
        "16 to 32 units. A straight line through the origin is linear growth.",
        figure,
        *(table.rename_axis(axis).round(3) for axis, table in taken.items()),
    )
    for table in taken.values():
        last = table["kernel"].iloc[-3:]
        exponent = np.polyfit(np.log(last.index.astype(float)), np.log(last), 1)[0]
        assert exponent < 1.15


def growth(sizes):
    """Seconds of the kernel and of the peers' loop by size."""
    return pd.DataFrame(
        {
            size: seconds(
                {f.__name__: partial(step, f, *inputs(batch=16, **setting)) for f in (kernel, loop_of_the_peers)}, 4
            )
            for size, setting in sizes.items()
        }
    ).T
