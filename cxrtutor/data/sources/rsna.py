"""RSNA Pneumonia Detection Challenge, stage 2: `stage_2_train_labels.csv`, and the table that MedKLIP made of it.

All images are 1,024 x 1,024 pixels. A `patientId` names an image: one person may stand under several, and no file of
the challenge tells which, so that no patient is known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..annotations import Annotated, Annotations, Row, UnreadableRow, box_of, gather, table_rows
from ..study import Box

LAYOUT = "RSNA stage 2"
MEDKLIP_LAYOUT = "RSNA as MedKLIP lists it"
COLUMNS = ("patientId", "x", "y", "width", "height", "Target")
MEDKLIP_COLUMNS = ("ID", "boxes", "classes")
FINDING = "pneumonia"
SIZE = (1024, 1024)


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


def _box(text: str) -> Box:
    values = text.split(";")
    if len(values) != 4:
        raise UnreadableRow("boxes", f"{text!r} is not x;y;w;h")
    keys = ("boxes x", "boxes y", "boxes w", "boxes h")
    return box_of(dict(zip(keys, values, strict=True)), keys, SIZE)
