"""Order and learning rate are functions of seed, epoch and step alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cxrtutor.pretraining.schedule import batches, learning_rate


@given(st.integers(1, 200), st.integers(1, 64), st.integers(0, 5), st.integers(0, 5))
def test_an_epoch_shows_no_study_twice_in_full_batches(studies: int, size: int, seed: int, epoch: int) -> None:
    order = batches(studies, size, seed, epoch)
    shown = np.concatenate(order)
    assert len(np.unique(shown)) == len(shown)
    assert all(len(batch) == min(size, studies) for batch in order)
    assert studies - len(shown) < size


def test_epochs_and_seeds_differ_and_repeat() -> None:
    assert np.array_equal(batches(100, 10, 1, 2)[3], batches(100, 10, 1, 2)[3])
    assert not np.array_equal(batches(100, 10, 1, 2)[3], batches(100, 10, 1, 3)[3])
    assert not np.array_equal(batches(100, 10, 1, 2)[3], batches(100, 10, 2, 2)[3])


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
