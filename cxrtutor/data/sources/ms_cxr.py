"""MS-CXR: phrases of MIMIC-CXR's reports with boxes, as CSV or JSON (releases 0.1, 1.1.0).

One row a box; a finding is a unique pair of image and phrase, of which there are 1,162. Access is credentialed, and
nothing of it may be published. The set's split, which release 0.1 lacks, is not that of MIMIC-CXR.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from ...errors import InputError
from ..annotations import Annotated, Annotations, UnreadableRow, box_of, gather, size_of, table_rows
from ..listing import CONTRADICTING, NO_SPLIT, Skip, list_images, owners_split, truth_by_image
from ..source import About, Entry, Listing, Source
from .coco import read_coco

LAYOUT = "MS-CXR"
HOME = "https://physionet.org/content/ms-cxr"
COLUMNS = ("dicom_id", "category_name", "label_text", "x", "y", "w", "h", "image_width", "image_height")

_PATIENT = re.compile(r"(?:^|/)p\d{2}/p(\d{8})/")
_PATH = re.compile(r"(?P<study>files/p\d{2}/p(?P<patient>\d{8})/s(?P<number>\d+))/(?P<image>[\w-]+)\.\w+", re.ASCII)


@dataclass(frozen=True)
class MsCxr(Source):
    """MS-CXR, whose images lie in MIMIC-CXR-JPG.

    An image is one row, with all phrases that were drawn in it. Release 1.1.0 splits its images, and that split counts,
    unless all are asked for; those of release 0.1 are all "test".

    Attributes:
        annotations: `MS_CXR_Local_Alignment_v1.1.0.csv` or `.json`, or those of `v1.0.0` (release 0.1).
        folder: of MIMIC-CXR-JPG: `files` with the images.
        reports: of MIMIC-CXR: `files` with the reports; without it, rows have no reports.
        all_for_testing: whether every image is "test", as the papers measure on all 1,162 pairs.

    Raises:
        InputError: the annotations are a folder.
    """

    annotations: Path
    folder: Path
    reports: Path | None = None
    all_for_testing: bool = False

    about: ClassVar[About] = About(
        name="MS-CXR",
        version="1.1.0",
        licence="PhysioNet Credentialed Health Data License 1.5.0",
        redistribution=False,
        access=f"{HOME}, and MIMIC-CXR-JPG for its images: become a credentialed user of PhysioNet, complete the CITI "
        "course that it names, and sign the data use agreement of each set.",
    )

    def __post_init__(self) -> None:
        if self.annotations.is_dir():
            raise InputError(
                f"ANNOTATIONS, {self.annotations}, is a folder. Give MS-CXR's file first, such as "
                "MS_CXR_Local_Alignment_v1.1.0.csv, and the folder of MIMIC-CXR-JPG after it."
            )

    def asked_for(self) -> dict[str, Any]:
        """Whether with reports, and whose splits."""
        owners = "the owner's; all test where the release has none"
        return {"reports": self.reports is not None, "splits": "all for testing" if self.all_for_testing else owners}

    def tables(self) -> Mapping[str, Path]:
        """The annotations, and the folders of images and reports."""
        needed = {"annotations": self.annotations, "images of MIMIC-CXR-JPG": self.folder / "files"}
        if self.reports:
            needed["reports of MIMIC-CXR, unpacked from mimic-cxr-reports.zip"] = self.reports / "files"
        return needed

    def listing(self) -> Listing:
        """Read the annotations.

        Raises:
            InputError: they are missing or no file of MS-CXR, or nothing in them can be read.
        """
        truth = read(self.annotations)
        by_image = truth_by_image(truth)
        split_at_all = not self.all_for_testing and any(one.split for one in truth.findings)

        def entry(place: str, image: str, _: None) -> Entry:
            findings = by_image.get(image) or ()
            if len({(one.path, one.size, split_at_all and one.split) for one in findings}) > 1:
                raise Skip(CONTRADICTING, "they give several paths, sizes or splits")
            path = _PATH.fullmatch(findings[0].path or "")
            if path is None or path["image"] != image:
                raise Skip("path not stated", f"{findings[0].path!r} is no path in MIMIC-CXR of this image")
            return Entry(
                id=image,
                patient=path["patient"],
                split=_split(findings[0].split) if split_at_all else "test",
                image=self.folder / path[0],
                place=place,
                study=path["number"],
                report=self.reports / f"{path['study']}.txt" if self.reports else None,
                truth=findings,
                annotated=True,
            )

        images = dict.fromkeys((*by_image.values, *filter(None, by_image.spoiled)))
        found = list_images(((f"{self.annotations.name}, {image}", image, None) for image in images), entry)
        return replace(found, problems=(*found.problems, *truth.problems))


def read(path: Path) -> Annotations:
    """Read either form.

    Raises:
        InputError: it is missing or is no file of MS-CXR, or nothing in it can be read.
    """
    try:
        return read_json(path) if path.suffix == ".json" else read_csv(path)
    except InputError as error:
        raise InputError(
            f"{path} is no file of MS-CXR that can be read: {error} Give MS_CXR_Local_Alignment_v1.1.0.csv or .json "
            f"({HOME})."
        ) from error


def read_csv(path: Path) -> Annotations:
    """Read the CSV form.

    Raises:
        InputError: it is missing, lacks a column, or no row can be read.
    """

    def read(image: str, phrase: str, row: dict[str, str]) -> Annotated:
        size = size_of(row, "image_height", "image_width")
        return Annotated(
            image=image,
            name=_category(row),
            phrase=phrase,
            size=size,
            boxes=(box_of(row, ("x", "y", "w", "h"), size),),
            patient=patient_of(row.get("path", "")),
            split=row.get("split") or None,
            path=row.get("path") or None,
        )

    table = table_rows(path, COLUMNS)
    rows = ((place, row.get("dicom_id", ""), row.get("label_text", ""), row) for place, row in table)
    return gather(path, LAYOUT, rows, read)


def read_json(path: Path) -> Annotations:
    """Read the COCO JSON form.

    Raises:
        InputError: it is missing, is no COCO JSON, or no annotation can be read.
    """
    return read_coco(path, LAYOUT, patient_of)


def _split(written: str | None) -> str:
    try:
        return owners_split(written)
    except UnreadableRow as error:
        raise Skip(NO_SPLIT, str(error)) from error


def _category(row: dict[str, str]) -> str:
    if not row.get("category_name"):
        raise UnreadableRow("category_name", "is blank")
    return row["category_name"]


def patient_of(path: str) -> str | None:
    """The patient that a path of MIMIC-CXR names: `files/p10/p10000032/s50414267/<image>.jpg`."""
    found = _PATIENT.search(path)
    return found[1] if found else None
