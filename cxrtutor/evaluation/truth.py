"""What is to be found, as a mask."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool

from ..data.study import Box, Finding
from ..errors import InputError


def box_mask(box: Box, shape: tuple[int, int]) -> Bool[np.ndarray, "height width"]:
    """The pixels whose centre lies in `box`; what reaches beyond the border is cut off."""
    rows, columns = np.arange(shape[0]) + 0.5, np.arange(shape[1]) + 0.5
    inside_rows = (rows >= box.y) & (rows < box.y + box.height)
    inside_columns = (columns >= box.x) & (columns < box.x + box.width)
    return inside_rows[:, None] & inside_columns


def truth_mask(findings: Iterable[Finding], shape: tuple[int, int]) -> Bool[np.ndarray, "height width"]:
    """The union of the findings' masks, or of their boxes where no mask is known; empty where neither is.

    Raises:
        InputError: a mask is not of the image's `shape`.
    """
    union = np.zeros(shape, dtype=bool)
    for finding in findings:
        if finding.mask is None:
            for box in finding.boxes:
                union |= box_mask(box, shape)
        elif finding.mask.shape != shape:
            raise InputError(
                f"The mask of {finding.phrase!r} has shape {finding.mask.shape}, its image {shape}. "
                "Masks are given in the image's own pixels."
            )
        else:
            union |= finding.mask
    return union
