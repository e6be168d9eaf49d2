"""Masked contrast: find the report of an image that is hidden in part, and make less of it where the mask hid much."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError
from .alignment import Alignment, Objective, PairedFeatures
from .contrast import both_ways
from .global_alignment import cosines, directions


class MaskedContrast(Objective):
    """Symmetric InfoNCE of masked images and whole reports, every study weighted (MLIP, arXiv 2401.01591).

    The paper weights a study by its relative semantic integrity and we found no formula; `integrity_weights` is our
    reading. A study whose report has no sentence takes no part: it is neither a match nor a mismatch. The parts hold
    the smallest and the largest weight too, for the log.

    Args:
        temperature: what the cosines of images and reports are divided by.
        weights: "integrity", or "uniform", which is the plain contrast.
        weight_temperature: what the cosines of masked and whole images are divided by: the smaller, the more the
            studies' weights differ.
        stop_gradient: take the weights as given. Without it a model may lower its loss by making images whose report
            it does not find look unlike themselves.

    Raises:
        InputError: for a temperature that is not positive or other weights; and, when weights of "integrity" are asked
            of it, for pairs that have no whole images.
    """

    def __init__(
        self,
        temperature: float = 0.1,
        *,
        weights: Literal["integrity", "uniform"] = "integrity",
        weight_temperature: float = 0.1,
        stop_gradient: bool = True,
    ) -> None:
        super().__init__()
        for name, value in (("temperature", temperature), ("weight_temperature", weight_temperature)):
            if not value > 0:
                raise InputError(f"{name} is {value}; it divides cosines and must be positive.")
        if weights not in ("integrity", "uniform"):
            raise InputError(f'weights is "{weights}"; it is either "integrity" or "uniform".')
        self.temperature = temperature
        self.weights = weights
        self.weight_temperature = weight_temperature
        self.stop_gradient = stop_gradient

    def forward(self, pairs: PairedFeatures) -> Alignment:
        used = pairs.text.sentence_mask.any(dim=1)
        images = pairs.image.pooled[used]
        table = cosines(images, pairs.text.report[used]) / self.temperature
        weights = self._weights(images, None if pairs.whole is None else pairs.whole[used]).to(table.dtype)
        image_to_text, text_to_image = both_ways(table, weights)
        parts = {"image_to_text": image_to_text.detach(), "text_to_image": text_to_image.detach()}
        # Of no studies there is no smallest weight; 1 is what a study has alone.
        logged = weights.detach() if len(weights) else table.new_ones(1)
        return Alignment(
            loss=image_to_text + text_to_image,
            parts=parts | {"smallest_weight": logged.min(), "largest_weight": logged.max()},
        )

    def _weights(
        self, masked: Float[Tensor, "studies dim"], whole: Float[Tensor, "studies dim"] | None
    ) -> Float[Tensor, " studies"]:
        if self.weights == "uniform":
            return masked.new_ones(len(masked))
        if whole is None:
            raise InputError(
                'Weights of "integrity" compare masked images with whole ones, and there are no whole images. Let the '
                'method mask images and keep the whole ones (Masking.whole), or set the weights to "uniform".'
            )
        weights = integrity_weights(masked, whole, self.weight_temperature)
        return weights.detach() if self.stop_gradient else weights


def integrity_weights(
    masked: Float[Tensor, "studies dim"], whole: Float[Tensor, "studies dim"], temperature: float
) -> Float[Tensor, " studies"]:
    """How much of each image's meaning is left under its mask, relative to the batch: `n softmax_i(cos_i / t)`.

    The cosine is that of the masked image's vector with the whole image's. The weights have the mean 1, so a batch
    counts as much as it did, and only its studies among each other count more or less. In at least float32.

    Args:
        masked: pooled vectors of the masked images.
        whole: of the same images, unmasked.
        temperature: what the cosines are divided by.
    """
    dtype = torch.promote_types(torch.promote_types(masked.dtype, whole.dtype), torch.float32)
    with torch.autocast(masked.device.type, enabled=False):
        likeness = (directions(masked.to(dtype)) * directions(whole.to(dtype))).sum(dim=1)
        return len(masked) * (likeness / temperature).softmax(dim=0)
