"""How much does each word of a report, and each region of an image, count?

"No" and "the" say little about where a finding is. MGCA asks the encoders themselves: a token counts as much as the
last layer's [CLS] attends to it (Wang et al., MGCA, NeurIPS 2022, as its authors' code computes it).
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate

from ..encoders.features import ImageFeatures, TextFeatures
from ..encoders.projection import Depth
from ..errors import InputError

Weights = Literal["attention", "uniform"]
"""What tokens count by: the encoders' own attention, or all alike."""

QUANTILES = (0.1, 0.9)
"""Attention is clipped to these quantiles of a study's own tokens, so that no token counts for nothing or for all."""


def check_weights(weights: str) -> None:
    """Raises InputError for weights that do not exist."""
    if weights not in ("attention", "uniform"):
        raise InputError(f'weights is "{weights}"; it is either "attention" or "uniform".')


def word_weights(text: TextFeatures, weights: Weights) -> Float[Tensor, "batch words"]:
    """The weights of every report's own words, which sum to 1; zero at padding, without gradient.

    Raises:
        InputError: `weights` is "attention" and the features hold none.
    """
    if weights == "uniform":
        return shares(text.word_mask.float(), text.word_mask)
    if text.word_attention is None:
        raise InputError(
            'weights is "attention", but the text features hold none: build the encoder with cls_attention=True, or '
            'set weights to "uniform".'
        )
    return shares(text.word_attention, text.word_mask)


def region_weights(image: ImageFeatures, depth: Depth, weights: Weights) -> Float[Tensor, "batch regions"]:
    """The weights of every image's own regions, which sum to 1; zero where hidden, without gradient.

    An image encoder without a [CLS] says nothing of its regions; they then all count alike, as in the paper.
    """
    visible = visible_regions(image, depth)
    if weights == "uniform" or image.attention is None:
        return shares(visible.float(), visible)
    return shares(_on_grid(image.attention.float(), getattr(image, depth)), visible)


def visible_regions(image: ImageFeatures, depth: Depth) -> Bool[Tensor, "batch regions"]:
    """True for the regions of a map that may be looked at, which are all where nothing is hidden."""
    regions_map = getattr(image, depth)
    if image.visible is None:
        return torch.ones_like(regions_map[:, 0], dtype=torch.bool).flatten(1)
    return _on_grid(image.visible.float(), regions_map) > 0


@torch.no_grad()
def shares(
    attention: Float[Tensor, "batch tokens"], mask: Bool[Tensor, "batch tokens"]
) -> Float[Tensor, "batch tokens"]:
    """Attention clipped to the quantiles of a row's own tokens and scaled to sum 1; detached, in at least float32.

    Where there is no attention to share out, all tokens of the row count alike; a row without tokens is zero.
    """
    dtype = torch.promote_types(attention.dtype, torch.float32)
    if not mask.any():
        return torch.zeros_like(attention, dtype=dtype)
    attention = attention.to(dtype).masked_fill(~mask, torch.nan)
    low, high = (attention.nanquantile(q, dim=1, keepdim=True) for q in QUANTILES)
    clipped = attention.clamp(low, high).masked_fill(~mask, 0.0)
    clipped = torch.where(clipped.sum(dim=1, keepdim=True) > 0, clipped, mask.to(clipped.dtype))
    return clipped / clipped.sum(dim=1, keepdim=True).where(mask.any(dim=1, keepdim=True), 1.0)


def _on_grid(values: Float[Tensor, "batch height width"], like: Tensor) -> Float[Tensor, "batch regions"]:
    """What is known of the deep map's regions, for a map of another grid: each cell takes its nearest's."""
    return interpolate(values[:, None], like.shape[2:], mode="nearest").flatten(1)
