"""Frozen means frozen: what only reads a network is held to leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from ..encoders.weights import fingerprint

__all__ = ["fingerprint", "kept_frozen"]


@contextmanager
def kept_frozen(module: nn.Module) -> Iterator[None]:
    """Within, `module` is in evaluation mode and its parameters ask for no gradients; what is trained on top of it may.

    Not only an optimiser could change it: a batch normalisation in training mode moves its buffers at every forward
    pass. So parameters and buffers are compared before and after. Modes and gradients are then as they were.

    Raises:
        RuntimeError: on leaving, if a parameter or a buffer has changed.
    """
    before = fingerprint(module)
    modes = [(part, part.training) for part in module.modules()]
    gradients = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
    module.eval().requires_grad_(False)
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
        for parameter, wanted in gradients:
            parameter.requires_grad_(wanted)
    if fingerprint(module) != before:
        raise RuntimeError(
            f"{type(module).__name__} was to stay frozen, but a parameter or a buffer of it has changed."
        )
