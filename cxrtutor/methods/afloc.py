"""AFLoc: words, sentences and the report, each against its own depth of the image (arXiv 2401.02044)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..alignment.alignment import Objective
from ..alignment.multi_level_alignment import AFLOC_LEVELS, MultiLevelAlignment, parsed_level
from .config import Strict
from .method import Method
from .model import Architecture, Readout


class AflocSettings(Strict):
    """`levels` weighs the pairings of text units and image depths, by "UNIT-DEPTH"; `readout` is the pairing that a
    prompt is read at: in the paper the whole prompt against the deep map. The paper's `aggregation` is a sum."""

    levels: dict[str, float] = Field(default_factory=lambda: dict(AFLOC_LEVELS))
    readout: str = "report-deep"
    attention_temperature: float = 4.0
    aggregation_temperature: float = 5.0
    logit_temperature: float = 10.0
    aggregation: Literal["sum", "mean"] = "sum"


def architecture(settings: AflocSettings) -> Architecture:
    """Heads for the levels in use; one text head for all units, so that a prompt can be read at report level."""
    unit, depth = parsed_level(settings.readout)
    levels = [parsed_level(name) for name in (*settings.levels, settings.readout)]
    return Architecture(
        Readout("final" if depth == "pooled" else depth, unit),
        depths=tuple(dict.fromkeys(depth for _, depth in levels if depth in ("shallow", "deep"))),
        units=tuple(dict.fromkeys(unit for unit, _ in levels if unit != "report")),
        shared_text_head=True,
    )


def alignment(settings: AflocSettings, dim: int) -> Objective:
    """One contrast both ways for every level."""
    return MultiLevelAlignment(
        settings.levels,
        attention_temperature=settings.attention_temperature,
        aggregation_temperature=settings.aggregation_temperature,
        logit_temperature=settings.logit_temperature,
        aggregation=settings.aggregation,
    )


METHOD = Method(
    name="afloc",
    summary="Three contrasts: words and shallow regions, sentences and deep regions, reports and images",
    paper="arXiv 2401.02044",
    settings=AflocSettings,
    architecture=architecture,
    alignment=alignment,
)
