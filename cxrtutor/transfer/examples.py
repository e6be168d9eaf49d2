"""What a task shows: studies with an answer each, a smaller share of them, and a few of every kind."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import Any, SupportsIndex, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int

from .. import store
from ..data.dataset import StudyDataset
from ..data.images import Letterbox
from ..data.study import Box
from ..errors import InputError
from ..evaluation.truth import truth_mask

_SHARE, _SHOTS = 5, 6
"""Tell these draws apart from others of the same number."""

_BLOCK = 64
"""Examples whose findings are read at a time."""

Some = TypeVar("Some", bound="Examples")
Indices = Iterable[SupportsIndex] | Int[np.ndarray, " _"]


@dataclass(frozen=True, eq=False)
class Examples:
    """Some studies of a set.

    Attributes:
        studies: the set.
        positions: of the examples in it.
        ids: of their images.
        patients: whom they show.
    """

    studies: StudyDataset
    positions: Int[np.ndarray, " examples"]
    ids: tuple[str, ...]
    patients: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.positions)

    def __str__(self) -> str:
        """How many there are, and where: for messages."""
        return f"{len(self)} examples of {self.studies.split!r} in {self.studies.folder}"

    @property
    def key(self) -> str:
        """Stands for the images, what is asked of them and what the answers are; equal keys mean equal examples."""
        content = {one.name: _told(getattr(self, one.name)) for one in fields(self)}
        return store.content_key({"asked": type(self).__name__, **content})

    def take(self: Some, indices: Indices) -> Some:
        """Some of the examples, by their places among these, in the order given."""
        chosen = _places(indices)
        return replace(
            self,
            positions=self.positions[chosen],
            ids=tuple(self.ids[place] for place in chosen),
            patients=tuple(self.patients[place] for place in chosen),
            **self._taken(chosen),
        )

    @property
    def kinds(self) -> Bool[np.ndarray, "examples kinds"]:
        """Which kinds of answer each example gives; a share of the labels holds each kind that there is."""
        return np.zeros((len(self), 0), bool)

    def _taken(self, chosen: Int[np.ndarray, " _"]) -> dict[str, np.ndarray]:
        """What a subclass knows of each example, of those that were chosen."""
        return {}


@dataclass(frozen=True, eq=False)
class LabelledExamples(Examples):
    """Examples that are to be named.

    Attributes:
        names: of what is asked for.
        targets: 1 present, 0 absent, NaN where it is not known.
        exclusive: whether each example is one of the `names` alone; else each name is a question of its own.
    """

    names: tuple[str, ...]
    targets: Float[np.ndarray, "examples names"]
    exclusive: bool = False

    @property
    def kinds(self) -> Bool[np.ndarray, "examples kinds"]:
        """With a name, and (where several may be there) without it."""
        there = self.targets == 1
        return there if self.exclusive else np.hstack([there, self.targets == 0])

    def _taken(self, chosen: Int[np.ndarray, " _"]) -> dict[str, np.ndarray]:
        return {"targets": self.targets[chosen]}


@dataclass(frozen=True, eq=False)
class OutlinedExamples(Examples):
    """Examples on which something is to be outlined.

    Attributes:
        name: of what is outlined.
        findings: the set's own names of it.
        shows: whether an example shows any of it.
    """

    name: str
    findings: tuple[str, ...]
    shows: Bool[np.ndarray, " examples"]

    def masks(self, indices: Indices, size: int) -> Bool[np.ndarray, "n size size"]:
        """Of some examples, the union of what was outlined (of boxes, where no mask is known), in the order asked for.

        It lies on the square as the image does in `StudyDataset.images(..., size)`.
        """
        found = self.studies.findings(self.positions[_places(indices)])
        masks = np.zeros((len(found), size, size), bool)
        for mask, (shape, findings) in zip(masks, found, strict=True):
            wanted = [one for one in findings if one.name in self.findings]
            mask[:] = Letterbox(*shape, size).mask(truth_mask(wanted, shape))
        return masks

    @property
    def kinds(self) -> Bool[np.ndarray, "examples kinds"]:
        """With it, and without it."""
        return np.stack([self.shows, ~self.shows], axis=1)

    def _taken(self, chosen: Int[np.ndarray, " _"]) -> dict[str, np.ndarray]:
        return {"shows": self.shows[chosen]}


@dataclass(frozen=True, eq=False)
class BoxedExamples(Examples):
    """Examples on which things are to be found, each with a box around it.

    Attributes:
        names: of the classes.
        findings: of every class, the set's own names of it.
        shows: which classes an example shows.
    """

    names: tuple[str, ...]
    findings: tuple[tuple[str, ...], ...]
    shows: Bool[np.ndarray, "examples names"]

    def boxes(self, indices: Indices, size: int) -> list[tuple[Float[np.ndarray, "k 4"], Int[np.ndarray, " k"]]]:
        """Of some examples, corners (x1, y1, x2, y2) and classes of their boxes, in the order asked for.

        Corners are in pixels of the square on which `StudyDataset.images(..., size)` puts the image.
        """
        positions, found = self.positions[_places(indices)], []
        # Masks are decoded with the boxes, and many at once would fill the memory.
        blocks = (positions[start : start + _BLOCK] for start in range(0, len(positions), _BLOCK))
        for shape, findings in chain.from_iterable(map(self.studies.findings, blocks)):
            square = Letterbox(*shape, size)
            drawn = [
                (_corners(square.box(box)), number)
                for one in findings
                for number, names in enumerate(self.findings)
                if one.name in names
                for box in one.boxes
            ]
            corners, classes = zip(*drawn, strict=True) if drawn else ((), ())
            found.append((np.array(corners, float).reshape(-1, 4), np.array(classes, int)))
        return found

    @property
    def kinds(self) -> Bool[np.ndarray, "examples kinds"]:
        """With every class."""
        return self.shows

    def _taken(self, chosen: Int[np.ndarray, " _"]) -> dict[str, np.ndarray]:
        return {"shows": self.shows[chosen]}


def check_amount(share: float = 1.0, k: int | None = None, draw: int = 0) -> None:
    """Refuse an amount of labels that neither `share_of` nor `shots` can draw.

    Raises:
        InputError: the share is not in (0, 1], `k` is not positive, or the draw is negative.
    """
    if not 0 < share <= 1:  # nor is NaN
        raise InputError(f"A share of {share} of the labels cannot be taken. Give one above 0, up to 1.")
    if k is not None and k < 1:
        raise InputError(f"{k} examples a class teach nothing. Give 1 or more.")
    if draw < 0:
        raise InputError(f"Draws are numbered from 0 on; there is no draw {draw}.")


def share_of(examples: Some, share: float, draw: int = 0) -> Some:
    """A share of the examples, drawn at random, in their order: what somebody has who labelled fewer.

    A smaller share of the same draw lies within a larger one. It holds an example of each kind (`Examples.kinds`) that
    there is, so that a rare one is more frequent in a small share than in all, and a tiny share may be larger than
    asked for. A share of 1 is all, whatever the draw.

    Args:
        examples: of which to take.
        share: in (0, 1]; the number is rounded.
        draw: the number of the draw.

    Raises:
        InputError: the share is out of range, or the draw negative.
    """
    check_amount(share, draw=draw)
    order = np.random.default_rng([_SHARE, draw]).permutation(len(examples))
    kinds = examples.kinds[order]
    first = np.unique(kinds.argmax(axis=0)[kinds.any(axis=0)])
    order = np.concatenate([order[first], np.delete(order, first)])
    return examples.take(np.sort(order[: max(round(share * len(examples)), len(first))]))


def shots(examples: LabelledExamples, k: int, draw: int = 0) -> LabelledExamples:
    """A few examples of every kind: `k` of each class, or all where there are fewer.

    Where several names may be there, `k` with and `k` without are drawn for each name, of examples whose answer is
    known; the answer to other names is then taken as not known (NaN), so that each name is learned from its own `2 k`.
    Fewer shots of the same draw are among more of them.

    Args:
        examples: of which to take.
        k: how many.
        draw: the number of the draw.

    Raises:
        InputError: `k` is not positive, or the draw negative.
    """
    check_amount(k=k, draw=draw)
    order = np.random.default_rng([_SHOTS, draw]).permutation(len(examples))
    asked = np.zeros(examples.targets.shape, bool)
    for column, target in enumerate(examples.targets[order].T):
        for answer in (1.0,) if examples.exclusive else (1.0, 0.0):
            asked[order[np.flatnonzero(target == answer)[:k]], column] = True
    chosen = np.flatnonzero(asked.any(axis=1))
    if examples.exclusive:
        return examples.take(chosen)
    return replace(examples, targets=np.where(asked, examples.targets, np.nan)).take(chosen)


def _told(value: Any) -> Any:
    """An attribute of examples as JSON can hold it; equal ones mean equal attributes."""
    if isinstance(value, StudyDataset):
        return value.key
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return [value.dtype.str, value.shape, digest]
    return value


def _places(indices: Indices) -> Int[np.ndarray, " n"]:
    return np.array([int(index) for index in indices], dtype=int)


def _corners(box: Box) -> Sequence[float]:
    return box.x, box.y, box.x + box.width, box.y + box.height
