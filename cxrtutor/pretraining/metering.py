"""How fast a step was, and what of a GPU it used: what the log says beside the loss."""

from __future__ import annotations

import time

import torch

SECONDS_A_SAMPLE = 1.0
"""A GPU counts its busy time over up to a second, so asking more often says nothing new, and asking is not free."""


class Meter:
    """Measures steps on one device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._began = self._sampled = time.perf_counter()

    def start(self) -> None:
        """A step begins."""
        self._began = time.perf_counter()

    def stop(self, images: int) -> dict[str, float]:
        """A step of so many images, in all processes, is over.

        Returns:
            "images_per_second"; on a GPU also "memory_gib", the most that tensors ever took of this process's, and once
            a second "utilization", the percentage of the time that it was busy.
        """
        now = time.perf_counter()
        measured = {"images_per_second": round(images / (now - self._began), 2)}
        if self._device.type == "cuda":
            measured["memory_gib"] = round(torch.cuda.max_memory_allocated(self._device) / 2**30, 3)
            if now - self._sampled >= SECONDS_A_SAMPLE:
                self._sampled = now
                measured |= _utilization(self._device)
        return measured


def _utilization(device: torch.device) -> dict[str, float]:
    """Nothing where the driver does not tell, as in some containers: a missing figure stops no training."""
    try:
        return {"utilization": float(torch.cuda.utilization(device))}
    except Exception:  # the errors of NVML have no type that is there without it
        return {}
