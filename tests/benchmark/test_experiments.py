"""Experiments are read as trials, and what is wrong in their file is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_experiments import write_experiments

from cxrtutor.benchmark.experiments import load_experiments
from cxrtutor.errors import InputError


def test_every_run_has_a_trial_for_every_seed(tmp_path: Path, data: Path) -> None:
    trials = load_experiments(write_experiments(tmp_path, data, splits=["test", "validation"]))["local"]
    assert [(trial.run, trial.seed) for trial in trials] == [
        ("lsm", 0),
        ("lsm", 5),
        ("without local", 0),
        ("without local", 5),
    ]
    assert [trial.config.seed for trial in trials] == [0, 5, 0, 5]
    assert [trial.config.method for trial in trials] == ["lsm", "lsm", "convirt", "convirt"]
    assert [trial.config.optimization.learning_rate for trial in trials] == [0.01, 0.01, 0.02, 0.02]
    assert {(trial.splits, trial.protocol, trial.prompts) for trial in trials} == {
        (("test", "validation"), "afloc", "precise")
    }


def test_every_trial_has_a_file_of_its_own(tmp_path: Path, data: Path) -> None:
    trials = load_experiments(write_experiments(tmp_path, data))["local"]
    assert [trial.file for trial in trials][-1] == "local/without-local-seed5.json"
    assert len({trial.file for trial in trials}) == len(trials)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sedes": [0]}, "sedes: unknown key; did you mean 'seeds'"),
        ({"runs": {"lsm": {"confg": "a.yaml"}}}, "runs.lsm.confg: unknown key; did you mean 'config'"),
        ({"runs": {"lsm": {"config": "nowhere.yaml"}}}, "There is no configuration at .*nowhere.yaml"),
        ({"runs": {"lsm": {"config": "recipes/lsm.yaml", "changes": {"epochs": 1}}}}, "epochs: unknown key"),
        ({"seeds": "all"}, r"seeds: Input should be a valid tuple \(it is 'all'\)"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, data: Path, changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_experiments(write_experiments(tmp_path, data, **changes))


@pytest.mark.parametrize("text", ["- a\n- list\n", "a: [\n"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "experiments.yaml").write_text(text)
    with pytest.raises(InputError, match=r"experiments\.yaml (must hold|is not valid YAML)"):
        load_experiments(tmp_path / "experiments.yaml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no configuration at .*nowhere"):
        load_experiments(tmp_path / "nowhere.yaml")
