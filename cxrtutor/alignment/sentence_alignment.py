"""Sentence-level local alignment: each sentence of a report looks for its place in the image."""

from __future__ import annotations

from typing import Any

from .local_alignment import Level, LocalAlignment


class SentenceAlignment(LocalAlignment):
    """GLoRIA's local loss with full sentences as its units, against the deep map.

    This is the local term of "LSM" (arXiv 2401.01524) as its authors' later code computes it.

    Args:
        depth: the map that the sentences look in.
        settings: temperatures, aggregation and background, as `LocalAlignment` has them.
    """

    def __init__(self, depth: Level = "deep", **settings: Any) -> None:
        super().__init__("sentences", depth, **settings)
