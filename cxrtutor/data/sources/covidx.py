"""COVIDx: frontal films of several public collections, as normal, pneumonia or COVID-19.

Two lists name the images of `train` and `test`, a line each without a header: `patient_id filename class source`,
separated by spaces. A file's name may hold spaces, a patient's may not: the first word is the patient, the last two are
class and source, and what stands between them is the file's name.

Source: Wang et al., COVID-Net, Scientific Reports 2020.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

from ..annotations import UnreadableRow, read_text
from ..listing import Row, list_images
from ..source import About, Entry, Listing, Source
from ..splits import OWNERS, with_validation

CLASSES = ("normal", "pneumonia", "COVID-19")
"""Every image is in one."""

_LINE = re.compile(r"(?P<patient>\S+) +(?P<file>\S|\S.*\S) +(?P<class>\S+) +(?P<source>\S+)")
_FILE = re.compile(r"[^/\\\x00-\x1f]{1,60}")


@dataclass(frozen=True)
class Covidx(Source):
    """COVIDx, assembled by its owner's program.

    Attributes:
        folder: of the two lists; beside them `train` and `test` with the images.
        release: which lists: `train_COVIDx<release>.txt`.
        validation_images: how many of the training images are for validation, for which the owner has none; all images
            of patients drawn by a hash of their names. MGCA takes a tenth of the training images, drawn by image.
    """

    folder: Path
    release: str = "9A"
    validation_images: int = 0

    about: ClassVar[About] = About(
        name="COVIDx",
        version="9A",
        licence="those of the collections that it is made of",
        redistribution=False,
        access="https://github.com/lindawangg/COVID-Net, docs/COVIDx.md: download the collections that it names, each "
        "from its own owner, and run the notebook that puts them together.",
    )

    def asked_for(self) -> dict[str, Any]:
        drawn = f"; {self.validation_images} images of training for validation" if self.validation_images else ""
        return {"release": self.release, "splits": OWNERS + drawn}

    def tables(self) -> Mapping[str, Path]:
        lists = {f"list of the {split} images": self._list(split) for split in ("train", "test")}
        return lists | {f"{split} images": self.folder / split for split in ("train", "test")}

    def listing(self) -> Listing:
        """Read both lists.

        Raises:
            InputError: a list is missing or is no text.
        """

        def read(place: str, image: str, content: tuple[str, str]) -> Entry:
            split, line = content
            found = _LINE.fullmatch(line)
            if found is None:
                raise UnreadableRow("line", f"{line!r} is not 'patient file class source'")
            if found["class"] not in CLASSES:
                raise UnreadableRow("class", f"{found['class']!r} is none of {', '.join(CLASSES)}")
            if not _FILE.fullmatch(image) or image.startswith("."):
                raise UnreadableRow("filename", f"{image!r} is no name of an image")
            return Entry(
                id=image,
                patient=f"{found['source']} {found['patient']}",  # the collections number their patients alike
                split=split,
                image=self.folder / split / image,
                place=place,
                labels={name: int(name == found["class"]) for name in CLASSES},
            )

        found = list_images(chain(self._lines("train"), self._lines("test")), read)
        return replace(found, entries=with_validation(found.entries, self.validation_images))

    def _list(self, split: str) -> Path:
        return self.folder / f"{split}_COVIDx{self.release}.txt"

    def _lines(self, split: str) -> Iterator[Row]:
        path = self._list(split)
        for number, line in enumerate(read_text(path).split("\n"), 1):
            if line := line.strip():
                found = _LINE.fullmatch(line)
                # Files of one name and several kinds are several images, so that the suffix belongs to the id.
                yield f"{path.name}, line {number}", found["file"] if found else line, (split, line)
