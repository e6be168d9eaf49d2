"""COVID Rural: opacities drawn on chest radiographs of patients with COVID-19, as a folder of masks (`pngs_masks`).

A mask has its image's name and size (`COVID-19-AR-16406488_01-08-2012-XR.png`) and values 0 and 1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ...errors import InputError
from ..annotations import Annotated, Annotations, UnreadableRow, gather
from ..run_lengths import RunLengths

LAYOUT = "COVID Rural"
FINDING = "pneumonia"
"""What published evaluations ask for: "Findings suggesting pneumonia."."""


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
