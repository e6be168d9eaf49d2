"""Exercises of `04-image-encoder`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cxrtutor.checks.comparing import as_array, same
from cxrtutor.checks.drawing import whole_numbers
from cxrtutor.checks.judging import exercise


@exercise(
    right=lambda side, kernel, stride, padding: (side + 2 * padding - kernel) // stride + 1,
    inputs=[(224, 7, 2, 3), (10, 3, 1, 0), (75, 3, 2, 1), (128, 16, 16, 0)],
    fresh=lambda draws: whole_numbers(draws, [16, 1, 1, 0], [300, 12, 6, 4]),
)
def map_side(answer):
    """The image encoder: the side of a convolution's map."""
    given = answer(224, 7, 2, 3)
    yield same(answer(10, 3, 1, 0), 7), "10 pixels, a kernel of 3: yours has 7 places. Count them on your fingers."
    yield same(given, 109), "You pad nowhere. How many pixels does the padding add to a row?"
    yield same(given, 111), "A row has two ends, and both are padded."
    yield same(given, 111.5) or same(given, 112.5), "Half a step is no step: the kernel must fit whole. Round down."
    yield same(answer(10, 3, 1, 0), 10), "A kernel of 3 without padding cannot be centred on the outermost pixels."


@exercise(
    right=lambda kernels, strides: _seen_pixels(kernels, strides),
    inputs=[([3, 3, 3], [1, 2, 2]), ([7, 3, 1, 3], [2, 2, 1, 1]), ([16], [16]), ([], [])],
    fresh=lambda draws: _some_layers(draws),
)
def receptive_field(answer):
    """The image encoder: how many pixels in a row one region sees."""
    given = answer([3, 3, 3], [1, 2, 2])
    yield same(given, 7), "Yours never looks at the strides. After a stride of 2, one step on the map is 2 pixels."
    yield same(given, 15), "A layer's stride widens the steps of the layers *after* it, not its own."
    yield same(given, 27), "Fields add up, they do not multiply: each layer reaches `kernel - 1` steps further."
    yield same(given, 8), "Before any layer a region sees one pixel, not none."
    yield same(given, 4), "That is how far two neighbouring regions lie apart. How much does one of them see?"


@exercise(
    right=lambda maps: _standardized(maps),
    inputs=[
        (np.array([[[[1.0, 3.0]], [[10.0, 30.0]]], [[[5.0, 3.0]], [[50.0, 30.0]]]]),),
        (np.array([[[[2.0, 2.0]], [[0.0, 1.0]]]]),),
    ],
)
def standardized(answer):
    """The image encoder: every channel with mean 0 and deviation 1 over a sample of maps."""
    maps = standardized.inputs[0][0]
    given = as_array(answer(maps))
    centred = maps - maps.mean(axis=(0, 2, 3), keepdims=True)
    alone = (maps - maps.mean(axis=(2, 3), keepdims=True)) / maps.std(axis=(2, 3), keepdims=True)
    yield same(given, (maps - maps.mean()) / maps.std()), "One mean for all channels: the loud ones stay loud."
    yield same(given, centred), "The means are 0 now. Divide by the deviations, too."
    yield (
        same(given, maps / maps.std(axis=(0, 2, 3), keepdims=True)),
        "The deviations are 1 now. Take the means off, too.",
    )
    yield same(given, alone), "Each image by itself? An image that is bright all over must stay brighter than others."
    constant = as_array(answer(standardized.inputs[1][0]))
    yield not np.isfinite(constant).all(), "A channel that never changes has deviation 0. Leave its scale alone."


@exercise(
    right=lambda maps, gradients: np.maximum(np.einsum("chw,c->hw", maps, gradients.mean(axis=(1, 2))), 0),
    inputs=[
        (
            np.array([[[1.0, 2.0, 0.0]], [[0.0, 2.0, 4.0]]]),
            np.array([[[0.0, 2.0, 1.0]], [[-1.0, -1.0, 0.5]]]),
        ),
    ],
)
def grad_cam(answer):
    """The image encoder: Grad-CAM from a layer's maps and the gradients of a score."""
    maps, gradients = grad_cam.inputs[0]
    weighted = maps * gradients.mean(axis=(1, 2), keepdims=True)
    given = answer(maps, gradients)
    yield same(given, weighted.sum(axis=0)), "Grad-CAM shows what speaks *for* the class: cut below at 0."
    yield (
        same(given, np.maximum((maps * gradients).sum(axis=0), 0)),
        "One weight a channel: average its gradient over all regions first.",
    )
    yield (
        same(given, np.maximum(weighted, 0).sum(axis=0)),
        "Sum first, then cut: a channel may speak against the class.",
    )
    yield (
        same(given, np.maximum(maps.sum(axis=0), 0)),
        "You add up the maps. Each is weighed by what it does to the score.",
    )


def _some_layers(draws: np.random.Generator) -> tuple[list[int], list[int]]:
    layers = draws.integers(1, 6)
    return draws.integers(1, 9, layers).tolist(), draws.integers(1, 4, layers).tolist()


def _seen_pixels(kernels: Sequence[int], strides: Sequence[int]) -> int:
    return 1 + sum((kernel - 1) * int(np.prod(strides[:layer])) for layer, kernel in enumerate(kernels))


def _standardized(maps: np.ndarray) -> np.ndarray:
    deviation = maps.std(axis=(0, 2, 3), keepdims=True)
    return (maps - maps.mean(axis=(0, 2, 3), keepdims=True)) / np.where(deviation > 0, deviation, 1)
