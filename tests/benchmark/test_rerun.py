"""The committed records are today's, and one of them, drawn at random, is trained and measured anew.

`CXRTUTOR_RECORD` names the one to be drawn (`local-alignment/lsm-seed0.json`).
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from cxrtutor.benchmark.experiments import Trial, load_experiments
from cxrtutor.benchmark.records import Record, recorded
from cxrtutor.evaluation.bootstrap import interval
from cxrtutor.evaluation.results import Repeats, Result
from cxrtutor.transfer.tasks import task_named

RECORDS = Path("chapters/records")
LEAST = 0.02
"""Of any metric, what is not held against a result of another day."""
TRIALS = {trial.file: trial for trials in load_experiments("configs/experiments.yaml").values() for trial in trials}


@pytest.mark.slow  # makes the teaching set where it is not there yet
@pytest.mark.parametrize("file", TRIALS)
def test_every_trial_has_a_record_of_today(file: str) -> None:
    record = recorded(TRIALS[file], RECORDS)
    assert set(record.measurements) == set(TRIALS[file].splits)
    assert all(len(measured.rows) for measured in record.measurements.values())
    transfer = TRIALS[file].transfer
    assert set(record.transfer) == set(transfer.cases() if transfer else ())


def test_no_record_is_left_over_from_an_experiment_that_is_gone() -> None:
    assert {str(path.relative_to(RECORDS)) for path in RECORDS.rglob("*.json")} <= set(TRIALS)


@pytest.fixture
def drawn() -> Trial:
    # Of trials with pictures alone nothing is measured; other experiments measure the same trainings.
    measured = sorted(file for file, trial in TRIALS.items() if trial.splits or trial.transfer)
    file = os.environ.get("CXRTUTOR_RECORD") or random.SystemRandom().choice(measured)
    print("drawn:", file)
    return TRIALS[file]


@pytest.mark.slow
def test_a_record_that_is_drawn_can_be_made_again(
    drawn: Trial,
    shared_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    record = recorded(drawn, RECORDS)
    seeds = [figures(recorded(one, RECORDS)) for one in TRIALS.values() if of_one_run(one, drawn)]
    threads = torch.get_num_threads()
    request.addfinalizer(lambda: torch.set_num_threads(threads))
    # The order of summation depends on the number of threads, and over a whole training it matters like another seed.
    torch.set_num_threads(int(record.about["machine"].split()[-2]))
    # The set and the features stay where they are; a run that was trained on this machine before must not be found.
    for kind in ("data", "features"):
        (shared_home / kind).mkdir(parents=True, exist_ok=True)
        (tmp_path / kind).symlink_to(shared_home / kind)
    monkeypatch.setenv("CXRTUTOR_HOME", str(tmp_path))
    again = figures(recorded(drawn, RECORDS, rerun=True))
    for name, result in figures(record).items():
        limits, today = interval(result, name.metric), value(again, name)
        # Another processor, or a quicker program, sums in another order too, which matters like another seed. Of few
        # seeds another may lie as far outside as they lie apart. Where all is near nothing, so is the interval.
        other_seeds = [value(one, name) for one in seeds]
        most = max(2 * (limits.high - limits.low), 2 * (max(other_seeds) - min(other_seeds)), LEAST)
        assert abs(today - limits.value) <= most, f"{drawn.file}, {name}: was {limits} and is {today:.3f} today"


class Name(NamedTuple):
    """What a figure is of: a split or a case of transfer, and a metric."""

    what: str
    metric: str


def figures(record: Record) -> dict[Name, Result | Repeats]:
    """What of a record is held against that of another."""
    splits = {"test"} & set(record.measurements) or record.measurements
    found = {Name(split, metric): record.measurements[split] for split in splits for metric in ("cnr", "pointing")}
    return found | {
        Name(case, task_named(case.split(", ")[0]).metric): repeats for case, repeats in record.transfer.items()
    }


def value(figures_of: dict[Name, Result | Repeats], name: Name) -> float:
    return interval(figures_of[name], name.metric, resamples=1).value


def of_one_run(one: Trial, other: Trial) -> bool:
    """Whether two trials differ in their seed alone."""
    return (one.experiment, one.run) == (other.experiment, other.run)
