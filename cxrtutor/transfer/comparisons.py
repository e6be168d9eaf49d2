"""Representations and models side by side, for every question that can be put to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..data.dataset import StudyDataset
from ..errors import InputError
from ..evaluation.results import Repeats, Result
from ..evaluation.retrieval import measure_retrieval, score_tables
from ..evaluation.tables import ResultTable
from ..methods.model import AlignedModel
from .examples import Examples
from .prompt_sets import prompt_set
from .representation import Representation
from .segmentation import Decoder, usual_decoder
from .tasks import Task, open_split, set_name, task_named
from .transfer import repeated
from .zero_shot import zero_shot

_FINE_TUNED = "fine-tuned: a copy of each network learned with its head"
NO_TEST = "measured on the validation split, as the set has none for testing"


def comparison(
    task: Task | str,
    representations: Mapping[str, Representation],
    *,
    data: str = "teaching",
    edition: str = "full",
    labels: float = 1.0,
    shots: int | None = None,
    fine_tune: bool = False,
    decoder: Decoder | None = None,
    **how: Any,
) -> ResultTable:
    """Representations side by side, each less the first, with the figures below that were published of the task.

    In segmentation all rows have one decoder: outlines of two decoders say nothing of the representations.

    Args:
        task: as of `repeated`, like all that is not named here.
        representations: by the name of their row.
        data: "teaching", or the folder of a prepared set.
        edition: of the teaching set.
        labels: the share of the training examples.
        shots: in place of a share.
        fine_tune: whether a copy of each representation learns with its head; the caption then says so.
        decoder: of segmentation alone; by default the one that suits all rows (`segmentation.usual_decoder`).
        how: what else `repeated` takes.

    Raises:
        InputError: as `repeated`; or there is no representation.
    """
    task = task_named(task) if isinstance(task, str) else task
    if task.kind == "segmentation" and decoder is None:
        decoder = usual_decoder(representations.values())
    where, amount = {"data": data, "edition": edition}, {"labels": labels, "shots": shots}
    asked = {**where, **amount, "fine_tune": fine_tune, "decoder": decoder, **how}
    rows = {name: repeated(task, one, **asked) for name, one in representations.items()}
    rows = {name: one.results[0] if len(one.results) == 1 else one for name, one in rows.items()}
    test = task.examples(data, "test", edition)
    table = _table(rows, [task.metric], test, [_FINE_TUNED] if fine_tune else [])
    figures = task.published(labels) if shots is None else []
    return table.beside(figures, dataset=set_name(test.studies.card)) if figures else table


def zero_shot_comparison(
    task: Task | str,
    models: Mapping[str, AlignedModel],
    *,
    prompts: str = "sentence",
    data: str = "teaching",
    edition: str = "full",
) -> ResultTable:
    """Models side by side that are asked in words, without any label, what the task asks; each less the first.

    Args:
        task: of classification.
        models: by the name of their row.
        prompts: the way to ask, one of `prompt_sets.WAYS`.
        data: "teaching", or the folder of a prepared set.
        edition: of the teaching set.

    Raises:
        InputError: the task is no classification, the set does not fit it, there is no such way to ask, or no model.
    """
    task = task_named(task) if isinstance(task, str) else task
    if task.kind != "classification":
        raise InputError(f"Words alone tell what is there and not where; {task.name!r} is {task.kind}.")
    test = task.examples(data, "test", edition)
    asked = prompt_set(prompts, test.names)
    return _table({name: zero_shot(one, test, asked) for name, one in models.items()}, [task.metric], test)


def retrieval_comparisons(
    models: Mapping[str, AlignedModel], *, data: str = "teaching", edition: str = "full"
) -> dict[str, ResultTable]:
    """By direction ("image to report"), models side by side that look for films and reports; each less the first.

    Args:
        models: by the name of their row.
        data: "teaching", or the folder of a prepared set.
        edition: of the teaching set.

    Raises:
        InputError: there is no such set, or no model.
    """
    studies = open_split(data, "test", edition)
    measured = {name: measure_retrieval(score_tables(one, studies), studies) for name, one in models.items()}
    directions = next(iter(measured.values()), {})
    return {
        direction: _table({name: one[direction] for name, one in measured.items()}, first.metrics, studies)
        for direction, first in directions.items()
    }


def _table(
    rows: Mapping[str, Result | Repeats],
    metrics: Sequence[str],
    shown: Examples | StudyDataset,
    remarks: Sequence[str] = (),
) -> ResultTable:
    """Rows less the first, over patients where a set knows whom its images show."""
    ids, patients = (shown.ids(), shown.patients()) if isinstance(shown, StudyDataset) else (shown.ids, shown.patients)
    reference = next(iter(rows)) if len(rows) > 1 else None
    unit = "images" if list(patients) == list(ids) else "patients"
    studies = shown if isinstance(shown, StudyDataset) else shown.studies
    held_out = [NO_TEST] if studies.split == "validation" else []
    return ResultTable(rows, metrics, reference=reference, unit=unit, remarks=(*remarks, *held_out))
