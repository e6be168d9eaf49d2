"""What a worker of a benchmark does in tests; workers import this file."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from cxrtutor.benchmark.experiments import Trial
from cxrtutor.benchmark.records import Record, trial_key


def note(trials: Sequence[Trial], folder: Path, threads: int) -> None:
    """Record of every trial that it was run, in which process and with how many threads."""
    for trial in trials:
        about = {"key": trial_key(trial), "process": os.getpid(), "threads": threads}
        Record(about, [], {}, {}).save(folder / trial.file)


def killed_at_seed_five(trials: Sequence[Trial], folder: Path, threads: int) -> None:
    """As `note`, but seed 5 is the end of the process, until it has been tried once."""
    tried = folder / "tried"
    for trial in trials:
        if trial.seed == 5 and not tried.exists():
            tried.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        note([trial], folder, threads)
