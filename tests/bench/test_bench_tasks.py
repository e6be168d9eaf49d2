"""How long the full table of tasks takes: seven tasks, nine representations, three shares. Run by `make bench`.

Wall-clock seconds, with the threads that PyTorch takes by itself. One representation is measured with 10 % of the
labels, and stands for nine representations and three shares: a decoder takes as many steps whatever the share, and a
linear probe sorts numbers of the same size. All labels take a probe longer, so it is measured with these. The features
of the images are cached, as they are for all tasks after the first.
"""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
import pytest
import torch

from cxrtutor.transfer import representation
from cxrtutor.transfer.tasks import TASKS
from cxrtutor.transfer.transfer import transfer

pytestmark = pytest.mark.slow  # makes the teaching set where it is not there yet

REPRESENTATIONS, SHARES = 9, 3
LIMIT = 15 * 60
"""Seconds of the whole table on two cores."""


@pytest.fixture
def all_threads(one_thread: None):
    """The bench is of two cores, where others are of one thread."""
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def test_the_full_table_of_tasks(
    report, all_threads: None, shared_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = representation.named("untrained")
    for split in ("train", "test", "unseen"):
        examples = TASKS["findings"].examples("teaching", "train").studies
        representation.all_vectors(given, type(examples)(examples.folder, split))
    # What was computed for this machine before must not be found; what all tasks share stays where it is.
    for kind in ("data", "features", "vectors"):
        (shared_home / kind).mkdir(parents=True, exist_ok=True)
        (tmp_path / kind).symlink_to(shared_home / kind)
    monkeypatch.setenv("CXRTUTOR_HOME", str(tmp_path))
    taken = {}
    for name, task in TASKS.items():
        start = time.perf_counter()
        transfer(task, given, labels=1.0 if task.kind == "classification" else 0.1)
        taken[name] = time.perf_counter() - start
    whole = sum(taken.values()) * REPRESENTATIONS * SHARES
    report.add(
        "Tasks of transfer",
        f"Seconds of one head, trained and measured on the teaching set, on two threads. Seven tasks for "
        f"{REPRESENTATIONS} representations and {SHARES} shares of the labels take {whole / 60:.1f} minutes; at most "
        f"{LIMIT / 60:.0f} are wanted.",
        pd.Series(taken, name="seconds").round(1).to_frame(),
    )
    assert whole < LIMIT, f"the table takes {whole / 60:.1f} minutes"
