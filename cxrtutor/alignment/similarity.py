"""How well does each report's text fit each image, region by region?

The one kernel of local alignment (GLoRIA's equations, Huang et al., ICCV 2021): text units, be they words or sentences,
look for themselves in the regions of an image. For image `i` with regions `r_m` and report `j` with units `u_k`

    p_mk = softmax_k(<r_m, u_k>)        each region shares itself out among the units of one report
    a_mk = softmax_m(t1 * p_mk)         each unit attends to the regions
    c_k  = sum_m a_mk r_m               and gathers its context
    Z_ij = log sum_k exp(t2 * cos(c_k, u_k))

A batch asks this of every image with every report. Two things keep that affordable:

- Units of all reports lie on one axis, sorted by the length of their report (`ragged.py`). Reports of equal length are
  then a dense block, so that every softmax is a plain one and no padding is ever computed.
- The gradient is written by hand, a few images at a time. Scaling a context does not change its cosine, so the gradient
  of the attention's softmax needs no correction term; and of the tensors as large as images x regions x units only the
  shares are kept, as far as `KEPT_BYTES` goes: beyond it they are computed again.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .ragged import Runs, by_length, sorted_by_length

KEPT_BYTES = 2**28
"""What one call may keep from its forward for its backward pass; the rest is computed again."""

CHUNK_ELEMENTS = 2**19
"""Regions x units handled at once: 2 MiB of float32, which stay in a core's cache."""

SMALLEST_NORM = 1e-8
"""A vector shorter than this has no direction: its cosine with anything is 0 and has no gradient."""


def local_similarity(
    regions: Float[Tensor, "images regions dim"],
    units: Float[Tensor, "reports units dim"],
    unit_mask: Bool[Tensor, "reports units"],
    *,
    attention_temperature: float = 4.0,
    aggregation_temperature: float = 5.0,
    aggregation: Literal["sum", "mean"] = "sum",
    background: bool = False,
) -> Float[Tensor, "images reports"]:
    """The similarity `Z` of every image with every report.

    Half-precision inputs are computed in float32, under autocast too; float64 stays float64. It can be differentiated
    once, not twice.

    Args:
        regions: one vector a cell of a feature map, not normalised.
        units: words or sentences, not normalised; what stands where `unit_mask` is False is never read.
        unit_mask: True where there is a unit.
        attention_temperature: `t1`. Like all temperatures of GLoRIA it *multiplies*.
        aggregation_temperature: `t2`, of the log-sum-exp over units; it too multiplies.
        aggregation: "sum" as in the paper, which favours reports with many units, or "mean", which subtracts `ln n_j`.
        background: let each region also choose a background with the score 0. Without it the regions of a report with
            a single unit have no choice, and its attention is uniform. Our addition, no paper's.

    Returns:
        `Z`; minus infinity, the logarithm of an empty sum, for a report without units.
    """
    dtype = torch.promote_types(torch.promote_types(regions.dtype, units.dtype), torch.float32)
    flat, runs, place = sorted_by_length(units, unit_mask)
    with torch.autocast(regions.device.type, enabled=False):
        cosines = _ContextCosines.apply(regions.to(dtype), flat.to(dtype), runs, attention_temperature, background)
        aggregated = [(aggregation_temperature * block).logsumexp(dim=2) for block in by_length(cosines, runs)]
        similarity = torch.cat([cosines[:, :0], *aggregated], dim=1)[:, place]
        return similarity - unit_mask.sum(dim=1).clamp(min=1).to(dtype).log() if aggregation == "mean" else similarity


@torch.no_grad()
def matching_attention(
    regions: Float[Tensor, "pairs regions dim"],
    units: Float[Tensor, "pairs units dim"],
    unit_mask: Bool[Tensor, "pairs units"],
    *,
    attention_temperature: float = 4.0,
    background: bool = False,
) -> Float[Tensor, "pairs units regions"]:
    """The attention `a` of each report's units in its own image, for drawing: float32, detached, zero at padding."""
    with torch.autocast(regions.device.type, enabled=False):
        scores = units.float() @ regions.float().mT
        scores = scores.masked_fill(~unit_mask[..., None], -torch.inf)
        shares = _softmax_over_units(scores, background).nan_to_num(0.0)
        return (attention_temperature * shares).softmax(dim=-1) * unit_mask[..., None]


class _ContextCosines(torch.autograd.Function):
    """`cos(c_k, u_k)` [images, units] for all units of all reports on one axis, in runs of (reports, length)."""

    @staticmethod
    def forward(ctx, regions, units, runs, temperature, background):
        images_at_once = max(1, CHUNK_ELEMENTS // max(1, regions.shape[1] * len(units)))
        chunks = [slice(start, start + images_at_once) for start in range(0, len(regions), images_at_once)]
        unit_directions, unit_scale = _normalize(units)
        cosines = regions.new_empty(len(regions), len(units))
        context_scales = torch.empty_like(cosines)
        room, kept = KEPT_BYTES if any(ctx.needs_input_grad) else 0, []
        for chunk in chunks:
            shares = _shares(regions[chunk], units, runs, background)
            contexts = (temperature * shares).softmax(dim=-1) @ regions[chunk]
            directions, context_scales[chunk] = _normalize(contexts)
            cosines[chunk] = (directions * unit_directions).sum(dim=-1)
            room -= (shares.numel() + directions.numel()) * shares.element_size()
            if room >= 0:
                kept += [shares, directions]
        ctx.save_for_backward(regions, units, unit_directions, unit_scale, cosines, context_scales, *kept)
        ctx.settings = runs, temperature, background, chunks
        return cosines

    @staticmethod
    @once_differentiable
    def backward(ctx, d_cosines):
        with torch.autocast(d_cosines.device.type, enabled=False):
            return _ContextCosines._backward(ctx, d_cosines)

    @staticmethod
    def _backward(ctx, d_cosines):
        regions, units, unit_directions, unit_scale, cosines, context_scales, *kept = ctx.saved_tensors
        runs, temperature, background, chunks = ctx.settings
        d_regions = torch.empty_like(regions)
        d_unit_directions = -unit_directions * (d_cosines * cosines).sum(dim=0)[:, None]
        d_scores_regions = torch.zeros_like(units)
        for index, chunk in enumerate(chunks):
            if 2 * index < len(kept):
                shares, directions = kept[2 * index : 2 * index + 2]
                attention = (temperature * shares).softmax(dim=-1)
            else:
                shares = _shares(regions[chunk], units, runs, background)
                attention = (temperature * shares).softmax(dim=-1)
                directions = (attention @ regions[chunk]) * context_scales[chunk][..., None]

            # d cos(c, u) / dc is (u/|u| - cos c/|c|) / |c|; that of u is its mirror image.
            d_unit_directions += (d_cosines[chunk][..., None] * directions).sum(dim=0)
            d_contexts = unit_directions - cosines[chunk][..., None] * directions
            d_contexts *= (d_cosines[chunk] * context_scales[chunk])[..., None]
            torch.bmm(attention.mT, d_contexts, out=d_regions[chunk])

            # A softmax's gradient is a * (d_a - sum a d_a). Here the sum is <d_c, c>, which is zero: see the top.
            d_scores = d_contexts @ regions[chunk].mT
            d_scores *= attention
            d_scores *= shares
            for block, share in zip(by_length(d_scores, runs), by_length(shares, runs), strict=True):
                block.addcmul_(share, block.sum(dim=-2, keepdim=True), value=-1)
            d_regions[chunk].baddbmm_(d_scores.mT, units.expand(len(d_scores), -1, -1), alpha=temperature)
            d_scores_regions += (d_scores @ regions[chunk]).sum(dim=0)
        d_units = d_unit_directions * unit_scale[:, None] + temperature * d_scores_regions
        return d_regions, d_units, None, None, None


def _shares(regions: Tensor, units: Tensor, runs: Runs, background: bool) -> Tensor:
    """`p` [images, units, regions]."""
    # Not `units @ regions.mT`, which lays its result out transposed where there is a single image.
    scores = torch.bmm(units.expand(len(regions), -1, -1), regions.mT)
    for block in by_length(scores, runs):
        block.copy_(_softmax_over_units(block, background))
    return scores


def _softmax_over_units(scores: Tensor, background: bool) -> Tensor:
    """Softmax over the units [..., units, regions] of one report, with a further unit of score 0 for the background."""
    return F.pad(scores, (0, 0, 0, 1)).softmax(dim=-2)[..., :-1, :] if background else scores.softmax(dim=-2)


def _normalize(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Directions, and the inverse lengths that made them; both zero for a vector without a direction."""
    norms = vectors.norm(dim=-1)
    scales = torch.where(norms > SMALLEST_NORM, 1 / norms, 0)
    return vectors * scales[..., None], scales
