"""How long it takes to measure heat maps, and how much memory. Run by `make bench`; one thread."""

from __future__ import annotations

from functools import partial

import pandas as pd
import pytest
import torch
from measuring import peak_bytes, seconds

from cxrtutor.evaluation.evaluate import BATCH_PIXELS, measure
from cxrtutor.evaluation.metrics import iou, iou_at
from cxrtutor.localization.protocols import AFLOC

MAPS, SIDE, GRID = 10_000, 224, 16
LIMIT = 20.0
"""Seconds for all maps at AFLoc's five thresholds, on one thread of the two that a small machine has."""
MOST_BYTES = 100e6
"""Of tensors at a time, however many maps there are."""

CHUNK = BATCH_PIXELS // SIDE**2
"""As many maps as `evaluate` measures at once."""


def test_ten_thousand_maps_at_five_thresholds(report):
    similarity, truth = inputs()
    heat = AFLOC.heat(similarity, (SIDE, SIDE))
    works = {
        "measured whole": partial(measure, similarity, truth, AFLOC),
        "IoU, pixels counted once": partial(counted_once, heat, truth),
        "IoU, a mask a threshold": partial(mask_by_mask, heat, truth),
    }
    # The least seconds of a chunk say what the machine can do; the first form is also timed over all maps in a row.
    chunks = -(-MAPS // CHUNK)
    taken = {name: chunks * of_chunk for name, of_chunk in seconds(works, repeats=10).items()}
    in_a_row = seconds({"all": lambda: [works["measured whole"]() for _ in range(chunks)]}, repeats=1)["all"]
    table = pd.DataFrame({"seconds": taken, "MiB at most": {n: peak_bytes(w) / 2**20 for n, w in works.items()}})
    report.add(
        f"Measuring {MAPS:,} heat maps of {SIDE} x {SIDE} pixels",
        f"From similarity on {GRID} x {GRID} cells to IoU and Dice at AFLoc's five thresholds, CNR and pointing, "
        f"{CHUNK} maps at a time, no backward pass. In a row, all take {in_a_row:.1f} s.",
        table.round({"seconds": 1, "MiB at most": 0}),
    )
    assert in_a_row <= LIMIT
    assert taken["IoU, pixels counted once"] < taken["IoU, a mask a threshold"]


@pytest.mark.parametrize("chunks", [1, 4])
def test_memory_is_that_of_a_chunk(chunks):
    similarity, truth = inputs()
    assert 0 < peak_bytes(lambda: [measure(similarity, truth, AFLOC) for _ in range(chunks)]) <= MOST_BYTES


def test_both_forms_agree():
    similarity, truth = inputs()
    heat = AFLOC.heat(similarity, (SIDE, SIDE))
    torch.testing.assert_close(counted_once(heat, truth), mask_by_mask(heat, truth))


def inputs():
    """Noise, and truths of all sizes."""
    generator = torch.Generator().manual_seed(0)
    corners = torch.randint(0, SIDE // 2, (CHUNK, 2, 1), generator=generator)
    lengths = torch.randint(8, SIDE // 2, (CHUNK, 2, 1), generator=generator)
    inside = (torch.arange(SIDE) >= corners) & (torch.arange(SIDE) < corners + lengths)
    return torch.randn(CHUNK, GRID, GRID, generator=generator), inside[:, 0, :, None] & inside[:, 1, None, :]


def counted_once(heat, truth):
    return iou_at(heat, AFLOC.cuts(heat), truth)


def mask_by_mask(heat, truth):
    judged = truth & ~heat.isnan()
    return torch.stack([iou(heat > cut, judged) for cut in AFLOC.thresholds], dim=1)
