"""A scheduler that wants its machine back says so by a signal: SIGTERM, or SIGUSR1 a while before the time is up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch
from lightning_fabric import Fabric

from ..errors import StoppedError

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name))


class StopRequest:
    """Whether a signal has asked a run to stop, and what happens when one does.

    While steps are taken, it is kept in mind until the step is over and its outcome saved (`at_next_step`). At any
    other time, as while features are cached, there is nothing to be saved: it ends the work at once.

    Attributes:
        signal: the name of the signal that came, or None.
    """

    def __init__(self) -> None:
        self.signal: str | None = None
        self._waits = False

    @contextmanager
    def at_next_step(self) -> Iterator[None]:
        """While steps are taken: a signal waits until it is asked for."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False

    def of_any_process(self, fabric: Fabric) -> bool:
        """Whether any of the processes was asked to stop; all of them ask at the same step, and all get one answer."""
        if fabric.world_size == 1:
            return self.signal is not None
        asked = torch.tensor(float(self.signal is not None), device=fabric.device)
        return bool(fabric.all_reduce(asked, reduce_op="sum") > 0)

    def receive(self, number: int, frame: FrameType | None) -> None:
        """What the operating system calls."""
        self.signal = signal.Signals(number).name
        if not self._waits:
            raise StoppedError(f"Stopped by {self.signal} before a step was taken. The same command goes on.")


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Listen to the signals that ask to stop; before and after, they do what they did.

    Only a program's main thread may listen: in any other (of a notebook's kernel, or a test) they do as ever.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request.receive) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            # None stands for a handler that was not set from Python, and cannot be set back from it.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
