"""SIIM-ACR Pneumothorax: a table of run lengths, several rows an image, -1 where there is no pneumothorax.

The header's second name begins with a space (`ImageId, EncodedPixels`), and so do values in older copies. All images
are 1,024 x 1,024 pixels. No patient is named.
"""

from __future__ import annotations

from pathlib import Path

from ...errors import InputError
from ..annotations import Annotated, Annotations, UnreadableRow, gather, table_rows
from ..run_lengths import RunLengths

LAYOUT = "SIIM-ACR"
COLUMNS = ("ImageId", "EncodedPixels")
FINDING = "pneumothorax"
SIZE = (1024, 1024)


def read_csv(path: Path) -> Annotations:
    """Read the table; rows of one image are united.

    Raises:
        InputError: it is missing, lacks a column, or no row can be read.
    """

    def read(image: str, phrase: str, text: str) -> Annotated:
        if text == "-1":
            return Annotated(image, FINDING, phrase, SIZE)
        try:
            runs = RunLengths.from_gaps(SIZE, [int(value) for value in text.split()])
        except InputError as error:
            raise UnreadableRow("EncodedPixels", str(error)) from error
        except ValueError as error:
            raise UnreadableRow("EncodedPixels", f"holds something else than whole numbers ({error})") from error
        if not runs.area:
            raise UnreadableRow("EncodedPixels", "is blank; -1 says that there is nothing")
        return Annotated(image, FINDING, phrase, SIZE, runs=runs)

    table = table_rows(path, COLUMNS)
    rows = ((place, row.get("ImageId", ""), FINDING, row.get("EncodedPixels", "")) for place, row in table)
    return gather(path, LAYOUT, rows, read)
