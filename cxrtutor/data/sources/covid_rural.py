"""COVID Rural: opacities drawn on chest radiographs of patients with COVID-19, as a folder of masks (`pngs_masks`).

A mask has its image's name and size (`COVID-19-AR-16406488_01-08-2012-XR.png`) and values 0 and 1. The images lie in
`jpgs`, beside the folder of masks.

Source: Tang et al., Deep learning segmentation model for automated detection of the opacity regions in the chest
X-rays of the COVID-19 positive patients, medRxiv 2020. Images: Desai et al., Chest imaging representing a COVID-19
positive rural U.S. population, Scientific Data 2020.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ...errors import InputError
from ..annotations import Annotated, Annotations, UnreadableRow, gather, table_rows
from ..image_folder import ImageFolder
from ..listing import CONTRADICTING, Skip, list_images, truth_by_image
from ..reports import parse_report
from ..run_lengths import RunLengths
from ..source import About, Entry, Listing, Source
from ..study import Report

LAYOUT = "COVID Rural"
FINDING = "pneumonia"
"""What published evaluations ask for: "Findings suggesting pneumonia."."""

NOTES = "covid_rural_radiologist_notes.csv"

_IMAGE_SUFFIX = re.compile(r"\.(?:jpe?g|png|dcm)$", re.IGNORECASE)
_NOTE_COLUMN = re.compile(r"note|report|finding|impression|interpretation|comment", re.IGNORECASE)


@dataclass(frozen=True)
class CovidRural(Source):
    """Every image that has a mask.

    `covid_rural_radiologist_notes.csv` becomes the reports where it is clear how: one column that names images alone,
    and one whose name speaks of notes. Its layout was not seen, and where it is another, no report is taken and the
    summary says so.

    Attributes:
        folder: `covid_rural_annot`: `jpgs` with the images, `pngs_masks` with the masks.
        lists: lists of images by split, as LoVT has them: CSV files with the column `ID`. Images that are in none are
            skipped. Without lists, all images are for testing.
    """

    folder: Path
    lists: Mapping[str, Path] = field(default_factory=dict)

    about: ClassVar[About] = About(
        name="COVID Rural",
        version="as of its repository",
        licence="none is stated for the masks; the images are those of TCIA's COVID-19-AR",
        redistribution=False,
        access="git clone https://github.com/haimingt/opacity_segmentation_covid_chest_X_ray (811 MB).",
    )

    def asked_for(self) -> dict[str, Any]:
        return {"splits": "the given lists" if self.lists else "all for testing"}

    def tables(self) -> Mapping[str, Path]:
        needed = {"images": self.folder / "jpgs", "masks": self.folder / "pngs_masks"}
        needed |= {f"list of {split} images": path for split, path in self.lists.items()}
        notes = self.folder / NOTES
        return needed | ({"notes": notes} if notes.is_file() else {})

    def listing(self) -> Listing:
        """Read the masks, the lists and the notes.

        Raises:
            InputError: a folder or list is missing, or no mask can be read.
        """
        masks = truth_by_image(read_masks(self.folder / "pngs_masks"))
        images = ImageFolder(self.folder / "jpgs")
        listed = self._listed()
        ids = sorted({*masks.values, *masks.spoiled, *images.files})
        notes, unclear = self._notes(ids)

        def read(place: str, image: str, _: None) -> Entry:
            truth = masks.get(image)
            if truth is None:
                raise Skip("truth missing", "there is no mask of this name")
            splits = listed.get(image, []) if self.lists else ["test"]
            if len(splits) != 1:
                reason = CONTRADICTING if splits else "in none of the lists"
                raise Skip(reason, f"it is in the lists {splits}" if splits else "and other images are")
            return Entry(
                id=image,
                patient=image.split("_")[0],
                split=splits[0],
                image=images.path(image, ".jpg"),
                place=place,
                report=notes.get(image),
                truth=truth,
                annotated=True,
            )

        found = list_images(((f"pngs_masks, {image}", image, None) for image in ids), read)
        strangers = tuple(
            f"{self.lists[split].name}: there is no image {image!r}."
            for image, splits in listed.items()
            for split in splits
            if image not in ids
        )
        return replace(found, problems=(*found.problems, *masks.problems, *strangers, *unclear))

    def _listed(self) -> dict[str, list[str]]:
        """The splits that list each image."""
        listed: dict[str, list[str]] = {}
        for split, path in self.lists.items():
            for image in dict.fromkeys(_named(row.get("ID", "")) for _, row in table_rows(path, ["ID"])):
                listed.setdefault(image, []).append(split)
        return listed

    def _notes(self, images: list[str]) -> tuple[dict[str, Report], tuple[str, ...]]:
        """Reports by image, or why there are none."""
        path = self.tables().get("notes")
        if path is None:
            return {}, ()
        try:
            rows = [row for _, row in table_rows(path, [])]
        except InputError as error:
            return {}, (f"No report is taken: {error}",)
        names = dict.fromkeys(name for row in rows for name in row)
        notes = [name for name in names if _NOTE_COLUMN.search(name)]
        keys = [name for name in names if name not in notes and _names_each(rows, name, images)]
        if len(notes) != 1 or len(keys) != 1:
            columns = ", ".join(names)
            return {}, (f"{path.name}: which column names the image and which is its note is not clear: {columns}.",)
        return {_named(row[keys[0]]): parse_report(row.get(notes[0], "")) for row in rows}, ()


def _names_each(rows: list[dict[str, str]], column: str, images: list[str]) -> bool:
    """Whether a column names an image in every row, and none twice."""
    named = [_named(row.get(column, "")) for row in rows]
    return len(set(named)) == len(named) and set(named) <= set(images)


def _named(written: str) -> str:
    """The image that a table names, with or without its suffix."""
    return _IMAGE_SUFFIX.sub("", written)


def read_masks(folder: Path) -> Annotations:
    """Read every PNG of a folder of masks, or of the folder `pngs_masks` inside it.

    A mask with 0 and 255 in place of 0 and 1 is read alike.

    Raises:
        InputError: there is no such folder, or no mask in it can be read.
    """
    folder = folder / "pngs_masks" if (folder / "pngs_masks").is_dir() else folder
    paths = sorted(folder.glob("*.png"))
    if not paths:
        raise InputError(f"{folder} holds no PNG file. Give the folder of masks: covid_rural_annot/pngs_masks.")

    def read(image: str, phrase: str, path: Path) -> Annotated:
        mask = _mask(path)
        return Annotated(image, FINDING, phrase, mask.shape, runs=RunLengths.of(mask), patient=image.split("_")[0])

    return gather(folder, LAYOUT, ((path.name, path.stem, FINDING, path) for path in paths), read)


def _mask(path: Path) -> np.ndarray:
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            values = np.asarray(picture)
    except (OSError, SyntaxError, ValueError) as error:
        raise UnreadableRow("pixels", f"cannot be read ({error})") from error
    if values.ndim != 2 or not (np.isin(values, (0, 1)).all() or np.isin(values, (0, 255)).all()):
        raise UnreadableRow("pixels", "are not one channel of 0 and 1")
    return values > 0
