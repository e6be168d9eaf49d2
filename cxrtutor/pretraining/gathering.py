"""Contrast sees the whole batch: features of all processes, gathered with their gradients.

Every process then computes the same loss over the same pairs. The backward pass of the gathering sums the processes'
gradients and data-parallel training averages them, so the parameters' gradient equals that of one process holding the
whole batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_gather
from torch.nn.functional import pad

from ..alignment.alignment import PairedFeatures
from ..encoders.features import ImageFeatures, TextFeatures

PADDED: Mapping[str, float] = {
    "words": 0,
    "word_mask": False,
    "word_sentence": -1,
    "sentences": 0,
    "sentence_mask": False,
}
"""Text tensors whose second axis differs between processes, and what they are padded with."""


def gather_pairs(pairs: PairedFeatures) -> PairedFeatures:
    """The pairs of all processes in order of rank; the very same pairs where there is one process only."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return pairs
    image = {f.name: _gather(getattr(pairs.image, f.name)) for f in fields(ImageFeatures)}
    text = {f.name: _gather(_padded(f.name, getattr(pairs.text, f.name))) for f in fields(TextFeatures)}
    return PairedFeatures(ImageFeatures(**image), TextFeatures(**text))


def _padded(name: str, tensor: Tensor | None) -> Tensor | None:
    """`tensor` with its unit axis padded to the longest of all processes."""
    if tensor is None or name not in PADDED:
        return tensor
    longest = torch.tensor(tensor.shape[1], device=tensor.device)
    dist.all_reduce(longest, dist.ReduceOp.MAX)
    missing = int(longest) - tensor.shape[1]
    return pad(tensor, (0, missing) if tensor.dim() == 2 else (0, 0, 0, missing), value=PADDED[name])


def _gather(tensor: Tensor | None) -> Tensor | None:
    if tensor is None:
        return None
    if tensor.requires_grad:
        return torch.cat(all_gather(tensor.contiguous()))
    # Masks and indices have no gradient, and gloo gathers no booleans.
    sent = tensor.to(torch.uint8) if tensor.dtype == torch.bool else tensor
    parts = [torch.empty_like(sent) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, sent.contiguous())
    return torch.cat(parts).to(tensor.dtype)
