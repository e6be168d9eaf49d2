"""Word-level local alignment: each word of a report looks for its place in the image."""

from __future__ import annotations

from typing import Any

from .local_alignment import Level, LocalAlignment


class WordAlignment(LocalAlignment):
    """GLoRIA's local loss as its authors built it (Huang et al., ICCV 2021): words against the deep map.

    Args:
        depth: the map that the words look in.
        settings: temperatures, aggregation and background, as `LocalAlignment` has them.
    """

    def __init__(self, depth: Level = "deep", **settings: Any) -> None:
        super().__init__("words", depth, **settings)
