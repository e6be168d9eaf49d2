"""What training hides of its images, batch by batch: nothing to save, and the same in every process."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..data.masks import patch_grid, patch_mask
from ..data.views import Studies, blanked
from ..encoders.caching import CachedImages
from ..encoders.features import ImageFeatures
from ..methods.model import AlignedModel, Masking
from .sampling import copy_of_batch


@dataclass(frozen=True, eq=False)
class MaskedImages:
    """The images of one split, or of a view of it, hidden in part, where the model's method hides any.

    Attributes:
        masking: how much is hidden; None for nothing.
        side: of the images, in pixels.
        copies: features of blanked copies, where the encoder is frozen; of copy `n` mask `n` is what is hidden.
    """

    masking: Masking | None
    side: int
    copies: tuple[CachedImages, ...]

    @classmethod
    def of(cls, model: AlignedModel, studies: Studies, copies: int | None = None) -> MaskedImages:
        """The images of `studies` as the model's masking has them.

        Args:
            model: whose image encoder is to see them.
            studies: the split or view.
            copies: for a frozen encoder, how many of its copies; None for all.
        """
        masking = model.architecture.masking
        if masking is None or model.image_encoder.trainable:
            return cls(masking, model.image_size, ())
        count = masking.copies if copies is None else copies
        views = (blanked(studies, number, masking.patch, masking.ratio) for number in range(count))
        return cls(masking, model.image_size, tuple(model.image_source(view) for view in views))

    def read(
        self, indices: Int[np.ndarray, " batch"], seed: int, epoch: int, batch: int
    ) -> tuple[Float[Tensor, "batch _ _ _"], ...] | None:
        """What lies on the disk of images that are hidden in part: a frozen encoder's maps of one of the copies, drawn
        anew for every batch."""
        return self.copies[self._copy(seed, epoch, batch)].read(indices) if self.copies else None

    def inputs_of(
        self,
        read: tuple[Float[Tensor, "batch _ _ _"], ...] | None,
        indices: Int[np.ndarray, " batch"],
        seed: int,
        epoch: int,
        batch: int,
        device: torch.device | str = "cpu",
    ) -> dict[str, Bool[Tensor, "batch rows columns"] | ImageFeatures]:
        """What the model takes beside whole images, by name, if anything: `hidden` patches, new ones in every epoch, or
        the features of `masked` images, from what was read of them."""
        if self.masking is None:
            return {}
        if read is None:
            return {"hidden": self._hidden(indices, epoch, seed).to(device)}
        copy = self._copy(seed, epoch, batch)
        # A cache serves runs of every seed, so its masks are of none of them.
        hidden = self._hidden(indices, copy, seed=0).to(device)
        return {"masked": self.copies[copy].inputs_of(read, hidden)}

    def batch(
        self, indices: Int[np.ndarray, " batch"], seed: int, epoch: int, batch: int
    ) -> dict[str, Bool[Tensor, "batch rows columns"] | ImageFeatures]:
        """What was read, as the model takes it, on the CPU."""
        return self.inputs_of(self.read(indices, seed, epoch, batch), indices, seed, epoch, batch)

    def _copy(self, seed: int, epoch: int, batch: int) -> int:
        return copy_of_batch(len(self.copies), seed, epoch, batch)

    def _hidden(self, indices: Int[np.ndarray, " batch"], number: int, seed: int) -> Bool[Tensor, "batch rows columns"]:
        grid = patch_grid((self.side, self.side), self.masking.patch)
        return torch.from_numpy(patch_mask(indices, number, grid, self.masking.ratio, seed))
