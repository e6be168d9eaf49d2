"""The learning rate as a pure function: nothing to save, nothing to go wrong on resume."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..methods.config import OptimizationConfig

IMPROVEMENT = 1e-4
"""The share by which a validation loss must fall below the best before it to count as an improvement."""


def learning_rate(
    step: int, steps_per_epoch: int, options: OptimizationConfig, validation_losses: Sequence[float]
) -> float:
    """The rate of one step: linear warm-up to the peak, then the schedule that is asked for.

    Args:
        step: counted from 0 over the whole run.
        steps_per_epoch: steps of one epoch.
        options: the peak, the share of all steps that warm-up takes, and the schedule.
        validation_losses: of the epochs that are over; "plateau" alone looks at them.
    """
    total = steps_per_epoch * options.epochs
    rising = options.warmup * total
    if step < rising:
        return options.learning_rate * (step + 1) / (rising + 1)
    match options.schedule:
        case "cosine":
            return options.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rising) / (total - rising)))
        case "step":
            return options.learning_rate * options.decay ** (step // steps_per_epoch)
        case "plateau":
            return options.learning_rate * options.decay ** plateaus(validation_losses, options.patience)


def plateaus(losses: Sequence[float], patience: int) -> int:
    """How often more than `patience` losses on end have not improved on the best so far (as PyTorch's
    `ReduceLROnPlateau` counts)."""
    best, waited, count = math.inf, 0, 0
    for loss in losses:
        if loss < best * (1 - IMPROVEMENT):
            best, waited = loss, 0
        else:
            waited += 1
        if waited > patience:
            count, waited = count + 1, 0
    return count
