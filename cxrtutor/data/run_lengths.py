"""Masks as the lengths of their runs, column by column: how COCO, CheXlocalize and SIIM write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int

from ..errors import InputError


@dataclass(frozen=True, eq=False)
class RunLengths:
    """A mask that takes little room until its pixels are needed.

    Attributes:
        size: height and width of the mask.
        runs: lengths of the runs of False, True, False ... pixels, down the first column, then the second. The first is
            0 where the mask begins with a True pixel.

    Raises:
        InputError: a run is negative, or together they do not fill the mask.
    """

    size: tuple[int, int]
    runs: Int[np.ndarray, " runs"]

    def __post_init__(self) -> None:
        pixels = self.size[0] * self.size[1]
        if (self.runs < 0).any():
            raise InputError("a run has a negative length")
        if self.runs.sum() != pixels:
            raise InputError(f"the runs cover {self.runs.sum()} pixels of {self.size[0]} x {self.size[1]} = {pixels}")

    @classmethod
    def of(cls, mask: Bool[np.ndarray, "height width"]) -> RunLengths:
        """The runs of a mask."""
        columns = np.flatnonzero(mask.any(axis=0))  # going down a column is slow, and most hold nothing
        if columns.size == 0:
            return cls(mask.shape, np.array([mask.size]))
        first, last = columns[0], columns[-1] + 1
        pixels = np.concatenate([[False], mask[:, first:last].ravel(order="F"), [False]])
        ends = np.flatnonzero(pixels[1:] != pixels[:-1]) + first * len(mask)
        runs = np.diff(np.concatenate([[0], ends, [mask.size]]))
        return cls(mask.shape, runs if runs[-1] else runs[:-1])

    @cached_property
    def area(self) -> int:
        """How many pixels are True."""
        return int(self.runs[1::2].sum())

    def mask(self) -> Bool[np.ndarray, "height width"]:
        """The pixels."""
        values = np.arange(len(self.runs)) % 2 == 1
        return np.repeat(values, self.runs).reshape(self.size[::-1]).T

    @classmethod
    def from_compressed(cls, size: tuple[int, int], counts: str | bytes) -> RunLengths:
        """COCO's compressed form (`{"size": [h, w], "counts": "..."}`), as pycocotools writes it.

        Each run is written as its difference from the run before the last (the first three as they are), in pieces of
        five bits, low ones first; a sixth bit says that another piece follows. Read here and not by pycocotools, which
        fills what a text that was cut short leaves open with whatever lies in memory.

        Raises:
            InputError: the text is damaged.
        """
        codes = np.frombuffer(counts.encode("latin-1", "replace") if isinstance(counts, str) else counts, np.uint8)
        pieces = codes.astype(np.int64) - 48
        if pieces.size == 0 or ((pieces < 0) | (pieces > 63)).any():
            raise InputError("the run lengths are empty or hold a character that they never do")
        last = (pieces & 32) == 0
        if not last[-1]:
            raise InputError("the run lengths are cut short")
        starts = np.concatenate([[0], np.flatnonzero(last)[:-1] + 1])
        number = np.diff(np.concatenate([starts, [len(pieces)]]))
        if number.max() > 12:  # 60 bits: beyond any mask
            raise InputError("a run length has more digits than any mask needs")
        place = np.arange(len(pieces)) - np.repeat(starts, number)
        values = np.add.reduceat((pieces & 31) << (5 * place), starts)
        values -= np.where(pieces[last] & 16, np.int64(1) << (5 * number), 0)  # the highest bit is the sign
        values[1::2] = values[1::2].cumsum()
        values[2::2] = values[2::2].cumsum()
        return cls(size, values)

    def compressed(self) -> str:
        """What `from_compressed` reads."""
        from pycocotools import mask as coco

        height, width = self.size
        runs = {"size": [height, width], "counts": self.runs.tolist()}
        return coco.frPyObjects(runs, height, width)["counts"].decode()

    @classmethod
    def from_gaps(cls, size: tuple[int, int], gaps: Sequence[int]) -> RunLengths:
        """SIIM-ACR's form: pairs of (how far from the end of the last run, how long), not Kaggle's absolute positions.

        Raises:
            InputError: their number is odd, one is negative, or they reach beyond the mask.
        """
        if len(gaps) % 2:
            raise InputError(f"{len(gaps)} run lengths are not pairs of a gap and a length")
        rest = size[0] * size[1] - sum(gaps)
        return cls(size, np.array([*gaps, rest], dtype=np.int64))

    def gaps(self) -> list[int]:
        """What `from_gaps` reads."""
        return self.runs[: len(self.runs) // 2 * 2].tolist()
