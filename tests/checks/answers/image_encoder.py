"""Answers to the exercises of `cxrtutor/checks/image_encoder.py`."""

from __future__ import annotations

import numpy as np
import torch


def seen(kernels, strides):
    """The receptive field, from the last layer back to the pixels."""
    pixels = 1
    for kernel, stride in reversed(list(zip(kernels, strides, strict=True))):
        pixels = (pixels - 1) * stride + kernel
    return pixels


def by_channel(maps, axes):
    with np.errstate(invalid="ignore"):
        return (maps - maps.mean(axes, keepdims=True)) / maps.std(axes, keepdims=True)


WRONG = {
    "map_side": [
        (lambda side, kernel, stride, padding: (side - kernel) // stride + 1, "pad nowhere"),
        (lambda side, kernel, stride, padding: (side + padding - kernel) // stride + 1, "two ends"),
        (lambda side, kernel, stride, padding: (side + 2 * padding - kernel) / stride + 1, "Half a step"),
        (lambda side, kernel, stride, padding: (side + 2 * padding - kernel) // stride, "fingers"),
        (lambda side, kernel, stride, padding: -(-side // stride), "outermost"),
    ],
    "receptive_field": [
        (lambda kernels, strides: 1 + sum(kernel - 1 for kernel in kernels), "never looks at the strides"),
        (
            lambda kernels, strides: 1 + sum((k - 1) * s for k, s in zip(kernels, np.cumprod(strides), strict=True)),
            "*after*",
        ),
        (lambda kernels, strides: int(np.prod(kernels)), "do not multiply"),
        (lambda kernels, strides: seen(kernels, strides) - 1, "one pixel, not none"),
        (lambda kernels, strides: int(np.prod(strides)), "lie apart"),
    ],
    "standardized": [
        (lambda maps: (maps - maps.mean()) / maps.std(), "loud"),
        (lambda maps: maps - maps.mean((0, 2, 3), keepdims=True), "Divide"),
        (lambda maps: maps / maps.std((0, 2, 3), keepdims=True), "Take the means off"),
        (lambda maps: by_channel(maps, axes=(2, 3)), "by itself"),
        (lambda maps: by_channel(maps, axes=(0, 2, 3)), "never changes"),
    ],
    "grad_cam": [
        (lambda maps, gradients: np.einsum("chw,c->hw", maps, gradients.mean((1, 2))), "cut below"),
        (lambda maps, gradients: np.maximum((maps * gradients).sum(0), 0), "One weight a channel"),
        (lambda maps, gradients: np.maximum(maps * gradients.mean((1, 2), keepdims=True), 0).sum(0), "Sum first"),
        (lambda maps, gradients: np.maximum(maps, 0).sum(0), "add up the maps"),
    ],
}


def by_convolution(side, kernel, stride, padding):
    row, weight = torch.zeros(1, 1, side), torch.zeros(1, 1, kernel)
    return torch.nn.functional.conv1d(row, weight, stride=stride, padding=padding).shape[-1]


def from_the_pixels(kernels, strides):
    width, jump = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        width += (kernel - 1) * jump
        jump *= stride
    return width


def channel_by_channel(maps):
    maps = maps.copy()
    for channel in range(maps.shape[1]):
        maps[:, channel] -= maps[:, channel].mean()
        maps[:, channel] /= maps[:, channel].std() or 1
    return maps


ALSO_RIGHT = {
    "map_side": by_convolution,
    "receptive_field": from_the_pixels,
    "standardized": channel_by_channel,
    "grad_cam": lambda maps, gradients: sum(m * g.mean() for m, g in zip(maps, gradients, strict=True)).clip(min=0),
}
