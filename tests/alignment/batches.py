"""Batches of paired features for the tests of objectives."""

from __future__ import annotations

from dataclasses import replace

import torch

from cxrtutor.alignment import PairedFeatures
from cxrtutor.encoders.features import ImageFeatures, TextFeatures


def paired(sentences_a_report, dim=8, side=3, dtype=torch.float32, seed=0, padding=0):
    """A batch with so many sentences a report; every float tensor that objectives read takes a gradient."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    batch, longest = len(sentences_a_report), max(sentences_a_report, default=0)
    counts = torch.tensor(sentences_a_report, dtype=torch.long)
    deep, pooled = normal(batch, dim, side, side), normal(batch, dim)
    sentences, report = normal(batch, longest, dim), normal(batch, dim)
    mask = torch.arange(longest + padding) < counts[:, None]
    sentences = torch.cat([sentences, torch.zeros(batch, padding, dim, dtype=torch.float64)], dim=1) * mask[..., None]
    report = report * (counts > 0)[:, None]
    deep, pooled, sentences, report = (x.to(dtype).requires_grad_() for x in (deep, pooled, sentences, report))
    no_word = torch.zeros(batch, 0, dtype=torch.long)
    return PairedFeatures(
        ImageFeatures(shallow=None, deep=deep, final=pooled[:, :, None, None], pooled=pooled),
        TextFeatures(None, no_word.bool(), no_word, sentences, mask, report),
    )


def select(pairs, rows):
    """The same features of some studies only."""
    rows = torch.tensor(rows, dtype=torch.long)

    def of(features):
        tensors = {name: getattr(features, name) for name in features.__dataclass_fields__}
        return replace(features, **{name: t[rows] for name, t in tensors.items() if t is not None})

    return PairedFeatures(of(pairs.image), of(pairs.text))
