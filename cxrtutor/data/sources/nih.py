"""NIH ChestX-ray14: the 984 boxes of `BBox_List_2017.csv`.

Its header (`Image Index,Finding Label,Bbox [x,y,w,h],,,`) splits into nine names over six values. Boxes are in pixels
of images of 1,024 x 1,024. One row a box; boxes of a finding that an image shows twice are united.
"""

from __future__ import annotations

from pathlib import Path

from ..annotations import Annotated, Annotations, box_of, gather, table_rows

LAYOUT = "NIH ChestX-ray14 boxes"
COLUMNS = ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]")
SIZE = (1024, 1024)


def read_boxes(path: Path) -> Annotations:
    """Read the table of boxes. An image's id is its file name without `.png`, the patient what stands before `_`.

    Raises:
        InputError: it is missing, lacks a column, or no row can be read.
    """

    def read(image: str, phrase: str, row: dict[str, str]) -> Annotated:
        return Annotated(image, phrase, phrase, SIZE, (box_of(row, COLUMNS[2:], SIZE),), patient=image.split("_")[0])

    table = table_rows(path, COLUMNS)
    rows = ((place, Path(row["Image Index"]).stem, row.get("Finding Label", ""), row) for place, row in table)
    return gather(path, LAYOUT, rows, read)
