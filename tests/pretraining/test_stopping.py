"""A signal that asks a run to stop is kept in mind while steps are taken, and ends other work at once."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from lightning_fabric import Fabric

from cxrtutor.errors import StoppedError
from cxrtutor.pretraining.stopping import SIGNALS, StopRequest, stop_request


@pytest.fixture(scope="module")
def alone() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def test_sigterm_and_sigusr1_are_listened_to() -> None:
    assert set(SIGNALS) == {signal.SIGTERM, signal.SIGUSR1}


@pytest.mark.parametrize("number", SIGNALS)
def test_while_steps_are_taken_it_waits_to_be_asked_for(alone: Fabric, number: signal.Signals) -> None:
    with stop_request() as stop, stop.at_next_step():
        assert not stop.of_any_process(alone)
        os.kill(os.getpid(), number)
        assert stop.of_any_process(alone) and stop.signal == number.name


@pytest.mark.parametrize("number", SIGNALS)
def test_at_other_times_it_ends_the_work(number: signal.Signals) -> None:
    with pytest.raises(StoppedError, match=f"Stopped by {number.name} before"), stop_request() as stop:
        with stop.at_next_step():
            pass
        os.kill(os.getpid(), number)


def test_before_and_after_signals_do_what_they_did() -> None:
    heard: list[int] = []
    original = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with pytest.raises(KeyError), stop_request() as stop, stop.at_next_step():
            raise KeyError
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, original)
    assert heard == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


def test_another_thread_listens_to_nothing() -> None:
    found: list[object] = []

    def work() -> None:
        with stop_request() as stop:
            found.append((type(stop), signal.getsignal(signal.SIGTERM)))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(StopRequest, before)]
