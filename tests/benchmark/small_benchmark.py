"""A benchmark of two methods with two seeds each, on a set with the name of the teaching set; and made-up records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from evaluation.small_measurements import rows
from small_experiments import write_experiments

from cxrtutor.benchmark.benchmark import Benchmark
from cxrtutor.benchmark.experiments import Trial
from cxrtutor.benchmark.pictures import Answer, chosen_films, question_to
from cxrtutor.benchmark.records import Record, trial_key
from cxrtutor.data.sets import open_studies
from cxrtutor.evaluation.classification import Predictions
from cxrtutor.evaluation.results import Repeats

RUNS = {"lsm": {"config": "recipes/lsm.yaml"}, "convirt": {"config": "recipes/convirt.yaml"}}
NETWORK = {"network": {"config": "recipes/lsm.yaml", "as": "trunk"}}
TASKS = {"tasks": ["opacity"], "labels": [0.5, 1.0]}
EXPERIMENTS: dict[str, Any] = {
    "local": {"runs": RUNS, "seeds": [0, 5]},
    "tasks": {"runs": RUNS, "seeds": [0, 5], "transfer": {**TASKS, "draws": 2}},
    "networks": {"runs": NETWORK, "seeds": [0], "transfer": {**TASKS, "draws": 3}},
    "films": {"runs": RUNS, "seeds": [0], "splits": [], "pictures": {"films": 2}},
}
BENCHMARK: dict[str, Any] = {
    "title": "Two methods & <one> network",
    "experiments": "experiments.yaml",
    "names": {"lsm": "LSM", "network": "a network"},
    "tables": [
        {
            "title": "Where",
            "about": "Asked for in words.",
            "experiment": "local",
            "published": {"dataset": "MS-CXR", "protocol": "afloc-skipping-empty"},
        },
        {"title": "Which", "experiment": "tasks", "baselines": {"networks": ["network"]}},
    ],
    "pictures": [{"title": "Films", "experiment": "films"}],
}

LEVELS = {"lsm": 0.6, "convirt": 0.3, "network": 0.0}
"""How good each run is made up to be; a seed adds a hundredth of itself, and a draw of labels a tenth."""


def write_benchmark(folder: Path, data: Path, experiments: dict[str, Any] | None = None, **changes: Any) -> Path:
    """The benchmark's file beside its experiments: `changes` of the one, further ones of the other."""
    write_experiments(folder, data)
    (folder / "experiments.yaml").write_text(yaml.safe_dump(EXPERIMENTS | (experiments or {}), sort_keys=False))
    path = folder / "benchmark.yaml"
    path.write_text(yaml.safe_dump(BENCHMARK | changes))
    return path


def made_up(trial: Trial) -> Record:
    """A record of today with made-up results: of 40 patients, who are as hard for one run as for another."""
    about = {"key": trial_key(trial), "seconds": 2.0, "machine": "a machine, 1 threads", "package": "0"}
    level, hard = LEVELS[trial.run] + trial.seed / 100, np.random.default_rng(0).normal(scale=0.1, size=40)
    noise = np.random.default_rng([trial.seed, len(trial.run)]).normal(scale=0.01, size=40)
    return Record(
        about={**about, "made": "2026-01-02", "config": trial.config.model_dump(mode="json")},
        curve=[],
        measurements={split: rows(level + hard + noise, ("mass", "edema")) for split in trial.splits},
        retrieval={},
        transfer={
            case: Repeats(tuple(answers(level + draw / 10) for draw in range(asked["draws"] if "50 %" in case else 1)))
            for case, asked in (trial.transfer.cases() if trial.transfer else {}).items()
        },
        pictures=pictured(trial) if trial.pictures else (),
    )


def answers(level: float) -> Predictions:
    """Scores of 40 patients, of whom every other has the finding; the higher the level the further apart."""
    scores = np.random.default_rng(1).normal(size=(40, 1))
    targets = (np.arange(40) % 2)[:, None].astype(float)
    ids = tuple(f"s{number:02d}" for number in range(40))
    return Predictions(ids, ids, ("opacity",), scores + 2 * level * targets, targets, False, "linear probe", None)


def pictured(trial: Trial) -> tuple[Answer, ...]:
    """Maps that are hot at the left or, of another run, at the right."""
    name, edition = trial.measured_on
    studies = open_studies(name, trial.pictures.split, edition)
    asked = [question_to(studies, film, trial.prompts) for film in chosen_films(studies, trial.pictures.films)]
    across = np.linspace(0, 1 if trial.run == "lsm" else -1, 4, dtype=np.float32)
    return tuple(Answer(one.study, one.prompt, one.finding, np.tile(across, (4, 1))) for one in asked)


def record_all(benchmark: Benchmark, folder: Path) -> None:
    """Records of all trials, below a folder."""
    for trial in benchmark.all_trials():
        made_up(trial).save(folder / trial.file)
