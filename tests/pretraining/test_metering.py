"""What a step's speed was; on a GPU, what it used (tests/test_cuda.py)."""

from __future__ import annotations

import pytest
import torch

from cxrtutor.pretraining import metering
from cxrtutor.pretraining.metering import Meter


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(metering.time, "perf_counter", lambda: now[0])
    return now


def test_speed_is_that_of_one_step(clock: list[float]) -> None:
    meter = Meter(torch.device("cpu"))
    clock[0] += 50  # between steps there may be a validation, or a checkpoint
    meter.start()
    clock[0] += 0.5
    assert meter.stop(64) == {"images_per_second": 128.0}


def test_a_gpu_is_asked_once_a_second(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3 * 2**29)
    monkeypatch.setattr(torch.cuda, "utilization", lambda device: asked.append(device) or 93)
    meter = Meter(device := torch.device("cuda", 1))
    found = []
    for _ in range(25):
        meter.start()
        clock[0] += 0.1
        found.append(meter.stop(8))
    assert all(one["memory_gib"] == 1.5 and one["images_per_second"] == 80 for one in found)
    assert [one["utilization"] for one in found if "utilization" in one] == [93.0, 93.0]
    assert asked == [device, device]


@pytest.mark.parametrize("fault", [ModuleNotFoundError, RuntimeError])
def test_a_driver_that_does_not_tell_stops_nothing(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    def utilization(device: torch.device) -> int:
        raise fault

    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 0)
    monkeypatch.setattr(torch.cuda, "utilization", utilization)
    meter = Meter(torch.device("cuda"))
    clock[0] += 2
    assert meter.stop(1).keys() == {"images_per_second", "memory_gib"}
