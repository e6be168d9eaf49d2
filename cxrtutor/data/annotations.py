"""Truth files: what radiologists marked, read row by row from what a set's owner ships, without its images.

The readers are in `sources`, one file a set; `truth_files` tells which of them a file is for. All go by these rules:

- A finding is what one image shows under one phrase. Rows that share both are one finding: their boxes and masks are
  united. Where a set has no phrases, the category is the phrase.
- A row that says again, word for word, what an earlier one said counts once, and is reported.
- A row that cannot be read is reported with file, row and key, never dropped in silence. The whole finding that it
  belongs to is left out, as a truth that lacks a part would punish whoever finds it.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..errors import InputError
from .run_lengths import RunLengths
from .study import Box, Finding


@dataclass(frozen=True, eq=False)
class Annotated:
    """One finding that was looked for in one image: where it is, or that it is not there.

    Attributes:
        image: the image's id, which is its file name without suffix.
        name: the category, in the owner's spelling.
        phrase: the words that ask for it precisely; the category where the set has none.
        size: height and width of the image.
        boxes: in pixels of the image.
        runs: its mask, or None where boxes alone are known.
        patient: None where the file does not tell.
        split: the owner's, or None.
        path: of the image below the owner's folder, where the file tells.
    """

    image: str
    name: str
    phrase: str
    size: tuple[int, int]
    boxes: tuple[Box, ...] = ()
    runs: RunLengths | None = None
    patient: str | None = None
    split: str | None = None
    path: str | None = None

    @property
    def present(self) -> bool:
        """Whether the image shows the finding."""
        return bool(self.boxes) or (self.runs is not None and self.runs.area > 0)

    def finding(self) -> Finding:
        """As a study holds it, with the mask's pixels."""
        return Finding(self.name, self.phrase, None if self.runs is None else self.runs.mask(), self.boxes)


@dataclass(frozen=True, eq=False)
class Annotations:
    """What a truth file says.

    Attributes:
        layout: the name of its layout.
        findings: one for each image and phrase, in the order of the file; those that are not present too, where the
            file says so.
        problems: a sentence for everything that could not be read.
        left_out: image and phrase of every finding that is missing for that.
    """

    layout: str
    findings: tuple[Annotated, ...]
    problems: tuple[str, ...] = ()
    left_out: frozenset[tuple[str, str]] = frozenset()


class UnreadableRow(ValueError):
    """A row of a truth file cannot be read.

    Attributes:
        key: which of its values.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key = key


Row = tuple[str, str, str, Any]
"""Where it stands ("line 17"), the image, the phrase, and its content."""


def gather(
    path: Path, layout: str, rows: Iterable[Row], read: Callable[[str, str, Any], Annotated | None]
) -> Annotations:
    """Read every row and unite those of one image and phrase.

    Args:
        path: the file, for messages.
        layout: its layout's name.
        rows: in the order of the file.
        read: from image, phrase and content to what the row says; None for a row that says nothing of findings.

    Raises:
        InputError: there are no rows, or none can be read.
    """
    united: dict[tuple[str, str], Annotated] = {}
    spoiled: set[tuple[str, str]] = set()
    said: set[bytes] = set()  # digests, as a row may hold a mask's outline
    problems = []
    place = ""
    for place, image, phrase, content in tqdm(rows, desc=f"reading {path.name}", disable=None, delay=5):
        try:
            for key, value in (("image", image), ("phrase", phrase)):
                if not value:
                    raise UnreadableRow(key, "is blank")
                check_text(value, key)
            if (row := hashlib.sha256(repr((image, phrase, content)).encode()).digest()) in said:
                problems.append(f"{path}, {place}: {image} is listed twice, alike; it counts once.")
                continue
            said.add(row)
            one = read(image, phrase, content)
            if one is not None:
                known = united.get((image, phrase))
                united[image, phrase] = one if known is None else _united(known, one)
        except UnreadableRow as error:
            spoiled.add((image, phrase))
            problems.append(f"{path}, {place}, {error.key}: {error}.")
    kept = tuple(one for key, one in united.items() if key not in spoiled)
    if not kept and (problems or not place):  # rows may say nothing of findings, where all images are normal
        first = f" The first problem: {problems[0]}" if problems else ""
        raise InputError(f"{path}: no annotation can be read from this file ({layout}).{first}")
    return Annotations(layout, kept, tuple(problems), frozenset(spoiled))


def check_text(text: str, key: str) -> None:
    """Raise `UnreadableRow` where a text of a JSON file holds half of a character: it cannot be written."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UnreadableRow(key, f"{text!r} holds half of a character ({error.reason})") from None


def _united(a: Annotated, b: Annotated) -> Annotated:
    if a.size != b.size:
        raise UnreadableRow("size", f"is {b.size} here and {a.size} in an earlier row")
    if a.present != b.present:
        raise UnreadableRow("finding", "is said both to be there and not to be there")
    runs = a.runs or b.runs
    if a.runs and b.runs:
        runs = RunLengths.of(a.runs.mask() | b.runs.mask())
    return replace(a, boxes=a.boxes + b.boxes, runs=runs)


def table_rows(path: Path, needed: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a CSV file with their places; names and values without surrounding white space.

    Raises:
        InputError: the file is missing or damaged, is no text in UTF-8, is empty, or lacks a column; or a row has more
            values than there are names for.
    """
    header, rows = read_table(path)
    missing = [column for column in needed if column not in header]
    if missing:
        raise InputError(f"{path}: there is no column {', '.join(map(repr, missing))}; it has {', '.join(header)}.")
    for line, row in rows:
        if any(row[len(header) :]):  # blank ones mean nothing, and NIH's tables have some
            raise InputError(
                f"{path}, line {line}: has {len(row)} values, and the header {len(header)} names, so that it is not "
                "known which is what. Quote values that hold commas, or download it again."
            )
        yield f"line {line}", dict(zip(header, row, strict=False))


def read_table(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Header and numbered rows of a CSV file (`.csv`, `.csv.gz`), stripped; blank lines are left out.

    The rows are read as they are asked for, since MIMIC-CXR's tables have hundreds of thousands.

    Raises:
        InputError: the file is missing or damaged, is no text in UTF-8, or is empty.
    """
    table = _numbered(path)
    _, header = next(table, (0, []))
    if not header:
        raise InputError(f"{path} is empty. Download it again.")
    return header, table


def _numbered(path: Path) -> Iterator[tuple[int, list[str]]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with _explained(path), opened(path, "rt", encoding="utf-8-sig") as file:
        lines = csv.reader(file, strict=True)  # a stray quotation mark would swallow rows
        try:
            for row in lines:
                if any(row):
                    yield lines.line_num, [value.strip() for value in row]
        except csv.Error as error:
            raise InputError(f"{path}, line {lines.line_num}: is no CSV ({error}). Download it again.") from error


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        InputError: the file is missing or holds no JSON.
    """
    try:
        return json.loads(read_text(path))
    except ValueError as error:
        raise InputError(f"{path} holds no JSON ({error}). Download it again.") from error


def read_text(path: Path) -> str:
    """The content of a text file.

    Raises:
        InputError: the file is missing or is no text in UTF-8.
    """
    with _explained(path):
        return path.read_text(encoding="utf-8-sig")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what may go wrong when a text file is read into a message."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8 ({error}). Unpack it first, or save it as UTF-8.") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path} is damaged or cut short ({error}). Download it again.") from error
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}. Check the path.") from error


def box_of(row: Mapping[str, Any], keys: tuple[str, str, str, str], size: tuple[int, int]) -> Box:
    """A box from its four values: left, top, width, height.

    What reaches beyond the image's border is kept; `evaluation.truth` cuts it off.

    Raises:
        UnreadableRow: a value is no finite number, the box has no area, or it lies outside the image.
    """
    box = Box(*(number(row, key) for key in keys))
    for key, extent in zip(keys[2:], (box.width, box.height), strict=True):
        if extent <= 0:
            raise UnreadableRow(key, f"is {extent:g}, so that the box has no area")
    height, width = size
    if box.x >= width or box.y >= height or box.x + box.width <= 0 or box.y + box.height <= 0:
        raise UnreadableRow(keys[0], f"the box {tuple(box)} lies outside the image of {height} x {width} pixels")
    return box


def corner_box(row: Mapping[str, Any], keys: tuple[str, str, str, str], size: tuple[int, int]) -> Box:
    """A box from two of its corners: left, top, right, bottom.

    Raises:
        UnreadableRow: as `box_of` does.
    """
    left, top, right, bottom = (number(row, key) for key in keys)
    return box_of(dict(zip(keys, (left, top, right - left, bottom - top), strict=True)), keys, size)


def number(row: Mapping[str, Any], key: str) -> float:
    """A finite number.

    Raises:
        UnreadableRow: it is something else, or missing.
    """
    value = row.get(key, "")
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise UnreadableRow(key, f"{value!r} is no number" if value != "" else "is blank") from None
    if not np.isfinite(found):
        raise UnreadableRow(key, f"{value!r} is no number")
    return found


def size_of(row: Mapping[str, Any], height: str, width: str) -> tuple[int, int]:
    """Height and width of an image.

    Raises:
        UnreadableRow: one of them is no positive whole number.
    """
    sides = {key: number(row, key) for key in (height, width)}
    for key, side in sides.items():
        if side < 1 or side != int(side):
            raise UnreadableRow(key, f"{side:g} is no number of pixels")
    return int(sides[height]), int(sides[width])
