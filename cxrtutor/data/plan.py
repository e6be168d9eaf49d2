"""What was asked for when a set was begun, so that whoever goes on asks for the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import store
from ..errors import InputError
from .source import Entry, Listing
from .study import Report


def check_folder(folder: Path, request: Mapping[str, Any]) -> None:
    """Refuse a folder that holds something else, or the work of another request."""
    plan = folder / "plan.json"
    if not plan.is_file():
        if folder.exists() and (not folder.is_dir() or any(not path.name.startswith(".") for path in folder.iterdir())):
            raise InputError(f"{folder} holds something else. Choose a folder that is empty or does not exist yet.")
        return
    begun = _read_plan(plan)["request"]
    if differing := [what for what in {**request, **begun} if request.get(what) != begun.get(what)]:
        raise InputError(
            f"{folder} was begun with another request; it differs in: {', '.join(differing)}. "
            "Choose another folder, ask for the same, or delete this one."
        )


def begin(folder: Path, request: Mapping[str, Any], listing: Listing) -> None:
    """Write the plan, or compare it with the one that is there: what is done and what is left must be of one state."""
    digest = hashlib.sha256()
    for one in listing.entries:
        digest.update(json.dumps(_meaning(one)).encode())
    said = digest.hexdigest()
    plan = folder / "plan.json"
    if not plan.is_file():
        store.write_file(plan, json.dumps({"request": request, "entries": said}, indent=1))
    elif _read_plan(plan)["entries"] != said:
        raise InputError(
            f"{folder} was begun when other images were listed, or other reports, labels or truth for them. "
            "Choose another folder, or delete this one."
        )


def _read_plan(plan: Path) -> dict[str, Any]:
    try:
        begun = json.loads(plan.read_text())
        return {"request": dict(begun["request"]), "entries": str(begun["entries"])}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{plan} is damaged ({error!r}). Delete {plan.parent} and prepare the set again.") from error


def _meaning(entry: Entry) -> list[Any]:
    """All that an entry says, as JSON can hold it, but for where its files lie."""
    report = entry.report
    if isinstance(report, Report):
        report = [dict(report.sections), [[line.text, line.findings] for line in report.sentences]]
    elif report is not None:
        report = report.name
    truth = [
        [one.name, one.phrase, one.size, one.boxes, None if one.runs is None else one.runs.runs.tolist()]
        for one in entry.truth
    ]
    said = [entry.id, entry.patient, entry.split, entry.study, entry.view, entry.image.name]
    return [*said, report, truth, entry.annotated, dict(entry.labels)]
