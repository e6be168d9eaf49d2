"""From what a set's owner ships to the prepared form: one way for every set, which can be stopped and taken up again.

Nothing is lost in silence. Every image that stands in a table becomes a study, or is skipped for a reason that is
counted and kept with file and row in `skipped.csv`, or stands among the problems in `summary.json`:

- "image missing", "image cannot be read": the file is not there, or is damaged.
- "no frontal view": the file says so. What the tables tell of views, a source goes by when it lists.
- "truth does not fit the image": it was drawn on another size than the file has. Truth of another scale is scaled,
  where the ratio of the sides agrees within one pixel of rounding.
- A source adds reasons of its own, such as "lateral view", "contradicting rows" or "truth cannot be read".

A study without a report is kept, with an empty one, counted, and named in `without-report.csv`. Truth that was looked
for becomes a label too (1 there, 0 not), where the owner's labels do not name it.

The entries are cut into shards by their order alone, and each shard is written whole or not at all, with what was
skipped in it. So which process makes it, and whether the work was killed in between, changes no byte. When an image
that was missing or damaged has been replaced, the shard that lacks it is made again.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm

from .. import guard, store
from ..errors import InputError
from .entries import MISSING, read_entry, report_lacking
from .image_folder import UNREADABLE_IMAGE
from .listing import split_by, unambiguous, with_shared_patients
from .plan import begin, check_folder
from .prepared import ENCODINGS, file_digest, read_card, shard_path, shard_record, write_card, write_shard
from .processes import in_processes
from .progress import progress
from .source import Entry, Listing, Skipped, Source
from .splits import OWNERS, READERS
from .study import Study

SMALLEST_SIDE = 16
"""Of an image, in pixels; on fewer nothing can be seen."""

VERSION = 2
"""Raised whenever equal files give other studies, so that a folder begun before is not gone on with."""

ENTRIES_PER_SHARD = 128
"""What a killed run loses at most, per process."""


def prepare(
    source: Source,
    folder: str | Path,
    *,
    side: int = 512,
    encoding: str = "png",
    workers: int = 2,
    splits: str | Path | None = None,
) -> Path:
    """Prepare a set: `folder` becomes what `StudyDataset` reads, with a summary and the list of what was skipped.

    A run that was stopped goes on where it was. In a finished set nothing is done, unless images have been replaced
    that were missing or could not be read: then the shards that lack them are made again, and the card. One run at a
    time writes to a folder.

    A run that goes on compares all that the tables say with what they said when it began. What else lies in images and
    text reports it does not compare: leave them as they are until the set is whole.

    Args:
        source: the set as its owner ships it.
        folder: to write to; new, empty, or begun by the same request.
        side: the longer side of the images, in pixels. Smaller ones stay as they are.
        encoding: "png", or "jpeg" for half the room (see `prepared.ENCODINGS`).
        workers: processes that read and scale.
        splits: a list of your own (see `splits.read_splits`), instead of the source's splits. Images that it does not
            name are skipped; those that are held out stay so, whatever it says.

    Returns:
        `folder`.

    Raises:
        InputError: tables, all images or all reports are missing, the folder holds something else, or it cannot be
            written.
    """
    folder, splits = Path(folder), None if splits is None else Path(splits)
    if side < SMALLEST_SIDE or workers < 1 or encoding not in ENCODINGS:
        raise InputError(
            f"Choose a side of at least {SMALLEST_SIDE} pixels, at least 1 worker, and images as "
            f"{' or '.join(ENCODINGS)}; got {side}, {workers} and {encoding!r}."
        )
    _check_what_is_there(source)
    guard.note_opened({"name": source.about.name, "redistribution": source.about.redistribution})
    request = _request(source, side, encoding, splits)
    check_folder(folder, request)
    card = folder / "card.json"
    if card.is_file() and not {MISSING, UNREADABLE_IMAGE} & set(read_card(folder)["details"]["skipped"]):
        return _done_already(folder)
    listing = unambiguous(source.listing())
    if splits is not None:
        listing = split_by(listing, splits)
    listing = with_shared_patients(listing)
    if not listing.entries:
        raise InputError(f"{source.about.name}: {_none_left(listing.skipped, listing.problems)}")
    shards = _shards(folder, listing.entries)
    again = [path for path, entries in shards.items() if path.is_file() and _lacks_replaced_images(path, entries)]
    missing = {path: entries for path, entries in shards.items() if path in again or not path.is_file()}
    if card.is_file() and not missing:
        return _done_already(folder)
    _check_images([entry for entries in missing.values() for entry in entries], listing.entries)
    _check_reports(listing.entries)
    begin(folder, request, listing)
    for path in (card, *again):
        path.unlink(missing_ok=True)
    done = len(listing.entries) - sum(map(len, missing.values()))
    jobs = [(path, entries, side, encoding) for path, entries in missing.items()]
    with progress(len(listing.entries), done, source.about.name, "image") as tell:
        for position in in_processes(prepare_shard, jobs, workers):
            tell(len(jobs[position][1]))
    _finish(folder, source, request, listing, shards)
    return folder


def prepare_shard(path: Path, entries: Sequence[Entry], side: int, encoding: str) -> None:
    """Write the shard of some entries, unless it is there already.

    Raises:
        InputError: it cannot be written.
    """
    skipped: list[list[str]] = []
    reports: list[list[str]] = []
    unread: dict[str, str | None] = {}
    record: dict[str, Any] = {}

    def studies() -> Iterator[Study]:
        for entry in entries:
            study = read_entry(entry, side)
            if isinstance(study, Skipped):
                skipped.append(_without_paths(study, entry))
                if study.reason in (MISSING, UNREADABLE_IMAGE):
                    unread[entry.id] = _state(entry.image)
                continue
            if entry.report is not None and not study.report.sentences:
                reports.append(_without_paths(report_lacking(entry), entry))
            yield study
        record.update(skipped=skipped, reports=reports, unread=unread)

    if not path.is_file():
        write_shard(path, studies(), encoding=encoding, record=record)


def _without_paths(one: Skipped, entry: Entry) -> list[str]:
    """How a shard keeps what was skipped: where the files lie changes no byte of it."""
    detail = one.detail
    for stands_for, path in _files(entry).items():
        detail = detail.replace(path, stands_for)
    return [one.id, one.reason, detail]


def _with_paths(kept: Sequence[Sequence[str]], entries: Sequence[Entry]) -> list[Skipped]:
    """What a shard of these entries keeps of `Skipped`, as it was."""
    files = {entry.id: _files(entry) for entry in entries}
    told = []
    for id, reason, detail in kept:
        for stands_for, path in files[id].items():
            detail = detail.replace(stands_for, path)
        told.append(Skipped(id, reason, detail))
    return told


def _files(entry: Entry) -> dict[str, str]:
    """The paths that an entry names, by what stands for them in a shard."""
    report = {"<report>": str(entry.report)} if isinstance(entry.report, Path) else {}
    return {"<image>": str(entry.image), **report}


def _state(image: Path) -> str | None:
    """By what a replaced image is known from the one that could not be read; None where there is none."""
    try:
        return file_digest(image) if image.is_file() else None
    except InputError:
        return "may not be read"


def _lacks_replaced_images(path: Path, entries: Sequence[Entry]) -> bool:
    """Whether images of a shard have been replaced that were missing or could not be read.

    Raises:
        InputError: so it is, but an image that the shard does hold is gone, and would be lost.
    """
    unread = shard_record(path)["unread"]
    replaced = [one for one in entries if one.id in unread and _state(one.image) not in (None, unread[one.id])]
    lost = [one for one in entries if one.id not in unread and not one.image.is_file()] if replaced else []
    if lost:
        raise InputError(
            f"{replaced[0].image} is another file now, so {path} would be made again; but {lost[0].image}, which it "
            "holds, is gone. Put that back too, or prepare into another folder."
        )
    return bool(replaced)


def _done_already(folder: Path) -> Path:
    written = datetime.fromtimestamp((folder / "card.json").stat().st_mtime)
    tqdm.write(f"{folder} was prepared already ({written:%Y-%m-%d %H:%M}); nothing was done.", file=sys.stderr)
    return folder


def _check_what_is_there(source: Source) -> None:
    """Name all that is missing at once, so that nobody has to try as often as there are files."""
    needed = source.tables()
    missing = [f"  {what}: {path}{_seen_elsewhere(path, needed)}" for what, path in needed.items() if not path.exists()]
    if missing:
        raise InputError(
            "\n".join(
                [
                    f"{source.about.name}: {len(missing)} of {len(needed)} things that are needed are missing:",
                    *missing,
                    f"How to obtain them: {source.about.access}",
                ]
            )
        )


def _seen_elsewhere(path: Path, needed: Mapping[str, Path]) -> str:
    """A hint, where a folder one level higher or lower holds what is missing, or one that was given for another."""
    given = path.parent
    folders = [other.parent for other in needed.values()]
    inside = sorted(given.glob(f"*/{path.name}")) if given.is_dir() else []
    found = [one for one in (*(folder / path.name for folder in (*folders, given.parent)), *inside) if one.exists()]
    return f" (there is {found[0]}: was another folder meant?)" if found else ""


def _request(source: Source, side: int, encoding: str, splits: Path | None) -> dict[str, Any]:
    """All that decides what is prepared, but for the images."""
    return {
        "preparation": VERSION,
        "source": type(source).__name__,
        "version": source.about.version,
        "options": source.asked_for(),
        "tables": {what: file_digest(path) for what, path in source.tables().items() if path.is_file()},
        "splits": None if splits is None else file_digest(splits),
        "side": side,
        "encoding": encoding,
        "entries_per_shard": ENTRIES_PER_SHARD,
    }


def _shards(folder: Path, entries: Sequence[Entry]) -> dict[Path, list[Entry]]:
    """The entries of every file: those of a split in their order, so many at a time."""
    by_split: dict[str, list[Entry]] = {}
    for entry in entries:
        by_split.setdefault(entry.split, []).append(entry)
    return {
        shard_path(folder, split, number): of_split[start : start + ENTRIES_PER_SHARD]
        for split, of_split in by_split.items()
        for number, start in enumerate(range(0, len(of_split), ENTRIES_PER_SHARD))
    }


def _check_images(to_read: Sequence[Entry], listed: Sequence[Entry]) -> None:
    """Tell before the work begins how many images are missing; where all that are listed are, it does not begin."""
    looking = tqdm(to_read, desc="looking for the images", unit="image", disable=None, delay=5)
    missing = [entry for entry in looking if not entry.image.is_file()]
    if not missing:
        return
    first = f"such as {missing[0].image} ({missing[0].place})"
    if len(missing) == len(to_read) and not any(entry.image.is_file() for entry in listed):
        raise InputError(f"None of the {len(listed)} images is there, {first}. Check the folder, or unpack them.")
    number = f"{len(missing)} of {len(to_read)} images"
    told = f"{number} is missing, {first}. It is" if len(missing) == 1 else f"{number} are missing, {first}. They are"
    tqdm.write(f"{told} skipped.", file=sys.stderr)


def _check_reports(entries: Sequence[Entry]) -> None:
    """Refuse to begin where reports should be and not one is: then it is the folder that is wrong."""
    named = [(entry.report, entry.place) for entry in entries if isinstance(entry.report, Path)]
    if named and not any(path.is_file() for path, _ in named):
        raise InputError(
            f"None of the {len(named)} reports is there, such as {named[0][0]} ({named[0][1]}). "
            "Check the folder, or unpack them."
        )


def _none_left(skipped: Sequence[Skipped], problems: Sequence[str] = ()) -> str:
    if not skipped:
        return f"no image is listed. The first problem: {problems[0]}" if problems else "no image is listed."
    reason, number = Counter(one.reason for one in skipped).most_common(1)[0]
    first = next(one for one in skipped if one.reason == reason)
    return (
        f"None of {len(skipped)} images can be prepared; {number} for '{reason}', such as {first.id} ({first.detail})."
    )


def _finish(
    folder: Path, source: Source, request: Mapping[str, Any], listing: Listing, shards: Mapping[Path, Sequence[Entry]]
) -> None:
    """Write what was skipped, what lacks a report, the summary and, last, the card."""
    about = source.about
    reading = tqdm(shards.items(), desc="summary", unit="shard", disable=None, delay=5)
    skipped, reports, splits = list(listing.skipped), [], Counter()
    for path, entries in reading:
        record = shard_record(path)
        skipped += _with_paths(record["skipped"], entries)
        reports += _with_paths(record["reports"], entries)
        splits[entries[0].split] += len(entries) - len(record["skipped"])
    kept = splits.total()
    if kept == 0:
        raise InputError(f"{_none_left(skipped)} Mend that, delete {folder}, and prepare the set again.")
    counts = {
        "listed": len(listing.entries) + len(listing.skipped),
        "kept": kept,
        "splits": dict(splits),
        "skipped": dict(Counter(one.reason for one in skipped).most_common()),
        "reports": dict(Counter(one.reason for one in reports)),
        "problems": len(listing.problems),
    }
    options = source.asked_for()
    split_by = READERS if request["splits"] else options.get("splits", OWNERS)
    split_by += f"; held out by {by}" if (by := options.get("held out by")) else ""
    store.write_file(folder / "skipped.csv", _table(skipped))
    store.write_file(folder / "without-report.csv", _table(reports))
    summary = {"name": about.name, **counts, "split_by": split_by, "problems": list(listing.problems)}
    store.write_file(folder / "summary.json", json.dumps(summary, indent=1))
    write_card(
        folder,
        list(shards),
        request,
        name=about.name,
        version=about.version,
        licence=about.licence,
        redistribution=about.redistribution,
        by_content=True,
        details={**counts, "split_by": split_by},
    )
    store.clear_partial_files(folder)


def _table(rows: Sequence[Skipped]) -> str:
    table = io.StringIO()
    csv.writer(table).writerows([("id", "reason", "detail"), *((one.id, one.reason, one.detail) for one in rows)])
    return table.getvalue()
