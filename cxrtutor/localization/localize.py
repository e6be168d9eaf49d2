"""One image, one prompt: where is it?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol as Interface
from typing import runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ..data.images import letterbox
from ..data.study import Box
from ..encoders.features import ImageFeatures
from ..errors import InputError
from .heatmap import HeatMap
from .protocols import PerFinding, Protocol, protocol_named


@runtime_checkable
class MapsSimilarity(Interface):
    """What is asked of a model to measure it: `methods.AlignedModel` offers it, and so do `evaluation.controls`."""

    def similarity_maps(
        self, features: ImageFeatures, prompts: Sequence[str]
    ) -> Float[Tensor, "batch grid_height grid_width"]:
        """Row `i`: image `i` asked with prompt `i`."""
        ...


@runtime_checkable
class Localizes(MapsSimilarity, Interface):
    """What is asked of a model to take it from pixels to a heat map."""

    image_size: int

    def encode_images(self, images: Float[Tensor, "batch 1 height width"]) -> ImageFeatures:
        """Features of letterboxed images in [0, 1]."""
        ...


@dataclass(frozen=True, eq=False)
class Localization:
    """The answer to a prompt, on the pixels of the image that was asked about.

    A model always answers: the highest value of its map is stretched to the top of the scale whether or not the finding
    is present.

    Attributes:
        prompt: what was asked for.
        protocol: the name of the protocol that made map and mask.
        heat_map: values as the protocol normalises them.
        threshold: where the map was cut.
        mask: the pixels above the threshold.
        box: around the largest connected part of the mask (neighbours by side); None for an empty mask.
    """

    prompt: str
    protocol: str
    heat_map: HeatMap
    threshold: float
    mask: Bool[np.ndarray, "height width"]
    box: Box | None


def localize(
    model: Localizes,
    image: Float[np.ndarray, "height width"],
    prompt: str,
    protocol: str | Protocol = "afloc",
    threshold: float | None = None,
) -> Localization:
    """Ask `model` where in `image` it sees what `prompt` describes.

    Args:
        model: a trained model.
        image: intensities in [0, 1], bone bright, of any size and shape.
        prompt: a phrase such as "small left pleural effusion".
        protocol: the name of a protocol, or a protocol.
        threshold: in the protocol's units; by default the middle one of the protocol's, or the one that its rule finds.

    No gate is applied: what is asked for is looked for.

    Raises:
        InputError: the prompt is empty or too long for the model, the image is empty, there is no such protocol, or the
            protocol cannot choose a threshold from the map alone.
    """
    protocol = protocol_named(protocol)
    if not prompt.strip():
        raise InputError("The prompt is empty. Ask in words, such as 'small left pleural effusion'.")
    if image.ndim != 2 or not image.size:
        raise InputError(f"An image of shape {image.shape} cannot be asked about; give one of rows x columns.")
    if threshold is None and (protocol.upper_bound or isinstance(protocol.thresholds, PerFinding)):
        by = "by the truth" if protocol.upper_bound else "for each finding"
        raise InputError(f"The protocol {protocol.name!r} chooses its threshold {by}. Give a threshold.")

    square, _ = letterbox(image, model.image_size)
    with in_use(model) as device:
        features = model.encode_images(torch.from_numpy(square)[None, None].to(device))
        similarity = model.similarity_maps(features, [prompt]).cpu()
    heat = protocol.heat(similarity, image.shape)
    if threshold is None:
        fixed = protocol.thresholds
        threshold = protocol.cuts(heat).item() if callable(fixed) else fixed[len(fixed) // 2]
    heat_map = HeatMap(heat[0].numpy())
    mask = heat_map.mask(threshold)
    return Localization(prompt, protocol.name, heat_map, threshold, mask, box_of_largest(mask))


def box_of_largest(mask: Bool[np.ndarray, "height width"]) -> Box | None:
    """The box around the largest part of `mask` that is connected side by side; None for an empty mask."""
    from scipy import ndimage

    parts, number = ndimage.label(mask)
    if number == 0:
        return None
    largest = 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    rows, columns = ndimage.find_objects(parts)[largest - 1]
    return Box(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)


@contextmanager
def in_use(model: object) -> Iterator[torch.device]:
    """Within, `model` is in evaluation mode and tracks no gradients; yields the device its parameters are on.

    Afterwards every part of it is in the mode it was in before, so measuring in the midst of training changes nothing.
    """
    parts = list(model.modules()) if isinstance(model, nn.Module) else []
    modes = [part.training for part in parts]
    first = next(model.parameters(), None) if parts else None
    try:
        for part in parts:
            part.training = False
        with torch.no_grad():
            yield torch.device("cpu") if first is None else first.device
    finally:
        for part, mode in zip(parts, modes, strict=True):
            part.training = mode
