"""The trainable heads: from an encoder's features to the joint space of images and text."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from ..errors import InputError
from .features import ImageFeatures, TextFeatures, mean_over_regions

Depth = Literal["shallow", "deep", "final"]
Unit = Literal["words", "sentences", "report"]
Head = Literal["linear", "convolution", "perceptron"]


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


class Perceptron(nn.Module):
    """MGCA's head for vectors of any place: linear to `hidden`, normalised, ReLU, linear to `dim`, normalised without
    scale or shift (arXiv 2210.06044, as in the authors' code).

    Both are batch normalisations over all vectors that are there: padding would shift their statistics, so it takes no
    part in them, and comes out as zero.
    """

    def __init__(self, dim_in: int, hidden: int, dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(dim_in, hidden),
            _BatchNorm(hidden),
            nn.ReLU(),
            nn.Linear(hidden, dim),
            _BatchNorm(dim, affine=False),
        )

    def forward(
        self, vectors: Float[Tensor, "*places dim_in"], mask: Bool[Tensor, "*places"] | None = None
    ) -> Float[Tensor, "*places dim"]:
        """The projected vectors; zero where the mask is False.

        Args:
            vectors: of words, regions or anything else.
            mask: True where there is a vector; None for everywhere.
        """
        if mask is None:
            return self.layers(vectors.flatten(0, -2)).unflatten(0, vectors.shape[:-1])
        projected = self.layers(vectors[mask])
        return projected.new_zeros(*mask.shape, projected.shape[1]).masked_scatter(mask[..., None], projected)


class _BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that takes a lone vector, which has no deviation, by running statistics, as in use."""

    def forward(self, vectors: Float[Tensor, "n channels"]) -> Float[Tensor, "n channels"]:
        if self.training and len(vectors) < 2:
            return batch_norm(vectors, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(vectors)


def map_head(channels: int, dim: int, kind: Head, hidden: int = 2048) -> nn.Sequential:
    """A head for a feature map.

    "linear" is the papers' 1x1 convolution without bias (GLoRIA, AFLoc). "convolution" is for frozen encoders, which
    cannot adapt to radiographs themselves: 1x1, then 3x3 with a non-linearity between, so that a region may look at its
    neighbours. "perceptron" is MGCA's, over `hidden` channels; its `Perceptron` takes the channels last.
    """
    match kind:
        case "linear":
            layers = [nn.Conv2d(channels, dim, 1, bias=False)]
        case "convolution":
            layers = [
                nn.Conv2d(channels, dim, 1, bias=False),
                nn.BatchNorm2d(dim),
                nn.ReLU(),
                nn.Conv2d(dim, dim, 3, padding=1),
            ]
        case "perceptron":
            layers = [Perceptron(channels, hidden, dim)]
    return nn.Sequential(Standardize(channels), *layers)


class ImageProjection(nn.Module):
    """Heads for the depths a method uses; what has no head is left out (None).

    The final map's head is linear, and the pooled vector is the mean of the projected final map (of what is visible of
    it, where an image is hidden in part). Pooling and projecting commute, so a model trained on pooled vectors alone
    still has a fair region map to be read from.

    With "perceptron" heads they would not: there the pooled vector has a perceptron of its own, as in MGCA, and the
    final map, which nothing would have trained, is left out.

    Args:
        channels: channels of every depth of the encoder.
        dim: dimensions of the joint space.
        depths: the local depths to project, besides the final one.
        head: the kind of the local heads, see `map_head`.
        hidden: the width of a perceptron's middle.
    """

    def __init__(
        self,
        channels: dict[Depth, int],
        dim: int,
        depths: Collection[Depth] = (),
        head: Head = "linear",
        hidden: int = 2048,
    ) -> None:
        super().__init__()
        self.dim = dim
        local = {depth: map_head(channels[depth], dim, head, hidden) for depth in depths if depth != "final"}
        whole, kind = ("pooled", head) if head == "perceptron" else ("final", "linear")
        self.heads = nn.ModuleDict({**local, whole: map_head(channels["final"], dim, kind, hidden)})

    def measure(self, features: ImageFeatures) -> None:
        """Set the standardisation of every head from a sample of an encoder's features."""
        for name, head in self.heads.items():
            head[0].measure(_map_of(features, name))

    def forward(self, features: ImageFeatures) -> ImageFeatures:
        maps = {name: self._project(name, features) for name in self.heads}
        pooled = _pooled(maps, features)
        return replace(
            features, shallow=maps.get("shallow"), deep=maps.get("deep"), final=maps.get("final"), pooled=pooled
        )

    def pool(self, features: ImageFeatures) -> Float[Tensor, "batch dim"]:
        """The pooled vectors alone: no local head computes anything, or counts these images in its statistics."""
        name = "pooled" if "pooled" in self.heads else "final"
        return _pooled({name: self._project(name, features)}, features)

    def _project(self, name: str, features: ImageFeatures) -> Float[Tensor, "batch dim height width"]:
        maps, head = _map_of(features, name), self.heads[name]
        if not isinstance(head[-1], Perceptron):
            return head(maps)
        standardize, perceptron = head
        # On another grid than that of `visible`, no region is hidden as a whole.
        visible = features.visible
        hides = visible is not None and visible.shape[1:] == maps.shape[2:]
        return perceptron(standardize(maps).movedim(1, -1), visible if hides else None).movedim(-1, 1)


def _pooled(maps: dict[str, Tensor], features: ImageFeatures) -> Float[Tensor, "batch dim"]:
    """The pooled vectors of projected maps: those of a head of their own, or the mean of what is visible."""
    own = maps.get("pooled")
    return mean_over_regions(maps["final"], features.visible) if own is None else own[:, :, 0, 0]


def _map_of(features: ImageFeatures, name: str) -> Float[Tensor, "batch dim height width"]:
    """A depth's map, or the pooled vectors as maps of one region."""
    return features.pooled[:, :, None, None] if name == "pooled" else getattr(features, name)


class TextProjection(nn.Module):
    """A head for every text unit a method uses, or one that all share; what has no head is left out (None).

    A head is linear without bias, or a `Perceptron`: padded units and empty reports stay zero.

    Args:
        dim_in: dimensions of the text encoder.
        dim: dimensions of the joint space.
        units: the local units to project, besides the report.
        shared: one head for all units, as in AFLoc, where a prompt may be read at report level on a local map.
        head: the kind of the image's local heads; all but "perceptron" mean linear ones here.
        hidden: the width of a perceptron's middle.

    Raises:
        InputError: for one perceptron that all units share.
    """

    def __init__(
        self,
        dim_in: int,
        dim: int,
        units: Collection[Unit] = (),
        shared: bool = False,
        head: Head = "linear",
        hidden: int = 2048,
    ) -> None:
        super().__init__()
        if shared and head == "perceptron":
            raise InputError(
                "This method has one head for all text units, and a perceptron cannot be it: it normalises by the "
                "statistics of one unit. Set model.projection.head to 'linear' or 'convolution'."
            )
        self.units = (*(unit for unit in units if unit != "report"), "report")
        self.shared = shared
        names = ("shared",) if shared else self.units
        self.heads = nn.ModuleDict({name: _text_head(dim_in, dim, head, hidden) for name in names})

    def forward(self, features: TextFeatures) -> TextFeatures:
        return replace(
            features,
            words=self._project("words", features.words, features.word_mask),
            sentences=self._project("sentences", features.sentences, features.sentence_mask),
            report=self._project("report", features.report, features.sentence_mask.any(1)),
        )

    def _project(self, unit: Unit, vectors: Tensor | None, mask: Bool[Tensor, "*units"]) -> Tensor | None:
        if unit not in self.units:
            return None
        head = self.heads["shared" if self.shared else unit]
        return head(vectors, mask) if isinstance(head, Perceptron) else head(vectors)


def _text_head(dim_in: int, dim: int, kind: Head, hidden: int) -> nn.Module:
    # A linear head has no bias: the zero vector of a padded unit or an empty report stays zero.
    return Perceptron(dim_in, hidden, dim) if kind == "perceptron" else nn.Linear(dim_in, dim, bias=False)
