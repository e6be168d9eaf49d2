"""Seconds, bytes and arithmetic of a piece of work."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import accumulate
from math import prod

import torch
from torch.utils.flop_counter import FlopCounterMode

Work = Callable[[], object]


def seconds(
    works: Mapping[str, Work], repeats: int, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """The least processor seconds of each of several pieces of work, or seconds by another clock.

    They take turns, so that all meet the same machine, and the least of `repeats` is what the machine's other tenants
    lengthened least. One turn more comes first and does not count.
    """
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats + 1):
        for name, work in works.items():
            start = clock()
            work()
            taken[name].append(clock() - start)
    return {name: min(times[1:]) for name, times in taken.items()}


def peak_bytes(work: Work) -> int:
    """The most bytes of tensors that `work` has alive at a time, beyond what was there, as the allocator counts."""
    with torch.autograd.profiler.profile(profile_memory=True) as profile:
        work()
    allocations = [event for event in profile.kineto_results.events() if event.name() == "[memory]"]
    return max(accumulate(event.nbytes() for event in sorted(allocations, key=lambda event: event.start_ns())))


def operations(work: Work) -> int:
    """The floating-point operations of the matrix products and convolutions in `work`; the rest is not counted."""
    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.baddbmm_: _batched_product}) as counter:
        work()
    return counter.get_total_flops()


def operations_a_second(size: int = 1024, repeats: int = 8) -> float:
    """How many such operations a second one thread reaches at best: in a plain product of two square matrices."""
    a, b = torch.randn(2, size, size)
    return 2 * size**3 / seconds({"product": lambda: a @ b}, repeats)["product"]


def _batched_product(total, a, b, *_, out_shape=None, **__) -> int:
    return 2 * prod(a) * b[-1]
