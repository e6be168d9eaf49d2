"""Patch reconstruction: paint what the mask hid."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import InputError
from .alignment import Alignment, Objective, PairedFeatures


class PatchReconstruction(Objective):
    """Mean squared error of the hidden patches' standardised pixels (He et al., Masked Autoencoders, CVPR 2022).

    An answer of zeros costs about 1: that is the variance of what is asked for. Visible patches are not looked at, and
    no report is: a study without one takes part all the same. Where nothing is hidden the loss is 0.

    Raises:
        InputError: for pairs without a reconstruction.
    """

    def forward(self, pairs: PairedFeatures) -> Alignment:
        given = pairs.reconstruction
        if given is None:
            raise InputError(
                "There is no reconstruction to judge: the model has no decoder, or nothing was hidden from it. Let the "
                "method mask images for a trainable encoder, with a decoder (Masking.decoder)."
            )
        loss = _mean_square(given.predicted[given.hidden] - given.pixels[given.hidden])
        return Alignment(loss=loss, parts={"error": loss.detach()})


def _mean_square(errors: Tensor) -> Tensor:
    """In at least float32; 0 where there are none, yet connected to the graph."""
    return errors.to(torch.promote_types(errors.dtype, torch.float32)).square().sum() / max(1, errors.numel())
