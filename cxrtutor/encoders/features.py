"""What encoders give and objectives take. Every mask lies beside the features it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d


class _Movable:
    """Moving and casting for frozen dataclasses of tensors."""

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None):
        """A copy on `device`; `dtype` applies to the floating-point tensors only."""

        def move(tensor: Tensor | None) -> Tensor | None:
            if tensor is None:
                return None
            return tensor.to(device, dtype if tensor.is_floating_point() else None)

        return type(self)(**{f.name: move(getattr(self, f.name)) for f in fields(self)})


@dataclass(frozen=True, eq=False)
class ImageFeatures(_Movable):
    """An image at three depths, before or after projection. An encoder fills all; a projection may leave a depth out.

    Of an image whose patches are hidden in part, `visible` says which regions of the deep map may be looked at.

    Attributes:
        shallow: the finer map (ResNet's `layer2`, Lite0's stride 8).
        deep: the map that local alignment usually works on (ResNet's `layer3`; Lite0's strides 8, 16, 32 on one grid).
        final: the last map of the encoder, before pooling.
        pooled: one vector an image: the mean of `final` over its visible regions, unless the encoder has a better one.
        attention: how much the last layer's [CLS] attends to each region of `deep`, averaged over heads; None where the
            network has no [CLS], as a convolutional one, or where nobody asked for it. Without gradient.
        visible: False where a region is hidden; None where nothing is.
    """

    shallow: Float[Tensor, "batch shallow_dim shallow_height shallow_width"] | None
    deep: Float[Tensor, "batch deep_dim deep_height deep_width"] | None
    final: Float[Tensor, "batch final_dim final_height final_width"] | None
    pooled: Float[Tensor, "batch pooled_dim"]
    attention: Float[Tensor, "batch deep_height deep_width"] | None = None
    visible: Bool[Tensor, "batch deep_height deep_width"] | None = None


@dataclass(frozen=True, eq=False)
class TextFeatures(_Movable):
    """A report as words, as sentences and as a whole, before or after projection. An encoder fills all; a projection
    may leave a unit out (None).

    Attributes:
        words: zero where `word_mask` is False.
        word_mask: True where there is a word.
        word_sentence: the sentence each word stands in, -1 at padding.
        word_span: where each word begins and ends (exclusive) in its sentence's text, in characters; -1 at padding.
        sentences: zero where `sentence_mask` is False.
        sentence_mask: True where there is a sentence.
        report: one vector a report; zero for an empty report.
        word_attention: how much the last layer's [CLS] attends to each word, averaged over heads and summed over its
            pieces; zero at padding, None where nobody asked for it. Without gradient.
    """

    words: Float[Tensor, "batch words word_dim"] | None
    word_mask: Bool[Tensor, "batch words"]
    word_sentence: Int[Tensor, "batch words"]
    word_span: Int[Tensor, "batch words 2"]
    sentences: Float[Tensor, "batch sentences sentence_dim"] | None
    sentence_mask: Bool[Tensor, "batch sentences"]
    report: Float[Tensor, "batch report_dim"]
    word_attention: Float[Tensor, "batch words"] | None = None


def mean_over_regions(
    maps: Float[Tensor, "batch dim height width"], visible: Bool[Tensor, "batch rows columns"] | None = None
) -> Float[Tensor, "batch dim"]:
    """The mean of each map over its regions; of an image hidden in part, each counts by how much of it is visible.

    Args:
        maps: of any depth.
        visible: where there is something to see, on the maps' own grid or a finer one; None for everywhere.
    """
    if visible is None:
        return maps.mean((2, 3))
    share = adaptive_avg_pool2d(visible.to(maps.dtype), maps.shape[2:])
    share = share / share.sum((1, 2), keepdim=True)
    return (maps * share[:, None]).sum((2, 3))
