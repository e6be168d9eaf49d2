"""The learning rate is a function of the step and of the validation losses so far."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cxrtutor.methods.config import OptimizationConfig
from cxrtutor.pretraining.schedule import learning_rate, plateaus

losses = st.lists(st.sampled_from([3.0, 2.0, 1.0, 0.99995, 0.9, 0.0, -1.0]) | st.floats(-5, 5), max_size=25)


def rates(epochs: int, steps_per_epoch: int = 1, losses: list[float] | None = None, **options: object) -> list[float]:
    """The rates of all steps; `losses` become known one an epoch."""
    config = OptimizationConfig(epochs=epochs, **options)
    return [
        learning_rate(step, steps_per_epoch, config, (losses or [])[: step // steps_per_epoch])
        for step in range(epochs * steps_per_epoch)
    ]


def test_the_rate_rises_to_its_peak_and_falls_to_zero() -> None:
    found = rates(10, 10, learning_rate=2.0, warmup=0.1)
    assert np.argmax(found) == 10
    assert found[10] == 2.0
    assert np.all(np.diff(found[:11]) > 0)
    assert np.all(np.diff(found[10:]) < 0)
    assert 0 < found[0] < 0.2
    assert found[-1] < 0.002


@pytest.mark.parametrize("schedule", ["cosine", "step", "plateau"])
def test_without_warm_up_the_first_step_has_the_peak(schedule: str) -> None:
    assert rates(5, 10, learning_rate=1.0, warmup=0.0, schedule=schedule)[0] == 1.0


@pytest.mark.parametrize("schedule", ["step", "plateau"])
def test_every_schedule_warms_up_alike(schedule: str) -> None:
    settings = {"learning_rate": 1.0, "warmup": 0.5}
    assert rates(4, 5, **settings, schedule=schedule)[:10] == rates(4, 5, **settings)[:10]


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)


@given(st.integers(1, 12), st.integers(1, 4), st.floats(0.1, 0.9))
def test_steps_are_those_of_pytorch(epochs: int, steps_per_epoch: int, decay: float) -> None:
    trained = optimizer()
    schedule = torch.optim.lr_scheduler.StepLR(trained, step_size=1, gamma=decay)
    expected = []
    for _ in range(epochs):
        expected += [trained.param_groups[0]["lr"]] * steps_per_epoch
        trained.step()
        schedule.step()
    found = rates(epochs, steps_per_epoch, learning_rate=1.0, warmup=0.0, schedule="step", decay=decay)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@given(losses, st.integers(1, 4), st.integers(1, 3))
def test_plateaus_are_those_of_pytorch(losses: list[float], patience: int, steps_per_epoch: int) -> None:
    trained = optimizer()
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(trained, factor=0.5, patience=patience, eps=0)
    expected = []
    for loss in [*losses, 0.0]:
        expected += [trained.param_groups[0]["lr"]] * steps_per_epoch
        schedule.step(loss)
    options = {"learning_rate": 1.0, "warmup": 0.0, "schedule": "plateau", "decay": 0.5, "patience": patience}
    found = rates(len(losses) + 1, steps_per_epoch, losses=losses, **options)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_plateau_is_longer_than_the_patience() -> None:
    assert [plateaus([1.0] * count, patience=2) for count in range(8)] == [0, 0, 0, 0, 1, 1, 1, 2]
    assert plateaus([5.0, 4.0, 3.0, 2.0, 1.0], patience=1) == 0
