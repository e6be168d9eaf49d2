"""How long all pairs by optimal transport take beside the attention kernel. Run by `make bench`."""

from __future__ import annotations

import time
from functools import partial

import pandas as pd
import pytest
import torch
from measuring import peak_bytes, seconds
from similarity_forms import inputs, kernel, step

from cxrtutor.alignment.sinkhorn import SinkhornSettings
from cxrtutor.alignment.transport_alignment import TransportAlignment
from cxrtutor.alignment.transport_similarity import transport_similarity

SETTING = {"batch": 64, "shortest": 2, "longest": 9, "side": 16, "dim": 128}
KINDS = {"balanced": {}, "unbalanced": {"relaxation": 0.5}, "partial": {"mass": 0.8}}


@pytest.mark.parametrize("threads", [1, 2])
def test_at_most_three_times_the_attention_kernel(report, threads):
    torch.set_num_threads(threads)
    forms = {"attention kernel": kernel} | {name: transport(**kind) for name, kind in KINDS.items()}
    tensors = inputs(**SETTING)
    works = {name: partial(step, form, *tensors) for name, form in forms.items()}
    # Processor seconds of several threads would count those in which one waits for the other.
    taken = seconds(works, repeats=4, clock=time.process_time if threads == 1 else time.perf_counter)
    table = pd.DataFrame({"seconds": taken, "MiB at most": {n: peak_bytes(w) / 2**20 for n, w in works.items()}})
    table.insert(1, "times the kernel", table["seconds"] / table["seconds"]["attention kernel"])
    report.add(
        f"Transport of all pairs, {threads} thread{'s' * (threads > 1)}",
        "Batch {batch}, {shortest} to {longest} sentences a report, {side} x {side} regions, {dim} dimensions, forward "
        "and backward, at the default epsilon and number of iterations. Seconds of two threads are by the clock on the "
        "wall.".format(**SETTING),
        table.round({"seconds": 3, "times the kernel": 2, "MiB at most": 0}),
    )
    assert (table["times the kernel"] <= 3).all()


def transport(**kind):
    defaults = TransportAlignment().settings
    settings = SinkhornSettings(defaults.epsilon, defaults.iterations, **kind)
    return lambda regions, units, mask: transport_similarity(regions, units, mask, settings)
