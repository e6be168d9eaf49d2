"""Which patches of which images are hidden: a pure function, so a resumed run and every process draw the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int, UInt8

from ..errors import InputError

_MASK = 4
"""Tells these draws apart from others that share a seed, a number and a study."""


def patch_mask(
    studies: Sequence[int] | Int[np.ndarray, " n"], number: int, grid: tuple[int, int], ratio: float, seed: int = 0
) -> Bool[np.ndarray, "n rows columns"]:
    """True for the patches to hide, drawn anew for every study: `round(ratio * patches)` of each image.

    One patch at least stays visible, whatever the ratio.

    Args:
        studies: their indices in the set.
        number: of the mask; each hides other patches of every study.
        grid: how many rows and columns of patches an image has.
        ratio: the share of patches to hide.
        seed: of the run. Masks that a cache holds are those of seed 0, whatever the run.

    Raises:
        InputError: the ratio is not in [0, 1), or there are no patches.
    """
    rows, columns = grid
    if not 0 <= ratio < 1:
        raise InputError(f"The share of patches to hide is {ratio}; give one from 0 up to, but without, 1.")
    if rows < 1 or columns < 1:
        raise InputError(f"A grid of {rows} x {columns} holds no patch. Choose a patch no larger than the image.")
    count = min(round(ratio * rows * columns), rows * columns - 1)
    hidden = np.zeros((len(studies), rows * columns), dtype=bool)
    for row, study in zip(hidden, studies, strict=True):
        draw = np.random.default_rng([seed, number, int(study), _MASK])
        row[draw.permutation(rows * columns)[:count]] = True
    return hidden.reshape(-1, rows, columns)


def blank(
    image: UInt8[np.ndarray, "height width"], hidden: Bool[np.ndarray, "rows columns"]
) -> UInt8[np.ndarray, "height width"]:
    """The image with its hidden patches filled with the mean of what stays visible: it has no edge to a black hole, and
    its mean tells nothing of what was hidden."""
    pixels = np.kron(hidden, np.ones((image.shape[0] // hidden.shape[0], image.shape[1] // hidden.shape[1]), bool))
    return np.where(pixels, np.rint(image[~pixels].mean()).astype(np.uint8), image)


def patch_grid(shape: tuple[int, int], patch: int) -> tuple[int, int]:
    """How many rows and columns of square patches an image has.

    Raises:
        InputError: it cannot be cut into whole patches.
    """
    height, width = shape
    if patch < 1 or height % patch or width % patch:
        raise InputError(f"An image of {height} x {width} cannot be cut into patches of {patch} x {patch} pixels.")
    return height // patch, width // patch
