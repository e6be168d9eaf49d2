"""LSM: sentences as local units (arXiv 2401.01524).

The paper fixes the sum `L_g(v|t) + L_g(t|v) + L_l(v|t) + L_l(t|v)` and the unit, a full sentence. That the local term
is GLoRIA's with sentences in the place of words is our reading, from the published code of the same first author's
AFLoc.
"""

from __future__ import annotations

from ..alignment.alignment import Objective
from ..alignment.global_alignment import GlobalAlignment
from ..alignment.sentence_alignment import SentenceAlignment
from ..alignment.weighted_sum import WeightedSum
from .config import Strict
from .method import Method
from .model import Architecture, Readout


class LsmSettings(Strict):
    """Inverse temperatures as in GLoRIA (t1, t2, t3 = 4, 5, 10); the global term's are one over `temperature`."""

    temperature: float = 0.1
    attention_temperature: float = 4.0
    aggregation_temperature: float = 5.0
    logit_temperature: float = 10.0
    global_weight: float = 1.0
    local_weight: float = 1.0


def architecture(settings: LsmSettings) -> Architecture:
    """A prompt is read as a sentence on the deep map."""
    return Architecture(Readout("deep", "sentences"), depths=("deep",), units=("sentences",))


def alignment(settings: LsmSettings, dim: int) -> Objective:
    """Global InfoNCE and the sentence-level local term."""
    sentences = SentenceAlignment(
        attention_temperature=settings.attention_temperature,
        aggregation_temperature=settings.aggregation_temperature,
        logit_temperature=settings.logit_temperature,
    )
    return WeightedSum(
        {
            "global": (settings.global_weight, GlobalAlignment(settings.temperature)),
            "sentence": (settings.local_weight, sentences),
        }
    )


METHOD = Method(
    name="lsm",
    summary="Global contrast, and sentences attending to regions",
    paper="arXiv 2401.01524",
    settings=LsmSettings,
    architecture=architecture,
    alignment=alignment,
)
