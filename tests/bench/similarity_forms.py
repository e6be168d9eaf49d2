"""The local similarity in four forms that compute the same: the package's kernel and what it is measured against."""

from __future__ import annotations

import torch
from torch.nn.functional import cosine_similarity, cross_entropy

from cxrtutor.alignment.similarity import local_similarity

T1, T2, T3 = 4.0, 5.0, 10.0


def kernel(regions, units, mask):
    return local_similarity(regions, units, mask, attention_temperature=T1, aggregation_temperature=T2)


def loop_of_the_peers(regions, units, mask):
    """A loop over reports that skips padding, step by step as in GLoRIA's public code."""
    batch, columns = len(regions), []
    for u, present in zip(units, mask, strict=True):
        words = u[present].T.repeat(batch, 1, 1)
        count = words.shape[2]
        attention = torch.bmm(regions, words).view(-1, count).softmax(dim=-1).view(batch, -1, count)
        attention = attention.transpose(1, 2).contiguous().view(batch * count, -1) * T1
        attention = attention.softmax(dim=-1).view(batch, count, -1).transpose(1, 2).contiguous()
        contexts = torch.bmm(regions.transpose(1, 2), attention)
        contexts, words = (x.transpose(1, 2).contiguous().view(batch * count, -1) for x in (contexts, words))
        cosines = cosine_similarity(words, contexts).view(batch, count)
        columns.append((T2 * cosines).exp().sum(dim=1, keepdim=True).log())
    return torch.cat(columns, dim=1)


def lean_loop(regions, units, mask):
    """The same loop without its copies: broadcasting instead of repeating."""
    columns = []
    for u, present in zip(units, mask, strict=True):
        u = u[present]
        attention = (T1 * (regions @ u.T).softmax(dim=2)).softmax(dim=1)
        columns.append((T2 * cosine_similarity(attention.mT @ regions, u, dim=2)).logsumexp(dim=1))
    return torch.stack(columns, dim=1)


def all_pairs(regions, units, mask):
    """Plain autograd over the tensor of all images x reports x regions x padded units."""
    scores = torch.einsum("imd,jkd->ijmk", regions, units)
    shares = scores.masked_fill(~mask[None, :, None], -torch.inf).softmax(dim=3)
    contexts = torch.einsum("ijmk,imd->ijkd", (T1 * shares).softmax(dim=2), regions)
    cosines = cosine_similarity(contexts, units[None], dim=3)
    return (T2 * cosines).masked_fill(~mask[None], -torch.inf).logsumexp(dim=2)


FORMS = {form.__name__: form for form in (kernel, loop_of_the_peers, lean_loop, all_pairs)}


def inputs(batch=32, shortest=32, longest=64, side=19, dim=128):
    """Ragged reports of `shortest` to `longest` units, as even a spread as the batch allows, in a random order."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.linspace(shortest, longest, batch).round().long()[torch.randperm(batch, generator=generator)]
    mask = torch.arange(longest) < lengths[:, None]
    regions = torch.randn(batch, side * side, dim, generator=generator) / dim**0.25
    units = torch.randn(batch, longest, dim, generator=generator) / dim**0.25 * mask[..., None]
    return regions.requires_grad_(), units.requires_grad_(), mask


def step(form, regions, units, mask):
    """One forward and backward pass of the loss."""
    regions.grad = units.grad = None
    logits = T3 * form(regions, units, mask)
    target = torch.arange(len(logits))
    (cross_entropy(logits, target) + cross_entropy(logits.T, target)).backward()
