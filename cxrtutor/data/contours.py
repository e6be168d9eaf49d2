"""Closed contours, drawn by hand, as masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from .annotations import UnreadableRow
from .run_lengths import RunLengths

_FAR = 1e6
"""Beyond any image; what Pillow draws of a coordinate that does not fit into 32 bits is somewhere else."""


def contour_runs(contours: Sequence[Any], size: tuple[int, int], key: str) -> RunLengths:
    """The pixels inside or on any of several contours, each a list of points (x, y).

    Drawn as CheXlocalize's own code draws them (Pillow, filled and outlined), so that its annotations and its
    segmentations are the same to the pixel.

    Args:
        contours: in pixels of the image; what reaches beyond its border is cut off.
        size: height and width of the image.
        key: what the contours stand under, for messages.

    Raises:
        UnreadableRow: a contour has fewer than two points, or a coordinate is no finite number or beyond any image.
    """
    if not contours:
        return RunLengths(size, np.array([size[0] * size[1]]))
    drawing = Image.new("1", (size[1], size[0]))
    for number, contour in enumerate(contours):
        try:
            points = np.array(contour, dtype=float)
        except (TypeError, ValueError, OverflowError):
            points = np.array([])
        if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not np.isfinite(points).all():
            raise UnreadableRow(key, f"contour {number} is no list of two or more points [x, y]")
        if np.abs(points).max() > _FAR:
            raise UnreadableRow(key, f"contour {number} reaches {np.abs(points).max():g} pixels far")
        ImageDraw.Draw(drawing).polygon(list(map(tuple, points.tolist())), outline=1, fill=1)
    return RunLengths.of(np.asarray(drawing))
