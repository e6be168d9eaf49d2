"""What an experiment is: named runs, each with several seeds, measured on named splits under one protocol."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from ..methods.config import RunConfig, Strict, load_config, read_yaml, validated


class RunSpec(Strict):
    """A recipe (path relative to the experiments' file) and what this run changes in it, by dotted key; measured on
    `findings` alone where these are given."""

    config: str
    changes: dict[str, Any] = Field(default_factory=dict)
    findings: tuple[str, ...] = ()


class ExperimentSpec(Strict):
    """One experiment as its file has it; `retrieval` names a split on which films and reports look for each other."""

    runs: dict[str, RunSpec]
    seeds: tuple[int, ...]
    splits: tuple[str, ...] = ("test",)
    protocol: str = "afloc"
    prompts: str = "precise"
    retrieval: str | None = None


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
            splits=spec.splits,
            protocol=spec.protocol,
            prompts=spec.prompts,
            retrieval=spec.retrieval,
            findings=recipe.findings,
        )
        for run, recipe in spec.runs.items()
        for seed in spec.seeds
    ]
