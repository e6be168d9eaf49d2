"""The trainable heads: from an encoder's features to the joint space of images and text."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .features import ImageFeatures, TextFeatures

Depth = Literal["shallow", "deep", "final"]
Unit = Literal["words", "sentences", "report"]


class Standardize(nn.Module):
    """Subtract a mean and divide by a deviation a channel, both measured once, before training.

    A fixed affine map, unlike batch normalisation: it commutes with averaging over regions, so the mean of a projected
    map *is* the projection of the pooled vector, in training as in use. Frozen encoders need it because the scales of
    their channels differ much; before `measure` it is the identity.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))

    @torch.no_grad()
    def measure(self, maps: Float[Tensor, "batch channels height width"]) -> None:
        """Take mean and deviation of every channel over a sample of maps; a constant channel is not scaled."""
        deviation, mean = torch.std_mean(maps.float(), dim=(0, 2, 3), correction=0)
        self.mean.copy_(mean)
        self.deviation.copy_(deviation.where(deviation > 1e-6, 1.0))

    def forward(
        self, maps: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        return (maps - self.mean[:, None, None]) / self.deviation[:, None, None]


def map_head(channels: int, dim: int, kind: Literal["linear", "convolution"]) -> nn.Sequential:
    """A head for a feature map.

    "linear" is the papers' 1x1 convolution without bias (GLoRIA, AFLoc). "convolution" is for frozen encoders, which
    cannot adapt to radiographs themselves: 1x1, then 3x3 with a non-linearity between, so that a region may look at its
    neighbours.
    """
    if kind == "linear":
        return nn.Sequential(Standardize(channels), nn.Conv2d(channels, dim, 1, bias=False))
    return nn.Sequential(
        Standardize(channels),
        nn.Conv2d(channels, dim, 1, bias=False),
        nn.BatchNorm2d(dim),
        nn.ReLU(),
        nn.Conv2d(dim, dim, 3, padding=1),
    )


class ImageProjection(nn.Module):
    """Heads for the depths a method uses; what has no head is left out (None).

    The final map's head is always linear, and the pooled vector is the mean of the projected final map. Pooling and
    projecting commute, so a model trained on pooled vectors alone still has a fair region map to be read from.

    Args:
        channels: channels of every depth of the encoder.
        dim: dimensions of the joint space.
        depths: the local depths to project, besides the final one.
        head: the kind of the local heads, see `map_head`.
    """

    def __init__(
        self,
        channels: dict[Depth, int],
        dim: int,
        depths: Collection[Depth] = (),
        head: Literal["linear", "convolution"] = "linear",
    ) -> None:
        super().__init__()
        local = {depth: map_head(channels[depth], dim, head) for depth in depths if depth != "final"}
        self.heads = nn.ModuleDict({**local, "final": map_head(channels["final"], dim, "linear")})

    def measure(self, features: ImageFeatures) -> None:
        """Set the standardisation of every head from a sample of an encoder's features."""
        for depth, head in self.heads.items():
            head[0].measure(getattr(features, depth))

    def forward(self, features: ImageFeatures) -> ImageFeatures:
        maps = {depth: head(getattr(features, depth)) for depth, head in self.heads.items()}
        return replace(
            features,
            shallow=maps.get("shallow"),
            deep=maps.get("deep"),
            final=maps["final"],
            pooled=maps["final"].mean((2, 3)),
        )


class TextProjection(nn.Module):
    """A linear head for every text unit a method uses, or one that all share; what has no head is left out (None).

    Args:
        dim_in: dimensions of the text encoder.
        dim: dimensions of the joint space.
        units: the local units to project, besides the report.
        shared: one head for all units, as in AFLoc, where a prompt may be read at report level on a local map.
    """

    def __init__(self, dim_in: int, dim: int, units: Collection[Unit] = (), shared: bool = False) -> None:
        super().__init__()
        self.units = (*(unit for unit in units if unit != "report"), "report")
        self.shared = shared
        names = ("shared",) if shared else self.units
        self.heads = nn.ModuleDict({name: nn.Linear(dim_in, dim, bias=False) for name in names})

    def _project(self, unit: Unit, features: Tensor | None) -> Tensor | None:
        # No bias: the zero vector of a padded unit or an empty report stays zero.
        return self.heads["shared" if self.shared else unit](features) if unit in self.units else None

    def forward(self, features: TextFeatures) -> TextFeatures:
        return replace(
            features,
            words=self._project("words", features.words),
            sentences=self._project("sentences", features.sentences),
            report=self._project("report", features.report),
        )
