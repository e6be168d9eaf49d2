"""A map that was told nothing, neither label nor report: how unusual every region is for its place in the film."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate
from tqdm import tqdm

from ..encoders.features import ImageFeatures
from ..encoders.projection import Depth
from .evaluate import ImageSource

_BATCH = 128


class AnomalyMap:
    """At every place a Gaussian of an encoder's features, and the Mahalanobis distance from it (PaDiM; Defard et al.,
    ICPR 2021).

    Unlike there, the Gaussians are of all films, ill ones too, because to know the healthy ones would take a label; and
    all channels are used, each divided by its deviation over all places.

    Args:
        images: a training set's features.
        indices: which of its images are taken; more of them than the depth has channels.
        depth: whose features. Shallow ones are few, and least tuned to what the encoder was trained to tell apart.
        regularization: added to every variance; PaDiM's is 0.01.
    """

    def __init__(
        self, images: ImageSource, indices: Sequence[int], depth: Depth = "shallow", regularization: float = 0.01
    ) -> None:
        self.depth = depth
        batches = torch.as_tensor(indices).split(_BATCH)
        sums: Tensor | float = 0.0
        products: Tensor | float = 0.0
        for batch in tqdm(batches, desc="looking at films", disable=None, delay=5):
            features = self._of_places(images.batch(batch.tolist())).double()
            sums = sums + features.sum(dim=1)
            products = products + features.mT @ features
        mean = sums / len(indices)
        covariance = products / len(indices) - mean[:, :, None] * mean[:, None, :]
        self.deviation = _overall_deviation(mean, covariance)
        scaled = covariance / self.deviation[:, None] / self.deviation
        self.mean = mean
        self.precision = torch.linalg.inv(scaled + regularization * torch.eye(len(self.deviation)))

    @torch.no_grad()
    def similarity_maps(
        self, features: ImageFeatures, prompts: Sequence[str]
    ) -> Float[Tensor, "batch grid_height grid_width"]:
        """The distances of each image, whatever is asked, on the grid of the deep map."""
        away = (self._of_places(features).double() - self.mean[:, None]) / self.deviation
        distances = ((away @ self.precision) * away).sum(dim=2).sqrt()
        maps = distances.T.float().unflatten(1, getattr(features, self.depth).shape[2:])
        return interpolate(maps[:, None], features.deep.shape[2:], mode="bilinear")[:, 0]

    def _of_places(self, features: ImageFeatures) -> Float[Tensor, "places batch channels"]:
        return getattr(features, self.depth).flatten(2).permute(2, 0, 1)


def _overall_deviation(
    mean: Float[Tensor, "places channels"], covariance: Float[Tensor, "places channels channels"]
) -> Float[Tensor, " channels"]:
    """Of every channel over all places and images: what varies between places, and what varies at each."""
    within = covariance.diagonal(dim1=1, dim2=2).mean(dim=0)
    return (within + mean.var(dim=0, correction=0)).sqrt().clamp(min=1e-6)
