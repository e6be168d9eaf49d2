"""A data set's features, batch by batch: from the disk where the encoder is frozen, computed anew where it is not."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, SupportsIndex

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from numpy.lib.format import write_array_header_1_0
from torch import Tensor
from tqdm import tqdm

from .. import store
from ..data.dataset import StudyDataset
from ..data.views import Studies
from ..errors import InputError
from .encoder import Encoder
from .features import ImageFeatures, TextFeatures
from .image import ImageEncoder
from .text import EncodedPassages, Layout, TextEncoder

_VERSIONS = {"image": 1, "text": 2}
"""Part of every cache's key: raised when features come to be computed or stored differently."""

_CHUNK = 64
"""Studies whose images are read at a time."""


def image_source(encoder: ImageEncoder, studies: Studies, size: int | None = None) -> CachedImages | LiveImages:
    """The images of a data set as features: `.batch(indices)`.

    Args:
        encoder: a frozen encoder sees every image once, now or in an earlier call; a trainable one at every batch.
        studies: the data set.
        size: fits each image into a square of this side first, which sets of several image sizes need.
    """
    return LiveImages(encoder, studies, size) if encoder.trainable else cached_images(encoder, studies, size)


def text_source(encoder: TextEncoder, studies: Studies) -> CachedTexts | LiveTexts:
    """The reports of a data set as features: `.batch(indices)`; like `image_source`."""
    return LiveTexts(encoder, studies) if encoder.trainable else cached_texts(encoder, studies)


Choice = Sequence[Int[np.ndarray, " _"]]
"""For every report of a batch, the sentences to take of it, in this order."""


def intensities(pixels: UInt8[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch 1 height width"]:
    """Images as an encoder takes them, in [0, 1]."""
    # By a tensor: divided by a plain number, a GPU multiplies by its rounded inverse, and is off in the last bit.
    return pixels.float() / torch.tensor(255.0, device=pixels.device)


@dataclass(frozen=True, eq=False)
class LiveImages:
    """Features computed when they are asked for, on the encoder's device; gradients reach the encoder.

    Training takes the `inputs` and encodes them inside the module that it trains, where mixed precision and the
    exchange of gradients between processes reach the encoder too. A copy that is sent to another process can `read` and
    no more: the encoder stays where it is.
    """

    encoder: ImageEncoder
    studies: Studies
    size: int | None = None

    def __len__(self) -> int:
        return len(self.studies)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "encoder": None}

    def read(self, indices: Sequence[int] | Int[np.ndarray, " batch"]) -> UInt8[Tensor, "batch 1 height width"]:
        """Some images as the set stores them, in the order asked for, on the CPU: a quarter of their bytes."""
        return _pixels(self.studies, indices, self.size)

    def inputs_of(self, read: UInt8[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch 1 height width"]:
        """The intensities of what was read, on whichever device it is."""
        return intensities(read)

    def inputs(self, indices: Sequence[int] | Int[np.ndarray, " batch"]) -> Float[Tensor, "batch 1 height width"]:
        """The intensities of some images, in the order asked for, on the CPU."""
        return self.inputs_of(self.read(indices))

    def batch(self, indices: Sequence[int] | Int[np.ndarray, " batch"]) -> ImageFeatures:
        """The features of some studies, in the order asked for."""
        return self.encoder(self.inputs(indices).to(self.encoder.device))


@dataclass(frozen=True, eq=False)
class JoinedRows:
    """The rows of several tables, one table after another."""

    tables: Sequence[Tensor]

    def __len__(self) -> int:
        return sum(map(len, self.tables))

    def __getitem__(self, rows: Int[Tensor, " n"]) -> Tensor:
        """Some rows, in the order asked for."""
        found = self.tables[0].new_empty((len(rows), *self.tables[0].shape[1:]))
        start = 0
        for table in self.tables:
            inside = (rows >= start) & (rows < start + len(table))
            found[inside] = table[rows[inside] - start]
            start += len(table)
        return found


@dataclass(frozen=True, eq=False)
class CachedImages:
    """Features of a frozen encoder, read from the disk.

    Attributes:
        encoder: makes levels of what is stored.
        maps: the encoder's own maps of all studies in half precision, one file a depth, mapped into memory.
    """

    encoder: ImageEncoder
    maps: tuple[Tensor | JoinedRows, ...]

    def __len__(self) -> int:
        return len(self.maps[0])

    def read(self, indices: Sequence[int] | Int[np.ndarray, " batch"]) -> tuple[Float[Tensor, "batch _ _ _"], ...]:
        """The encoder's own maps of some studies as they are stored, in the order asked for, on the CPU."""
        rows = torch.as_tensor(np.asarray(indices, dtype=np.int64))
        return tuple(depth[rows] for depth in self.maps)

    def inputs_of(
        self, read: tuple[Float[Tensor, "batch _ _ _"], ...], hidden: Bool[Tensor, "batch rows columns"] | None = None
    ) -> ImageFeatures:
        """The features (float32) that those maps make, on whichever device they are.

        Args:
            read: what `read` gave.
            hidden: the patches that were blanked, where the data set is such a view.
        """
        return self.encoder.levels(read, hidden)

    def batch(
        self,
        indices: Sequence[int] | Int[np.ndarray, " batch"],
        hidden: Bool[Tensor, "batch rows columns"] | None = None,
    ) -> ImageFeatures:
        """The features (float32, on the CPU) of some studies, in the order asked for; `hidden` as in `inputs_of`."""
        return self.inputs_of(self.read(indices), hidden)

    inputs = batch
    """What training takes of a frozen encoder: its features."""


class LiveTexts:
    """Features computed when they are asked for, on the encoder's device; gradients reach the encoder.

    Training takes the `inputs`, as with `LiveImages`.
    """

    def __init__(self, encoder: TextEncoder, studies: Studies) -> None:
        self.encoder = encoder
        self.reports = _sentences(studies)

    def __len__(self) -> int:
        return len(self.reports)

    def with_words(self, index: SupportsIndex) -> Int[np.ndarray, " sentences"]:
        """The sentences of a report that hold words."""
        spelled = [any(map(str.isalnum, text)) for text in self.reports[index]]
        return np.flatnonzero(spelled)

    def inputs(
        self, indices: Sequence[int] | Int[np.ndarray, " batch"], choice: Choice | None = None
    ) -> list[list[str]]:
        """The sentences of some reports, in the order asked for; of each those of the `choice`, where there is one."""
        reports = [self.reports[index] for index in indices]
        if choice is None:
            return reports
        return [[report[place] for place in places] for report, places in zip(reports, choice, strict=True)]

    def batch(self, indices: Sequence[int] | Int[np.ndarray, " batch"], choice: Choice | None = None) -> TextFeatures:
        """The features of the `inputs`, padded to the longest report."""
        return self.encoder(self.inputs(indices, choice))


@dataclass(frozen=True, eq=False)
class CachedTexts:
    """Features of a frozen encoder, read from the disk, where a passage that many reports share is kept once.

    Attributes:
        encoder: puts reports together from their passages.
        encoded: all distinct passages, in half precision, mapped into memory.
        members: the passages of every report, one report after another.
        member_offsets: report `r` owns the members from `member_offsets[r]` up to `member_offsets[r + 1]`.
    """

    encoder: TextEncoder
    encoded: EncodedPassages
    members: Int[np.ndarray, " members"]
    member_offsets: Int[np.ndarray, " offsets"]

    def __len__(self) -> int:
        return len(self.member_offsets) - 1

    def with_words(self, index: SupportsIndex) -> Int[np.ndarray, " sentences"]:
        """The sentences of a report that hold words, where sentences were encoded one by one."""
        layout = self.encoded.layout
        return np.flatnonzero(layout.sentence_mask[layout.sentence_offsets[self._passages(index)]])

    def batch(self, indices: Sequence[int] | Int[np.ndarray, " batch"], choice: Choice | None = None) -> TextFeatures:
        """The features (float32, on the CPU) of some reports, in the order asked for, padded to the longest of them.

        A `choice` needs sentences that were encoded one by one: where they were not, each has seen the whole report.
        """
        reports = [self._passages(index) for index in indices]
        if choice is not None:
            reports = [passages[places] for passages, places in zip(reports, choice, strict=True)]
        return self.encoder.assemble(self.encoded, reports)

    inputs = batch
    """What training takes of a frozen encoder: its features."""

    def _passages(self, index: SupportsIndex) -> Int[np.ndarray, " passages"]:
        """The passages that a report is made of."""
        report = operator.index(index)
        return self.members[self.member_offsets[report] : self.member_offsets[report + 1]]


def cached_images(encoder: ImageEncoder, studies: Studies, size: int | None = None) -> CachedImages:
    """The image features of a data set by a frozen encoder: computed with a progress bar, or found on the disk.

    Of several splits together each one's own are taken, so that none is kept twice.

    Raises:
        InputError: the encoder is trainable, the set is empty or its images differ in size, or the disk refuses.
    """
    if isinstance(studies, StudyDataset) and isinstance(studies.split, tuple):
        parts = [cached_images(encoder, part, size) for part in studies.parts()]
        return CachedImages(encoder, tuple(map(JoinedRows, zip(*(part.maps for part in parts), strict=True))))
    files = sorted(image_folder(encoder, studies, size).glob("depth-*.npy"))
    return CachedImages(encoder, tuple(torch.from_numpy(_mapped(file)) for file in files))


def cached_texts(encoder: TextEncoder, studies: Studies) -> CachedTexts:
    """The text features of a data set by a frozen encoder: computed with a progress bar, or found on the disk.

    Raises:
        InputError: the encoder is trainable, the set is empty, or the disk refuses.
    """
    folder = text_folder(encoder, studies)
    layout = Layout(**{field.name: np.load(folder / f"{field.name}.npy") for field in fields(Layout)})
    tables = {table: torch.from_numpy(_mapped(folder / f"{table}.npy")) for table in encoder.tables}
    return CachedTexts(
        encoder,
        EncodedPassages(**tables, layout=layout),
        np.load(folder / "members.npy"),
        np.load(folder / "member_offsets.npy"),
    )


def image_folder(encoder: ImageEncoder, studies: Studies, size: int | None = None) -> Path:
    """The folder of the features that `cached_images` gives of one split, which is filled if it is not there yet."""
    folder = _place("image", encoder, studies, size)
    if not folder.is_dir():
        with store.new_folder(folder) as partial:
            _write_images(encoder, studies, size, partial)
    return folder


def text_folder(encoder: TextEncoder, studies: Studies) -> Path:
    """The folder of the features that `cached_texts` gives, which is filled if it is not there yet."""
    folder = _place("text", encoder, studies)
    if not folder.is_dir():
        with store.new_folder(folder) as partial:
            _write_texts(encoder, studies, partial)
    return folder


def _write_images(encoder: ImageEncoder, studies: Studies, size: int | None, folder: Path) -> None:
    with ExitStack() as open_files:
        bar = open_files.enter_context(_bar(len(studies), "image features"))
        files: list[BinaryIO] = []
        for start in range(0, len(studies), _CHUNK):
            indices = range(start, min(start + _CHUNK, len(studies)))
            pyramid = encoder.pyramid(intensities(_pixels(studies, indices, size).to(encoder.device)))
            files = files or [
                open_files.enter_context(_table(folder / f"depth-{depth}.npy", (len(studies), *maps.shape[1:])))
                for depth, maps in enumerate(pyramid)
            ]
            for file, maps in zip(files, pyramid, strict=True):
                _append(file, maps)
            bar.update(len(indices))


def _write_texts(encoder: TextEncoder, studies: Studies, folder: Path) -> None:
    distinct, members = encoder.passages(_sentences(studies))
    passages = encoder.pieces.passages(distinct)
    # Kept from short to long, the order in which they are encoded.
    order = np.argsort([len(passage.ids) for passage in passages], kind="stable")
    passages, rank = [passages[index] for index in order], np.argsort(order)
    layout = Layout.of(passages)
    with ExitStack() as open_files:
        bar = open_files.enter_context(_bar(len(passages), "text features"))
        files = {
            table: open_files.enter_context(_table(folder / f"{table}.npy", (layout.counts[table], columns)))
            for table, columns in encoder.tables.items()
        }
        for block, vectors in encoder.encode_blocks(passages):
            for table, file in files.items():
                _append(file, vectors[table])
            bar.update(len(block))
    for field in fields(Layout):
        np.save(folder / f"{field.name}.npy", getattr(layout, field.name))
    np.save(folder / "members.npy", rank[np.concatenate(members)])
    np.save(folder / "member_offsets.npy", np.cumsum([0, *map(len, members)]))


@contextmanager
def _table(path: Path, shape: tuple[int, ...]) -> Iterator[BinaryIO]:
    """A new .npy file of half-precision numbers, to be written front to back.

    Not through a memory map: there, a full disk is a signal that kills, and not an error that can be explained.
    """
    with path.open("wb") as file:
        write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": shape})
        yield file


def _append(file: BinaryIO, rows: Tensor) -> None:
    file.write(rows.cpu().numpy().astype("<f2", copy=False).tobytes())


def _place(kind: str, encoder: Encoder, studies: Studies, size: int | None = None) -> Path:
    """Where the features of a set by an encoder are, or will be."""
    if encoder.trainable:
        raise InputError(f"{encoder.name} is trainable, so its features change and cannot be kept. Freeze it first.")
    if not len(studies):
        raise InputError("The data set holds no studies; there is nothing to encode.")
    version = _VERSIONS[kind]
    asked_for = {"kind": kind, "encoder": encoder.identity(), "studies": studies.key, "size": size, "version": version}
    return store.place("features", asked_for)


def _pixels(
    studies: Studies, indices: Sequence[int] | Int[np.ndarray, " batch"], size: int | None
) -> UInt8[Tensor, "batch 1 height width"]:
    """The images of some studies, of one channel."""
    return torch.from_numpy(studies.images([int(index) for index in indices], size)).unsqueeze(1)


def _sentences(studies: Studies) -> list[list[str]]:
    return [[sentence.text for sentence in report.sentences] for report in studies.reports()]


def _mapped(file: Path) -> np.ndarray:
    # Copy-on-write, so that torch takes it for writable; nothing ever reaches the file.
    return np.load(file, mmap_mode="c")


def _bar(total: int, what: str) -> tqdm:
    return tqdm(total=total, desc=what, disable=None)
