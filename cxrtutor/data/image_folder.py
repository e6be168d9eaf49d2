"""The image files of a set, found by name wherever its owner's folders put them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from ..errors import InputError
from .annotations import Annotated, UnreadableRow
from .listing import UNREADABLE_TRUTH, Skip
from .source import Entry

UNREADABLE_IMAGE = "image cannot be read"
SUFFIXES = (".dcm", ".dicom", ".png", ".jpg", ".jpeg")

_NAME = re.compile(r"[\w.-]{1,200}", re.ASCII)

SizeOf = Callable[[str], tuple[int, int] | None]
"""Height and width of the image with an id; None for an image whose rows are passed over.

Raises `UnreadableRow` where the rows of an image without a size are to be reported.
"""


class UnreadableImage(UnreadableRow):
    """A row of a truth file means nothing without the size of its image, which is missing or cannot be read."""

    def __init__(self, reason: str) -> None:
        super().__init__("image", reason)


@dataclass(frozen=True)
class ImageFolder:
    """The images in a folder and in all folders inside it; an image's id is its file name without suffix.

    Owners pack images into folders of folders (`images_001/images/`, `<study>/<series>/`) that no table names, and
    people unpack them one level higher or lower. The folder is walked once, when the first image is asked for. Of two
    files with one name, the first in alphabetical order counts; hidden files do not. A folder that links lead back to
    counts once.
    """

    folder: Path
    _sizes: dict[str, tuple[int, int] | str] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def files(self) -> Mapping[str, Path]:
        """The path of every image, by id."""
        found: dict[str, Path] = {}
        walked: set[tuple[int, int]] = set()
        for folder, inside, names in os.walk(self.folder, followlinks=True):
            identity = os.stat(folder)
            if (place := (identity.st_dev, identity.st_ino)) in walked:  # a link may lead back to where it lies
                inside.clear()
                continue
            walked.add(place)
            inside.sort()
            for name in sorted(names):
                stem, suffix = os.path.splitext(name)
                if suffix.lower() in SUFFIXES and not name.startswith("."):
                    found.setdefault(stem, Path(folder, name))
        return found

    def path(self, image: str, suffix: str) -> Path:
        """Where an image lies, or where it would: straight in the folder, under its owner's suffix.

        Raises:
            UnreadableRow: the id is no file name.
        """
        if not _NAME.fullmatch(image):
            raise UnreadableRow("image", f"{image!r} is no name of an image")
        return self.files.get(image, self.folder / f"{image}{suffix}")

    def size(self, image: str) -> tuple[int, int]:
        """Height and width as they are stored, read from the file's header, once an image.

        Raises:
            UnreadableImage: there is no such image, or its header cannot be read.
        """
        if image not in self._sizes:
            self._sizes[image] = self._read_size(image)
        if isinstance(size := self._sizes[image], str):
            raise UnreadableImage(size)
        return size

    def size_if_readable(self, image: str) -> tuple[int, int] | None:
        """The same; None where the image is missing or its header cannot be read."""
        try:
            return self.size(image)
        except UnreadableImage:
            return None

    def _read_size(self, image: str) -> tuple[int, int] | str:
        """The size, or why it cannot be read."""
        from .images import stored_size

        if image not in self.files:
            return f"there is no image {image!r} in {self.folder}, and nothing else tells its size"
        try:
            return stored_size(self.files[image])
        except InputError as error:
            return str(error)


def entry_with_truth(entry: Entry, images: ImageFolder, truth: Callable[[], tuple[Annotated, ...]]) -> Entry:
    """An image with its truth, in a layout whose tables give no sizes.

    An image that is missing stays without truth: `preparation` counts it, and never reads it.

    Args:
        entry: what else is known of the image.
        images: where it should lie.
        truth: what the tables say, by the size that its header gives.

    Raises:
        Skip: the image's header, or the truth, cannot be read.
    """
    if entry.id not in images.files:
        return entry
    try:
        return replace(entry, truth=truth(), annotated=True)
    except UnreadableImage as error:
        raise Skip(UNREADABLE_IMAGE, str(error)) from error
    except UnreadableRow as error:
        raise Skip(UNREADABLE_TRUTH, f"{error.key}: {error}") from error
