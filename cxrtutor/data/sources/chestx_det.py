"""ChestX-Det: thirteen findings on 3,578 radiographs of NIH ChestX-ray14, with boxes and contours by radiologists.

A JSON list for each split, of `{"file_name", "syms", "boxes", "polygons"}`: the n-th finding has the n-th box
[x1, y1, x2, y2] and the n-th contour [[x, y], ...]. No `syms` at all means a normal film. Files have names of their own
(`36204.png`), so that neither the NIH's image nor its patient is known. The lists give no sizes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from ...errors import InputError
from .. import splits
from ..annotations import Annotated, Annotations, Row, UnreadableRow, corner_box, gather, read_json
from ..contours import contour_runs
from ..downloads import fetch, unpack
from ..image_folder import ImageFolder, SizeOf, entry_with_truth
from ..listing import list_images
from ..source import About, Entry, Listing, Source

LAYOUT = "ChestX-Det"
KEYS = ("file_name", "syms", "boxes", "polygons")
FINDINGS = (
    "Atelectasis",
    "Calcification",
    "Cardiomegaly",
    "Consolidation",
    "Diffuse Nodule",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Fracture",
    "Mass",
    "Nodule",
    "Pleural Thickening",
    "Pneumothorax",
)
FILES = {"train": "ChestX_Det_train.json", "test": "ChestX_Det_test.json"}

_CORNERS = ("boxes x1", "boxes y1", "boxes x2", "boxes y2")


_LISTS = "https://raw.githubusercontent.com/Deepwise-AILab/ChestX-Det-Dataset/main"
_IMAGES = "http://resource.deepwise.com/ChestX-Det"


def download(folder: Path) -> None:
    """Fetch both lists and the images from their owner and unpack them, unless they are there already.

    Raises:
        InputError: a file cannot be fetched, or an archive cannot be unpacked.
    """
    for split, name in FILES.items():
        if not (folder / name).is_file():
            fetch(f"{_LISTS}/{name}", folder)
        if not (folder / f"{split}_data").is_dir():
            unpack(fetch(f"{_IMAGES}/{split}_data.zip", folder), folder / f"{split}_data")


def read_list(path: Path, size_of: SizeOf) -> Annotations:
    """Read one of the lists: each of the thirteen findings of each image, those that are not there too.

    Raises:
        InputError: it is missing, is something else, or nothing in it can be read.
    """

    def read(image: str, phrase: str, entry: Mapping[str, Any]) -> Annotated | None:
        size = size_of(image)
        return None if size is None else _annotated(image, phrase, _drawn(entry), size)

    return gather(path, LAYOUT, _rows(_entries(path)), read)


def _rows(entries: Iterable[tuple[str, str, Mapping[str, Any]]]) -> Iterator[Row]:
    for place, image, entry in entries:
        for phrase in _looked_for(entry):
            yield place, image, phrase, entry


def _entries(path: Path) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Place, image and content of every entry of a list."""
    content = read_json(path)
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        raise InputError(f"{path}: this is no file of ChestX-Det, which holds a list of objects, one an image.")
    for number, entry in enumerate(content):
        yield f"entry {number}", PurePosixPath(str(entry.get("file_name") or "")).stem, entry


def _looked_for(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """The thirteen findings, and whatever else an entry names."""
    named = entry.get("syms")
    others = [str(name) for name in named if name not in FINDINGS] if isinstance(named, list) else []
    return tuple(dict.fromkeys((*FINDINGS, *others)))


def _drawn(entry: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Name, box and contour of every finding that an entry holds."""
    for key in KEYS[1:]:
        if not isinstance(entry.get(key), list):
            raise UnreadableRow(key, f"{entry.get(key)!r} is no list")
        if len(entry[key]) != len(entry["syms"]):
            raise UnreadableRow(key, f"holds {len(entry[key])} of {len(entry['syms'])} findings")
    return [(str(name), box, contour) for name, box, contour in zip(*(entry[key] for key in KEYS[1:]), strict=True)]


def _annotated(image: str, name: str, drawn: list[tuple[str, Any, Any]], size: tuple[int, int]) -> Annotated:
    boxes, contours = [], []
    for one, box, contour in drawn:
        if one == name:
            if not isinstance(box, list) or len(box) != 4:
                raise UnreadableRow("boxes", f"{box!r} is not [x1, y1, x2, y2]")
            boxes.append(corner_box(dict(zip(_CORNERS, box, strict=True)), _CORNERS, size))
            contours.append(contour)
    runs = contour_runs(contours, size, "polygons") if contours else None
    return Annotated(image, name, name, size, tuple(boxes), runs)


@dataclass(frozen=True)
class ChestXDet(Source):
    """The set as its owner ships it: two lists in a folder, with the images of `train_data.zip` and `test_data.zip`.

    Attributes:
        folder: of the lists; the images lie in it at any depth.
    """

    folder: Path

    about: ClassVar[About] = About(
        name=LAYOUT,
        version="2021",
        licence="Apache-2.0 for the lists; images of the NIH Clinical Center, free with attribution",
        redistribution=False,
        access="no registration: the lists from https://github.com/Deepwise-AILab/ChestX-Det-Dataset, the images from "
        "http://resource.deepwise.com/ChestX-Det/train_data.zip and .../test_data.zip.",
    )

    def asked_for(self) -> dict[str, Any]:
        """Whose splits; there are no options."""
        return {"splits": splits.OWNERS}

    def tables(self) -> Mapping[str, Path]:
        """The two lists."""
        return {f"list ({split})": self.folder / name for split, name in FILES.items()}

    def listing(self) -> Listing:
        """Every entry of both lists; the size of an image is read from its header."""
        images = ImageFolder(self.folder)

        @cache  # entries that are alike give one object, by which the listing knows them
        def truth(image: str, written: str) -> tuple[Annotated, ...]:
            entry, size = json.loads(written), images.size(image)
            return tuple(_annotated(image, name, _drawn(entry), size) for name in _looked_for(entry))

        def read(place: str, image: str, content: tuple[str, Mapping[str, Any]]) -> Entry:
            split, drawn = content
            entry = Entry(image, image, split, images.path(image, ".png"), place)
            return entry_with_truth(entry, images, lambda: truth(image, json.dumps(drawn, sort_keys=True)))

        rows = (
            (f"{name}, {place}", image, (split, entry))
            for split, name in FILES.items()
            for place, image, entry in _entries(self.folder / name)
        )
        return list_images(rows, read)
