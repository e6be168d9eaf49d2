"""A heat map over its radiograph as a picture file, pixel for pixel."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from .. import store
from ..errors import InputError
from ..localization.localize import Localization
from .colours import HEAT, MASK


def overlay(
    image: Float[np.ndarray, "height width"], found: Localization, opacity: float = 0.5
) -> UInt8[np.ndarray, "height width 3"]:
    """The radiograph in grey, the heat map blended over it where it is judged, the mask's edge in white.

    The heat is stretched from the map's lowest to its highest judged value; opacity grows with it, so that a cold
    region stays a radiograph.
    """
    import matplotlib

    heat = found.heat_map.values
    judged = found.heat_map.valid
    picture = np.repeat(image[..., None], 3, axis=2)
    if judged.any():
        low, high = heat[judged].min(), heat[judged].max()
        warmth = np.where(judged, (heat - low) / (high - low if high > low else 1), 0)
        colour = matplotlib.colormaps[HEAT](warmth)[..., :3]
        weight = (opacity * warmth)[..., None]
        picture = (1 - weight) * picture + weight * colour
    picture[_edge(found.mask)] = [int(MASK[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return (picture.clip(0, 1) * 255).round().astype(np.uint8)


def write_overlay(path: Path, image: Float[np.ndarray, "height width"], found: Localization) -> None:
    """Write `overlay` as a PNG of the image's own size.

    Raises:
        InputError: `path` is not a .png, or cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise InputError(f"The overlay is written as PNG; give --out a name that ends in .png, not {path.name!r}.")
    file = io.BytesIO()
    Image.fromarray(overlay(image, found)).save(file, format="PNG")
    store.write_file(path, file.getvalue())


def _edge(mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """The mask's outermost pixels; wider on larger images, so that they are seen when shown small."""
    from scipy.ndimage import binary_erosion

    return mask & ~binary_erosion(mask, iterations=max(1, max(mask.shape) // 512), border_value=1)
