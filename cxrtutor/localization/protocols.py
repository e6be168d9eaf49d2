"""The protocols of published localization results: how a similarity map becomes a heat map, and a heat map masks.

A number without its protocol says little: the same maps rank methods differently under different protocols. So a
protocol is one named value, and what was measured under one is never set beside what was measured under another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..errors import InputError
from .heatmap import Upsampling, attention, keep_centre, min_max, smooth, upsample, zero_where_silent
from .threshold import otsu, top_share

Step = Callable[[Tensor], Tensor]
ThresholdRule = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Protocol:
    """A composition of steps from a similarity map to masks, and the conventions of measuring them.

    Attributes:
        name: what tables and records call it.
        on_grid: steps on the patch grid, before upsampling.
        upsampling: how the grid becomes pixels.
        on_pixels: steps on the image's pixels, after upsampling.
        thresholds: fixed values for all maps, or a rule that chooses one for each map.
        over_thresholds: "mean" of a metric over several thresholds; "best" takes the best in hindsight, which needs the
            truth: an upper bound, no method can reach it knowingly.
        empty_prediction: what an empty mask scores where there is something to find: 0, or NaN to leave the image out.
    """

    name: str
    on_grid: tuple[Step, ...]
    upsampling: Upsampling
    on_pixels: tuple[Step, ...]
    thresholds: tuple[float, ...] | ThresholdRule
    over_thresholds: Literal["mean", "best"] = "mean"
    empty_prediction: float = 0.0

    def heat(
        self, similarity: Float[Tensor, "batch grid_height grid_width"], size: tuple[int, int]
    ) -> Float[Tensor, "batch height width"]:
        """Similarity maps of letterboxed squares as heat maps on the pixels of images of one `size` (height, width).

        NaN marks pixels that the protocol does not judge, the same for every map. A map that is constant or holds NaN
        gives an empty prediction (`zero_where_silent`).
        """
        maps = zero_where_silent(similarity)
        for step in self.on_grid:
            maps = step(maps)
        maps = upsample(maps, size, self.upsampling)
        for step in self.on_pixels:
            maps = step(maps)
        return maps

    def cuts(self, heat: Float[Tensor, "batch height width"]) -> Float[Tensor, "batch thresholds"]:
        """The thresholds of every heat map."""
        if callable(self.thresholds):
            return self.thresholds(heat)[:, None]
        return torch.tensor(self.thresholds, dtype=heat.dtype, device=heat.device).expand(len(heat), -1)

    def masks(self, heat: Float[Tensor, "batch height width"]) -> Bool[Tensor, "batch thresholds height width"]:
        """The pixels above every threshold."""
        return heat[:, None] > self.cuts(heat)[:, :, None, None]


AFLOC = Protocol(
    name="afloc",
    on_grid=(partial(smooth, sigma=1.5),),
    upsampling="bilinear",
    on_pixels=(partial(keep_centre, fraction=7 / 8), partial(min_max, low=-1.0, high=1.0)),
    thresholds=(0.1, 0.2, 0.3, 0.4, 0.5),
)
"""AFLoc's inference code (the course's default), but an empty prediction scores 0."""

CHEXLOCALIZE = Protocol(
    name="chexlocalize",
    on_grid=(),
    upsampling="bilinear",
    on_pixels=(partial(min_max, low=0.0, high=1.0),),
    thresholds=otsu,
)
"""CheXlocalize with its default threshold."""

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        AFLOC,
        # As AFLoc's code has it: a map without a single predicted pixel is left out, which flatters whoever gives none.
        replace(AFLOC, name="afloc-skipping-empty", empty_prediction=float("nan")),
        # BioViL thresholds the similarity itself: made for cosines, it depends on the scale of a dot product.
        Protocol("biovil", (partial(smooth, sigma=1.5),), "nearest", (), (0.1, 0.2, 0.3, 0.4, 0.5)),
        # .008 on 14x14 cells; the softmax makes it depend on the scale of the similarity.
        Protocol("medklip", (attention,), "nearest", (), (0.008 * 14 * 14,)),
        CHEXLOCALIZE,
        replace(CHEXLOCALIZE, name="top-5-percent", thresholds=partial(top_share, share=0.05)),
        replace(
            CHEXLOCALIZE,
            name="best",
            thresholds=tuple(round(0.01 * step, 2) for step in range(100)),
            over_thresholds="best",
        ),
    )
}
"""All protocols by name."""


def protocol_named(protocol: str | Protocol) -> Protocol:
    """The protocol of that name; a `Protocol` is returned as it is.

    Raises:
        InputError: there is none of that name.
    """
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in PROTOCOLS:
        raise InputError(f"There is no protocol {protocol!r}. Choose one of: {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[protocol]
