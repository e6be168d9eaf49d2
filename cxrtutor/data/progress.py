"""How far long work has come: a bar on a terminal, and a line a minute in a log, where a bar is a mess.

What takes less than a minute says nothing in a log, nor in a notebook.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from tqdm import tqdm

SECONDS_A_LINE = 60.0


@contextmanager
def progress(total: int, done: int, name: str, unit: str) -> Iterator[Callable[[int], None]]:
    """Tell on standard error how far work has come.

    Args:
        total: of the things to do.
        done: how many were done before.
        name: of the work.
        unit: what one thing is called.

    Yields:
        What is to be called with the number of things that were done since.
    """
    if sys.stderr.isatty():  # one that does not know its size would get a bar of none
        size = {} if os.get_terminal_size(sys.stderr.fileno()).columns else {"ncols": 80, "nrows": 24}
        with tqdm(total=total, initial=done, desc=name, unit=unit, smoothing=0.05, **size) as bar:
            yield bar.update
        return
    at_first, started = done, monotonic()
    told = started

    def tell(more: int) -> None:
        nonlocal done, told
        done += more
        now = monotonic()
        if now - told < SECONDS_A_LINE:
            return
        told, speed = now, (done - at_first) / (now - started)
        left = tqdm.format_interval((total - done) / speed)
        print(f"{name}: {done:,} of {total:,} {unit}s, {speed:.1f} a second, {left} left", file=sys.stderr, flush=True)

    yield tell
