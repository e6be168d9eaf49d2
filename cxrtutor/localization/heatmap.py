"""The steps from a similarity map on the patch grid to a heat map on the image's pixels.

Every step is a function of a batch of maps; `protocols` puts them in order. NaN marks pixels that a protocol does not
judge; they are ignored by every later step and by every metric.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

Upsampling = Literal["bilinear", "nearest"]


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Where a prompt is answered in one image.

    Attributes:
        values: one number a pixel of the image, higher where the prompt fits better; NaN where not judged.
    """

    values: Float[np.ndarray, "height width"]

    @property
    def valid(self) -> Bool[np.ndarray, "height width"]:
        """The pixels that are judged."""
        return ~np.isnan(self.values)

    @property
    def peak(self) -> tuple[int, int] | None:
        """Row and column of the highest value (the first of equals); None for a map that is constant."""
        judged = self.values[self.valid]
        if judged.size == 0 or judged.min() == judged.max():
            return None
        row, column = np.unravel_index(np.nanargmax(self.values), self.values.shape)
        return int(row), int(column)

    def mask(self, threshold: float) -> Bool[np.ndarray, "height width"]:
        """The pixels above `threshold`; a pixel that is not judged never is."""
        return self.values > threshold


def zero_where_silent(maps: Float[Tensor, "batch height width"]) -> Float[Tensor, "batch height width"]:
    """Replace every map that says nothing by zeros: a constant one, or one that holds NaN or infinity (with a warning).

    Zeros end as an empty prediction under every protocol: a model pays for a map that it did not give. Left alone, the
    rounding of a smoothed constant would be stretched into a pattern, and NaN would pass for pixels that nobody judges.
    """
    flat = maps.flatten(1)
    broken = ~flat.isfinite().all(dim=1)
    if broken.any():
        message = (
            f"{int(broken.sum())} of {len(maps)} similarity maps hold NaN or infinity: taken as empty predictions."
        )
        warnings.warn(message, stacklevel=3)
    silent = broken | (flat == flat[:, :1]).all(dim=1)
    return maps.masked_fill(silent[:, None, None], 0.0)


def smoothing_matrix(length: int, sigma: float) -> Float[Tensor, "length length"]:
    """Gaussian smoothing of a line of cells as a matrix: row i holds the weights that are averaged into cell i.

    The kernel is cut at four sigma (rounded) and normalised; beyond its ends the line is mirrored with the edge cell
    repeated (c b a | a b c). Both are the defaults of `scipy.ndimage.gaussian_filter`, which BioViL and AFLoc call.
    """
    radius = int(4 * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-0.5 * (offsets.double() / sigma) ** 2)
    cells = (torch.arange(length)[:, None] + offsets) % (2 * length)
    mirrored = torch.minimum(cells, 2 * length - 1 - cells)
    weights = torch.zeros(length, length, dtype=torch.float64)
    return weights.scatter_add(1, mirrored, (kernel / kernel.sum()).expand(length, -1)).float()


def smooth(maps: Float[Tensor, "batch height width"], sigma: float) -> Float[Tensor, "batch height width"]:
    """Gaussian smoothing on the patch grid; `sigma` in patches. See `smoothing_matrix` for the edge rule.

    A Gaussian separates into rows and columns, so smoothing is two small matrix products.
    """
    down = smoothing_matrix(maps.shape[1], sigma).to(maps)
    across = smoothing_matrix(maps.shape[2], sigma).to(maps)
    return down @ maps @ across.T


def attention(maps: Float[Tensor, "batch height width"]) -> Float[Tensor, "batch height width"]:
    """Softmax over all cells, times their number: 1 is the share of a cell that gets as much as every other.

    In this unit MedKLIP's threshold of .008 on a 14x14 grid means the same on every grid.
    """
    return (maps.flatten(1).softmax(dim=1) * maps[0].numel()).view_as(maps)


def upsample(
    maps: Float[Tensor, "batch grid_height grid_width"], size: tuple[int, int], mode: Upsampling = "bilinear"
) -> Float[Tensor, "batch height width"]:
    """Enlarge maps of a letterboxed square to the pixels of the image inside it.

    Args:
        maps: on the patch grid of the square.
        size: height and width of the image; the square's side is the longer of the two, the image lies in its centre.
        mode: "bilinear" between the centres of patches (`align_corners=False`), or "nearest".
    """
    height, width = size
    side = max(size)
    corners = {} if mode == "nearest" else {"align_corners": False}
    square = F.interpolate(maps[:, None], (side, side), mode=mode, **corners)[:, 0]
    top, left = (side - height) // 2, (side - width) // 2
    return square[:, top : top + height, left : left + width]


def keep_centre(
    maps: Float[Tensor, "batch height width"], fraction: float, of: Literal["longer", "shorter"] = "longer"
) -> Float[Tensor, "batch height width"]:
    """NaN everywhere but in a central square, whose side is a `fraction` of the image's longer or shorter side.

    AFLoc judges the central 196 of 224 pixels of the letterboxed square, because its training images were cropped so;
    BioViL the central 480 of 512 pixels of the image's shorter side, because it is shown no more.
    """
    height, width = maps.shape[1:]
    reach = fraction * (max(height, width) if of == "longer" else min(height, width)) / 2

    def inside(length: int) -> Bool[Tensor, " length"]:
        centres = torch.arange(length, device=maps.device) + 0.5
        return (centres - length / 2).abs() < reach

    return maps.masked_fill(~(inside(height)[:, None] & inside(width)), torch.nan)


def min_max(maps: Float[Tensor, "batch height width"], low: float, high: float) -> Float[Tensor, "batch height width"]:
    """Stretch every map so that its judged values span `low` to `high`; a constant map becomes all `low`."""
    unjudged = maps.isnan()
    smallest = maps.masked_fill(unjudged, torch.inf).amin(dim=(1, 2), keepdim=True)
    largest = maps.masked_fill(unjudged, -torch.inf).amax(dim=(1, 2), keepdim=True)
    span = torch.where(largest > smallest, largest - smallest, 1.0)
    return low + (high - low) * (maps - smallest) / span
