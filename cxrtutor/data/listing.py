"""From the rows of an owner's tables to a set's images, each once: the rules for rows, the same for every set.

- A row that cannot be read is a problem, with file, line and key.
- A row that says again what an earlier one said counts once, and is a problem too.
- Where rows on one image contradict each other, nobody knows which is right: the image is skipped.

So every row is an entry, is skipped, or stands among the problems.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from tqdm import tqdm

from ..errors import InputError
from .annotations import Annotated, Annotations, UnreadableRow, table_rows
from .source import HELD_OUT, Entry, Listing, Skipped, split_name
from .splits import read_splits

CONTRADICTING = "contradicting rows"
UNREADABLE_ROW = "row cannot be read"
UNREADABLE_TRUTH = "truth cannot be read"
LATERAL = "lateral view"
NO_VIEW = "view not stated"
NO_SPLIT = "split not stated"
SPLITS = ("train", "validation", "test")

_ID = re.compile(r"[\w-]{1,100}", re.ASCII)
_SPLIT_NAME = re.compile(r"\w[\w .-]*")

Row = tuple[str, str, Any]
"""Where it stands ("metadata.csv.gz, line 17"), the image's id, and its content."""

T = TypeVar("T")


class Skip(Exception):
    """An image is not prepared.

    Attributes:
        reason: the same for all such images (see `Skipped`).
        detail: what exactly.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def numbered(path: Path, needed: Iterable[str], id_of: str | Callable[[dict[str, str]], str]) -> Iterator[Row]:
    """The rows of a CSV file, for `list_images`.

    Args:
        path: the file; `.csv` or `.csv.gz`.
        needed: the columns that must be there.
        id_of: the column that holds the image's id, or what makes the id of a row.

    Raises:
        InputError: the file is missing, is no table, or lacks a column.
    """
    for line, row in table_rows(path, needed):
        yield f"{path.name}, {line}", row.get(id_of, "") if isinstance(id_of, str) else id_of(row), row


def first_rows(path: Path, needed: Iterable[str], column: str) -> Iterator[Row]:
    """Place and image of each image of a CSV file that has several rows on one, in the order of the file.

    A row without an image is left out; whoever reads its content reports it.

    Args:
        path: the file.
        needed: the columns that must be there.
        column: which of them holds the image's id.

    Raises:
        InputError: the file is missing, is no table, or lacks a column.
    """
    places: dict[str, str] = {}
    for place, image, _ in numbered(path, needed, column):
        if image:
            places.setdefault(image, place)
    yield from ((place, image, None) for image, place in places.items())


def check_id(image: str, column: str) -> None:
    """Raise `UnreadableRow` where the id of an image is none, so that it may become part of a path."""
    if not _ID.fullmatch(image):
        raise UnreadableRow(column, f"{image!r} is no id")


def list_images(rows: Iterable[Row], read: Callable[[str, str, Any], Entry]) -> Listing:
    """Read every row into an entry and hold the rules above.

    Args:
        rows: of all tables, in their order.
        read: from place, id and content to the entry; raises `Skip` for an image that is not prepared and
            `UnreadableRow` for a row that cannot be read.
    """
    images: dict[str, Entry | Skipped] = {}
    problems = []
    for place, image, content in tqdm(rows, desc="reading the tables", unit=" rows", disable=None, delay=2):
        try:
            if not image:
                raise UnreadableRow("image", "is blank")
            one: Entry | Skipped = read(place, image, content)
        except Skip as skip:
            one = Skipped(image, skip.reason, f"{place}: {skip.detail}")
        except UnreadableRow as error:
            problems.append(f"{place}, {error.key}: {error}.")
            continue
        known = images.setdefault(image, one)
        if known is not one:
            if _meaning(known) == _meaning(one):
                problems.append(f"{place}: {image} is listed twice, alike; it counts once.")
            else:
                problems.append(f"{place}: {image} is listed twice, and otherwise; it is skipped.")
                images[image] = Skipped(image, CONTRADICTING, f"{place}, and an earlier row that says otherwise")
    entries = tuple(one for one in images.values() if isinstance(one, Entry))
    return Listing(entries, tuple(one for one in images.values() if isinstance(one, Skipped)), tuple(problems))


def _meaning(one: Entry | Skipped) -> object:
    """What a row said, without where it stood."""
    return one.reason if isinstance(one, Skipped) else {**vars(one), "place": ""}


@dataclass(frozen=True)
class LookUp(Generic[T]):
    """A table that says something on each of its keys.

    Attributes:
        values: what it says.
        spoiled: reason and detail (see `Skip`) for every key whose rows contradict each other or cannot be read.
        problems: a sentence for every row that is listed twice or cannot be read.
    """

    values: Mapping[str, T]
    spoiled: Mapping[str, tuple[str, str]]
    problems: tuple[str, ...]

    def get(self, key: str) -> T | None:
        """What the table says; None where it says nothing.

        Raises:
            Skip: the key is spoiled.
        """
        if key in self.spoiled:
            raise Skip(*self.spoiled[key])
        return self.values.get(key)


def look_up(path: Path, key: str, needed: Sequence[str], value: Callable[[dict[str, str]], T]) -> LookUp[T]:
    """Read a table by one of its columns.

    Args:
        path: the file; `.csv` or `.csv.gz`.
        key: the column.
        needed: the other columns that must be there.
        value: what a row says; raises `UnreadableRow` where it cannot be read.

    Raises:
        InputError: the file is missing, is no table, or lacks a column.
    """
    return look_up_rows(path, key, numbered(path, (key, *needed), key), value)


def look_up_rows(path: Path, key: str, rows: Iterable[Row], value: Callable[[Any], T]) -> LookUp[T]:
    """The same for a file of another kind.

    Args:
        path: the file, for messages.
        key: what its rows call that by which they are looked up, for messages.
        rows: in the order of the file.
        value: what a row's content says; raises `UnreadableRow` where it cannot be read.
    """
    values: dict[str, T] = {}
    spoiled: dict[str, tuple[str, str]] = {}
    problems = []
    for place, name, row in tqdm(rows, desc=f"reading {path.name}", unit=" rows", disable=None, delay=2):
        try:
            if not name:
                raise UnreadableRow(key, "is blank")
            said = value(row)
        except UnreadableRow as error:
            problems.append(f"{place}, {error.key}: {error}.")
            spoiled[name] = UNREADABLE_ROW, problems[-1]
            continue
        if name not in values:
            values[name] = said
        elif values[name] == said:
            problems.append(f"{place}: {name} is listed twice, alike; it counts once.")
        else:
            problems.append(f"{place}: {name} is listed twice, and otherwise.")
            spoiled[name] = CONTRADICTING, problems[-1]
    return LookUp(values, spoiled, tuple(problems))


def owners_split(written: str | None) -> str:
    """The split that an owner's table names, in our words.

    Raises:
        UnreadableRow: it is none of train, validation and test.
    """
    name = split_name(written or "")
    if name not in SPLITS:
        raise UnreadableRow("split", f"{written!r} is none of train, validation and test" if name else "is blank")
    return name


def truth_by_image(truth: Annotations) -> LookUp[tuple[Annotated, ...]]:
    """What a truth file says of each image. An image of which a part could not be read is spoiled."""
    found: dict[str, tuple[Annotated, ...]] = {}
    for one in truth.findings:
        found[one.image] = (*found.get(one.image, ()), one)
    left_out = {image: (UNREADABLE_TRUTH, f"{phrase!r} of it") for image, phrase in sorted(truth.left_out)}
    return LookUp(found, left_out, truth.problems)


def unambiguous(listing: Listing) -> Listing:
    """Refuse what no source may list: an id twice, a split that is no file name."""
    places: dict[str, str] = {}
    for entry in listing.entries:
        if (before := places.setdefault(entry.id, entry.place)) is not entry.place:
            raise InputError(f"The image {entry.id} stands in {before} and in {entry.place}. Keep one row.")
        if not _SPLIT_NAME.fullmatch(entry.split):
            raise InputError(f"{entry.place}: {entry.split!r} is no name for a split. Use letters, digits and '-'.")
    return listing


def with_shared_patients(listing: Listing) -> Listing:
    """The listing with a problem where one patient is in several splits, so that none of them is new to the others."""
    splits_of: dict[str, set[str]] = {}
    for entry in listing.entries:
        splits_of.setdefault(entry.patient, set()).add(entry.split)
    shared = [patient for patient, splits in splits_of.items() if len(splits) > 1]
    if not shared:
        return listing
    splits = " and ".join(sorted(splits_of[shared[0]]))
    problem = f"{len(shared)} patients are in more than one split, such as {shared[0]} in {splits}."
    return replace(listing, problems=(problem, *listing.problems))


def split_by(listing: Listing, path: Path) -> Listing:
    """The listing with a reader's splits, but for what is held out."""
    splits = read_splits(path)
    known = {one.id for one in (*listing.entries, *listing.skipped)}
    if listing.entries and known.isdisjoint(splits):
        raise InputError(
            f"{path} names none of the images. Its ids are such as {next(iter(splits), '')!r}, those of the images "
            f"such as {listing.entries[0].id!r}. Write them as the images' are, letter for letter."
        )
    entries, others, held_out = [], [], []
    for entry in listing.entries:
        if entry.split == HELD_OUT:
            entries.append(entry)
            held_out += [entry.id] if splits.get(entry.id, HELD_OUT) != HELD_OUT else []
        elif entry.id in splits:
            entries.append(replace(entry, split=splits[entry.id]))
        else:
            others.append(Skipped(entry.id, "not in the list of splits", f"{entry.place}: {path} does not name it"))
    problems = [f"{path}: there is no image {image}." for image in splits if image not in known]
    if held_out:
        problems.append(f"{path}: {len(held_out)} of its images, such as {held_out[0]}, are held out, and stay so.")
    return unambiguous(Listing(tuple(entries), (*listing.skipped, *others), (*problems, *listing.problems)))
