"""What is chosen by looking at the truth is chosen on the validation split, and measured on another."""

from __future__ import annotations

from ..errors import InputError

VALIDATION = ("validation", "val", "valid")
"""How sets call the split that choices are made on."""


def check_validation(split: str | None, purpose: str) -> None:
    """Refuse to choose anything on a split that is measured on.

    Args:
        split: that of the studies given.
        purpose: what is to be chosen, as the beginning of a sentence ("tuning").

    Raises:
        InputError: it is not the validation split.
    """
    if split not in VALIDATION:
        raise InputError(
            f"{purpose.capitalize()} takes the validation split; this is {split!r}. "
            "What is chosen on the studies that are measured afterwards flatters."
        )
