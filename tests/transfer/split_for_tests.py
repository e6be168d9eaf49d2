"""A split that parts small sets so that both sides show a finding."""

from __future__ import annotations

TEST = ("00704310", "006cec2e", "10366", "10016")
"""Films of RSNA and SIIM that are for testing: a set so small, parted by a hash, may have none with a finding."""


def split_for_tests(image: str, shares: object = None) -> str:
    """In place of `splits.hashed_split`."""
    return "test" if any(part in image for part in TEST) else "train"
