"""The protocols of published localization results: how a similarity map becomes a heat map, and a heat map masks.

A number without its protocol says little: the same maps rank methods differently under different protocols. So a
protocol is one named value, and what was measured under one is never set beside what was measured under another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..errors import InputError
from .heatmap import Upsampling, attention, keep_centre, min_max, smooth, upsample, zero_where_silent
from .presence import gate_score
from .threshold import otsu, top_share

Step = Callable[[Tensor], Tensor]
ThresholdRule = Callable[[Tensor], Tensor]

Over = Literal["positives", "true positives", "all"]
"""Which pairs of a mask and a truth IoU and Dice count; they are undefined for the others.

- "positives": those with something to find. An empty mask there scores 0.
- "true positives": those where neither is empty, as AFLoc's code has it and CheXlocalize's `true_pos_only=True`. It
  leaves out what a method misses altogether, and so flatters.
- "all": those where not both are empty. A mask where there is nothing to find scores 0: CheXlocalize's
  `true_pos_only=False`.
"""


@dataclass(frozen=True)
class PerFinding:
    """A threshold, and perhaps a gate, for each finding, chosen on a validation split by `evaluation.tuning`.

    Attributes:
        candidates: the thresholds to choose among.
        thresholds: the chosen ones by finding; empty as long as none was chosen.
        gates: None without a gate. Else by finding the least `gate_score` at which a map's mask is not emptied.
    """

    candidates: tuple[float, ...]
    thresholds: Mapping[str, float] = field(default_factory=dict)
    gates: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Protocol:
    """A composition of steps from a similarity map to masks, and the conventions of measuring them.

    Attributes:
        name: what tables and records call it.
        on_grid: steps on the patch grid, before upsampling.
        upsampling: how the grid becomes pixels.
        on_pixels: steps on the image's pixels, after upsampling.
        thresholds: fixed values for all maps, a rule that chooses one for each map, or one for each finding.
        over_thresholds: "mean" of a metric over several thresholds; "best" takes the best in hindsight, which needs the
            truth: an upper bound, no method can reach it knowingly.
        over: which pairs of a mask and a truth count.
    """

    name: str
    on_grid: tuple[Step, ...]
    upsampling: Upsampling
    on_pixels: tuple[Step, ...]
    thresholds: tuple[float, ...] | ThresholdRule | PerFinding
    over_thresholds: Literal["mean", "best"] = "mean"
    over: Over = "positives"

    @property
    def upper_bound(self) -> bool:
        """Whether thresholds are chosen by the very truth that they are measured against."""
        return self.over_thresholds == "best"

    @property
    def stretches(self) -> bool:
        """Whether every map is stretched to one range, so that the unit of its similarities does not matter."""
        return any(getattr(step, "func", None) is min_max for step in self.on_pixels)

    @property
    def untuned(self) -> bool:
        """Whether thresholds have to be chosen on a validation split before anything can be cut."""
        return isinstance(self.thresholds, PerFinding) and not self.thresholds.thresholds

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

    def cuts(
        self,
        heat: Float[Tensor, "batch height width"],
        findings: Sequence[str] = (),
        presence: Float[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch thresholds"]:
        """The thresholds of every heat map.

        Args:
            heat: what `heat` gave.
            findings: the category that each map was asked for; needed by thresholds of findings.
            presence: of each similarity map (`presence.presence`); needed by gates. Below its finding's gate a map's
                threshold is infinite, so that its mask is empty.

        Raises:
            InputError: thresholds of findings have not been tuned, or not for one of these, or what they need is
                missing.
        """
        if isinstance(self.thresholds, PerFinding):
            return self._cuts_of(self.thresholds, findings, presence).to(heat)[:, None]
        if callable(self.thresholds):
            return self.thresholds(heat)[:, None]
        return torch.tensor(self.thresholds, dtype=heat.dtype, device=heat.device).expand(len(heat), -1)

    def masks(
        self,
        heat: Float[Tensor, "batch height width"],
        findings: Sequence[str] = (),
        presence: Float[Tensor, " batch"] | None = None,
    ) -> Bool[Tensor, "batch thresholds height width"]:
        """The pixels above every threshold; takes and raises what `cuts` does."""
        return heat[:, None] > self.cuts(heat, findings, presence)[:, :, None, None]

    def _cuts_of(
        self, tuned: PerFinding, findings: Sequence[str], presence: Float[Tensor, " batch"] | None
    ) -> Float[Tensor, " batch"]:
        if self.untuned:
            raise InputError(
                f"The protocol {self.name!r} has no thresholds yet. Choose them on the validation split: "
                "`evaluation.tuning.tune` gives the protocol to measure with."
            )
        if not findings or (tuned.gates is not None and presence is None):
            raise InputError(f"The protocol {self.name!r} cuts by finding, and by presence where gated. Give both.")
        for finding in findings:
            if finding not in tuned.thresholds:
                raise InputError(
                    f"The protocol {self.name!r} has no threshold for {finding!r}, which its validation split does not "
                    f"show; it has those of {', '.join(tuned.thresholds)}."
                )
        cuts = torch.tensor([tuned.thresholds[finding] for finding in findings])
        if tuned.gates is None:
            return cuts
        gates = torch.tensor([tuned.gates[finding] for finding in findings])
        return torch.where(gate_score(presence).cpu() >= gates, cuts, torch.inf)


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
"""CheXlocalize with its default threshold. Its code leaves out empty masks, which only constant maps give under it."""

CHEXLOCALIZE_TUNED = replace(
    CHEXLOCALIZE, name="chexlocalize-tuned", thresholds=PerFinding((0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8))
)
"""CheXlocalize with a threshold a finding, that of the best mean IoU on validation."""

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        AFLOC,
        # As AFLoc's code has it: a map without a single predicted pixel is left out, which flatters whoever gives none.
        replace(AFLOC, name="afloc-skipping-empty", over="true positives"),
        # BioViL thresholds the similarity itself: made for cosines, it depends on the scale of a dot product. It judges
        # the square of 480 pixels that it crops from the centre of an image whose shorter side is 512.
        Protocol(
            name="biovil",
            on_grid=(partial(smooth, sigma=1.5),),
            upsampling="nearest",
            on_pixels=(partial(keep_centre, fraction=15 / 16, of="shorter"),),
            thresholds=(0.1, 0.2, 0.3, 0.4, 0.5),
        ),
        # .008 on 14x14 cells; the softmax makes it depend on the scale of the similarity.
        Protocol("medklip", (attention,), "nearest", (), (0.008 * 14 * 14,)),
        CHEXLOCALIZE,
        CHEXLOCALIZE_TUNED,
        # AFLoc's branch for CheXlocalize. A gate can only do good where films without the finding count.
        replace(
            CHEXLOCALIZE,
            name="chexlocalize-gated",
            thresholds=PerFinding((0.2, 0.3, 0.4, 0.5, 0.6, 0.7), gates={}),
            over="all",
        ),
        replace(CHEXLOCALIZE, name="top-5-percent", thresholds=partial(top_share, share=0.05)),
        # An upper bound: the truth chooses.
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
