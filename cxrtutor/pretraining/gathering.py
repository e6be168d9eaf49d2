"""Contrast sees the whole batch: features of all processes, gathered with their gradients.

Every process then computes the same loss over the same pairs. The backward pass of the gathering sums the processes'
gradients and data-parallel training averages them, so the parameters' gradient equals that of one process holding the
whole batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.functional import pad

from ..alignment.alignment import PairedFeatures

PADDED: Mapping[str, float] = {
    "words": 0,
    "word_mask": False,
    "word_sentence": -1,
    "word_span": -1,
    "word_attention": 0,
    "sentences": 0,
    "sentence_mask": False,
}
"""Text tensors whose second axis differs between processes, and what they are padded with."""


def gather_pairs(pairs: PairedFeatures) -> PairedFeatures:
    """The pairs of all processes in order of rank; the very same pairs where there is one process only."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return pairs
    return _gathered(pairs)


def _gathered(part: Any, name: str = "") -> Any:
    """A tensor, or all tensors of a dataclass and of those within it."""
    if is_dataclass(part):
        return type(part)(**{each.name: _gathered(getattr(part, each.name), each.name) for each in fields(part)})
    return _gather(_padded(name, part))


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
    if tensor.dtype == torch.bool:  # gloo gathers no booleans
        return _Gather.apply(tensor.to(torch.uint8)).bool()
    return _Gather.apply(tensor)


class _Gather(torch.autograd.Function):
    """Rows of all processes, one below the other; each gets back the sum of all processes' gradients to its rows.

    PyTorch's own (`torch.distributed.nn`) is deprecated, and with gloo it mixes up the entries of gradients that do not
    lie in memory in their order.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total.chunk(dist.get_world_size())[dist.get_rank()]
