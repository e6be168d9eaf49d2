"""A file of tests, each of whose runs has a process of its own: nothing that a test does reaches another run.

That guards against accidents, not against malice: the file's code runs with the rights of whoever grades it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..errors import InputError
from .running import Outcome

_PACKAGE_ROOT = str(Path(__file__).parents[2])


@dataclass(frozen=True)
class Submission:
    """What a student handed in, while a process waits to run it; see `opened`.

    Attributes:
        complaints: what the process wrote about itself.
        tests: the names of its tests in their order, with what each asks for.
    """

    process: subprocess.Popen[str]
    complaints: IO[str]
    tests: dict[str, Sequence[str]]

    def run(self, name: str, sick: str | None, limit: float | int) -> Outcome:
        """Run one test on the healthy patients, or with the one named `sick` in its sick form."""
        return Outcome(**_ask(self.process, self.complaints, {"test": name, "sick": sick, "limit": limit}))


@contextmanager
def opened(path: Path) -> Iterator[Submission]:
    """The tests in a file; the process that runs them ends with the block.

    Raises:
        InputError: the file is missing or no Python, cannot be run, or holds no test.
    """
    if not path.is_file() or path.suffix != ".py":
        raise InputError(f"{path} is no file of Python. Give one whose name ends in .py, with your test functions.")
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints:
        process = _started(path, complaints)
        try:
            found = _ask(process, complaints, {"test": None})
            if found["problem"]:
                raise InputError(f"{path} cannot be run: {found['problem']}. Mend that first; nothing was graded.")
            if not found["tests"]:
                raise InputError(f"{path} holds no test. A test is a function whose name begins with test_.")
            yield Submission(process, complaints, found["tests"])
        finally:
            process.kill()
            process.communicate()


def _started(path: Path, complaints: IO[str]) -> subprocess.Popen[str]:
    search = os.pathsep.join(filter(None, (_PACKAGE_ROOT, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        # -P: a student's random.py, in the folder that we are called in, is not Python's.
        [sys.executable, "-P", "-m", "cxrtutor.clinic.sandbox", str(path.resolve())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaints,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": search, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},
    )


def _ask(process: subprocess.Popen[str], complaints: IO[str], request: dict[str, Any]) -> dict[str, Any]:
    assert process.stdin and process.stdout
    with suppress(OSError):  # It has ended: then there is no answer either.
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        complaints.seek(0)
        *_, last = ["Was it killed, or is memory short?", *complaints.read().strip().splitlines()]
        raise RuntimeError(f"The process that runs the tests has ended. {last}")
    return json.loads(answer)
