"""Which studies of a prepared set cannot be read: found before a training of weeks meets the first of them.

A shard whose SHA-256 is the one on the set's card is whole, reports and truth included. Of any other each row is looked
at, and so it is where a card is too old to tell. An image is not decoded: a PNG's chunks bear checksums of their own.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from .. import store
from ..errors import InputError, first_process
from .dataset import RowGroup, StudyDataset
from .prepared import decoded_image, file_digest

MOST_UNREADABLE = 0.01
"""The largest share of studies that may be left out. Beyond it a disk or a copy has failed, and nobody knows what the
rest is worth."""

_PNG = b"\x89PNG\r\n\x1a\n"


class Unreadable(NamedTuple):
    """A study that cannot be read.

    Attributes:
        position: among the studies that were opened.
        file: the shard.
        row_group: in the shard.
        study: its id; None where that cannot be read either.
        reason: as the end of a sentence about the image or the file.
    """

    position: int
    file: str
    row_group: int
    study: str | None
    reason: str


def readable(studies: StudyDataset, record: Path) -> StudyDataset:
    """The set with those studies left out that cannot be read.

    They are named in the file `record`, and if there are any, on the terminal. Where the file lies already, what it
    names is left out, and nothing is looked at again: a run that goes on sees what it saw.

    Raises:
        InputError: more than `MOST_UNREADABLE` of the studies cannot be read, or the file is damaged or cannot be
            written.
    """
    if record.is_file():
        found = _recorded(record, studies)
    else:
        found = unreadable_studies(studies)
        told = {"set": studies.key, "unreadable": [each._asdict() for each in found]}
        if len(found) <= MOST_UNREADABLE * len(studies):
            store.write_file(record, json.dumps(told, indent=1))
    if not found:
        return studies
    named = ", ".join(sorted({each.file for each in found})[:3])
    count = f"{len(found):,} of {len(studies):,} studies of {studies.folder} (split {studies.split})"
    if len(found) > MOST_UNREADABLE * len(studies):
        raise InputError(
            f"{count} cannot be read, such as number {found[0].position}: {found[0].reason}. They lie in {named}. At "
            f"most {MOST_UNREADABLE:.0%} is left out; copy or prepare the set again."
        )
    if first_process():
        print(f"{count} cannot be read and are left out (in {named}); {record} lists them.", file=sys.stderr)
    return studies.leaving_out([each.position for each in found])


def unreadable_studies(studies: StudyDataset) -> list[Unreadable]:
    """All studies that cannot be read, with a progress bar."""
    groups: dict[int, list[tuple[int, RowGroup]]] = {}
    position = 0
    for group in studies.row_groups():
        groups.setdefault(group.shard, []).append((position, group))
        position += group.rows
    found: list[Unreadable] = []
    bar = tqdm(groups.items(), desc="checking what was prepared", unit="shard", disable=None, delay=5)
    for shard, members in bar:
        path, digest = studies.shard(shard)
        if not _is_whole(path, digest):
            for start, group in members:
                found += _of_group(studies, start, group, path.name)
    return found


def _is_whole(path: Path, digest: str | None) -> bool:
    try:
        return digest is not None and file_digest(path) == digest
    except InputError:
        return False


def _of_group(studies: StudyDataset, start: int, group: RowGroup, file: str) -> list[Unreadable]:
    try:
        rows = studies.rows(group).to_pylist()  # all columns: text that is no text is found here alone
    except (InputError, UnicodeDecodeError):
        reason = "its file is missing, or cut short, or damaged in this row group"
        return [Unreadable(start + row, file, group.number, None, reason) for row in range(group.rows)]
    reasons = [damage(cells["image"]) for cells in rows]
    return [
        Unreadable(start + row, file, group.number, cells["id"], reason)
        for row, (cells, reason) in enumerate(zip(rows, reasons, strict=True))
        if reason
    ]


def damage(encoded: bytes) -> str | None:
    """What is wrong with an image as it lies in a set, or None. A PNG is followed chunk by chunk; a JPEG, which has no
    checksums, is decoded, and only what cannot be is found."""
    if not encoded.startswith(_PNG):
        try:
            decoded_image(encoded)
        except (OSError, ValueError, SyntaxError) as error:  # as Pillow raises them
            return f"its image cannot be decoded ({error})"
        return None
    at = len(_PNG)
    while at + 12 <= len(encoded):
        length, kind = struct.unpack_from(">I4s", encoded, at)
        end = at + 8 + length
        if end + 4 > len(encoded):
            break
        if zlib.crc32(encoded[at + 4 : end]) != struct.unpack_from(">I", encoded, end)[0]:
            return f"the checksum of its image's {kind.decode('ascii', 'replace')} chunk is wrong"
        if kind == b"IEND":
            return None
        at = end + 4
    return "its image ends too early"


def _recorded(record: Path, studies: StudyDataset) -> list[Unreadable]:
    try:
        told = json.loads(record.read_text())
        if told["set"] != studies.key:
            raise ValueError("it is of another set")
        return [Unreadable(**each) for each in told["unreadable"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{record} cannot be used ({error}). Delete it; the set is then looked at again.") from error
