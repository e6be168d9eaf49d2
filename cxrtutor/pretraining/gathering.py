"""Contrast sees the whole batch: features of all processes, gathered with their gradients.

Every process then computes the same loss over the same pairs. The backward pass of the gathering sums the processes'
gradients and data-parallel training averages them, so the parameters' gradient equals that of one process holding the
whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
"""Text tensors whose second axis differs between parts of a batch, and what they are padded with."""


def gather_pairs(pairs: PairedFeatures) -> PairedFeatures:
    """The pairs of all processes in order of rank; the very same pairs where there is one process only."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return pairs
    return _tensorwise(_gathered, "", pairs)


def join_pairs(parts: Sequence[PairedFeatures]) -> PairedFeatures:
    """The pairs of several parts of a batch, one part after another."""
    return _tensorwise(_joined, "", *parts)


def _tensorwise(function: Callable[..., Tensor], name: str, *parts: Any) -> Any:
    """What `function` makes of every tensor that `parts` hold alike, given its name and its value in each of them."""
    if parts[0] is None:
        return None
    if not is_dataclass(parts[0]):
        return function(name, *parts)
    names = [each.name for each in fields(parts[0])]
    return type(parts[0])(**{each: _tensorwise(function, each, *(getattr(p, each) for p in parts)) for each in names})


def _joined(name: str, *tensors: Tensor) -> Tensor:
    longest = max(tensor.shape[1] for tensor in tensors) if name in PADDED else 0
    return torch.cat([_padded(name, tensor, longest) for tensor in tensors])


def _gathered(name: str, tensor: Tensor) -> Tensor:
    if name not in PADDED:
        return _gather(tensor)
    longest = torch.tensor(tensor.shape[1], device=tensor.device)
    dist.all_reduce(longest, dist.ReduceOp.MAX)
    return _gather(_padded(name, tensor, int(longest)))


def _padded(name: str, tensor: Tensor, longest: int) -> Tensor:
    """`tensor` with its unit axis, if it has one, as long as the longest."""
    if name not in PADDED:
        return tensor
    missing = longest - tensor.shape[1]
    return pad(tensor, (0, missing) if tensor.dim() == 2 else (0, 0, 0, missing), value=PADDED[name])


def _gather(tensor: Tensor) -> Tensor:
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
