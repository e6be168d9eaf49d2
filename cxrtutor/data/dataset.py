"""A prepared set as a sequence of studies, read from the disk as they are asked for."""

from __future__ import annotations

import copy
import operator
from bisect import bisect_right
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import UInt8

from .. import guard, store
from ..errors import InputError
from .images import letterbox
from .prepared import decoded_image, findings_of, labels_of, read_card, report_of, study_of
from .study import Finding, Report, Study

_Group = tuple[int, int]  # a shard of the split, a row group in it
_Columns = tuple[str, ...] | None  # some, or all


_LEFT_OUT: dict[str, Any] = {
    "id": "",
    "patient": "",
    "annotated": False,
    "sections": (),
    "sentences": (),
    "labels": (),
    "findings": (),
}
"""What lists that go over all studies have of one that is left out with its whole row group."""


class RowGroup(NamedTuple):
    """Studies that are read from the disk together: row group `number` of a shard, of so many `rows`."""

    shard: int
    number: int
    rows: int


def split_key(set_key: str, split: str | tuple[str, ...] | None) -> str:
    """The key of one split of the set with `set_key`, of several, or of all of it."""
    return store.content_key({"set": set_key, "split": split})


class StudyDataset(Sequence):  # of studies; said so, a check of types would read one from the disk at every call
    """The studies of a prepared set, or of some of its splits.

    Nothing but the card and the row group last read is held in memory, as it lies on the disk, not decoded; who comes
    back to the same groups may have more of them kept (`keep_groups`). A copy sent to another process reads for itself.

    Attributes:
        folder: where the set lies.
        split: its split, or None for all; several as a tuple, one after another in this order.
        card: what the set says about itself: name, version, licence, counts, columns (see `prepared.write_card`).
        key: stands for the set and the split, for what is computed from them; equal keys mean equal studies.
        left_out: the positions of studies that are there, but not to be used (`leaving_out`).
    """

    def __init__(self, folder: str | Path, split: str | tuple[str, ...] | None = None) -> None:
        """Open a set.

        Raises:
            InputError: the folder holds no prepared set, or the set no such split.
        """
        self.folder = Path(folder)
        self.split = split
        self.card: dict[str, Any] = read_card(self.folder)
        wanted = (split,) if isinstance(split, str) else split or tuple(self.card["splits"])
        for one in wanted:
            if one not in self.card["splits"]:
                raise InputError(f"{self.folder} has no split {one!r}. It has: {', '.join(self.card['splits'])}.")
        self.key: str = split_key(self.card["key"], split)
        guard.note_opened(self.card)
        self._shards = [shard for shard in self.card["shards"] if shard["split"] in wanted]
        if isinstance(split, tuple):
            self._shards.sort(key=lambda shard: split.index(shard["split"]))  # stable: a split keeps its order
        self._starts = [0, *accumulate(shard["rows"] for shard in self._shards)]
        self.left_out: frozenset[int] = frozenset()
        self._most_kept = 1
        self._kept: OrderedDict[tuple[_Group, _Columns], pa.Table] = OrderedDict()

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: SupportsIndex) -> Study:
        group, row = self._address(index)
        return study_of(self._group(group).slice(row, 1).to_pylist()[0])

    def keep_groups(self, count: int) -> None:
        """Hold so many row groups in memory, those last used, instead of one: for who comes back to the same ones soon.

        A group of 32 images of 224 pixels takes about 1.1 MB, and as much again in every process that reads.
        """
        self._most_kept = count

    def images(self, indices: Iterable[SupportsIndex], size: int | None = None) -> UInt8[np.ndarray, "n height width"]:
        """The images of some studies, in the order asked for, with the bytes that the set stores.

        Args:
            indices: positions of studies.
            size: fits each image into a square of this side first, which sets of several image sizes need.

        Raises:
            InputError: the images differ in size and no `size` was given.
        """
        images: dict[int, UInt8[np.ndarray, "height width"]] = {}
        for place, cells in self._cells(indices, "image"):
            image = decoded_image(cells["image"])
            images[place] = image if size is None else _fitted(image, size)
        if len(shapes := {image.shape for image in images.values()}) > 1:
            raise InputError(
                f"{self.folder}: images differ in size, {sorted(shapes)[:2]} and more. Ask for one `size`."
            )
        return np.stack([images[place] for place in range(len(images))]) if images else np.zeros((0, 0, 0), np.uint8)

    def findings(self, indices: Iterable[SupportsIndex]) -> list[tuple[tuple[int, int], tuple[Finding, ...]]]:
        """Height and width of some studies' images with the findings on them, in the order asked for, without touching
        an image."""
        cells = dict(self._cells(indices, "findings", "height", "width"))
        return [
            ((row["height"], row["width"]), findings_of(row))
            for _, row in sorted(cells.items(), key=operator.itemgetter(0))
        ]

    def leaving_out(self, positions: Iterable[int]) -> StudyDataset:
        """The same set, of which some studies are not to be used, as they cannot be read. All keep their positions.

        Lists that go over all studies (`reports`, `ids`) read nothing of a row group that is left out as a whole: its
        studies have no words and no names there.
        """
        other = copy.copy(self)
        other.left_out = self.left_out | frozenset(positions)
        other.key = store.content_key({"studies": self.key, "left out": sorted(other.left_out)})
        other._kept = OrderedDict()
        return other

    def parts(self) -> list[StudyDataset]:
        """The splits that these studies are made of, each as a set of its own, in order; itself where it is one."""
        return [StudyDataset(self.folder, one) for one in self.split] if isinstance(self.split, tuple) else [self]

    def ids(self) -> list[str]:
        """All ids, in order, without touching an image."""
        return [row["id"] for row in self._columns("id")]

    def patients(self) -> list[str]:
        """The patient of every study, in order, without touching an image."""
        return [row["patient"] for row in self._columns("patient")]

    def annotated(self) -> list[bool]:
        """Whether somebody looked for findings in every study (see `Study.annotated`), in order."""
        return [row["annotated"] for row in self._columns("annotated")]

    def reports(self) -> list[Report]:
        """All reports, in order, without touching an image."""
        return [report_of(row) for row in self._columns("sections", "sentences")]

    def labels(self) -> list[dict[str, int]]:
        """The labels of every study (see `Study.labels`), in order, without touching an image."""
        return [labels_of(row) for row in self._columns("id", "labels")]

    def finding_names(self) -> list[frozenset[str]]:
        """The categories of every study's findings, in order, without touching an image."""
        return [frozenset(finding["name"] for finding in row["findings"]) for row in self._columns("findings")]

    def row_groups(self) -> list[RowGroup]:
        """The studies that lie together on the disk, in order."""
        size = self.card["rows_per_group"]
        return [
            RowGroup(shard, number, min(size, known["rows"] - start))
            for shard, known in enumerate(self._shards)
            for number, start in enumerate(range(0, known["rows"], size))
        ]

    def shard(self, number: int) -> tuple[Path, str | None]:
        """Where a shard lies, and its SHA-256 when it was written; None where the card is too old to tell."""
        return self.folder / self._shards[number]["file"], self._shards[number].get("sha256")

    def rows(self, group: RowGroup) -> pa.Table:
        """The rows of a group, of which `prepared.study_of` makes studies."""
        return self._read(group.shard, group.number)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": OrderedDict()}

    def _address(self, index: SupportsIndex) -> tuple[_Group, int]:
        """The row group of a study, and its row there."""
        position = operator.index(index)
        if not -len(self) <= position < len(self):
            raise IndexError(f"study {position} of {len(self)}")
        position %= len(self)
        shard = bisect_right(self._starts, position) - 1
        group, row = divmod(position - self._starts[shard], self.card["rows_per_group"])
        return (shard, group), row

    def _cells(self, indices: Iterable[SupportsIndex], *columns: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Some columns of some studies, each with its place among the `indices`; what lies together is read once."""
        wanted: defaultdict[_Group, list[tuple[int, int]]] = defaultdict(list)
        for place, index in enumerate(indices):
            group, row = self._address(index)
            wanted[group].append((place, row))
        for group, rows in wanted.items():
            table = self._group(group, columns)
            for place, row in rows:
                yield place, table.slice(row, 1).to_pylist()[0]

    def _columns(self, *names: str) -> Iterator[dict[str, Any]]:
        """Some columns of every row."""
        for shard, known in enumerate(self._shards):
            start = self._starts[shard]
            if self.left_out.isdisjoint(range(start, start + known["rows"])):
                yield from self._read(shard, None, list(names)).to_pylist()
            else:
                yield from self._columns_in_part(shard, list(names))

    def _columns_in_part(self, shard: int, names: list[str]) -> Iterator[dict[str, Any]]:
        """Some columns of a shard's rows, of which some are left out."""
        position = self._starts[shard]
        for group in self.row_groups():
            if group.shard == shard:
                members = range(position, position := position + group.rows)
                if self.left_out.issuperset(members):
                    yield from ({name: _LEFT_OUT[name] for name in names} for _ in members)
                else:
                    yield from self._read(shard, group.number, names).to_pylist()

    def _group(self, group: _Group, columns: _Columns = None) -> pa.Table:
        """A row group, from memory where it is among those last used."""
        asked_for = group, columns
        table = self._kept.pop(asked_for, None)
        self._kept[asked_for] = self._read(*group, columns and list(columns)) if table is None else table
        if len(self._kept) > self._most_kept:
            self._kept.popitem(last=False)
        return self._kept[asked_for]

    def _read(self, shard: int, group: int | None, columns: list[str] | None = None) -> pa.Table:
        """One row group of a shard, or the whole of it."""
        path = self.folder / self._shards[shard]["file"]
        try:
            with pq.ParquetFile(path) as file:
                if group is None:
                    return file.read(columns, use_threads=False)
                return file.read_row_group(group, columns, use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise InputError(
                f"{path} is missing or damaged ({error}). Delete {self.folder} and prepare the set again."
            ) from error


def _fitted(image: UInt8[np.ndarray, "height width"], size: int) -> UInt8[np.ndarray, "size size"]:
    square, _ = letterbox(image.astype(np.float32) / np.float32(255), size)
    return np.rint(square * 255).astype(np.uint8)
