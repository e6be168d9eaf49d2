"""Work shared out among processes of one thread each, which end when whoever started them is gone.

They are started by the command line and not by `multiprocessing`, which would run a user's script once more in each
process unless the script guards against it. Jobs reach a process through its standard input, one at a time, and it
answers each with one byte; so who is quick does more, and an input that ends early means that nobody waits any more.
"""

from __future__ import annotations

import importlib
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import InputError

_DONE = b"."
_MARK = "\0"  # before and after what a user can mend; libraries write to the same place
_LENGTH = struct.Struct("<q")  # of a pickled job, which follows it
_Answers = queue.SimpleQueue[int | Exception | None]  # a job's position; why it cannot be sent; a process has ended


class ProcessEndedError(RuntimeError):
    """A process was ended from outside: killed by somebody, or by the system for want of memory."""


def in_processes(
    work: Callable[..., object],
    jobs: Sequence[tuple[Any, ...]],
    workers: int,
    started: Callable[[int], None] = lambda position: None,
) -> Iterator[int]:
    """Call `work(*job)` for every job in one of several processes, and yield each job's position when it is done.

    Args:
        work: a function of an importable module.
        jobs: its arguments; they are pickled.
        workers: processes, at most one a job.
        started: called with a job's position when a process is given it, from another thread.

    Raises:
        InputError: a job raised one.
        ProcessEndedError: a process was ended from outside.
        RuntimeError: a job failed of something else (the message is its traceback).
    """
    waiting = deque(enumerate(jobs))
    done: _Answers = queue.SimpleQueue()
    with ExitStack() as stack:
        for _ in range(min(workers, len(jobs))):
            process = stack.enter_context(worker(work))
            threading.Thread(target=_feed, args=(process, waiting, done, started), daemon=True).start()
        for _ in jobs:
            answer = done.get()
            if isinstance(answer, Exception):
                raise answer
            if answer is None:
                break  # leaving the block tells why, where the process knows
            yield answer
        else:
            return
    raise RuntimeError("A process ended before its work was done, as if all was well.")


@contextmanager
def worker(work: Callable[..., object]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits for jobs; what it fails of is raised at the end of the block."""
    package_root = str(Path(__file__).parents[2])
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    path = os.pathsep.join(filter(None, (package_root, os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, work.__module__, work.__qualname__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={**os.environ, **one_thread, "PYTHONPATH": path},
        )
        try:
            yield process
        finally:
            stopped_by_us = process.poll() is None
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):  # what nobody will read any more
                    pipe.close()
        if process.returncode and not stopped_by_us:
            complaints.seek(0)
            message = complaints.read().decode(errors="replace").strip()
            if process.returncode == 2 and message.count(_MARK) == 2:
                raise InputError(message.split(_MARK)[1])
            if process.returncode < 0 or not message:
                raise ProcessEndedError(f"A process was ended from outside ({process.returncode}). {message}".strip())
            raise RuntimeError(message)


def _feed(
    process: subprocess.Popen[bytes],
    waiting: deque[tuple[int, Any]],
    done: _Answers,
    started: Callable[[int], None],
) -> None:
    """Give a process one job after the other for as long as there are any."""
    while True:
        try:
            position, job = waiting.popleft()
        except IndexError:
            return
        try:
            started(position)
            pickled = pickle.dumps(job)
            process.stdin.write(_LENGTH.pack(len(pickled)) + pickled)
            process.stdin.flush()
            answered = process.stdout.read(1) == _DONE
        except OSError:  # the process is gone
            answered = False
        except Exception as error:
            done.put(error)
            return
        if not answered:
            process.wait()
            done.put(None)
            return
        done.put(position)


def _main() -> None:
    """A worker's life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; who started us ends us
    given, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints is no answer
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(given, jobs), daemon=True).start()
    module, name = sys.argv[1:]
    work = getattr(importlib.import_module(module), name)
    try:
        while True:
            work(*pickle.loads(jobs.get()))
            answers.write(_DONE)
    except InputError as error:
        print(_MARK, str(error).replace(_MARK, " "), _MARK, sep="", file=sys.stderr)
        sys.exit(2)


def _receive(given: BinaryIO, jobs: queue.SimpleQueue[bytes]) -> None:
    """Take jobs until whoever gives them is gone; then end the process, whatever it does."""
    while len(head := given.read(_LENGTH.size)) == _LENGTH.size:
        (length,) = _LENGTH.unpack(head)
        jobs.put(given.read(length))
    os._exit(0)


if __name__ == "__main__":
    _main()
