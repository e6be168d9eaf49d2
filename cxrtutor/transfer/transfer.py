"""One task for one representation, computed once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any, get_args

from .. import store
from ..errors import InputError
from ..evaluation.classification import Predictions
from ..evaluation.detection import Detections
from ..evaluation.measurements import Measurements
from ..evaluation.results import Repeats, Result
from . import detection, examples, segmentation
from .examples import Examples
from .linear_probe import STRENGTH, linear_probe
from .representation import Representation
from .segmentation import Decoder
from .tasks import Kind, Task, task_named

VERSION = 1
"""Part of the key of what is kept: raised when a task comes to give another result."""

_RESULTS: Mapping[Kind, type[Result]] = {
    "classification": Predictions,
    "segmentation": Measurements,
    "detection": Detections,
}


def transfer(
    task: Task | str,
    representation: Representation,
    *,
    data: str = "teaching",
    edition: str = "full",
    labels: float = 1.0,
    shots: int | None = None,
    draw: int = 0,
    fine_tune: bool = False,
    steps: int | None = None,
    decoder: Decoder | None = None,
) -> Result:
    """What a representation is worth for a task: a head is trained on labelled examples, and measured on the test
    split. It is kept, and found where it was computed before.

    Args:
        task: one of `tasks.TASKS`, or its name.
        representation: stays as it is.
        data: "teaching", or the folder of a prepared set.
        edition: of the teaching set.
        labels: the share of the training examples that the head sees (`examples.share_of`).
        shots: in place of a share, so many examples of every kind (`examples.shots`); of classification alone.
        draw: the number of the draw of labels, and the seed of what is random in a head.
        fine_tune: whether a copy of the representation learns with the head; not of classification.
        steps: of the training of a decoder, in place of the few that suit the teaching set; not of classification.
        decoder: of segmentation alone; by default the one that suits the representation (`segmentation.usual_decoder`).

    Raises:
        InputError: there is no such task, the set does not fit it, or it cannot be done in this way.
    """
    asked = {"labels": labels, "shots": shots, "fine_tune": fine_tune, "steps": steps, "decoder": decoder}
    [result] = _of_draws([draw], task, representation, data=data, edition=edition, **asked)
    return result


def check(
    task: Task,
    *,
    labels: float = 1.0,
    shots: int | None = None,
    draw: int = 0,
    fine_tune: bool = False,
    steps: int | None = None,
    decoder: str | None = None,
) -> None:
    """Refuse what `transfer` cannot be asked for, before anything is read or computed.

    Raises:
        InputError: the task is not done in this way, or an amount is out of range.
    """
    examples.check_amount(labels, shots, draw)
    if shots is not None and labels != 1:
        raise InputError(f"{shots} examples a class are drawn of all labels, not of a share of {labels}. Give one.")
    if task.kind == "classification" and (fine_tune or steps is not None):
        raise InputError(
            f"The task {task.name!r} is a linear probe: the network stays frozen, and the probe is solved and not "
            "trained in steps. Leave out fine-tuning and steps."
        )
    if steps is not None and steps < 1:
        raise InputError(f"{steps} steps of training teach nothing. Give 1 or more.")
    if task.kind != "classification" and shots is not None:
        raise InputError(f"A few examples of every kind are drawn for classification; {task.name!r} is {task.kind}.")
    if decoder is not None and task.kind != "segmentation":
        raise InputError(f"A decoder is chosen for segmentation; {task.name!r} is {task.kind}. Leave it out.")
    if decoder not in (None, *get_args(Decoder)):
        raise InputError(f"There is no decoder {decoder!r}. Choose one of: {', '.join(get_args(Decoder))}.")


def repeated(
    task: Task | str,
    representation: Representation,
    *,
    draws: int = 1,
    labels: float = 1.0,
    shots: int | None = None,
    **how: Any,
) -> Repeats:
    """`transfer` with several draws of the labels; one where all would be alike: all labels, to a linear probe.

    Args:
        task: as of `transfer`, like all that is not named here.
        representation: stays as it is.
        draws: how many.
        labels: the share of the training examples.
        shots: in place of a share.
        how: what else `transfer` takes.

    Raises:
        InputError: as `transfer`; or there is to be no draw.
    """
    task = task_named(task) if isinstance(task, str) else task
    number = min(draws, 1) if _is_determined(task, labels, shots) else draws
    return Repeats(_of_draws(range(number), task, representation, labels=labels, shots=shots, **how))


def settings(kind: Kind) -> dict[str, Any]:
    """What a result of this kind depends on besides what is asked for, as JSON can hold it."""
    chosen = {
        "classification": {"strength": STRENGTH},
        "segmentation": asdict(segmentation.RECIPE),
        "detection": asdict(detection.RECIPE),
    }
    return {"version": VERSION, **chosen[kind]}


def result_of(kind: Kind, content: Any) -> Result:
    """The result of a kind of task that `to_json` gave.

    Raises:
        InputError: it is something else.
    """
    return _RESULTS[kind].from_json(content)


def _of_draws(
    draws: Iterable[int],
    task: Task | str,
    representation: Representation,
    *,
    data: str = "teaching",
    edition: str = "full",
    labels: float = 1.0,
    shots: int | None = None,
    fine_tune: bool = False,
    steps: int | None = None,
    decoder: Decoder | None = None,
) -> tuple[Result, ...]:
    """The results of `transfer` for some draws, of which all see the examples that are read once."""
    task, draws = task_named(task) if isinstance(task, str) else task, tuple(draws)
    for draw in draws:
        check(task, labels=labels, shots=shots, draw=draw, fine_tune=fine_tune, steps=steps, decoder=decoder)
    train, test = (task.examples(data, split, edition) for split in ("train", "test"))
    if decoder == segmentation.usual_decoder([representation]):
        decoder = None  # as if nobody had chosen; so what is kept is found either way
    chosen = {name: value for name, value in {"steps": steps, "decoder": decoder}.items() if value is not None}
    asked_for = {
        "settings": settings(task.kind),
        "representation": representation.key,
        "train": train.key,
        "test": test.key,
        "labels": float(labels),  # 1 is 1.0
        "shots": shots,
        "fine_tune": fine_tune,
        **chosen,
    }

    def computed(draw: int) -> Result:
        shown = examples.share_of(train, labels, draw) if shots is None else examples.shots(train, shots, draw)
        return _computed(task.kind, representation, shown, test, fine_tune, draw, chosen)

    def kept(draw: int) -> Result:
        number = 0 if _is_determined(task, labels, shots) else draw
        return _kept(task.kind, asked_for | {"draw": number}, partial(computed, draw))

    return tuple(map(kept, draws))


def _kept(kind: Kind, asked_for: Mapping[str, Any], compute: Callable[[], Result]) -> Result:
    """The result that is kept of what was asked for; computed first where there is none."""
    file = store.place("transfer", asked_for) / "result.json"
    if not file.is_file():
        result = compute()
        with store.new_folder(file.parent) as folder:
            (folder / file.name).write_text(json.dumps(result.to_json(), separators=(",", ":"), allow_nan=False))
    # What is kept is rounded; so the first call gives what the second will.
    return result_of(kind, json.loads(file.read_text()))


def _is_determined(task: Task, labels: float, shots: int | None) -> bool:
    """Whether every draw gives the same: there is nothing to draw, and nothing random in the head."""
    return task.kind == "classification" and shots is None and labels == 1


def _computed(
    kind: Kind,
    representation: Representation,
    train: Examples,
    test: Examples,
    fine_tune: bool,
    seed: int,
    chosen: Mapping[str, Any],
) -> Result:
    if kind == "classification":
        return linear_probe(representation, train, test)
    engine = segmentation.segment if kind == "segmentation" else detection.detect
    return engine(representation, train, test, fine_tune=fine_tune, seed=seed, **chosen)
