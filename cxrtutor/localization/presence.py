"""How much a prompt is answered at all, whatever the place: what a stretched map no longer tells."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from .heatmap import smooth


def presence(similarity: Float[Tensor, "batch grid_height grid_width"]) -> Float[Tensor, " batch"]:
    """The highest similarity after Gaussian smoothing (sigma of 1.5 patches), in the similarity's own unit.

    A protocol stretches every map to the same range, so that the best place of a healthy film looks as sure as a
    lesion; this number is taken before that. It says more or less, not yes or no: what counts as much has to be learned
    on a validation split. NaN for a map that holds NaN or infinity.
    """
    broken = ~similarity.isfinite().flatten(1).all(dim=1)
    return smooth(similarity, sigma=1.5).amax(dim=(1, 2)).masked_fill(broken, torch.nan)


def gate_score(scores: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """Presence cut off below 0 and above 2, and halved: what AFLoc's gate on CheXlocalize compares, in [0, 1].

    It grows with presence; only where similarities leave 0 to 2 does it tell less.
    """
    return scores.clamp(0, 2) / 2
