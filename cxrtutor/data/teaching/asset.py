"""The one real chest behind every patient of the teaching set, and the lung outlines that make patients differ.

`data_scripts/build_chest_asset.py` makes the file; `chest.md` beside it says whose data it is and under which licence.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8

FILE = files(__package__) / "chest.npz"
SHA256 = "36553409fd05ef7e7be76870c6bfe593256ac9ab7ca4a761db03e13ac200fa98"
"""Of `FILE`; a test holds that the committed file is the one the script made."""

SPACING_MM = (8.4375, 2.5, 1.40625)
"""Millimetres between slabs (front to back), rows (top to bottom) and columns (the patient's right to left)."""
WALL_POINTS, DOME_POINTS, COMPONENTS = 14, 9, 12
"""Landmarks on each chest wall and each dome of the diaphragm, and principal components of their positions."""
OUTLINES = ("train", "validation", "test")
Outlines = Literal["train", "validation", "test"]


class Label(IntEnum):
    """What a voxel belongs to."""

    OTHER = 0
    RIGHT_UPPER = 1
    RIGHT_MIDDLE = 2
    RIGHT_LOWER = 3
    LEFT_UPPER = 4
    LEFT_LOWER = 5
    HEART = 6


LOBES = {
    "right": (Label.RIGHT_UPPER, Label.RIGHT_MIDDLE, Label.RIGHT_LOWER),
    "left": (Label.LEFT_UPPER, Label.LEFT_LOWER),
}


@dataclass(frozen=True, eq=False)
class Chest:
    """A cleaned CT as coronal slabs, and statistics of real lung outlines.

    Attributes:
        density: relative to water (0 is air, 1 water, cortical bone about 2); front slab, top row and the patient's
            right come first; voxels are `SPACING_MM` apart.
        labels: `Label` of every voxel.
        reference: this chest's own outline in millimetres, (side, landmark, (y, x)); y from the first row, x from the
            midline of the volume, where the spine stands; the right lung first.
        outline_mean, outline_components: mean and principal components of drawn outlines in units of lung height, y
            downwards from the apices, x from the midline towards the patient's left.
        outline_coefficients: one row an outline.
        outline_splits: index into `OUTLINES` of the split that may use it; outlines of one patient share it.
    """

    density: Float[np.ndarray, "slabs rows columns"]
    labels: UInt8[np.ndarray, "slabs rows columns"]
    reference: Float[np.ndarray, "2 landmarks 2"]
    outline_mean: Float[np.ndarray, "2 landmarks 2"]
    outline_components: Float[np.ndarray, "components 2 landmarks 2"]
    outline_coefficients: Float[np.ndarray, "outlines components"]
    outline_splits: UInt8[np.ndarray, " outlines"]


@cache
def chest() -> Chest:
    """Read the asset once a process."""
    with FILE.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        content = dict(arrays)
    content["density"] = content["density"].astype(np.float32) / 100
    return Chest(**content)
