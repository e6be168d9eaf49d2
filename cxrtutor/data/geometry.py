"""Where things are in an image, and how they move when the image is turned and scaled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped
from PIL import Image


class Box(NamedTuple):
    """A rectangle in pixels of the image it belongs to; `x`, `y` are the left upper corner."""

    x: float
    y: float
    width: float
    height: float

    def cut(self, shape: tuple[int, int]) -> Box:
        """What of it lies in an image of this height and width; without area where nothing does."""
        left, top = max(self.x, 0.0), max(self.y, 0.0)
        right, bottom = min(self.x + self.width, shape[1]), min(self.y + self.height, shape[0])
        return Box(left, top, right - left, bottom - top)

    @property
    def has_area(self) -> bool:
        """Whether it covers anything."""
        return self.width > 0 and self.height > 0


@dataclass(frozen=True)
class Geometry:
    """How an image came from the one that is stored in its file: first turned, then scaled.

    Owners draw boxes and masks on stored pixels; a study's truth is in pixels of its image. Coordinates are continuous:
    pixel (0, 0) covers rows 0 to 1 and columns 0 to 1.

    Attributes:
        stored: height and width in the file.
        size: height and width of the image.
        transposed: rows and columns were exchanged, before anything else.
        mirrored: then left and right were.
        upside_down: and top and bottom.
    """

    stored: tuple[int, int]
    size: tuple[int, int]
    transposed: bool = False
    mirrored: bool = False
    upside_down: bool = False

    def turned(self, stored: Shaped[np.ndarray, "rows columns"]) -> Shaped[np.ndarray, "height width"]:
        """Stored pixels (an image, a mask), turned and not scaled."""
        turned = stored.T if self.transposed else stored
        return turned[:: -1 if self.upside_down else 1, :: -1 if self.mirrored else 1]

    def mask(self, mask: Bool[np.ndarray, "rows columns"]) -> Bool[np.ndarray, "height width"]:
        """A mask of stored pixels on the image: a pixel belongs to it where at least half of it is covered.

        Of a mask so small that no pixel is, the most covered one remains: what is there does not vanish.
        """
        covered = resized(self.turned(mask).astype(np.float32), self.size, Image.Resampling.BOX)
        return covered >= min(0.5, covered.max()) if mask.any() else np.zeros(self.size, bool)

    def box(self, box: Box) -> Box:
        """A box of the stored image, in pixels of the image."""
        return _spanned(self.point(box.y, box.x), self.point(box.y + box.height, box.x + box.width))

    def box_back(self, box: Box) -> Box:
        """A box of the image, in stored pixels."""
        return _spanned(self.point_back(box.y, box.x), self.point_back(box.y + box.height, box.x + box.width))

    def point(self, row: float, column: float) -> tuple[float, float]:
        """A point (row, column) of the stored image, in the image."""
        down, right = row / self.stored[0], column / self.stored[1]
        if self.transposed:
            down, right = right, down
        down, right = 1 - down if self.upside_down else down, 1 - right if self.mirrored else right
        return down * self.size[0], right * self.size[1]

    def point_back(self, row: float, column: float) -> tuple[float, float]:
        """A point (row, column) of the image, in the stored image."""
        down, right = row / self.size[0], column / self.size[1]
        down, right = 1 - down if self.upside_down else down, 1 - right if self.mirrored else right
        if self.transposed:
            down, right = right, down
        return down * self.stored[0], right * self.stored[1]

    def mask_back(self, mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "rows columns"]:
        """A mask of the image, on stored pixels."""
        turned = self.stored[::-1] if self.transposed else self.stored
        back = resized(mask.astype(np.float32), turned) >= 0.5
        back = back[:: -1 if self.upside_down else 1, :: -1 if self.mirrored else 1]
        return np.ascontiguousarray(back.T if self.transposed else back)


def resized(
    values: Float[np.ndarray, "h w"], shape: tuple[int, int], kernel: Image.Resampling = Image.Resampling.BILINEAR
) -> Float[np.ndarray, "new_h new_w"]:
    """Values on a grid of another shape; a shrinking kernel covers all that it replaces, so that nothing aliases."""
    if values.shape == shape:
        return values.astype(np.float32)
    return np.asarray(Image.fromarray(values.astype(np.float32)).resize((shape[1], shape[0]), kernel))


def _spanned(a: tuple[float, float], b: tuple[float, float]) -> Box:
    """The box with two opposite corners (row, column)."""
    (top, bottom), (left, right) = sorted((a[0], b[0])), sorted((a[1], b[1]))
    return Box(left, top, right - left, bottom - top)
