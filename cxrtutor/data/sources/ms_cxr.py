"""MS-CXR: phrases of MIMIC-CXR's reports with boxes, as CSV or JSON (releases 0.1, 1.1.0).

One row a box; a finding is a unique pair of image and phrase, of which there are 1,162. Access is credentialed, and
nothing of it may be published. The set's split, which release 0.1 lacks, is not that of MIMIC-CXR.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..annotations import Annotated, Annotations, UnreadableRow, box_of, gather, size_of, table_rows
from .coco import read_coco

LAYOUT = "MS-CXR"
COLUMNS = ("dicom_id", "category_name", "label_text", "x", "y", "w", "h", "image_width", "image_height")

_PATIENT = re.compile(r"(?:^|/)p\d{2}/p(\d{8})/")


def read(path: Path) -> Annotations:
    """Read either form.

    Raises:
        InputError: it is missing or is no file of MS-CXR, or nothing in it can be read.
    """
    return read_json(path) if path.suffix == ".json" else read_csv(path)


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


def _category(row: dict[str, str]) -> str:
    if not row.get("category_name"):
        raise UnreadableRow("category_name", "is blank")
    return row["category_name"]


def patient_of(path: str) -> str | None:
    """The patient that a path of MIMIC-CXR names: `files/p10/p10000032/s50414267/<image>.jpg`."""
    found = _PATIENT.search(path)
    return found[1] if found else None
