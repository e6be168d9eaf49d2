"""How a step changes the weights: which of them, each at which share of the learning rate."""

from __future__ import annotations

from typing import Any

import torch

from ..methods.config import OptimizationConfig
from .training import Training


def optimizer(training: Training, options: OptimizationConfig, fused: bool) -> torch.optim.Optimizer:
    """Adam or AdamW over all that is trained; the loop sets its rate at every step."""
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[options.optimizer]
    return kind(
        parameter_groups(training, options),
        weight_decay=options.weight_decay,
        betas=options.betas,
        fused=fused or None,  # None leaves the choice to PyTorch
    )


def parameter_groups(training: Training, options: OptimizationConfig) -> list[dict[str, Any]]:
    """What is trained: new heads at the learning rate, and encoders at theirs, as a share of it.

    Prototypes learn as heads do, but nothing makes them shorter: they are set back to length 1 at every step, and while
    they are frozen decay would still move them.
    """
    encoders, heads, prototypes = [], [], []
    for name, parameter in training.named_parameters():
        if parameter.requires_grad:
            kind = encoders if "_encoder." in name else prototypes if name.endswith(".prototypes") else heads
            kind.append(parameter)
    share = (options.encoder_learning_rate or options.learning_rate) / options.learning_rate
    groups = [
        {"params": heads, "share_of_rate": 1.0},
        {"params": encoders, "share_of_rate": share},
        {"params": prototypes, "share_of_rate": 1.0, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
