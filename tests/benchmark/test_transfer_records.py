"""An experiment may give its runs to tasks: what each draw of labels gave is recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_experiments import write_experiments
from transfer.small_tasks import small_teaching_set

from cxrtutor.benchmark.experiments import Trial, load_experiments
from cxrtutor.benchmark.records import Record, recorded, run_missing, run_trial, trial_key
from cxrtutor.errors import InputError
from cxrtutor.evaluation.classification import Predictions
from cxrtutor.pretraining import loop
from cxrtutor.transfer import transfer

pytestmark = pytest.mark.usefixtures("small_text_encoder", "home")

RUNS = {
    "lsm": {"config": "recipes/lsm.yaml"},
    "heads": {"config": "recipes/lsm.yaml", "as": "untrained"},
    "network": {"config": "recipes/lsm.yaml", "as": "trunk"},
}
ASKED = {"tasks": ["opacity", "unseen"], "labels": [0.5, 1.0], "shots": [2], "draws": 2}


@pytest.fixture
def trials(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trial]:
    data = small_teaching_set(tmp_path_factory.mktemp("set"))
    path = write_experiments(tmp_path, data, runs=RUNS, seeds=[0], transfer=ASKED)
    return {trial.run: trial for trial in load_experiments(path)["local"]}


def test_a_trial_knows_what_it_asks(trials: dict[str, Trial]) -> None:
    assert {run: trial.stage for run, trial in trials.items()} == {
        "lsm": "trained",
        "heads": "untrained",
        "network": "trunk",
    }
    assert all(trial.splits == () for trial in trials.values())
    how = {"draws": 2, "fine_tune": False}
    assert trials["lsm"].transfer.cases() == {
        "opacity, 50 %": {"task": "opacity", "labels": 0.5, **how},
        "opacity, 100 %": {"task": "opacity", "labels": 1.0, **how},
        "opacity, 2 a class": {"task": "opacity", "shots": 2, **how},
        "unseen, 50 %": {"task": "unseen", "labels": 0.5, **how},
        "unseen, 100 %": {"task": "unseen", "labels": 1.0, **how},
        "unseen, 2 a class": {"task": "unseen", "shots": 2, **how},
    }


def test_a_record_holds_every_draw_and_comes_back(trials: dict[str, Trial], tmp_path: Path) -> None:
    records = {run: run_trial(trial) for run, trial in trials.items()}
    for run, record in records.items():
        assert {case: len(one.results) for case, one in record.transfer.items()} == {
            case: 1 if "100 %" in case else 2 for case in trials[run].transfer.cases()
        }
        assert record.measurements == {} and record.about["key"] == trial_key(trials[run])
        assert bool(record.curve) == bool(record.about["seconds"]) == (run == "lsm")
        record.save(tmp_path / "record.json")
        again = Record.load(tmp_path / "record.json")
        assert again.transfer.keys() == record.transfer.keys()
        for case, repeats in record.transfer.items():
            for one, other in zip(repeats.results, again.transfer[case].results, strict=True):
                assert isinstance(other, Predictions) and one.to_json() == other.to_json()
        content = json.loads((tmp_path / "record.json").read_text())
        assert content["about"]["config"]["method"] == "lsm"
        plain = [[one.to_json() for one in repeats.results] for repeats in record.transfer.values()]
        assert len(content["transfer"]) < len(json.dumps(plain)) / 2
    scores = {run: record.transfer["opacity, 100 %"].results[0].scores.tolist() for run, record in records.items()}
    assert scores["lsm"] != scores["heads"] != scores["network"] != scores["lsm"]


def test_what_changes_a_task_outdates_its_records(
    trials: dict[str, Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = trials["network"]
    assert run_missing([trial], tmp_path) == [tmp_path / trial.file]
    assert run_missing([trial], tmp_path) == []
    keys = {trial_key(one) for one in trials.values()}
    assert len(keys) == 3
    monkeypatch.setattr(transfer, "VERSION", transfer.VERSION + 1)
    with pytest.raises(InputError, match="another configuration"):
        recorded(trial, tmp_path)
    monkeypatch.setattr(transfer, "VERSION", transfer.VERSION - 1)
    recorded(trial, tmp_path)
    monkeypatch.setattr(transfer, "STRENGTH", 0.5)
    with pytest.raises(InputError, match="another configuration"):
        recorded(trial, tmp_path)


def test_an_experiment_without_tasks_has_the_key_that_it_always_had(trials: dict[str, Trial]) -> None:
    from dataclasses import replace

    from cxrtutor import store

    plain = replace(trials["lsm"], transfer=None, splits=("test",))
    measured = {"splits": ("test",), "protocol": "afloc", "prompts": "precise"}
    assert trial_key(plain) == store.content_key({"run": loop.run_key(plain.config), **measured})


def test_damaged_results_say_so(trials: dict[str, Trial], tmp_path: Path) -> None:
    trial = trials["network"]
    run_missing([trial], tmp_path)
    content = json.loads((tmp_path / trial.file).read_text())
    for damage in (content["transfer"][:-40], "", 3):
        (tmp_path / trial.file).write_text(json.dumps(content | {"transfer": damage}))
        with pytest.raises(InputError, match="does not hold a record"):
            recorded(trial, tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transfer": {"task": ["opacity"]}}, "transfer.task: unknown key; did you mean 'tasks'"),
        ({"transfer": ASKED | {"draws": 0}}, "transfer.draws"),
        ({"runs": {"lsm": {"config": "recipes/lsm.yaml", "as": "tree"}}, "transfer": ASKED}, r"runs\.lsm\.as"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, data: Path, changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_experiments(write_experiments(tmp_path, data, **changes))
