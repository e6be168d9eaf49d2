"""A benchmark is a report over experiments: which tables and pictures, of which runs; what is missing is run.

What is recorded is read, wherever it was run. Sets that are not prepared on this machine, and splits that a set does
not have, leave their tables out, by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from pydantic import Field
from tqdm import tqdm

from .. import store
from ..data.prepared import read_card
from ..data.processes import ProcessEndedError, in_processes
from ..data.sets import open_studies, studies_are_made
from ..errors import InputError
from ..evaluation.measurements import METRICS
from ..methods.config import RunConfig, Strict, read_yaml, validated
from ..pretraining.loop import run_key
from .experiments import Trial, load_experiments
from .records import Record, recorded, run_trial


class PublishedSpec(Strict):
    """Published figures to stand beside a table: those of a set, under one protocol or under all."""

    dataset: str
    protocol: str | None = None


class TableSpec(Strict):
    """What a table shows: the runs of an experiment, measured on one `split`.

    Of an experiment with `transfer` there is a table for each task and amount of labels, and its metric is the task's.
    `baselines` are runs of other experiments that stand beside: what was not trained, or trained otherwise.
    """

    title: str
    about: str = ""
    experiment: str
    split: str = "test"
    metrics: tuple[str, ...] = METRICS
    sort: str | None = None
    baselines: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    published: PublishedSpec | None = None


class FilmsSpec(Strict):
    """Pictures: what the runs of an experiment answered to the films that it has pictured."""

    title: str
    about: str = ""
    experiment: str


class BenchmarkSpec(Strict):
    """A benchmark as its file has it.

    `experiments` and `records` (where records were committed) are relative to the file. `prepare` says by which command
    a set's folder is prepared, `names` how a run is called in the report.
    """

    title: str
    about: str = ""
    experiments: str
    records: str | None = None
    prepare: dict[str, str] = Field(default_factory=dict)
    names: dict[str, str] = Field(default_factory=dict)
    tables: tuple[TableSpec, ...]
    pictures: tuple[FilmsSpec, ...] = ()


@dataclass(frozen=True, eq=False)
class Benchmark:
    """What is to be shown, and what of it can be had here.

    Attributes:
        spec: its file.
        trials: by experiment, those that the report needs and this machine has the data for.
        left_out: why something is left out, in words, and the experiments that do without.
        committed: the folder of records that came with the file, where it names one.
    """

    spec: BenchmarkSpec
    trials: Mapping[str, tuple[Trial, ...]]
    left_out: Mapping[str, tuple[str, ...]]
    committed: Path | None

    def records(self, folder: Path | None = None) -> dict[str, Record]:
        """The records of today that there are, by their files' names: of the committed ones, and of a folder's."""
        folders = [one for one in (self.committed, folder) if one is not None]
        found = {trial.file: _found(trial, folders) for trial in self.all_trials()}
        return {file: record for file, record in found.items() if record is not None}

    def complete(self, folder: Path, workers: int = 1) -> list[Path]:
        """Run every trial that has no record of today, and record it in a folder; the files that were written.

        A trial is recorded as soon as it is done, and its training resumed where it was stopped: however this ends,
        calling it again goes on. Trials of one training are run one after the other.

        Args:
            folder: of the records.
            workers: processes, which share this one's threads; with one, this process does the work.

        Raises:
            InputError: a trial failed of something that a user can mend, or its process was ended from outside.
        """
        there = self.records(folder)
        missing = [trial for trial in self.all_trials() if trial.file not in there]
        _make_teaching_sets(missing, workers)
        if workers > 1:
            _encode(missing)
        with tqdm(total=len(missing), desc="trials", unit="trial", disable=None) as progress:
            if workers > 1:
                _run_in_processes(_by_training(missing), folder, workers, progress)
            else:
                _run_here(_by_training(missing), folder, progress)
        return [folder / trial.file for trial in missing]

    def all_trials(self) -> list[Trial]:
        """The trials of all experiments."""
        return [trial for trials in self.trials.values() for trial in trials]


def load_benchmark(path: Path | str) -> Benchmark:
    """The benchmark in the file at `path`.

    Raises:
        InputError: the file or its experiments are missing or have a fault, or it asks for an experiment, a run, a
            split or pictures that are not there.
    """
    path = Path(path)
    spec = validated(BenchmarkSpec, read_yaml(path), where=str(path))
    experiments = load_experiments(path.parent / spec.experiments)
    trials: dict[str, tuple[Trial, ...]] = {}
    left_out: dict[str, tuple[str, ...]] = {}
    for name, runs in _needed(spec, experiments, path).items():
        possible = [_possible(trial, spec.prepare) for trial in experiments[name] if trial.run in runs]
        trials[name] = tuple(trial for trial, _ in possible if trial is not None)
        for reason in dict.fromkeys(reason for _, reasons in possible for reason in reasons):
            left_out[reason] = (*left_out.get(reason, ()), name)
    return Benchmark(spec, trials, left_out, path.parent / spec.records if spec.records else None)


def run_trials(trials: Sequence[Trial], folder: Path, threads: int) -> None:
    """What a worker does: run and record some trials, with so many threads."""
    import torch

    torch.set_num_threads(threads)
    for trial in trials:
        run_trial(trial).save(folder / trial.file)


def _needed(spec: BenchmarkSpec, experiments: Mapping[str, Sequence[Trial]], path: Path) -> dict[str, dict[str, None]]:
    """The runs that are shown, by experiment."""
    needed: dict[str, dict[str, None]] = {}

    def need(where: str, name: str, runs: Iterable[str] = ()) -> Sequence[Trial]:
        if name not in experiments:
            raise InputError(f"{path}, {where}: there is no experiment {name!r} in {spec.experiments}.")
        known = dict.fromkeys(trial.run for trial in experiments[name])
        if lacking := [run for run in runs if run not in known]:
            raise InputError(f"{path}, {where}: {name} has no run {lacking[0]!r}. It has: {', '.join(known)}.")
        needed.setdefault(name, {}).update(dict.fromkeys(runs or known))
        return experiments[name]

    for table in spec.tables:
        trials = need(table.title, table.experiment)
        if trials[0].transfer is None and table.split not in trials[0].splits:
            splits = ", ".join(trials[0].splits)
            raise InputError(
                f"{path}, {table.title}: {table.experiment} is not measured on {table.split!r}, but on: {splits}."
            )
        beside = [run for name, runs in table.baselines.items() for run in runs if need(table.title, name, runs)]
        runs = [*dict.fromkeys(trial.run for trial in trials), *beside]
        called = [spec.names.get(run, run) for run in runs]
        if twice := [name for name in called if called.count(name) > 1]:
            raise InputError(
                f"{path}, {table.title}: two rows would be called {twice[0]!r}. Give one of the runs another name."
            )
    for films in spec.pictures:
        if need(films.title, films.experiment)[0].pictures is None:
            raise InputError(f"{path}, {films.title}: {films.experiment} has no `pictures`.")
    return needed


def _possible(trial: Trial, prepare: Mapping[str, str]) -> tuple[Trial | None, list[str]]:
    """What of a trial can be run with the data that is here, and why the rest cannot."""
    trained_on = [] if trial.stage == "trunk" else [trial.config.data.set]
    asked, edition = trial.measured_on
    needed = [name for name in dict.fromkeys([*trained_on, asked]) if name != "teaching"]  # which is made when needed
    unprepared = [name for name in needed if not studies_are_made(name)]
    if unprepared:
        return None, [_how_to_prepare(name, prepare) for name in unprepared]
    known = _splits(asked, edition)
    if trial.transfer is not None:
        reasons = _tasks_without_answers(trial.transfer.tasks, asked, known)
        return (None if reasons else trial), reasons
    splits = tuple(split for split in trial.splits if split in known)
    pictures = trial.pictures if trial.pictures is None or trial.pictures.split in known else None
    wanted = dict.fromkeys([*trial.splits, *([trial.pictures.split] if trial.pictures else [])])
    reasons = [f"{asked} has no split {split!r}; it has: {', '.join(known)}." for split in wanted if split not in known]
    return (replace(trial, splits=splits, pictures=pictures) if splits or pictures else None), reasons


def _how_to_prepare(name: str, prepare: Mapping[str, str]) -> str:
    command = prepare.get(name, "its script in data_scripts says how")
    return f"{name} is not prepared here. To prepare it: {command}"


def _splits(name: str, edition: str) -> list[str]:
    if name == "teaching":
        from ..data.teaching.make import EDITIONS

        return list(EDITIONS[edition])
    return list(read_card(Path(name))["splits"])


def _tasks_without_answers(tasks: Sequence[str], name: str, splits: Sequence[str]) -> list[str]:
    from ..transfer.tasks import TEACHING, set_name, task_named

    called = TEACHING if name == "teaching" else set_name(read_card(Path(name)))
    reasons = [
        f"{name} ({called}) has no answers to the task {task!r}."
        for task in tasks
        if called not in task_named(task).sets
    ]
    if "train" not in splits or not {"test", "validation"} & set(splits):
        reasons.append(f"{name} has no splits to train and to test on; it has: {', '.join(splits)}.")
    return reasons


def _found(trial: Trial, folders: Sequence[Path]) -> Record | None:
    for folder in folders:
        with suppress(InputError):
            return recorded(trial, folder)
    return None


def _make_teaching_sets(trials: Sequence[Trial], workers: int) -> None:
    """Once, before several processes ask for them."""
    from ..data.teaching.make import make_teaching_set

    own = {(trial.config.data.set, trial.config.data.edition) for trial in trials}
    for name, edition in sorted(own | {trial.measured_on for trial in trials}):
        if name == "teaching":
            make_teaching_set(edition, max(workers, 2))


def _encode(trials: Sequence[Trial]) -> None:
    """What frozen encoders give of the films and reports that these trials train on, and of the films that they are
    measured on: once and with all threads, before several processes would each compute it for themselves."""
    from ..encoders.caching import text_source
    from ..methods.registry import method
    from ..pretraining.masking import MaskedImages

    for alike in _by_recipe(trials):
        config, data = alike[0].config, alike[0].config.data
        model = method(config.method).model(config)
        for split, copies in (("train", None), ("validation", 1)):
            studies = open_studies(data.set, split, data.edition)
            model.image_source(studies)
            MaskedImages.of(model, studies, copies)
            if not model.text_encoder.trainable:
                text_source(model.text_encoder, studies)
        for (name, edition), split in {(trial.measured_on, split) for trial in alike for split in trial.splits}:
            model.image_source(open_studies(name, split, edition))


def _by_recipe(trials: Sequence[Trial]) -> list[list[Trial]]:
    """Trials whose trainings differ by their seeds alone."""
    trained = [trial for trial in trials if trial.stage == "trained"]
    return _grouped(trained, lambda trial: _training(trial.config.model_copy(update={"seed": 0})))


def _by_training(trials: Sequence[Trial]) -> list[list[Trial]]:
    """Trials that measure one training together: no two processes are to train it at a time."""
    return _grouped(trials, lambda trial: _training(trial.config) if trial.stage == "trained" else trial.file)


def _training(config: RunConfig) -> str:
    return store.content_key(run_key(config))


def _grouped(trials: Sequence[Trial], key: Callable[[Trial], str]) -> list[list[Trial]]:
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(key(trial), []).append(trial)
    return list(groups.values())


def _run_here(groups: Sequence[Sequence[Trial]], folder: Path, progress: tqdm) -> None:
    for trial in chain.from_iterable(groups):
        progress.set_postfix_str(_called(trial))
        run_trial(trial).save(folder / trial.file)
        progress.update()


def _run_in_processes(groups: Sequence[Sequence[Trial]], folder: Path, workers: int, progress: tqdm) -> None:
    import torch

    jobs = [(group, folder, max(1, torch.get_num_threads() // workers)) for group in groups]
    running: dict[int, str] = {}

    def started(position: int) -> None:
        running[position] = _called(groups[position][0])
        progress.set_postfix_str("; ".join(list(running.values())))

    try:
        for position in in_processes(run_trials, jobs, workers, started):
            del running[position]
            progress.update(len(groups[position]))
    except ProcessEndedError as error:
        raise InputError(
            f"{error} It was at one of: {'; '.join(running.values())}. What was recorded is kept, and the same command "
            "goes on. If it was the lack of memory, ask for fewer --workers."
        ) from error


def _called(trial: Trial) -> str:
    return f"{trial.run}, seed {trial.seed}"
