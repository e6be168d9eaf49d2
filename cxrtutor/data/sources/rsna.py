"""RSNA Pneumonia Detection Challenge, stage 2: `stage_2_train_labels.csv`, and the table that MedKLIP made of it.

All images are 1,024 x 1,024 pixels, and a part of NIH's ChestX-ray14 under other names. A `patientId` names an image:
one person may stand under several, and no file of Kaggle's archive tells which. RSNA published one that does,
`pneumonia-challenge-dataset-mappings_2018.json`: a list of objects, in which `subset_img_id` is the image here and
`img_id` NIH's (`00000013_005.png`), whose name begins with the patient. Its layout is as remembered [M].

Source: Shih et al., Augmenting the National Institutes of Health chest radiograph dataset with expert annotations of
possible pneumonia, Radiology: Artificial Intelligence 2019.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ...errors import InputError
from ..annotations import Annotated, Annotations, Row, UnreadableRow, box_of, gather, read_json, table_rows
from ..listing import (
    CONTRADICTING,
    UNREADABLE_ROW,
    LookUp,
    Skip,
    check_id,
    first_rows,
    list_images,
    look_up_rows,
    numbered,
    truth_by_image,
)
from ..source import About, Entry, Listing, Source
from ..splits import OURS, OURS_BY_IMAGE, hashed_split
from ..study import Box

LAYOUT = "RSNA stage 2"
MEDKLIP_LAYOUT = "RSNA as MedKLIP lists it"
COLUMNS = ("patientId", "x", "y", "width", "height", "Target")
MEDKLIP_COLUMNS = ("ID", "boxes", "classes")
FINDING = "pneumonia"
SIZE = (1024, 1024)
CLASSES = ("Lung Opacity", "No Lung Opacity / Not Normal", "Normal")
"""Every image is in one. Boxes were drawn around lung opacities alone."""

_OF_NIH = re.compile(r"0*(?P<patient>[1-9]\d{0,7})_\d{1,4}(?:\.png)?", re.ASCII)


@dataclass(frozen=True)
class Rsna(Source):
    """The challenge's labelled images, 26,684 (those of its test stage have no published labels).

    Attributes:
        folder: what Kaggle's archive unpacks to.
        medklip: MedKLIP's table. Its images alone are listed then, with its boxes, and all are for testing.
        mappings: RSNA's `pneumonia-challenge-dataset-mappings_2018.json`. Patients are NIH's then, and no patient is in
            two splits; an image that it does not name is skipped. Without it, the image stands in for its patient.
    """

    folder: Path
    medklip: Path | None = None
    mappings: Path | None = None

    about: ClassVar[About] = About(
        name="RSNA Pneumonia",
        version="stage 2",
        licence="rules of the RSNA Pneumonia Detection Challenge",
        redistribution=False,
        access="https://www.kaggle.com/competitions/rsna-pneumonia-detection-challenge: accept the rules with a Kaggle "
        "account, download the archive (about 4 GB) and unpack it.",
    )

    def asked_for(self) -> dict[str, Any]:
        """Whose splits, and the table if it is not the challenge's."""
        if self.medklip:
            return {"splits": "all for testing", "table": "MedKLIP's"}
        return {"splits": OURS if self.mappings else OURS_BY_IMAGE}

    def tables(self) -> Mapping[str, Path]:
        """Boxes, classes and images, and the mappings if they are given."""
        needed = {
            "boxes": self.medklip or self.folder / "stage_2_train_labels.csv",
            "classes": self.folder / "stage_2_detailed_class_info.csv",
            "images": self.folder / "stage_2_train_images",
        }
        return {**needed, "mappings to NIH's images": self.mappings} if self.mappings else needed

    def listing(self) -> Listing:
        """Read boxes and classes, and whom the images show.

        Raises:
            InputError: a table is missing, lacks a column, or nothing in it can be read.
        """
        patients = read_mappings(self.mappings) if self.mappings else None
        boxes = self.tables()["boxes"]
        truth = truth_by_image(read_medklip(boxes) if self.medklip else read_labels(boxes))
        classes = self._classes()

        def read(place: str, image: str, _: None) -> Entry:
            check_id(image, "patientId")
            found = truth.get(image) or ()
            shown = classes.get(image, set())
            if len(shown) > 1:
                raise Skip(CONTRADICTING, f"{self.tables()['classes'].name} says {' and '.join(sorted(shown))}")
            if unknown := shown - set(CLASSES):
                what = f"{min(unknown)!r}, which is none of {', '.join(CLASSES)}"
                raise Skip(UNREADABLE_ROW, f"{self.tables()['classes'].name} says {what}")
            patient = patients.get(image) if patients else image
            if patient is None:
                raise Skip("patient not stated", f"{self.mappings.name} does not name it")
            return Entry(
                id=image,
                patient=patient,
                split="test" if self.medklip else hashed_split(patient),
                image=self.tables()["images"] / f"{image}.dcm",
                place=place,
                truth=found,
                annotated=True,
                labels={name: int(name in shown) for name in CLASSES} if shown else {},
            )

        column = MEDKLIP_COLUMNS[0] if self.medklip else COLUMNS[0]
        found = list_images(first_rows(boxes, [column], column), read)
        of_patients = patients.problems if patients else ()
        return Listing(found.entries, found.skipped, (*truth.problems, *of_patients, *found.problems))

    def _classes(self) -> dict[str, set[str]]:
        """What the second table says of each image; it repeats a row for every box."""
        classes: dict[str, set[str]] = {}
        table = self.tables()["classes"]
        for _, image, row in numbered(table, ("patientId", "class"), "patientId"):
            classes.setdefault(image, set()).add(row.get("class", ""))
        return classes


def read_labels(path: Path) -> Annotations:
    """Read the challenge's own table: a row a box, without numbers where `Target` is 0.

    Raises:
        InputError: it is missing, lacks a column, or no row can be read.
    """

    def read(image: str, phrase: str, row: dict[str, str]) -> Annotated:
        target = row.get("Target", "")
        if target not in ("0", "1"):
            raise UnreadableRow("Target", f"{target!r} is neither 0 nor 1")
        boxes = (box_of(row, ("x", "y", "width", "height"), SIZE),) if target == "1" else ()
        return Annotated(image, FINDING, phrase, SIZE, boxes)

    rows = ((place, row.get("patientId", ""), FINDING, row) for place, row in table_rows(path, COLUMNS))
    return gather(path, LAYOUT, rows, read)


def read_medklip(path: Path) -> Annotations:
    """Read MedKLIP's table: a row an image, `boxes` as `x;y;w;h|x;y;w;h`, and `nan` where there is none.

    Raises:
        InputError: it is missing, lacks a column, or no row can be read.
    """

    def read(image: str, phrase: str, text: str) -> Annotated:
        boxes = () if text.lower() in ("nan", "") else tuple(_box(one) for one in text.split("|"))
        return Annotated(image, FINDING, phrase, SIZE, boxes)

    def rows() -> Iterator[Row]:
        for place, row in table_rows(path, MEDKLIP_COLUMNS):
            yield place, row.get("ID", ""), FINDING, row.get("boxes", "")

    return gather(path, MEDKLIP_LAYOUT, rows(), read)


def read_mappings(path: Path) -> LookUp[str]:
    """Read RSNA's mappings to NIH's images: the patient of every image, as NIH's own table spells it ("13").

    Raises:
        InputError: the file is missing or something else.
    """
    content = read_json(path)
    if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
        raise InputError(
            f"{path}: this is no file of RSNA's mappings, which holds a list of objects, one an image. Give "
            "pneumonia-challenge-dataset-mappings_2018.json."
        )

    def patient(mapping: Mapping[str, Any]) -> str:
        found = _OF_NIH.fullmatch(str(mapping.get("img_id") or ""))
        if found is None:
            raise UnreadableRow("img_id", f"{mapping.get('img_id')!r} is no name of NIH's, such as 00000013_005.png")
        return found["patient"]

    key = "subset_img_id"
    rows = ((f"{path.name}, object {n}", str(one.get(key) or "").strip(), one) for n, one in enumerate(content))
    return look_up_rows(path, key, rows, patient)


def _box(text: str) -> Box:
    values = text.split(";")
    if len(values) != 4:
        raise UnreadableRow("boxes", f"{text!r} is not x;y;w;h")
    keys = ("boxes x", "boxes y", "boxes w", "boxes h")
    return box_of(dict(zip(keys, values, strict=True)), keys, SIZE)
