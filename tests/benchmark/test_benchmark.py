"""A benchmark runs what no record holds, once, and leaves out by name what is not here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import small_work
import torch
from small_benchmark import EXPERIMENTS, RUNS, TASKS, made_up, record_all, write_benchmark
from transfer.small_tasks import small_teaching_set

from cxrtutor.benchmark import benchmark
from cxrtutor.benchmark.benchmark import Benchmark, load_benchmark
from cxrtutor.benchmark.records import Record, trial_key
from cxrtutor.data.sets import open_studies
from cxrtutor.encoders import caching
from cxrtutor.errors import InputError
from cxrtutor.methods.registry import method
from cxrtutor.pretraining.loading import Pairs

pytestmark = pytest.mark.usefixtures("small_text_encoder", "home")


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_teaching_set(tmp_path_factory.mktemp("benchmark") / "set")


def one_table(**table: Any) -> dict[str, Any]:
    return {"tables": [{"title": "Table", "experiment": "local", **table}], "pictures": []}


def loaded(folder: Path, studies: Path, **changes: Any) -> Benchmark:
    return load_benchmark(write_benchmark(folder, studies, **changes))


def test_the_trials_are_those_that_the_report_shows(tmp_path: Path, studies: Path) -> None:
    asked = loaded(tmp_path, studies)
    assert {name: len(trials) for name, trials in asked.trials.items()} == {
        "local": 4,
        "tasks": 4,
        "networks": 1,
        "films": 2,
    }
    assert len(asked.all_trials()) == 11 and not asked.left_out
    fewer = loaded(tmp_path, studies, **one_table())
    assert set(fewer.trials) == {"local"}


def test_of_baselines_the_named_runs_alone_are_run(tmp_path: Path, studies: Path) -> None:
    both = {"runs": EXPERIMENTS["networks"]["runs"] | RUNS, "seeds": [0], "transfer": {**TASKS, "draws": 1}}
    asked = loaded(tmp_path, studies, experiments={"networks": both})
    assert [trial.run for trial in asked.trials["networks"]] == ["network"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            one_table(experiment="global"),
            r"benchmark\.yaml, Table: there is no experiment 'global' in experiments\.yaml",
        ),
        (one_table(split="unseen"), "Table: local is not measured on 'unseen', but on: test"),
        (one_table(baselines={"networks": ["random"]}), "Table: networks has no run 'random'. It has: network"),
        (one_table(baselines={"local": ["lsm"]}), "Table: two rows would be called 'LSM'"),
        (one_table(metric=["iou"]), r"tables\.0\.metric: unknown key; did you mean 'metrics'"),
        ({"pictures": [{"title": "Films", "experiment": "local"}]}, "Films: local has no `pictures`"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, studies: Path, changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        loaded(tmp_path, studies, **changes)


def test_sets_splits_and_answers_that_are_not_here_are_left_out_by_name(
    tmp_path: Path, studies: Path, data: Path
) -> None:
    experiments = {
        "local": EXPERIMENTS["local"] | {"on": {"set": "data/ms-cxr"}},
        "splits": {"runs": RUNS, "seeds": [0], "splits": ["test", "shifted"]},
        "tasks": {"runs": RUNS, "seeds": [0], "on": {"set": str(data)}, "transfer": {**TASKS, "draws": 1}},
    }
    tables = [{"title": name, "experiment": name} for name in experiments]
    asked = loaded(
        tmp_path,
        studies,
        experiments=experiments,
        tables=tables,
        pictures=[],
        prepare={"data/ms-cxr": "python ms_cxr.py"},
    )
    reasons = {names: reason for reason, names in asked.left_out.items()}
    assert reasons[("local",)] == "data/ms-cxr is not prepared here. To prepare it: python ms_cxr.py"
    assert "has no split 'shifted'; it has: train, validation, test, unseen" in reasons[("splits",)]
    assert reasons[("tasks",)] == f"{data} (small) has no answers to the task 'opacity'."
    assert [trial.splits for trial in asked.trials["splits"]] == [("test",)] * 2
    assert asked.trials["local"] == asked.trials["tasks"] == ()


def test_a_set_that_nothing_can_be_trained_on_leaves_networks_to_compare(tmp_path: Path, studies: Path) -> None:
    recipes = ("lsm", "convirt")
    path = write_benchmark(
        tmp_path, studies, experiments={"networks": EXPERIMENTS["networks"] | {"on": {"set": str(studies)}}}
    )
    for name in recipes:
        recipe = tmp_path / "recipes" / f"{name}.yaml"
        recipe.write_text(recipe.read_text().replace(str(studies), "data/mimic-cxr"))
    asked = load_benchmark(path)
    [reason] = asked.left_out
    assert reason.startswith("data/mimic-cxr is not prepared here")
    assert [trial.run for trial in asked.all_trials()] == ["network"]


def test_records_are_found_where_they_were_committed_and_where_runs_put_them(tmp_path: Path, studies: Path) -> None:
    asked = loaded(tmp_path, studies, records="committed")
    first, second, third, *_ = asked.all_trials()
    made_up(first).save(tmp_path / "committed" / first.file)
    made_up(second).save(tmp_path / "own" / second.file)
    made_up(third).save(tmp_path / "own" / third.file)
    outdated = tmp_path / "own" / third.file
    outdated.write_text(outdated.read_text().replace(trial_key(third), "0" * 16))
    assert set(asked.records()) == {first.file}
    assert set(asked.records(tmp_path / "own")) == {first.file, second.file}


def test_what_is_missing_is_run_and_what_is_recorded_is_not(tmp_path: Path, studies: Path) -> None:
    asked = loaded(tmp_path, studies, **one_table(experiment="networks"))
    other = loaded(tmp_path, studies, **one_table())
    both = Benchmark(asked.spec, asked.trials | other.trials, {}, tmp_path / "committed")
    record_all(other, tmp_path / "committed")
    assert both.complete(tmp_path / "own") == [tmp_path / "own" / "networks/network-seed0.json"]
    assert Record.load(tmp_path / "own" / "networks/network-seed0.json").transfer["opacity, 100 %"].results
    assert both.complete(tmp_path / "own") == []
    assert len(both.records(tmp_path / "own")) == 5


@pytest.fixture
def found_by_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


@pytest.mark.slow
@pytest.mark.usefixtures("found_by_workers")
def test_processes_share_the_trials_and_the_threads(
    tmp_path: Path, studies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "run_trials", small_work.note)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    asked = loaded(tmp_path, studies)
    assert len(asked.complete(tmp_path / "own", workers=2)) == 11
    about = {file: record.about for file, record in asked.records(tmp_path / "own").items()}
    assert {one["threads"] for one in about.values()} == {2}
    assert len({one["process"] for one in about.values()}) == 2
    # One training is never run by two processes at a time.
    for seed in (0, 5):
        assert about[f"local/lsm-seed{seed}.json"]["process"] == about[f"tasks/lsm-seed{seed}.json"]["process"]


@pytest.mark.slow
@pytest.mark.usefixtures("found_by_workers")
def test_processes_find_what_frozen_encoders_give(
    tmp_path: Path, studies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "run_trials", small_work.note)
    asked = loaded(tmp_path, studies)
    asked.complete(tmp_path / "own", workers=2)
    monkeypatch.setattr(caching, "_write_images", None)
    monkeypatch.setattr(caching, "_write_texts", None)
    for trial in asked.all_trials():
        model = method(trial.config.method).model(trial.config)
        for split in ("train", "validation"):
            Pairs.of(model, open_studies(str(studies), split))
        for split in trial.splits:
            model.image_source(open_studies(str(studies), split))


@pytest.mark.slow
@pytest.mark.usefixtures("found_by_workers")
def test_a_trial_whose_process_was_killed_is_run_again(
    tmp_path: Path, studies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "run_trials", small_work.killed_at_seed_five)
    asked = loaded(tmp_path, studies, **one_table())
    (tmp_path / "own").mkdir()
    with pytest.raises(InputError, match=r"ended from outside \(-9\).* seed 5.*the same command goes on"):
        asked.complete(tmp_path / "own", workers=2)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "own").rglob("*.json")}
    assert before.keys() < {tmp_path / "own" / trial.file for trial in asked.all_trials()}
    written = asked.complete(tmp_path / "own", workers=2)
    assert {*written, *before} == {tmp_path / "own" / trial.file for trial in asked.all_trials()}
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


class TestTheBenchmarksOfTheCourse:
    def test_at_teaching_scale_all_six_methods_have_three_seeds_where_decoders_are_not_trained(self) -> None:
        asked = load_benchmark("configs/benchmark/teaching.yaml")
        assert not asked.left_out
        for table in asked.spec.tables:
            trained = [trial for trial in asked.trials[table.experiment] if trial.stage == "trained"]
            assert len({trial.run for trial in trained}) == 6
            seeds = {0} if table.experiment == "benchmark-dense" else {0, 1, 2}
            assert {trial.seed for trial in trained} == seeds
        assert asked.committed == Path("configs/benchmark/../../chapters/records")

    def test_at_paper_scale_every_set_that_is_not_here_has_a_command_that_prepares_it(self, tmp_path: Path) -> None:
        path = Path("configs/benchmark/paper.yaml").absolute()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(tmp_path)  # where nothing is prepared
            asked = load_benchmark(path)
        assert asked.all_trials() == []
        commands = [
            re.search(r"python (data_scripts/\w+\.py) .*--output (data/[\w-]+)$", why) for why in asked.left_out
        ]
        assert all(commands) and len(commands) == 13
        for found in commands:
            assert Path(found[1]).is_file()
            assert found.string.startswith(f"{found[2]} is not prepared here")

    def test_every_table_has_published_rows_that_are_there(self) -> None:
        from cxrtutor.evaluation.published import published

        for name in ("teaching", "paper"):
            spec = load_benchmark(f"configs/benchmark/{name}.yaml").spec
            for beside in [table.published for table in spec.tables if table.published]:
                assert published(dataset=beside.dataset, protocol=beside.protocol)


def test_a_record_of_a_set_that_may_not_be_passed_on_says_so(tmp_path: Path, studies: Path) -> None:
    from cxrtutor import guard
    from cxrtutor.benchmark.records import run_trial

    closed = tmp_path / "closed"
    closed.mkdir()
    for path in studies.iterdir():
        (closed / path.name).write_bytes(path.read_bytes())
    card = json.loads((closed / "card.json").read_text())
    (closed / "card.json").write_text(json.dumps(card | {"redistribution": False}))
    for where, restricted in ((studies, False), (closed, True)):
        folder = tmp_path / where.name / "benchmark"
        [trial] = loaded(folder, where, **one_table(experiment="networks")).all_trials()
        run_trial(trial).save(folder / "record.json")
        assert bool(guard.check([folder / "record.json"]).problems) == restricted
