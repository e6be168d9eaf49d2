"""How cheaply can the mass of each image's regions be moved onto each report's units?

The kernel of alignment by optimal transport. An image's regions carry one unit of mass in equal parts, and so do the
units of a report; moving mass from a region to a unit costs `1 - cos`. A pair is as similar as minus the least cost,
entropy included: minus the `value` of `sinkhorn`. At the optimum that value's gradient with respect to the cost is the
plan itself, so that no iteration need ever be differentiated.

A batch asks this of every image with every report. Three things keep that affordable:

- Reports of equal length are a dense block (`ragged.py`), so that no padding is computed.
- After half an iteration in the log domain the kernel `K = exp((f + g - C) / epsilon)` is in range, and iterations are
  two products with it, which scale its rows and columns, instead of two logarithms of sums of exponentials (Schmitzer,
  SIAM J. Sci. Comput. 2019). Where the scalings leave the range of the numbers, and masses that vanished in `K` might
  matter, the block is solved in the log domain after all.
- Of the tensors as large as images x regions x units only the plans are kept for the backward pass, as far as
  `KEPT_BYTES` goes: beyond it they are computed again.
"""

from __future__ import annotations

import math
from dataclasses import asdict

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from .global_alignment import directions
from .ragged import Runs, by_length, sorted_by_length
from .similarity import KEPT_BYTES
from .sinkhorn import SinkhornSettings, sinkhorn

CHUNK_ELEMENTS = 2**21
"""Regions x units handled at once: 8 MiB of float32, in as many blocks as there are lengths of reports. With fewer the
many small operations cost more than what they compute."""


def cross_modal_cost(
    regions: Float[Tensor, "*#batch regions dim"], units: Float[Tensor, "*#batch units dim"]
) -> Float[Tensor, "*#batch regions units"]:
    """`1 - cos` of every region with every unit, from 0 to 2; 1 where a vector has no direction."""
    return 1 - directions(regions) @ directions(units).mT


def unimodal_cost(vectors: Float[Tensor, "*batch vectors dim"]) -> Float[Tensor, "*batch vectors vectors"]:
    """`1 - cos` of the vectors of one modality with each other.

    No objective here uses it. It is what Gromov-Wasserstein transport compares, which knows distances within the image
    and within the report but none between them.
    """
    return cross_modal_cost(vectors, vectors)


def transport_similarity(
    regions: Float[Tensor, "images regions dim"],
    units: Float[Tensor, "reports units dim"],
    unit_mask: Bool[Tensor, "reports units"],
    settings: SinkhornSettings,
    *,
    visible: Bool[Tensor, "images regions"] | None = None,
) -> Float[Tensor, "images reports"]:
    """Minus the least cost of moving every image's regions onto every report's units.

    Half-precision inputs are computed in float32, under autocast too; float64 stays float64. It can be differentiated
    once, not twice. The gradient takes the plan for the optimum's, without unrolling: it is as exact as the plan is.

    Args:
        regions: one vector a cell of a feature map; only its direction counts.
        units: words or sentences; what stands where `unit_mask` is False is never read.
        unit_mask: True where there is a unit.
        settings: balanced, unbalanced or partial; regions are the rows of the plan and units its columns.
        visible: False where a region has no mass; None where all have.

    Returns:
        The similarities; 0 for a report without units or an image without visible regions, as `sinkhorn` has it.
    """
    dtype = torch.promote_types(torch.promote_types(regions.dtype, units.dtype), torch.float32)
    with torch.autocast(regions.device.type, enabled=False):
        rows, mass, seen = _with_mass(regions.to(dtype), visible)
        columns, runs, place = sorted_by_length(units.to(dtype), unit_mask)
        similarity = _Transport.apply(directions(rows), directions(columns), mass, runs, settings)
        return similarity[:, place].masked_fill(~seen[:, None], 0)


@torch.no_grad()
def matching_plan(
    regions: Float[Tensor, "pairs regions dim"],
    units: Float[Tensor, "pairs units dim"],
    unit_mask: Bool[Tensor, "pairs units"],
    settings: SinkhornSettings,
    *,
    visible: Bool[Tensor, "pairs regions"] | None = None,
) -> Float[Tensor, "pairs units regions"]:
    """Where the mass of each report's units comes from in its own image, for drawing: float32, detached, 0 at padding.

    A unit's row sums to the mass that it gets: where transport is balanced one part in as many as there are units.
    """
    with torch.autocast(regions.device.type, enabled=False):
        rows, mass, seen = _with_mass(regions.float(), visible)
        scores = (directions(units.float()) @ directions(rows).mT).sub_(1).div_(settings.epsilon)
        plans, lengths = torch.zeros_like(scores), unit_mask.sum(dim=1)
        for length in lengths[seen].unique().tolist():
            chosen = seen & (lengths == length)
            block = scores[unit_mask & chosen[:, None]].view(int(chosen.sum()), 1, length, scores.shape[2])
            _solved_in_place(block, mass[chosen, None], settings)
            plans[unit_mask & chosen[:, None]] = block.flatten(0, 2)
        return plans


def _with_mass(regions: Tensor, visible: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Regions, their masses, and which images have any.

    A hidden region stands in as a copy of a visible one, so that every number stays in range; its mass is 0. Of an
    image without visible regions all have mass, and what comes of it is not to be used.
    """
    if visible is None:
        visible = torch.ones_like(regions[..., 0], dtype=torch.bool)
    stand_in = regions.take_along_dim(visible.int().argmax(dim=1)[:, None, None], dim=1)
    seen = visible.any(dim=1)
    mass = torch.where(seen[:, None], visible, True).to(regions.dtype)
    return torch.where(visible[..., None], regions, stand_in), mass / mass.sum(dim=1, keepdim=True), seen


class _Transport(torch.autograd.Function):
    """Minus the values [images, reports], reports sorted by length, of directions with masses [images, regions]."""

    @staticmethod
    def forward(ctx, regions, units, mass, runs, settings):
        images_at_once = max(1, CHUNK_ELEMENTS // max(1, regions.shape[1] * len(units)))
        chunks = [slice(start, start + images_at_once) for start in range(0, len(regions), images_at_once)]
        values = regions.new_empty(len(regions), sum(reports for reports, _ in runs))
        room, kept = KEPT_BYTES if any(ctx.needs_input_grad) else 0, []
        for chunk in chunks:
            values[chunk], plans = _solved(regions[chunk], units, mass[chunk], runs, settings)
            room -= plans.numel() * plans.element_size()
            if room >= 0:
                kept.append(plans)
        ctx.save_for_backward(regions, units, mass, *kept)
        ctx.settings = runs, settings, chunks
        return -values

    @staticmethod
    @once_differentiable
    def backward(ctx, d_similarity):
        with torch.autocast(d_similarity.device.type, enabled=False):
            return _Transport._backward(ctx, d_similarity)

    @staticmethod
    def _backward(ctx, d_similarity):
        regions, units, mass, *kept = ctx.saved_tensors
        runs, settings, chunks = ctx.settings
        lengths = torch.tensor([length for reports, length in runs for _ in range(reports)]).to(
            units.device, torch.long
        )
        d_similarity = d_similarity.repeat_interleave(lengths, dim=1)
        d_regions, d_units = torch.empty_like(regions), torch.zeros_like(units)
        for index, chunk in enumerate(chunks):
            plans = kept[index] if index < len(kept) else _solved(regions[chunk], units, mass[chunk], runs, settings)[1]
            # d value / d cost is the plan, and both a sign and a cost's falling with the cosine turn it around.
            d_cosines = d_similarity[chunk][..., None] * plans
            torch.matmul(d_cosines.mT, units, out=d_regions[chunk])
            d_units += (d_cosines @ regions[chunk]).sum(dim=0)
        return d_regions, d_units, None, None, None


def _solved(
    regions: Tensor, units: Tensor, mass: Tensor, runs: Runs, settings: SinkhornSettings
) -> tuple[Tensor, Tensor]:
    """Values [images, reports] and plans [images, units, regions]."""
    # Not `units @ regions.mT`, which lays its result out transposed where there is a single image.
    scores = torch.bmm((units / settings.epsilon).expand(len(regions), -1, -1), regions.mT).sub_(1 / settings.epsilon)
    mass = mass[:, None]
    values = [_solved_in_place(block, mass, settings) for block in by_length(scores, runs)]
    return torch.cat([scores[:, :0, 0], *values], dim=1), scores


def _solved_in_place(scores: Tensor, mass: Tensor, settings: SinkhornSettings) -> Tensor:
    """Values [images, reports] of a block of scores `-C / epsilon`, which become plans.

    Scores are [images, reports, units, regions]; units have equal masses, regions `mass` [images, 1, regions].
    """
    length = scores.shape[2]
    if length == 0:
        return scores.new_zeros(scores.shape[:2])
    scaled = _scaled if settings.mass is None else _scaled_in_part
    kernel, u, v, gained = scaled(scores, mass, settings)
    in_range = u.amax() * v.amax() < torch.finfo(scores.dtype).tiny ** -0.5 and gained.isfinite().all()
    if not in_range:
        cost, units = -settings.epsilon * scores.mT, mass.new_full((length,), 1 / length)
        transport = sinkhorn(cost, mass, units, **asdict(settings))
        scores.copy_(transport.plan.mT)
        return transport.value
    torch.mul(kernel, (mass * u)[..., None, :], out=scores).mul_(v[..., None] / length)
    return gained - settings.epsilon * (scores.sum((-2, -1)) - 1)


def _scaled(scores: Tensor, mass: Tensor, settings: SinkhornSettings) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Balanced and unbalanced transport: kernel, scalings of regions and of units, and what the dual gains by both."""
    to_regions, to_units = settings.exponents
    length = scores.shape[2]
    f = -to_regions * (scores.logsumexp(2) - math.log(length))
    kernel = scores + f[:, :, None]
    g = -kernel.amax(3)
    kernel.add_(g[..., None]).exp_()
    u, rest_f, rest_g = torch.ones_like(f), (to_regions - 1) * f, (to_units - 1) * g
    weighted = torch.empty_like(kernel)
    for iteration in range(settings.iterations):
        if iteration:
            u = ((v / length)[:, :, None] @ kernel).squeeze(2)
            u = u.reciprocal_() if to_regions == 1 else u.log_().mul_(-to_regions).add_(rest_f).exp_()
        reach = torch.mul(kernel, (mass * u)[:, :, None], out=weighted).sum(3)
        v = (rest_g - to_units * reach.log()).exp()
    gains = settings.gain(settings.epsilon * (f + u.log()), settings.epsilon * (g + v.log()))
    return kernel, u, v, (mass * gains[0]).sum(2) + gains[1].mean(2)


def _scaled_in_part(scores: Tensor, mass: Tensor, settings: SinkhornSettings) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Partial transport: as `_scaled`, with the potential of the whole mass in the kernel."""
    length = scores.shape[2]
    top = scores.amax((2, 3), keepdim=True)
    kernel = (scores - top).exp_()
    top = top[..., 0]
    v, excess, weighted = scores.new_ones(scores.shape[:3]), (-top).exp(), torch.empty_like(kernel)
    for _ in range(settings.iterations):
        reach = ((v / length)[:, :, None] @ kernel).squeeze(2)
        u = (excess / reach).clamp_(max=1)
        reach = torch.mul(kernel, (mass * u)[:, :, None], out=weighted).sum(3)
        v = (excess / reach).clamp(max=1)
        excess = (v * reach).mean(2, keepdim=True) / settings.mass
    gained = (mass * u.log()).sum(2) + v.log().mean(2) - settings.mass * (excess.log() + top)[..., 0]
    return kernel, u, v / excess, settings.epsilon * gained
