"""Batches of paired features for the tests of objectives."""

from __future__ import annotations

from dataclasses import replace

import torch

from cxrtutor.alignment import PairedFeatures
from cxrtutor.encoders.features import ImageFeatures, TextFeatures


def paired(sentences_a_report, dim=8, side=3, dtype=torch.float32, seed=0, padding=0):
    """A batch with so many sentences a report, and twice as many words; the shallow map is one cell wider.

    Every float tensor takes a gradient. `padding` adds columns to words and sentences alike.
    """
    generator = torch.Generator().manual_seed(seed)
    counts = torch.tensor(sentences_a_report, dtype=torch.long)
    batch = len(counts)

    def leaf(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    def ragged(counts):
        longest = int(counts.max()) if batch else 0
        mask = torch.arange(longest + padding) < counts[:, None]
        features = torch.cat([leaf(batch, longest, dim), torch.zeros(batch, padding, dim, dtype=torch.float64)], dim=1)
        return features * mask[..., None], mask

    deep, pooled = leaf(batch, dim, side, side), leaf(batch, dim)
    sentences, sentence_mask = ragged(counts)
    report = leaf(batch, dim) * (counts > 0)[:, None]
    shallow = leaf(batch, dim, side + 1, side + 1)
    words, word_mask = ragged(2 * counts)
    shallow, deep, pooled, words, sentences, report = (
        x.to(dtype).requires_grad_() for x in (shallow, deep, pooled, words, sentences, report)
    )
    position = torch.arange(word_mask.shape[1]).expand_as(word_mask)
    return PairedFeatures(
        ImageFeatures(shallow=shallow, deep=deep, final=pooled[:, :, None, None], pooled=pooled),
        TextFeatures(
            words=words,
            word_mask=word_mask,
            word_sentence=(position // 2).masked_fill(~word_mask, -1),
            word_span=torch.stack([position, position + 1], dim=-1).masked_fill(~word_mask[..., None], -1),
            sentences=sentences,
            sentence_mask=sentence_mask,
            report=report,
        ),
    )


def attended(pairs, seed=1):
    """The same pairs, whose encoders have a [CLS] that attends to every region and word."""
    generator = torch.Generator().manual_seed(seed)
    deep, mask = pairs.image.deep, pairs.text.word_mask
    attention = torch.rand(len(deep), *deep.shape[2:], generator=generator, dtype=torch.float64)
    words = torch.rand(mask.shape, generator=generator, dtype=torch.float64) * mask
    return PairedFeatures(
        replace(pairs.image, attention=attention.to(deep.dtype)),
        replace(pairs.text, word_attention=words.to(deep.dtype)),
    )


def select(pairs, rows):
    """The same features of some studies only."""
    rows = torch.tensor(rows, dtype=torch.long)

    def of(features):
        tensors = {name: getattr(features, name) for name in features.__dataclass_fields__}
        return replace(features, **{name: t[rows] for name, t in tensors.items() if t is not None})

    return PairedFeatures(of(pairs.image), of(pairs.text))
