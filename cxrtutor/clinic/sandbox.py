"""The process behind `submission.py`: it never touches the file of tests, and starts a process for every run.

A request is a line of JSON, and so is its answer. On Linux a run is a fork, which has everything loaded; elsewhere it
is a fresh process and takes seconds.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import runpy
import sys
from collections.abc import Callable
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .running import WAITING, Outcome, run
from .tests import asked_for, given, tests_among

GRACE = 60.0
"""Seconds beyond what a test may take, for starting the process and reading the file."""


def main(path: str) -> None:
    """Answer requests until there are no more."""
    with os.fdopen(os.dup(0), encoding="utf-8") as requests, os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # so that no test, nor what it starts, takes a request away
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that nothing but answers can be taken for one
        for line in requests:
            print(json.dumps(_in_a_process(path, json.loads(line))), file=answers, flush=True)


def _in_a_process(path: str, request: dict[str, Any]) -> dict[str, Any]:
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sending, path, request), daemon=True)
    process.start()
    sending.close()
    try:
        if receiving.poll(WAITING * request.get("limit", 0) + GRACE):
            return receiving.recv()
        problem = "not done in time"
    except EOFError:
        problem = "it ended its process"
    finally:
        process.kill()
        process.join()
    return _found(problem) if request["test"] is None else asdict(Outcome(False, problem))


def _answer(sending: Connection, path: str, request: dict[str, Any]) -> None:
    try:
        tests = _tests_in(path)
    except BaseException as error:  # whatever the file does at its top level
        problem = f"{type(error).__name__}: {error}"
        sending.send(_found(problem) if request["test"] is None else asdict(Outcome(False, problem)))
        return
    if request["test"] is None:
        sending.send(_found("", {name: asked_for(test) for name, test in tests.items()}))
    else:
        test = tests[request["test"]]
        sending.send(asdict(run(test, given(test, request["sick"]), request["limit"])))


def _found(problem: str, tests: dict[str, list[str]] | None = None) -> dict[str, Any]:
    return {"problem": problem, "tests": tests or {}}


def _tests_in(path: str) -> dict[str, Callable[..., object]]:
    sys.path.insert(0, str(Path(path).parent))
    nowhere = open(os.devnull, "w", encoding="utf-8", errors="replace")  # noqa: SIM115 (while the process lives)
    os.dup2(nowhere.fileno(), 2)
    sys.stdout = sys.stderr = nowhere
    return tests_among(runpy.run_path(path))


if __name__ == "__main__":
    main(sys.argv[1])
