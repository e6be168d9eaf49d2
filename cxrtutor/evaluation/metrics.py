"""How well a mask or a heat map fits the truth: IoU, Dice, CNR and the pointing game, for whole batches.

Rules shared by all:

- Where there is nothing to find (no true pixel among those that are judged), a metric is undefined: NaN, to be counted
  and reported, never averaged in. Only IoU and Dice may be asked for more or for less (`Over`).
- Pixels that are not judged (NaN in a heat map, False in `valid`) do not exist. So a heat map that is NaN throughout
  leaves nothing to find. `Protocol.heat` never gives one: what a model leaves blank becomes an empty prediction there.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..localization.protocols import Over


def iou(
    mask: Bool[Tensor, "*batch height width"],
    truth: Bool[Tensor, "*#batch height width"],
    valid: Bool[Tensor, "*#batch height width"] | None = None,
    *,
    over: Over = "positives",
) -> Float[Tensor, "*batch"]:
    """Intersection over union (Jaccard index), in [0, 1].

    Args:
        mask: predicted pixels.
        truth: true pixels; dimensions before the last two broadcast, so that many thresholds share one truth.
        valid: pixels that are judged; all by default.
        over: which pairs count, where one of the two or both are empty; NaN for the others.
    """
    both, predicted, true = _overlap(mask, truth, valid)
    return _counted(both / (predicted + true - both), predicted, true, over)


def dice(
    mask: Bool[Tensor, "*batch height width"],
    truth: Bool[Tensor, "*#batch height width"],
    valid: Bool[Tensor, "*#batch height width"] | None = None,
    *,
    over: Over = "positives",
) -> Float[Tensor, "*batch"]:
    """Dice coefficient: twice the intersection over the sum of both areas, in [0, 1]; equals 2 IoU / (1 + IoU).

    Takes what `iou` takes.
    """
    both, predicted, true = _overlap(mask, truth, valid)
    return _counted(2 * both / (predicted + true), predicted, true, over)


def iou_at(
    heat: Float[Tensor, "batch height width"],
    cuts: Float[Tensor, "batch thresholds"],
    truth: Bool[Tensor, "batch height width"],
    *,
    over: Over = "positives",
) -> Float[Tensor, "batch thresholds"]:
    """`iou` of every map's mask above every one of its thresholds, where the heat is judged.

    Pixels are counted once, however many thresholds there are: each by how many of them it exceeds, and by whether it
    is true. The areas above a threshold are sums of such counts.
    """
    levels = cuts.shape[1] + 1
    ordered, order = cuts.sort(dim=1)
    kinds = (truth & ~heat.isnan()).int() * levels
    for cut in ordered.T:
        kinds += heat > cut[:, None, None]
    kinds += 2 * levels * torch.arange(len(heat), dtype=torch.int32, device=heat.device)[:, None, None]
    counts = torch.bincount(kinds.flatten(), minlength=2 * levels * len(heat)).view(-1, 2, levels).float()
    # The area above threshold k is that of the pixels which exceed more than k of them.
    above = counts.flip(2).cumsum(dim=2).flip(2)
    both, predicted = above[:, 1, 1:], above.sum(dim=1)[:, 1:]
    true = above[:, 1, :1]
    scores = _counted(both / (predicted + true - both), predicted, true, over)
    return scores.gather(1, order.argsort(dim=1))


def cnr(
    heat: Float[Tensor, "*batch height width"],
    truth: Bool[Tensor, "*#batch height width"],
    *,
    absolute: bool = False,
) -> Float[Tensor, "*batch"]:
    """Contrast-to-noise ratio: how far the heat inside the truth stands above the heat outside.

    `(mean_in - mean_out) / sqrt(var_in + var_out)` with population variances. It needs no threshold and does not change
    when the heat is scaled or shifted. Signed, as in AFLoc's numbers: heat in the wrong place is negative.
    `absolute=True` gives BioViL's formula, which cannot tell right from wrong. A map without variance on either side is
    0 (as in AFLoc's code); a truth that covers everything leaves no outside and is undefined.
    """
    valid = ~heat.isnan()
    heat = heat.nan_to_num(0.0)
    mean_in, var_in = _moments(heat, truth & valid)
    mean_out, var_out = _moments(heat, ~truth & valid)
    noise = (var_in + var_out).sqrt()
    ratio = torch.where(noise == 0, 0.0, (mean_in - mean_out) / noise)
    return ratio.abs() if absolute else ratio


def pointing(
    heat: Float[Tensor, "*batch height width"], truth: Bool[Tensor, "*#batch height width"]
) -> Float[Tensor, "*batch"]:
    """Pointing game: 1 where the highest pixel lies in the truth, else 0.

    Of several highest pixels any may hit. A constant map points nowhere and misses.
    """
    valid = ~heat.isnan()
    truth = truth & valid
    highest = heat.nan_to_num(-torch.inf, posinf=torch.inf, neginf=-torch.inf).amax(dim=(-2, -1))
    lowest = heat.nan_to_num(torch.inf, posinf=torch.inf, neginf=-torch.inf).amin(dim=(-2, -1))
    hit = ((heat == highest[..., None, None]) & truth).any(dim=-1).any(dim=-1) & (highest > lowest)
    return torch.where(_area(truth) > 0, hit.to(heat.dtype), torch.nan)


def points_hit(
    points: Float[Tensor, "*batch points 2"], truth: Bool[Tensor, "*batch height width"]
) -> Float[Tensor, "*batch"]:
    """Hit rate of points that people marked: 1 where any lies in the truth, else 0 (CheXlocalize's human benchmark).

    Args:
        points: x and y in pixels from the left upper corner, of which a pixel covers [i, i + 1); NaN where a row has
            fewer points than others. Points outside the image, and no points at all, miss.
        truth: true pixels; NaN is returned where there are none.
    """
    height, width = truth.shape[-2:]
    columns, rows = points.nan_to_num(-1.0).floor().long().unbind(dim=-1)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    places = rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)
    hit = (truth.flatten(-2).gather(-1, places) & inside).any(dim=-1)
    return torch.where(_area(truth) > 0, hit.to(points.dtype), torch.nan)


def _area(pixels: Bool[Tensor, "*batch height width"]) -> Float[Tensor, "*batch"]:
    return pixels.float().sum(dim=(-2, -1))  # summing floats is several times faster than counting booleans


def _overlap(
    mask: Bool[Tensor, "*batch height width"],
    truth: Bool[Tensor, "*#batch height width"],
    valid: Bool[Tensor, "*#batch height width"] | None,
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"], Float[Tensor, "*#batch"]]:
    """Areas in common, of the mask and of the truth."""
    if valid is not None:
        mask, truth = mask & valid, truth & valid
    return _area(mask & truth), _area(mask), _area(truth)


def _counted(
    score: Float[Tensor, "*batch"],
    predicted: Float[Tensor, "*batch"],
    true: Float[Tensor, "*#batch"],
    over: Over,
) -> Float[Tensor, "*batch"]:
    """NaN for the pairs that do not count; where both areas are 0 the score is NaN already."""
    if over == "true positives":
        score = torch.where(predicted == 0, torch.nan, score)
    return score if over == "all" else torch.where(true == 0, torch.nan, score)


def _moments(
    heat: Float[Tensor, "*batch height width"], region: Bool[Tensor, "*batch height width"]
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """Mean and population variance over a region; NaN for an empty one."""
    pixels = region.to(heat.dtype)
    number = pixels.sum(dim=(-2, -1))
    mean = (heat * pixels).sum(dim=(-2, -1)) / number
    variance = ((heat - mean[..., None, None]).square() * pixels).sum(dim=(-2, -1)) / number
    return mean, variance
