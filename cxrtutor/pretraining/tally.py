"""What a computation holds in memory and how much it multiplies, counted while it runs."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count

_aten = torch.ops.aten


class Tally(TorchDispatchMode):
    """Counts what runs inside its `with` block, backward passes included: on any device, operation by operation.

    Of memory it counts storages, not tensors: views cost nothing, and what was there before the block is not counted.
    It sees what PyTorch's operations give, not what a library takes for itself inside one of them. After the block it
    goes on to see storages being freed, so `live` stays true.

    Attributes:
        live: bytes that were allocated inside the block and are still held, be it by autograd.
        peak: the most they ever were.
        multiplied: floating-point operations of matrix products, convolutions and attention, by the type of number they
            are done in; a multiplication and an addition are two.
        started: how many operations that compute or move something were started; views are not counted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = self.started = 0
        self.multiplied: Counter[torch.dtype] = Counter()
        self._seen: dict[int, int] = {}

    def __torch_dispatch__(self, operation: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        given = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        self._see(given, counted=False)
        result = operation(*args, **kwargs)
        self._see((value for value in tree_leaves(result) if isinstance(value, Tensor)), counted=True)
        self.started += not operation.is_view
        count = _FLOPS.get(operation._overloadpacket)
        if count is not None:
            self.multiplied[given[-1].dtype] += count(*args, **kwargs, out_val=result)
        return result

    def _see(self, tensors: Iterable[Tensor], counted: bool) -> None:
        for tensor in tensors:
            storage = tensor.untyped_storage()
            if storage._cdata in self._seen:
                continue
            size = storage.nbytes() if counted else 0
            self._seen[storage._cdata] = size
            self.live += size
            weakref.finalize(storage, self._freed, storage._cdata)
        self.peak = max(self.peak, self.live)

    def _freed(self, storage: int) -> None:
        self.live -= self._seen.pop(storage)


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query.shape, key.shape, value.shape)


def _attention_backward(gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    return sdpa_backward_flop_count(gradient.shape, query.shape, key.shape, value.shape)


# PyTorch's own table lacks the attention that CPUs have.
_FLOPS: dict[Any, Callable[..., int]] = {
    **flop_registry,
    _aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    _aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}
