"""A record holds what was measured and where it comes from, and is refused once it is not what would be made today."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_experiments import write_experiments
from small_runs import small_set

from cxrtutor.benchmark import records
from cxrtutor.benchmark.experiments import MeasuredOn, Trial, load_experiments
from cxrtutor.benchmark.records import Record, recorded, run_missing, run_trial, trial_key
from cxrtutor.errors import InputError
from cxrtutor.pretraining import loop

pytestmark = pytest.mark.usefixtures("small_text_encoder", "home")


@pytest.fixture
def trials(tmp_path: Path, data: Path) -> Sequence[Trial]:
    return load_experiments(write_experiments(tmp_path, data, seeds=[0]))["local"]


def assert_same_measurements(first: Record, second: Record) -> None:
    for one, other in ((first.measurements, second.measurements), (first.retrieval, second.retrieval)):
        assert one.keys() == other.keys()
        for name, measured in one.items():
            pd.testing.assert_frame_equal(measured.rows, other[name].rows[list(measured.rows)], atol=1e-4)


def test_a_record_comes_back_as_it_was(trials: Sequence[Trial], tmp_path: Path) -> None:
    record = run_trial(trials[0])
    record.save(tmp_path / "record.json")
    again = Record.load(tmp_path / "record.json")
    assert again.about == record.about and again.curve == record.curve
    assert_same_measurements(record, again)
    assert record.about["key"] == trial_key(trials[0])
    assert record.about["config"]["method"] == "lsm"
    assert record.about["seconds"] > 0


def test_films_and_reports_look_for_each_other_where_a_trial_asks_for_it(
    trials: Sequence[Trial], tmp_path: Path
) -> None:
    assert run_trial(trials[0]).retrieval == {}
    trial = replace(trials[0], retrieval="validation")
    record = run_trial(trial)
    assert set(record.retrieval) == {"image to report", "report to image", "image to image"}
    assert record.retrieval["image to report"].protocol == "retrieval among 8 studies"
    record.save(tmp_path / "record.json")
    assert_same_measurements(record, Record.load(tmp_path / "record.json"))


def test_a_run_is_measured_on_the_findings_that_it_names(trials: Sequence[Trial]) -> None:
    everything, some = (run_trial(replace(trials[0], findings=names)) for names in ((), ("effusion",)))
    assert set(some.measurements["test"].rows.finding) == {"effusion"}
    expected = everything.measurements["test"].of_findings(["effusion"]).rows
    pd.testing.assert_frame_equal(some.measurements["test"].rows, expected)


def test_a_run_may_be_measured_on_another_set(trials: Sequence[Trial], tmp_path: Path) -> None:
    elsewhere = replace(trials[0], on=MeasuredOn(set=str(small_set(tmp_path / "other", {"test": 2}))))
    home, away = run_trial(trials[0]), run_trial(elsewhere)
    assert away.about["config"] == home.about["config"] and away.curve == home.curve
    assert 0 < away.measurements["test"].samples < home.measurements["test"].samples
    assert away.about["key"] != home.about["key"]


def test_its_curve_is_the_logs_mean_of_every_epoch(trials: Sequence[Trial], tmp_path: Path) -> None:
    config = trials[0].config
    longer = config.model_copy(update={"optimization": config.optimization.model_copy(update={"epochs": 2})})
    trial = Trial(**{**vars(trials[0]), "config": longer})
    curve = run_trial(trial).curve
    log = loop.pretrain(longer).log()
    assert [epoch["epoch"] for epoch in curve] == [0, 1]
    assert curve[1]["loss"] == pytest.approx(np.mean([entry["loss"] for entry in log[3:]]), abs=1e-5)
    assert curve[1]["validation_loss"] == pytest.approx(log[-1]["validation_loss"], abs=1e-5)


def test_only_what_is_missing_is_run(trials: Sequence[Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tmp_path / trials[0].file
    assert run_missing(trials[:1], tmp_path) == [first]
    before = first.read_bytes()
    assert run_missing(trials, tmp_path) == [tmp_path / trials[1].file]
    assert first.read_bytes() == before
    monkeypatch.setattr(records, "run_trial", None)
    assert run_missing(trials, tmp_path) == []


@pytest.mark.parametrize("change", ["learning rate", "loop", "protocol", "prompts", "splits", "retrieval", "findings"])
def test_an_outdated_record_is_refused_and_made_again(
    trials: Sequence[Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    trial = trials[1]
    run_missing([trial], tmp_path)
    assert recorded(trial, tmp_path).about["key"] == trial_key(trial)
    if change == "learning rate":
        optimization = trial.config.optimization.model_copy(update={"learning_rate": 0.03})
        config = trial.config.model_copy(update={"optimization": optimization})
        trial = Trial(**{**vars(trial), "config": config})
    elif change == "loop":
        monkeypatch.setattr(loop, "VERSION", loop.VERSION + 1)
    else:
        other = {"protocol": "chexlocalize", "prompts": "simple", "splits": ("validation",), "retrieval": "test"}
        other |= {"findings": ("effusion",)}
        trial = replace(trial, **{change: other[change]})
    with pytest.raises(InputError, match=r"another configuration, other data or another .* runs it again"):
        recorded(trial, tmp_path)
    assert run_missing([trial], tmp_path) == [tmp_path / trial.file]
    assert recorded(trial, tmp_path).about["key"] == trial_key(trial)


def test_a_rerun_looks_at_no_record(trials: Sequence[Trial], tmp_path: Path) -> None:
    record = run_trial(trials[1])
    assert_same_measurements(recorded(trials[1], tmp_path, rerun=True), record)
    assert not list(tmp_path.glob("local/*"))


@pytest.mark.parametrize("damage", ["missing", "no JSON", "something else", "columns of different lengths"])
def test_what_is_no_record_says_so(trials: Sequence[Trial], tmp_path: Path, damage: str) -> None:
    path = tmp_path / trials[1].file
    message = "does not hold a record .* Delete it and run `make experiments`"
    if damage == "missing":
        message = "There is no record at .* `make experiments` runs what is missing"
    else:
        run_missing([trials[1]], tmp_path)
        text = path.read_text()
        content = json.loads(text)
        content["measurements"]["test"]["rows"]["iou"].append(0.5)
        replacement = {
            "no JSON": text[:99],
            "something else": "[]",
            "columns of different lengths": json.dumps(content),
        }
        path.write_text(replacement[damage])
    with pytest.raises(InputError, match=message):
        recorded(trials[1], tmp_path)
