"""GLoRIA: words as local units, beside a global contrast (Huang et al., ICCV 2021)."""

from __future__ import annotations

from typing import Literal

from ..alignment.alignment import Objective
from ..alignment.global_alignment import GlobalAlignment
from ..alignment.weighted_sum import WeightedSum
from ..alignment.word_alignment import WordAlignment
from .config import Strict
from .method import Method
from .model import Architecture, Readout


class GloriaSettings(Strict):
    """Inverse temperatures t1, t2, t3 = 4, 5, 10; the global term's is `logit_temperature` too, one over .1."""

    temperature: float = 0.1
    attention_temperature: float = 4.0
    aggregation_temperature: float = 5.0
    logit_temperature: float = 10.0
    aggregation: Literal["sum", "mean"] = "sum"
    global_weight: float = 1.0
    local_weight: float = 1.0


def architecture(settings: GloriaSettings) -> Architecture:
    """A prompt is read as its words, whose mean is compared with the deep map."""
    return Architecture(Readout("deep", "words"), depths=("deep",), units=("words",))


def alignment(settings: GloriaSettings, dim: int) -> Objective:
    """Global InfoNCE and the word-level local term."""
    words = WordAlignment(
        attention_temperature=settings.attention_temperature,
        aggregation_temperature=settings.aggregation_temperature,
        logit_temperature=settings.logit_temperature,
        aggregation=settings.aggregation,
    )
    return WeightedSum(
        {
            "global": (settings.global_weight, GlobalAlignment(settings.temperature)),
            "word": (settings.local_weight, words),
        }
    )


METHOD = Method(
    name="gloria",
    summary="Global contrast, and words attending to regions",
    paper="Huang et al., ICCV 2021",
    settings=GloriaSettings,
    architecture=architecture,
    alignment=alignment,
)
