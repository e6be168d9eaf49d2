"""What fresh inputs of words are made of: findings, and sentences that name them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FINDINGS = ("atelectasis", "consolidation", "edema", "effusion", "mass", "nodule")


def sentence(draws: np.random.Generator, forms: Sequence[str]) -> tuple[str, str]:
    """One of the forms, with findings put into its places, and the finding of the place {0}."""
    names = draws.permutation(FINDINGS).tolist()
    return str(draws.choice(forms)).format(*names), names[0]


def whole_numbers(draws: np.random.Generator, low: Sequence[int], high: Sequence[int]) -> tuple[int, ...]:
    """As many as there are limits, each from its `low` to below its `high`."""
    return tuple(draws.integers(low, high).tolist())
