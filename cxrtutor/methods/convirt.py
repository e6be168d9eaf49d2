"""ConVIRT: whole images against whole reports (arXiv 2010.00747). The baseline that every local term must beat.

Its map is fair: the projection its loss trained is linear and pooling is a mean, so the same projection applied to
every region of the last map gives regions whose mean is exactly the vector that was trained. A linear projection is our
choice for that reason.
"""

from __future__ import annotations

from ..alignment.alignment import Objective
from ..alignment.global_alignment import GlobalAlignment
from .config import Strict
from .method import Method
from .model import Architecture, Readout


class ConvirtSettings(Strict):
    temperature: float = 0.1
    image_to_text_weight: float = 0.75
    learnable_temperature: bool = False


def architecture(settings: ConvirtSettings) -> Architecture:
    """Every region of the last map through the projection of the pooled vector, against the whole prompt."""
    return Architecture(Readout("final", "report"))


def alignment(settings: ConvirtSettings, dim: int) -> Objective:
    """Weighted InfoNCE."""
    return GlobalAlignment(
        settings.temperature,
        learnable=settings.learnable_temperature,
        image_to_text_weight=settings.image_to_text_weight,
    )


METHOD = Method(
    name="convirt",
    summary="Global contrast: whole images against whole reports",
    paper="arXiv 2010.00747",
    settings=ConvirtSettings,
    architecture=architecture,
    alignment=alignment,
)
