"""Rules that choose, for every heat map, the value above which a pixel belongs to the finding.

A rule sees the heat map alone, never the truth. The mask is always `heat > threshold`, so a constant map gives an empty
mask under every rule; NaN pixels are left out of the choice.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

OTSU_BINS = 256


def otsu(heat: Float[Tensor, "batch height width"]) -> Float[Tensor, " batch"]:
    """Otsu's threshold: the cut of a histogram of 256 bins that makes the variance between its two sides largest.

    The bins span each map's range and the threshold is the centre of the last bin of the lower side, as in
    `skimage.filters.threshold_otsu`. For a constant map it is that constant.

    Source: N. Otsu, "A threshold selection method from gray-level histograms", IEEE SMC 9 (1979), equation 18.
    """
    values = heat.flatten(1)
    unjudged = values.isnan()
    low = values.masked_fill(unjudged, torch.inf).amin(dim=1, keepdim=True)
    high = values.masked_fill(unjudged, -torch.inf).amax(dim=1, keepdim=True)
    width = (high - low) / OTSU_BINS

    bins = ((values - low) / width).nan_to_num(0.0).long().clamp(0, OTSU_BINS - 1)
    counts = torch.zeros(len(heat), OTSU_BINS, dtype=torch.float64, device=heat.device)
    counts.scatter_add_(1, bins, (~unjudged).double())
    centres = low.double() + width.double() * (torch.arange(OTSU_BINS, device=heat.device) + 0.5)

    below = counts.cumsum(dim=1)[:, :-1]
    above = below[:, -1:] + counts[:, -1:] - below
    total = (counts * centres).cumsum(dim=1)
    mean_below = total[:, :-1] / below
    mean_above = (total[:, -1:] - total[:, :-1]) / above
    between = below * above * (mean_below - mean_above) ** 2
    best = between.nan_to_num(-1.0).argmax(dim=1, keepdim=True)
    return torch.where(high > low, centres.gather(1, best), low.double())[:, 0].to(heat)


def top_share(heat: Float[Tensor, "batch height width"], share: float) -> Float[Tensor, " batch"]:
    """The threshold that leaves `share` of the judged pixels above it (fewer where values tie)."""
    ordered = heat.flatten(1).sort(dim=1).values  # NaN counts as the largest and ends last
    judged = (~ordered.isnan()).sum(dim=1, keepdim=True)
    kept = (share * judged).round().long()
    return ordered.gather(1, (judged - kept - 1).clamp(min=0))[:, 0]
