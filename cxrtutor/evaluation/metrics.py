"""How well a mask or a heat map fits the truth: IoU, Dice, CNR and the pointing game, for whole batches.

Rules shared by all four:

- Where there is nothing to find (no true pixel among those that are judged), a metric is undefined: NaN, to be counted
  and reported, never averaged in.
- Pixels that are not judged (NaN in a heat map, False in `valid`) do not exist.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def iou(
    mask: Bool[Tensor, "*batch height width"],
    truth: Bool[Tensor, "*#batch height width"],
    valid: Bool[Tensor, "*#batch height width"] | None = None,
    *,
    empty_prediction: float = 0.0,
) -> Float[Tensor, "*batch"]:
    """Intersection over union (Jaccard index), in [0, 1].

    Args:
        mask: predicted pixels.
        truth: true pixels; dimensions before the last two broadcast, so that many thresholds share one truth.
        valid: pixels that are judged; all by default.
        empty_prediction: what an empty mask scores where there is something to find. 0 is what the formula gives;
            AFLoc's code has NaN, which leaves such images out of the mean and so flatters.
    """
    both, predicted, true = _overlap(mask, truth, valid)
    return _scored(both / (predicted + true - both), predicted, true, empty_prediction)


def dice(
    mask: Bool[Tensor, "*batch height width"],
    truth: Bool[Tensor, "*#batch height width"],
    valid: Bool[Tensor, "*#batch height width"] | None = None,
    *,
    empty_prediction: float = 0.0,
) -> Float[Tensor, "*batch"]:
    """Dice coefficient: twice the intersection over the sum of both areas, in [0, 1]; equals 2 IoU / (1 + IoU).

    Takes what `iou` takes.
    """
    both, predicted, true = _overlap(mask, truth, valid)
    return _scored(2 * both / (predicted + true), predicted, true, empty_prediction)


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


def _scored(
    score: Float[Tensor, "*batch"],
    predicted: Float[Tensor, "*batch"],
    true: Float[Tensor, "*#batch"],
    empty_prediction: float,
) -> Float[Tensor, "*batch"]:
    score = torch.where(predicted == 0, empty_prediction, score)
    return torch.where(true == 0, torch.nan, score)


def _moments(
    heat: Float[Tensor, "*batch height width"], region: Bool[Tensor, "*batch height width"]
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """Mean and population variance over a region; NaN for an empty one."""
    pixels = region.to(heat.dtype)
    number = pixels.sum(dim=(-2, -1))
    mean = (heat * pixels).sum(dim=(-2, -1)) / number
    variance = ((heat - mean[..., None, None]).square() * pixels).sum(dim=(-2, -1)) / number
    return mean, variance
