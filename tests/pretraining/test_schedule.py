"""The learning rate is a function of the step alone."""

from __future__ import annotations

import numpy as np

from cxrtutor.pretraining.schedule import learning_rate


def test_the_rate_rises_to_its_peak_and_falls_to_zero() -> None:
    rates = [learning_rate(step, 100, peak=2.0, warmup=0.1) for step in range(100)]
    assert np.argmax(rates) == 10
    assert rates[10] == 2.0
    assert np.all(np.diff(rates[:11]) > 0)
    assert np.all(np.diff(rates[10:]) < 0)
    assert 0 < rates[0] < 0.2
    assert rates[-1] < 0.002


def test_without_warm_up_the_first_step_has_the_peak() -> None:
    assert learning_rate(0, 50, peak=1.0, warmup=0.0) == 1.0
