"""SIIM-ACR Pneumothorax: a table of run lengths, several rows an image, -1 where there is no pneumothorax.

The header's second name begins with a space (`ImageId, EncodedPixels`), and so do values in older copies. All images
are 1,024 x 1,024 pixels. No patient is named, and no list that names them is known to us. Source: SIIM-ACR Pneumothorax
Segmentation, Kaggle 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from ...errors import InputError
from .. import splits
from ..annotations import Annotated, Annotations, UnreadableRow, gather, table_rows
from ..image_folder import ImageFolder
from ..listing import first_rows, list_images, truth_by_image
from ..run_lengths import RunLengths
from ..source import About, Entry, Listing, Source

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
        except (ValueError, OverflowError) as error:
            raise UnreadableRow("EncodedPixels", f"holds something else than whole numbers ({error})") from error
        if not runs.area:
            raise UnreadableRow("EncodedPixels", "is blank; -1 says that there is nothing")
        return Annotated(image, FINDING, phrase, SIZE, runs=runs)

    table = table_rows(path, COLUMNS)
    rows = ((place, row.get("ImageId", ""), FINDING, row.get("EncodedPixels", "")) for place, row in table)
    return gather(path, LAYOUT, rows, read)


@dataclass(frozen=True)
class Siim(Source):
    """The set as Kaggle gives it out, or gave it through the DICOM store of the challenge.

    Attributes:
        table: `stage_2_train.csv`, or `train-rle.csv` of stage 1.
        images: the folder of the DICOM files, at any depth (`<study>/<series>/<ImageId>.dcm`), or of PNG files made
            of them, of any size, with the same names.
    """

    table: Path
    images: Path

    about: ClassVar[About] = About(
        name="SIIM-ACR Pneumothorax",
        version="2019",
        licence="rules of the Kaggle competition",
        redistribution=False,
        access="https://www.kaggle.com/c/siim-acr-pneumothorax-segmentation: sign in to Kaggle and accept the rules.",
    )

    def asked_for(self) -> dict[str, Any]:
        """Whose splits."""
        return {"splits": splits.OURS_BY_IMAGE}

    def tables(self) -> Mapping[str, Path]:
        """The table and the folder of images."""
        return {"table": self.table, "images": self.images}

    def listing(self) -> Listing:
        """Every image that the table names, once."""
        images, truth = ImageFolder(self.images), truth_by_image(read_csv(self.table))

        def read(place: str, image: str, _: None) -> Entry:
            # The split goes by the image, as nobody knows which images show one patient.
            return Entry(
                image,
                image,
                splits.hashed_split(image),
                images.path(image, ".dcm"),
                place,
                truth=truth.get(image) or (),
                annotated=True,
            )

        found = list_images(first_rows(self.table, COLUMNS, "ImageId"), read)
        return replace(found, problems=(*truth.problems, *found.problems))
