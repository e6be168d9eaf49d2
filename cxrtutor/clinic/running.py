"""One test, run once: within a time limit, with what it prints kept, and leaving things as they were.

The test gets its own copy of what it names and can change (lists, dictionaries, sets, arrays, tensors, generators of
random numbers) and of its module's names, the same random numbers every time, and its own thread, so that it can be
told to stop. What else it changes, such as an attribute of a library, stays changed: for that, `submission.py` gives
each run its own process.
"""

from __future__ import annotations

import copy
import ctypes
import io
import linecache
import random
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor

SEED = 20
"""What random numbers begin with in every run, so that a grade does not depend on luck."""

WAITING = 6
"""How many times its limit a test may take by the clock, for it may wait, or its machine be busy with other things."""

SHOWN = 500
"""So many characters of what a test printed are kept, the last ones."""

_PLAIN = (list, dict, set, np.ndarray, Tensor, np.random.Generator, random.Random, torch.Generator)
_PATIENCE = 3.0  # seconds in which a test that was told to stop may do so
_GLANCE = 0.05  # seconds between looks at the time


class _TimeUp(BaseException):
    """Not an `Exception`, which a test may catch for good reasons."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        passed: whether the test had nothing to object to.
        message: what it objected to, and where.
        printed: what it printed last.
    """

    passed: bool
    message: str = ""
    printed: str = ""


def run(test: Callable[..., object], arguments: Mapping[str, Callable[..., Any]], limit: float | int) -> Outcome:
    """Call `test(**arguments)` and tell how that ended; after `limit` seconds of computing it is stopped.

    Seconds are the processor's, so that a grade does not depend on what else the machine does. A test that waits inside
    compiled code cannot be stopped; it is left to itself and has not passed.
    """
    printed = io.StringIO()
    ended: list[BaseException | None] = []

    def work() -> None:
        try:
            returned = _on_copies(test)(**arguments)
            if returned is not None:
                raise TypeError(f"it returned {type(returned).__name__}; a test returns nothing and asserts")
            ended.append(None)
        except BaseException as error:  # a test may raise anything, SystemExit too
            ended.append(error)

    thread = threading.Thread(target=work, daemon=True)
    with redirect_stdout(printed), redirect_stderr(printed), _as_it_was():
        thread.start()
        try:
            late = not _ends_in_time(thread, limit)
        finally:
            _stop(thread)
    said = printed.getvalue()[-SHOWN:]
    if late or not ended:
        return Outcome(False, f"not done after {limit:g} seconds", said)
    return Outcome(ended[0] is None, "" if ended[0] is None else _told(ended[0], test), said)


def _on_copies(test: Callable[..., object]) -> Callable[..., object]:
    """The test with its own copies of its module's names, and of the plain data among those that it uses."""
    if not isinstance(test, FunctionType):
        return test
    read = _names_in(test.__code__)
    names = {
        name: _copied(value) if name in read and isinstance(value, _PLAIN) else value
        for name, value in test.__globals__.items()
    }
    twin = FunctionType(test.__code__, names, test.__name__, _copied(test.__defaults__), test.__closure__)
    twin.__kwdefaults__ = _copied(test.__kwdefaults__)
    return twin


def _names_in(code: CodeType) -> set[str]:
    """The global names in a function, and in the functions and comprehensions inside it."""
    inner = (_names_in(one) for one in code.co_consts if isinstance(one, CodeType))
    return set(code.co_names).union(*inner)


def _copied(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except Exception:  # a tensor inside a graph, an open file in a list: no plain data after all
        return value


@contextmanager
def _as_it_was() -> Iterator[None]:
    """The same random numbers for every run; afterwards those that would have come without it."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state(), torch.get_default_dtype()
    random.seed(SEED)
    np.random.seed(SEED)
    torch.random.default_generator.manual_seed(SEED)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        torch.set_default_dtype(states[3])


def _ends_in_time(thread: threading.Thread, limit: float | int) -> bool:
    computed, clock = time.process_time(), time.monotonic()
    while thread.is_alive():
        if time.process_time() - computed > limit or time.monotonic() - clock > WAITING * limit:
            return False
        thread.join(_GLANCE)
    return True


def _stop(thread: threading.Thread) -> None:
    """Raise in a thread until it ends, as far as it can be reached."""
    for _ in range(round(_PATIENCE / _GLANCE)):
        if not thread.is_alive():
            return
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_TimeUp))
        thread.join(_GLANCE)


def _told(error: BaseException, test: Callable[..., object]) -> str:
    """What was raised, and the line of the test in which it was."""
    code = getattr(test, "__code__", None)
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if code and frame.filename == code.co_filename
    ]
    line = linecache.getline(frames[-1].filename, frames[-1].lineno or 0).strip() if frames else ""
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{said}, in `{line}`" if line else said
