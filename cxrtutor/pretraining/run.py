"""A pre-training run as a folder: what was asked for, the log, the checkpoint, the model."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from .. import store
from ..alignment.alignment import Objective
from ..errors import InputError
from ..methods.config import RunConfig, validated
from ..methods.model import AlignedModel
from ..methods.registry import method
from .events import Events

MEASURED = frozenset({"seconds", "waiting", "images_per_second", "memory_gib", "utilization"})
"""What of a log entry the machine decides, and not the run; a run made again has other values."""


@dataclass(frozen=True)
class Run:
    """A run's folder: what was asked for, the log, the model and, where it learns something, the objective.

    `config.json` is written first and `result.json` last, so a folder without the latter is a run to be resumed.
    """

    folder: Path

    @classmethod
    def open(cls, folder: Path | str) -> Run:
        """A finished run.

        Raises:
            InputError: there is no run there, or it is not finished.
        """
        run = cls(Path(folder))
        if not run.finished:
            state = "unfinished; pre-train again with the same configuration to resume it"
            reason = state if run.config_path.is_file() else "no run"
            raise InputError(f"{folder}: {reason}. `cxrtutor pretrain CONFIG` prints the folder of the run it makes.")
        return run

    @property
    def config_path(self) -> Path:
        return self.folder / "config.json"

    @property
    def log_path(self) -> Path:
        return self.folder / "log.jsonl"

    @property
    def stopped_path(self) -> Path:
        """At which step, and on which studies, the loss was no longer a number."""
        return self.folder / "stopped.json"

    @property
    def finished(self) -> bool:
        return (self.folder / "result.json").is_file()

    @property
    def config(self) -> RunConfig:
        """The configuration the run was asked for."""
        return validated(RunConfig, json.loads(self.config_path.read_text()), where=str(self.config_path))

    @property
    def result(self) -> dict[str, Any]:
        """Seconds, steps, and the last training and validation loss."""
        return json.loads((self.folder / "result.json").read_text())

    def model(self) -> AlignedModel:
        """The trained model, ready for use."""
        return AlignedModel.from_pretrained(self.folder / "model")

    @property
    def objective_path(self) -> Path:
        return self.folder / "objective.safetensors"

    def objective(self) -> Objective:
        """The objective as training left it: with its prototypes, or its temperature, where it learns such.

        Raises:
            InputError: it learns something, and the run is of a time when that was not kept.
        """
        objective = method(self.config.method).objective(self.config)
        if objective.state_dict():
            if not self.objective_path.is_file():
                raise InputError(
                    f"{self.folder} holds no {self.objective_path.name}, and so not what its objective learnt. Delete "
                    "the folder and pre-train again."
                )
            objective.load_state_dict(load_file(self.objective_path))
        return objective.eval()

    def log(self) -> list[dict[str, Any]]:
        """One entry a step: "step", "epoch", "seconds", "loss", its parts, "learning_rate", other figures that are
        `MEASURED`, and, at the end of an epoch, "validation_loss"."""
        return [json.loads(line) for line in self.log_path.read_text().splitlines()]


class Log:
    """The JSON-lines log of a run, cut back to where a resumed run goes on.

    Args:
        path: of the file.
        keep_to_step: where the run goes on.
        events: the folder for the same log as TensorBoard reads it; None for none.

    Attributes:
        seconds: training seconds up to there.
        validation_losses: of the epochs that ended up to there.
    """

    def __init__(self, path: Path, keep_to_step: int, events: Path | None = None) -> None:
        lines = path.read_text().splitlines() if path.is_file() else []
        kept = [entry for line in lines if (entry := _entry(line)) is not None and entry["step"] <= keep_to_step]
        self.seconds = kept[-1]["seconds"] if kept else 0.0
        self.validation_losses = [entry["validation_loss"] for entry in kept if "validation_loss" in entry]
        store.write_file(path, "".join(json.dumps(entry) + "\n" for entry in kept))
        self._file = path.open("a")
        self._events = events and Events(events, kept)

    def write(self, **entry: int | float) -> None:
        """Append one entry and hand it to the operating system.

        Raises:
            InputError: the file cannot be written.
        """
        with store.explained_write_errors(Path(self._file.name)):
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()
        if self._events:
            self._events.write(entry)

    def close(self) -> None:
        if self._events:
            self._events.close()
        with store.explained_write_errors(Path(self._file.name)), self._file:
            os.fsync(self._file.fileno())


def _entry(line: str) -> dict[str, Any] | None:
    """A log line's entry, or None for the one that a kill cut in half."""
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None
