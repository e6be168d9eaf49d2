"""Maps of a classifier that was trained on labels, asked and measured like a model that was trained on reports.

For a classifier that averages over regions and is linear before that, class activation mapping (Zhou et al., CVPR 2016)
and Grad-CAM (Selvaraju et al., ICCV 2017) are the same map: region by region, the score that the average is taken of.
Grad-CAM divides it by the number of regions and cuts it at zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..encoders.features import ImageFeatures
from ..errors import InputError

RegionScores = Callable[[ImageFeatures], Float[Tensor, "batch categories height width"]]


class ClassMaps(nn.Module):
    """How much every region speaks for a category: the row that belongs beside methods that saw no label.

    Its prompts are bare categories: `evaluate(maps, ..., prompts=controls.category)`.

    Args:
        scores: of every region for every category, whose mean over regions the classifier was trained by; a module is
            put into evaluation mode while it is measured.
        categories: names of the maps, in their order.
    """

    def __init__(self, scores: RegionScores, categories: Sequence[str]) -> None:
        super().__init__()
        self.scores = scores
        self.categories = tuple(categories)

    @torch.no_grad()
    def similarity_maps(
        self, features: ImageFeatures, prompts: Sequence[str]
    ) -> Float[Tensor, "batch grid_height grid_width"]:
        """The map of each image's category, on the grid of the deep map as `AlignedModel.region_map` gives it.

        Raises:
            InputError: a prompt is no category that the classifier was trained on.
        """
        chosen = label_indices(prompts, self.categories)
        maps = self.scores(features)[torch.arange(len(chosen)), chosen]
        return interpolate(maps[:, None], features.deep.shape[2:], mode="bilinear")[:, 0]


def label_indices(prompts: Sequence[str], categories: Sequence[str]) -> list[int]:
    """Which of a classifier's categories each prompt names.

    Raises:
        InputError: a prompt names none.
    """
    for prompt in prompts:
        if prompt not in categories:
            raise InputError(
                f"The classifier has no label {prompt!r}; it can be asked for {', '.join(categories)} alone."
            )
    return [list(categories).index(prompt) for prompt in prompts]
