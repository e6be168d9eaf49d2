"""Memory for time: what a forward pass computed is let go, and computed once more when its gradient is due."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint

from ..alignment.alignment import PairedFeatures
from .gathering import join_pairs

Result = TypeVar("Result")


def recomputed(function: Callable[..., Result], module: nn.Module) -> Callable[..., Result]:
    """`function`, of whose forward pass only what it was given is kept; the backward pass runs it once more.

    The second time is as the first: dropout leaves out the same, mixed precision casts alike, and batch normalisation
    starts from the statistics that it had then, and leaves alone those that it has come to since.

    Args:
        function: may be called by another so recomputed one.
        module: whose batch normalisations it goes through.
    """

    def call(*given: Any, **named: Any) -> Result:
        if not torch.is_grad_enabled():
            return function(*given, **named)

        def contexts() -> tuple[Any, Any]:
            return nullcontext(), _StatisticsAsTheyAreNow(module)

        return checkpoint(function, *given, use_reentrant=False, context_fn=contexts, **named)

    return call


def in_pieces(
    encode: Callable[..., PairedFeatures], module: nn.Module, size: int | None, *given: Any
) -> PairedFeatures:
    """The pairs of a batch, encoded so many at a time.

    A contrast needs the vectors of all pairs at once, but not what an encoder computed on the way to them: that is kept
    of one piece at a time, while its gradient is taken. The loss and its gradient are those of the whole batch (Gao et
    al., arXiv 2101.06983, whose cache of gradients is here what automatic differentiation holds for the vectors).

    Args:
        encode: makes pairs of what it is given.
        module: what it goes through, see `recomputed`.
        size: of a piece; None for one piece of all.
        given: tensors and lists with an entry a pair, dictionaries of such, and None.
    """
    pairs = _count(given[0])
    if size is None or pairs <= size:
        return encode(*given)
    piecewise = recomputed(encode, module)
    pieces = (slice(start, start + size) for start in range(0, pairs, size))
    return join_pairs([piecewise(*(_entries(each, piece) for each in given)) for piece in pieces])


class _StatisticsAsTheyAreNow:
    """A context in which batch normalisations in training have copies of the statistics that they had when it was made,
    and after which they have those again that they had before it."""

    def __init__(self, module: nn.Module) -> None:
        self._norms = [part for part in module.modules() if isinstance(part, _NormBase) and part.training]
        self._kept = [_copies(norm._buffers) for norm in self._norms]

    def __enter__(self) -> None:
        self._before = [dict(norm._buffers) for norm in self._norms]
        # Copies of the copies: a function within a function may be computed more than twice.
        self._put([_copies(buffers) for buffers in self._kept])

    def __exit__(self, *_: object) -> None:
        self._put(self._before)

    def _put(self, buffers: list[dict[str, Tensor | None]]) -> None:
        for norm, each in zip(self._norms, buffers, strict=True):
            norm._buffers.update(each)


def _copies(buffers: dict[str, Tensor | None]) -> dict[str, Tensor | None]:
    return {name: None if buffer is None else buffer.clone() for name, buffer in buffers.items()}


def _count(part: dict[str, Tensor | None] | Tensor | list[Any]) -> int:
    """The number of pairs that something holds an entry of."""
    return len(next(filter(torch.is_tensor, part.values()))) if isinstance(part, dict) else len(part)


def _entries(part: Any, piece: slice) -> Any:
    """Of something with an entry a pair, those of a piece."""
    if part is None:
        return None
    return {name: _entries(each, piece) for name, each in part.items()} if isinstance(part, dict) else part[piece]
