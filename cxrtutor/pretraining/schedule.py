"""The learning rate and the order of studies as pure functions: nothing to save, nothing to go wrong on resume."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Int


def learning_rate(step: int, total: int, peak: float, warmup: float) -> float:
    """Linear warm-up over the first `warmup` share of `total` steps to `peak`, then a cosine down to zero."""
    rising = warmup * total
    if step < rising:
        return peak * (step + 1) / (rising + 1)
    return peak * 0.5 * (1 + math.cos(math.pi * (step - rising) / (total - rising)))


def batches(studies: int, batch_size: int, seed: int, epoch: int) -> list[Int[np.ndarray, " batch_size"]]:
    """The study indices of every batch of one epoch: each study at most once, the incomplete last batch dropped.

    A set smaller than one batch gives one batch of all its studies.
    """
    order = np.random.default_rng([seed, epoch]).permutation(studies)
    count = max(studies // batch_size, 1)
    return [order[index * batch_size : (index + 1) * batch_size] for index in range(count)]
