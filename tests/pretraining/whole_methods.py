"""Whole methods with small encoders that are trained, and batches for them: for tests of how they are computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cxrtutor.data.masks import patch_mask
from cxrtutor.methods.config import RunConfig, validated
from cxrtutor.methods.registry import METHODS, method
from cxrtutor.pretraining.loop import Training

SIDE = 32
REPORTS = (
    ["Large left mass.", "No pneumothorax.", "Small effusion on both sides, more on the right."],
    ["Clear lungs."],
    ["Edema.", "Normal heart."],
    [],
    ["Clear lungs.", "Small effusion."],
    ["Normal heart.", "No pneumothorax.", "Edema of both lungs."],
)
"""Of other lengths each, one empty, and with sentences that several share."""


def training(name: str, piece: int | None = None, image_encoder: str = "vit-mini", **alignment: Any) -> Training:
    """A method without dropout, and with batch statistics that stand still."""
    heads = {"mgca": {"head": "perceptron", "hidden": 24}}.get(name, {"head": "linear"})
    config = validated(
        RunConfig,
        {
            "method": name,
            "model": {
                "image_size": SIDE,
                "image_encoder": {"name": image_encoder, "trainable": True, "pretrained": False},
                "text_encoder": {"trainable": True, "pretrained": False, "context": "report"},
                "projection": {"dim": 12, "standardize": False} | heads,
            },
            "alignment": {"mgca": {"prototypes": 5, "frozen_epochs": 0}}.get(name, {}) | alignment,
        },
        where=name,
    )
    torch.manual_seed(0)
    chosen = method(name)
    return Training(chosen.model(config), chosen.objective(config), piece).eval()


def batch(training: Training, rows: Sequence[int] = range(len(REPORTS))) -> tuple[Any, ...]:
    """What a training step is given of some studies: images, reports, and where the method hides any, which patches."""
    images = torch.rand(len(REPORTS), 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))[list(rows)]
    masking = training.model.architecture.masking
    hidden = None
    if masking is not None:
        grid = (SIDE // masking.patch,) * 2
        hidden = torch.from_numpy(patch_mask(np.array(rows), 0, grid, masking.ratio))
    return images, [REPORTS[row] for row in rows], hidden


def loss_and_gradients(
    training: Training, given: Sequence[Any], module: nn.Module | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Of all parameters, after one backward pass through `training` or the module around it."""
    loss = (module or training)(*given)["loss"]
    loss.backward()
    return loss.detach(), {n: p.grad for n, p in training.named_parameters() if p.grad is not None}


def assert_same(found: tuple[Tensor, dict[str, Tensor]], expected: tuple[Tensor, dict[str, Tensor]]) -> None:
    """Loss and gradients agree to 1e-5 of the loss and of the largest gradient."""
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=0)
    assert found[1].keys() == expected[1].keys()
    largest = max(gradient.abs().max().item() for gradient in expected[1].values())
    for name, gradient in expected[1].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=0, atol=1e-5 * largest, msg=lambda m, n=name: n + m)


NAMES = tuple(METHODS)
