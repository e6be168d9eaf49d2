"""Which report belongs to which image? Cross-entropy both ways over a table of similarities."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def both_ways(
    logits: Float[Tensor, "pairs pairs"], weights: Float[Tensor, " pairs"] | None = None
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """InfoNCE with targets on the diagonal: each image chooses among the reports, and each report among the images.

    Where there is one pair there is nothing to choose and the loss is 0; so it is where there is none. Either way it
    stays connected to the graph, so that a step on such a batch is a step that changes nothing.

    Args:
        logits: images as rows, reports as columns.
        weights: how much each pair's choices count, in both directions; None for all alike, as with ones.
    """
    target = torch.arange(len(logits), device=logits.device)

    def mean_cross_entropy(table: Tensor) -> Tensor:
        if weights is None:
            total = F.cross_entropy(table, target, reduction="sum")
        else:
            total = (weights * F.cross_entropy(table, target, reduction="none")).sum()
        return total / max(1, len(logits))

    return mean_cross_entropy(logits), mean_cross_entropy(logits.T)
