"""How fast and how small token alignment is. Run by `make bench`; one thread, forward and backward."""

from __future__ import annotations

from functools import partial

import pandas as pd
import pytest
import torch
from measuring import peak_bytes, seconds
from torch.nn.functional import cross_entropy, normalize

from cxrtutor.alignment.token_alignment import token_losses

SETTINGS = {"16 x 16 regions": 16, "19 x 19 regions": 19}
LIMIT = 0.35
"""Seconds of a step on one thread."""

BATCH, SHORTEST, LONGEST, DIM, TEMPERATURE = 64, 30, 80, 128, 0.1


@pytest.mark.parametrize("setting", SETTINGS)
def test_faster_than_a_padded_batch_and_fast_enough(report, setting):
    tensors = inputs(SETTINGS[setting])
    works = {form.__name__: partial(step, form, *tensors) for form in (kernel, padded_batch, loop_over_studies)}
    table = pd.DataFrame(
        {"seconds": seconds(works, repeats=4), "MiB at most": {n: peak_bytes(w) / 2**20 for n, w in works.items()}}
    )
    report.add(
        f"Token alignment: {setting}",
        f"Batch {BATCH}, {SHORTEST} to {LONGEST} words a report, {DIM} dimensions. padded_batch is the form of the "
        "authors' code, with masks; loop_over_studies takes each study by itself, without padding. "
        "speed: times as fast as the padded batch.",
        table.assign(speed=table["seconds"]["padded_batch"] / table["seconds"]).round(
            {"seconds": 3, "MiB at most": 0, "speed": 2}
        ),
    )
    assert table["seconds"]["kernel"] <= table["seconds"]["padded_batch"] / 1.2
    assert table["seconds"]["kernel"] <= LIMIT


@pytest.mark.parametrize("setting", SETTINGS)
def test_less_memory_than_a_loop_and_a_third_of_a_padded_batch(setting):
    tensors = inputs(SETTINGS[setting])
    ours, loops, padded = (
        peak_bytes(partial(step, form, *tensors)) for form in (kernel, loop_over_studies, padded_batch)
    )
    assert 0 < ours <= min(loops, padded / 3)


def test_all_forms_agree():
    tensors = inputs(side=5)
    losses = [form(*tensors) for form in (kernel, padded_batch, loop_over_studies)]
    torch.testing.assert_close(losses[1:], losses[:1] * 2, rtol=1e-4, atol=1e-4)


def inputs(side):
    """Words and regions; reports of `SHORTEST` to `LONGEST` words, as even a spread as the batch allows."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.linspace(SHORTEST, LONGEST, BATCH).round().long()[torch.randperm(BATCH, generator=generator)]
    mask = torch.arange(LONGEST) < lengths[:, None]
    words = torch.randn(BATCH, LONGEST, DIM, generator=generator) * mask[..., None]
    regions = torch.randn(BATCH, DIM, side * side, generator=generator).mT
    return words.requires_grad_(), regions.requires_grad_(), mask


def step(form, words, regions, mask):
    """One forward and backward pass of the loss."""
    words.grad = regions.grad = None
    form(words, regions, mask).backward()


def uniform(mask):
    return mask / mask.sum(dim=1, keepdim=True)


def kernel(words, regions, mask):
    everywhere = torch.ones(regions.shape[:2], dtype=torch.bool)
    return token_losses(words, regions, mask, everywhere, uniform(mask), uniform(everywhere))[0].mean()


def padded_batch(words, regions, mask):
    """All studies at once, each side by itself, as in MGCA's public code; padding is masked, as it is not there."""
    words, regions = normalize(words, dim=-1), normalize(regions, dim=-1)
    everywhere = torch.ones(regions.shape[:2], dtype=torch.bool)
    loss = 0.0
    for queries, keys, own, others in ((words, regions, mask, everywhere), (regions, words, everywhere, mask)):
        scores = torch.bmm(queries, keys.mT) / TEMPERATURE
        attention = scores.masked_fill(~others[:, None], -torch.inf).softmax(dim=-1)
        found = normalize(torch.bmm(attention, keys), dim=-1)
        table = torch.bmm(queries, found.mT) / TEMPERATURE
        target = torch.arange(table.shape[1]).repeat(len(table))
        for rows in (table, table.mT):
            rows = rows.masked_fill(~own[:, None], -1e4).flatten(0, 1)
            loss = (
                loss + (cross_entropy(rows, target, reduction="none") * uniform(own).flatten()).sum() / len(table) / 2
            )
    return loss


def loop_over_studies(words, regions, mask):
    """One study after the other, as it would be written from the equations."""
    loss = 0.0
    for w, r, present in zip(words, regions, mask, strict=True):
        w, r = normalize(w[present], dim=-1), normalize(r, dim=-1)
        for queries, keys in ((w, r), (r, w)):
            found = normalize((queries @ keys.T / TEMPERATURE).softmax(dim=-1) @ keys, dim=-1)
            table = queries @ found.T / TEMPERATURE
            target = torch.arange(len(table))
            loss = loss + (cross_entropy(table, target) + cross_entropy(table.T, target)) / 2
    return loss / len(words)
