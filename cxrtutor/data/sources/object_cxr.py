"""Object-CXR: foreign objects (buttons, necklaces, zips) on frontal radiographs of township hospitals in China.

One row an image: `image_path,annotation`, an annotation being objects joined by `;`, each of them a kind and points:
`0 x1 y1 x2 y2` a rectangle, `1 x1 y1 x2 y2` the ellipse inside it, `2 x1 y1 x2 y2 x3 y3 ...` a polygon. Blank means
that no object is there. Support devices were not annotated. The tables give no sizes: images have to lie beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from .. import splits
from ..annotations import Annotated, Annotations, UnreadableRow, corner_box, gather, read_table, table_rows
from ..contours import contour_runs
from ..image_folder import ImageFolder, SizeOf, entry_with_truth
from ..listing import list_images
from ..run_lengths import RunLengths
from ..source import About, Entry, Listing, Source
from ..study import Box

LAYOUT = "Object-CXR"
IMAGE_COLUMNS = ("image_path", "image_name")
"""The first stands on the owner's page, the second in copies of the tables that are about [M: read defensively]."""
ANNOTATION = "annotation"
FINDING = "foreign object"
TABLES = {"train": "train.csv", "validation": "dev.csv"}

_RECTANGLE, _ELLIPSE, _POLYGON = "0", "1", "2"
_CORNERS = (f"{ANNOTATION} x1", f"{ANNOTATION} y1", f"{ANNOTATION} x2", f"{ANNOTATION} y2")


def read_csv(path: Path, size_of: SizeOf) -> Annotations:
    """Read one of the tables. A finding has a box around every object, and a mask where one of them is no rectangle.

    Raises:
        InputError: it is missing, lacks a column, or no row can be read.
    """

    def read(image: str, phrase: str, text: str) -> Annotated | None:
        size = size_of(image)
        return None if size is None else annotated(image, text, size)

    return gather(path, LAYOUT, ((place, image, FINDING, text) for place, image, text in _rows(path)), read)


def annotated(image: str, text: str, size: tuple[int, int]) -> Annotated:
    """What an annotation says.

    Raises:
        UnreadableRow: it is not what the layout allows.
    """
    objects = [_object(one, size) for one in text.split(";") if one.strip()]
    boxes = tuple(one.box for one in objects)
    if all(one.kind == _RECTANGLE for one in objects):
        return Annotated(image, FINDING, FINDING, size, boxes)
    mask = contour_runs([one.points for one in objects if one.kind == _POLYGON], size, ANNOTATION).mask()
    for one in objects:
        if one.kind != _POLYGON:
            _fill(mask, one)
    return Annotated(image, FINDING, FINDING, size, boxes, RunLengths.of(mask))


def _rows(path: Path) -> Iterator[tuple[str, str, str]]:
    """Place, image and annotation of every row."""
    header, _ = read_table(path)
    column = next((name for name in IMAGE_COLUMNS if name in header), IMAGE_COLUMNS[0])
    for place, row in table_rows(path, (column, ANNOTATION)):
        yield place, PurePosixPath(row.get(column, "")).stem, row.get(ANNOTATION, "")


class _Object(NamedTuple):
    """One object; a rectangle or an ellipse has two points, the corners of its box."""

    kind: str
    box: Box
    points: Float[np.ndarray, "points 2"]


def _object(text: str, size: tuple[int, int]) -> _Object:
    kind, *values = text.split()
    if kind not in (_RECTANGLE, _ELLIPSE, _POLYGON):
        raise UnreadableRow(ANNOTATION, f"{text.strip()!r} is neither rectangle (0), ellipse (1) nor polygon (2)")
    try:
        points = np.array(values, dtype=float).reshape(-1, 2)
    except ValueError:
        raise UnreadableRow(ANNOTATION, f"{text.strip()!r} does not give points x y after its kind") from None
    if len(points) < 3 if kind == _POLYGON else len(points) != 2:
        wanted = "three or more points" if kind == _POLYGON else "two corners"
        raise UnreadableRow(ANNOTATION, f"{text.strip()!r} does not give {wanted} after its kind")
    low, high = (points.min(axis=0), points.max(axis=0)) if kind == _POLYGON else points
    box = corner_box(dict(zip(_CORNERS, (*low.tolist(), *high.tolist()), strict=True)), _CORNERS, size)
    return _Object(kind, box, points)


def _fill(mask: Bool[np.ndarray, "height width"], one: _Object) -> None:
    """Add to a mask the pixels whose centre lies in a rectangle or an ellipse."""
    (left, top), (right, bottom) = np.floor(one.points[0]).clip(0), np.ceil(one.points[1])
    window = mask[int(top) : int(bottom), int(left) : int(right)]
    rows, columns = np.mgrid[: window.shape[0], : window.shape[1]] + 0.5
    # How far a pixel's centre is from the middle, 1 at the sides of the box.
    down = np.abs(rows + top - one.box.y - one.box.height / 2) / (one.box.height / 2)
    aside = np.abs(columns + left - one.box.x - one.box.width / 2) / (one.box.width / 2)
    window |= down**2 + aside**2 <= 1 if one.kind == _ELLIPSE else np.maximum(down, aside) <= 1


@dataclass(frozen=True)
class ObjectCxr(Source):
    """The set as its owner ships it: `train.csv` and `dev.csv` in a folder, and the images of `train.zip`, `dev.zip`.

    The 1,000 images of the challenge's own test were never given out with their annotations.

    Attributes:
        folder: of the tables; the images lie in it at any depth.
    """

    folder: Path

    about: ClassVar[About] = About(
        name=LAYOUT,
        version="MIDL 2020",
        licence="none was found; the challenge's page speaks of research",
        redistribution=False,
        access="no registration: 14 GB from https://academictorrents.com/details/"
        "fdc91f11d7010f7259a05403fc9d00079a09f5d5 (train.zip, dev.zip, train.csv, dev.csv).",
    )

    def asked_for(self) -> dict[str, Any]:
        """Whose splits; there are no options."""
        return {"splits": splits.OWNERS}

    def tables(self) -> Mapping[str, Path]:
        """The two tables."""
        return {f"table ({split})": self.folder / name for split, name in TABLES.items()}

    def listing(self) -> Listing:
        """Every row of both tables; the size of an image is read from its header."""
        images = ImageFolder(self.folder)

        @cache  # rows that are alike give one object, by which the listing knows them
        def truth(image: str, text: str) -> tuple[Annotated, ...]:
            return (annotated(image, text, images.size(image)),)

        def read(place: str, image: str, content: tuple[str, str]) -> Entry:
            split, text = content
            entry = Entry(image, image, split, images.path(image, ".jpg"), place)
            return entry_with_truth(entry, images, lambda: truth(image, text))

        rows = (
            (f"{name}, {line}", image, (split, text))
            for split, name in TABLES.items()
            for line, image, text in _rows(self.folder / name)
        )
        return list_images(rows, read)
