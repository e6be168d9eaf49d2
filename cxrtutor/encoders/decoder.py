"""What was under the mask? A light decoder predicts the hidden patches from what the encoder made of the visible."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..errors import InputError

_HEAD_DIM = 32
_SMALLEST_VARIANCE = 1e-6


class PatchDecoder(nn.Module):
    """The decoder of masked autoencoders (He et al., CVPR 2022), light: it is thrown away after training.

    Visible patches come in as features, hidden ones as one learnt token; all are told where they are (fixed sines and
    cosines), a few transformer blocks look at them together, and a linear layer paints the pixels of each.

    Any encoder will do: its map is averaged onto the grid of the patches. A convolutional one has features for hidden
    patches too, which are left out, so that it gains nothing that a transformer does not have.

    Args:
        channels: of the encoder's map.
        patch: the side of a patch in pixels.
        dim: the width of its blocks, a multiple of 32.
        depth: how many blocks.

    Raises:
        InputError: for another width, or no block.
    """

    def __init__(self, channels: int, patch: int, dim: int, depth: int) -> None:
        super().__init__()
        if dim < _HEAD_DIM or dim % _HEAD_DIM or depth < 1:
            raise InputError(
                f"A decoder of width {dim} and depth {depth} cannot be made: the width is a multiple of {_HEAD_DIM}, "
                "and there is one block at least."
            )
        from timm.models.vision_transformer import Block

        self.embed = nn.Linear(channels, dim)
        self.mask_token = nn.Parameter(0.02 * torch.randn(dim))
        self.blocks = nn.Sequential(*(Block(dim, dim // _HEAD_DIM, qkv_bias=True) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim)
        self.paint = nn.Linear(dim, patch * patch)

    def forward(
        self, regions: Float[Tensor, "batch channels height width"], hidden: Bool[Tensor, "batch rows columns"]
    ) -> Float[Tensor, "batch patches pixels"]:
        """The standardised pixels of every patch, visible or not, row by row.

        Args:
            regions: an encoder's map of images hidden in part.
            hidden: True for the patches that are hidden.
        """
        from timm.layers import build_sincos2d_pos_embed

        grid = hidden.shape[1:]
        tokens = self.embed(interpolate(regions, grid, mode="area").flatten(2).mT)
        tokens = torch.where(hidden.flatten(1)[:, :, None], self.mask_token.to(tokens.dtype), tokens)
        places = build_sincos2d_pos_embed(list(grid), tokens.shape[2], device=tokens.device)
        return self.paint(self.norm(self.blocks(tokens + places)))


def standardized_patches(
    images: Float[Tensor, "batch 1 height width"], grid: tuple[int, int]
) -> Float[Tensor, "batch patches pixels"]:
    """The pixels of every patch, row by row, less their mean and divided by their deviation, as He et al. found best.

    What is to be predicted is then the pattern of a patch, not how bright it is. A patch without any is zero.
    """
    rows, columns = grid
    cut = images[:, 0].unflatten(2, (columns, -1)).unflatten(1, (rows, -1))
    patches = cut.transpose(2, 3).flatten(3).flatten(1, 2)
    variance, mean = torch.var_mean(patches, dim=2, keepdim=True)
    return (patches - mean) / (variance + _SMALLEST_VARIANCE).sqrt()
