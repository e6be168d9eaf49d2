"""What an experiment is: named runs, each with several seeds, measured on named splits under one protocol; or given to
tasks that they were not trained for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ..methods.config import Edition, RunConfig, Strict, load_config, read_yaml, validated

Stage = Literal["trained", "untrained", "trunk"]


class RunSpec(Strict):
    """A recipe (path relative to the experiments' file) and what this run changes in it, by dotted key; measured on
    `findings` alone where these are given.

    `as` says what of it is given to a task: the model as it is "trained"; with heads that are "untrained"; or the
    "trunk", its image encoder alone.
    """

    config: str
    changes: dict[str, Any] = Field(default_factory=dict)
    findings: tuple[str, ...] = ()
    stage: Stage = Field(default="trained", alias="as")


class TransferSpec(Strict):
    """Tasks, and how many labels they give: shares of all, and numbers of examples of every kind.

    Each is drawn `draws` times. `fine_tune` trains the network too.
    """

    tasks: tuple[str, ...]
    labels: tuple[float, ...] = ()
    shots: tuple[int, ...] = ()
    draws: int = Field(default=1, ge=1)
    fine_tune: bool = False

    def cases(self) -> dict[str, dict[str, Any]]:
        """What `transfer.repeated` is asked for, by name: "opacity, 1 %", "opacity, 4 a class"."""
        how = {"draws": self.draws, "fine_tune": self.fine_tune}
        shares = {f"{100 * share:g} %": {"labels": share} for share in self.labels}
        amounts = shares | {f"{k} a class": {"shots": k} for k in self.shots}
        return {
            f"{task}, {said}": {"task": task, **amount, **how}
            for task in self.tasks
            for said, amount in amounts.items()
        }


class MeasuredOn(Strict):
    """Another set than the one a run was trained on: an edition of the teaching set, or a prepared set's folder."""

    set: str = "teaching"
    edition: Edition = "full"


class PicturesSpec(Strict):
    """So many films of a split (`pictures.chosen_films`), of which the record keeps what the model answers."""

    split: str = "test"
    films: int = Field(ge=1)


class ExperimentSpec(Strict):
    """One experiment as its file has it; `retrieval` names a split on which films and reports look for each other.

    It is measured on the set that its runs were trained on, or `on` another. One with `transfer` is measured on these
    tasks, and on nothing else.
    """

    runs: dict[str, RunSpec]
    seeds: tuple[int, ...]
    splits: tuple[str, ...] = ("test",)
    protocol: str = "afloc"
    prompts: str = "precise"
    retrieval: str | None = None
    pictures: PicturesSpec | None = None
    on: MeasuredOn | None = None
    transfer: TransferSpec | None = None


@dataclass(frozen=True)
class Trial:
    """One training and its measurement: a run of an experiment with one seed."""

    experiment: str
    run: str
    seed: int
    config: RunConfig
    splits: tuple[str, ...]
    protocol: str
    prompts: str
    retrieval: str | None
    findings: tuple[str, ...] = ()
    stage: Stage = "trained"
    transfer: TransferSpec | None = None
    on: MeasuredOn | None = None
    pictures: PicturesSpec | None = None

    @property
    def measured_on(self) -> tuple[str, str]:
        """The set it is measured on, and the set's edition."""
        chosen = self.on or self.config.data
        return chosen.set, chosen.edition

    @property
    def file(self) -> str:
        """The name of its record, below the records' folder."""
        return f"{self.experiment}/{self.run}-seed{self.seed}.json".replace(" ", "-")


def load_experiments(path: Path | str) -> dict[str, tuple[Trial, ...]]:
    """Every experiment in the file at `path`, as its trials.

    Raises:
        InputError: the file is missing, or it or a recipe it names has a fault.
    """
    path = Path(path)
    return {
        name: tuple(_trials(name, validated(ExperimentSpec, values, where=f"{path}, {name}"), path.parent))
        for name, values in read_yaml(path).items()
    }


def _trials(name: str, spec: ExperimentSpec, folder: Path) -> list[Trial]:
    return [
        Trial(
            experiment=name,
            run=run,
            seed=seed,
            config=load_config(folder / recipe.config, {**recipe.changes, "seed": seed}),
            splits=() if spec.transfer else spec.splits,
            protocol=spec.protocol,
            prompts=spec.prompts,
            retrieval=spec.retrieval,
            findings=recipe.findings,
            stage=recipe.stage,
            transfer=spec.transfer,
            on=spec.on,
            pictures=None if spec.transfer else spec.pictures,
        )
        for run, recipe in spec.runs.items()
        for seed in spec.seeds
    ]
