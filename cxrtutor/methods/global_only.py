"""Global contrast alone: whole image against whole report. The baseline that every local term must beat.

Its map is fair: the projection its loss trained is linear and pooling is a mean, so the same projection applied to
every region of the last map gives regions whose mean is exactly the vector that was trained.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..alignment.alignment import Objective
from ..alignment.global_alignment import GlobalAlignment
from .config import Strict
from .method import Method
from .model import Architecture, Readout


class GlobalSettings(Strict):
    temperature: float = 0.1


def objectives(settings: GlobalSettings) -> Mapping[str, tuple[float, Objective]]:
    """Symmetric InfoNCE."""
    return {"global": (1.0, GlobalAlignment(temperature=settings.temperature))}


METHOD = Method(
    name="global-only",
    summary="Global contrast only (InfoNCE of whole images and whole reports)",
    paper="arXiv 2010.00747, without its weighting",
    settings=GlobalSettings,
    architecture=Architecture(Readout("final", "report")),
    objectives=objectives,
)
