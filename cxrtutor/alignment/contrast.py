"""Which report belongs to which image? Cross-entropy both ways over a table of similarities."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def both_ways(logits: Float[Tensor, "pairs pairs"]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """InfoNCE with targets on the diagonal: each image chooses among the reports, and each report among the images.

    Where there is one pair there is nothing to choose and the loss is 0; so it is where there is none. Either way it
    stays connected to the graph, so that a step on such a batch is a step that changes nothing.
    """
    target = torch.arange(len(logits), device=logits.device)
    pairs = max(1, len(logits))
    image_to_text = F.cross_entropy(logits, target, reduction="sum") / pairs
    text_to_image = F.cross_entropy(logits.T, target, reduction="sum") / pairs
    return image_to_text, text_to_image
