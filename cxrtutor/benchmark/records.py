"""Experiments that take minutes a run are run once, recorded, and read by the chapters.

A record holds what every sample measured, beside everything that says where it came from. It is not a typed result: it
is refused as soon as the configuration, the data or the training loop it was made with is no longer today's, and the
test suite trains one record anew, drawn at random.
"""

from __future__ import annotations

import base64
import json
import lzma
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__, store
from ..data.dataset import StudyDataset
from ..data.prepared import read_card
from ..data.sets import open_studies, studies_key
from ..errors import InputError
from ..evaluation.evaluate import evaluate
from ..evaluation.measurements import Measurements
from ..evaluation.results import Repeats
from ..evaluation.retrieval import measure_retrieval, score_tables
from ..methods.model import AlignedModel
from ..methods.registry import method
from ..pretraining.loop import pretrain, run_key
from ..pretraining.run import Run
from .experiments import Trial
from .pictures import Answer, answers_to, chosen_films

if TYPE_CHECKING:
    from ..transfer.representation import Representation


@dataclass(frozen=True, eq=False)
class Record:
    """A trial and what it measured.

    Attributes:
        about: `key` (what was asked for), `seconds` (of training), `machine`, `package`, `made` (a date), `config`.
        curve: training loss averaged over every epoch, and the validation loss at its end.
        measurements: of localization, by split.
        retrieval: by direction ("image to report"), where the trial asks for it.
        transfer: by task and amount of labels ("opacity, 1 %"), where the trial asks for it: a result for each draw.
        pictures: what was answered to the films that the trial has pictured.
    """

    about: Mapping[str, Any]
    curve: Sequence[Mapping[str, int | float]]
    measurements: Mapping[str, Measurements]
    retrieval: Mapping[str, Measurements]
    transfer: Mapping[str, Repeats] = field(default_factory=dict)
    pictures: Sequence[Answer] = ()

    def save(self, path: Path) -> None:
        """Write the record as JSON.

        Raises:
            InputError: the file cannot be written.
        """
        content = {
            "about": self.about,
            "curve": self.curve,
            "measurements": {split: measured.to_json() for split, measured in self.measurements.items()},
            "retrieval": {direction: measured.to_json() for direction, measured in self.retrieval.items()},
        }
        if self.transfer:
            content["transfer"] = _packed(
                {case: [one.to_json() for one in r.results] for case, r in self.transfer.items()}
            )
        if self.pictures:
            content["pictures"] = _packed([one.to_json() for one in self.pictures])
        store.write_file(path, json.dumps(content, indent=1).replace("\n    ", " ") + "\n")

    @classmethod
    def load(cls, path: Path) -> Record:
        """Read what `save` wrote.

        Raises:
            InputError: there is no such record, or it is damaged.
        """
        if not path.is_file():
            raise InputError(f"There is no record at {path}. `make experiments` runs what is missing.")
        try:
            content = json.loads(path.read_text())
            measured, retrieval = (
                {name: Measurements.from_json(values) for name, values in part.items()}
                for part in (content["measurements"], content.get("retrieval", {}))
            )
            pictures = tuple(map(Answer.from_json, _unpacked(content["pictures"]) if "pictures" in content else ()))
            transferred = _transferred(content.get("transfer"))
            return cls(content["about"], content["curve"], measured, retrieval, transferred, pictures)
        except (ValueError, KeyError, TypeError, lzma.LZMAError) as error:
            raise InputError(
                f"{path} does not hold a record ({error!r}). Delete it and run `make experiments`."
            ) from error


def trial_key(trial: Trial) -> str:
    """What a record of `trial` depends on: the run (configuration, data, loop) and how it is measured."""
    measured = {"splits": trial.splits, "protocol": trial.protocol, "prompts": trial.prompts}
    if trial.retrieval is not None:
        measured["retrieval"] = trial.retrieval
    if trial.findings:
        measured["findings"] = trial.findings
    if trial.on is not None:
        measured["on"] = [studies_key(trial.on.set, split, trial.on.edition) for split in trial.splits]
    if trial.pictures is not None:
        name, edition = trial.measured_on
        studies = studies_key(name, trial.pictures.split, edition)
        measured["pictures"] = {"films": trial.pictures.films, "studies": studies}
    if trial.transfer is not None:
        from ..transfer.tasks import task_named
        from ..transfer.transfer import settings

        kinds = {task: settings(task_named(task).kind) for task in trial.transfer.tasks}
        measured |= {"as": trial.stage, "transfer": trial.transfer.model_dump(mode="json"), "settings": kinds}
    return store.content_key({"run": run_key(trial.config), **measured})


def run_trial(trial: Trial) -> Record:
    """Train (or load) and measure `trial` on this machine."""
    if trial.transfer is not None:
        return _run_transfer(trial)
    run = pretrain(trial.config)
    model = run.model()
    return Record(
        about=_about(trial, run),
        curve=_curve(run),
        measurements={split: measure_model(model, trial, split) for split in trial.splits},
        retrieval=retrieval_of_model(model, trial),
        pictures=pictures_of_model(model, trial),
    )


def _run_transfer(trial: Trial) -> Record:
    from ..transfer.transfer import repeated

    run = pretrain(trial.config) if trial.stage == "trained" else None
    given, data = _given(trial, run), dict(zip(("data", "edition"), trial.measured_on, strict=True))
    cases = trial.transfer.cases().items()
    return Record(
        about=_about(trial, run),
        curve=_curve(run) if run else [],
        measurements={},
        retrieval={},
        transfer={name: repeated(representation=given, **asked, **data) for name, asked in cases},
    )


def _given(trial: Trial, run: Run | None) -> Representation:
    """What of a run is given to tasks."""
    from ..transfer.representation import of_run, trunk, untrained

    config = trial.config
    if run is not None:
        return of_run(run)
    if trial.stage == "trunk":
        return trunk(config.model.image_encoder, trial.run, image_size=config.model.image_size)
    chosen = method(config.method)
    studies = open_studies(config.data.set, "train", config.data.edition)
    architecture = chosen.architecture(chosen.settings_of(config))
    return untrained(config.model, architecture, trial.run, studies=studies, seed=config.seed)


def _about(trial: Trial, run: Run | None) -> dict[str, Any]:
    return {
        "key": trial_key(trial),
        "seconds": run.result["seconds"] if run else 0.0,
        "machine": f"{platform.system()} {platform.machine()}, {_threads()} threads",
        "package": __version__,
        "made": datetime.now(UTC).date().isoformat(),
        "config": trial.config.model_dump(mode="json"),
        **({"redistribution": False} if _restricted(trial) else {}),
    }


def _restricted(trial: Trial) -> bool:
    """Whether a set that it reads may not be passed on: its record names films, and may hold phrases of reports."""
    trained_on = [] if trial.stage == "trunk" else [trial.config.data.set]
    read = {trial.measured_on[0], *trained_on} - {"teaching"}
    return any(read_card(Path(name)).get("redistribution") is not True for name in read)


def measure_model(model: AlignedModel, trial: Trial, split: str) -> Measurements:
    """`model` on a split of the set that the trial is measured on, by the trial's protocol and prompts."""
    studies = _studies(trial, split)
    measured = evaluate(model, model.image_source(studies), studies, trial.protocol, trial.prompts)
    return measured.of_findings(trial.findings) if trial.findings else measured


def retrieval_of_model(model: AlignedModel, trial: Trial) -> dict[str, Measurements]:
    """How `model` retrieves, by direction, on the split that the trial names for it; nothing where it names none."""
    if trial.retrieval is None:
        return {}
    studies = _studies(trial, trial.retrieval)
    return measure_retrieval(score_tables(model, studies), studies)


def pictures_of_model(model: AlignedModel, trial: Trial) -> tuple[Answer, ...]:
    """What `model` answers to the films that the trial has pictured; nothing where it has none."""
    if trial.pictures is None:
        return ()
    studies = _studies(trial, trial.pictures.split)
    films = chosen_films(studies, trial.pictures.films, trial.findings)
    return answers_to(model, model.image_source(studies), studies, films, trial.prompts)


def _studies(trial: Trial, split: str) -> StudyDataset:
    name, edition = trial.measured_on
    return open_studies(name, split, edition)


def recorded(trial: Trial, folder: Path, *, rerun: bool = False) -> Record:
    """The record of `trial` below `folder`; `rerun` trains and measures it here instead.

    Raises:
        InputError: there is no record, or it was made from another configuration, other data or another loop.
    """
    if rerun:
        return run_trial(trial)
    record = Record.load(folder / trial.file)
    if record.about["key"] != trial_key(trial):
        raise InputError(
            f"The record {folder / trial.file} was made from another configuration, other data or another training "
            "loop than today's. `make experiments` runs it again."
        )
    return record


def run_missing(trials: Sequence[Trial], folder: Path) -> list[Path]:
    """Run and record every trial whose record is missing or outdated; the files that were written."""
    written = []
    for trial in trials:
        try:
            recorded(trial, folder)
        except InputError:
            run_trial(trial).save(folder / trial.file)
            written.append(folder / trial.file)
    return written


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _curve(run: Run) -> list[dict[str, int | float]]:
    log = run.log()
    return [_epoch(log, epoch) for epoch in sorted({entry["epoch"] for entry in log})]


def _epoch(log: Sequence[Mapping[str, Any]], epoch: int) -> dict[str, int | float]:
    entries = [entry for entry in log if entry["epoch"] == epoch]
    mean = sum(entry["loss"] for entry in entries) / len(entries)
    return {"epoch": epoch, "loss": round(mean, 5), "validation_loss": round(entries[-1]["validation_loss"], 5)}


def _packed(content: Any) -> str:
    """JSON in text that takes a tenth of its room: the results of a trial name the same studies again and again."""
    return base64.b85encode(
        lzma.compress(json.dumps(content, separators=(",", ":"), allow_nan=False).encode())
    ).decode()


def _unpacked(text: str) -> Any:
    return json.loads(lzma.decompress(base64.b85decode(text)))


def _transferred(packed: str | None) -> dict[str, Repeats]:
    """The results of each case, which begins with the name of its task."""
    if packed is None:
        return {}
    from ..transfer.tasks import task_named
    from ..transfer.transfer import result_of

    return {
        case: Repeats(tuple(result_of(task_named(case.split(", ")[0]).kind, one) for one in results))
        for case, results in _unpacked(packed).items()
    }
