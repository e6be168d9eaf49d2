"""MGCA: instances, tokens and prototypes, each contrasted in its own way (arXiv 2210.06044).

What the paper calls ITA, CTA and CPA. The temperatures, the number of prototypes and Sinkhorn's settings are those of
the authors' code. Its map is our reading, since MGCA was not made to localize: a prompt is compared with the regions
that token alignment trained, by direction alone, as its loss compares them.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ..alignment.alignment import Objective
from ..alignment.global_alignment import GlobalAlignment
from ..alignment.prototype_alignment import PrototypeAlignment
from ..alignment.token_alignment import TokenAlignment
from ..alignment.weighted_sum import WeightedSum
from .config import Strict
from .method import Method
from .model import Architecture, Readout


class MgcaSettings(Strict):
    """All temperatures divide. Tokens or prototypes of weight 0 are left out.

    `readout` is what a prompt is read with: "words", on the regions of token alignment, or "report", on those whose
    mean instance alignment trained. `prototypes_of` the "tokens" is a variant of ours, in which the third level stands
    on the second and not beside it.
    """

    instance_weight: float = Field(default=1.0, ge=0)
    token_weight: float = Field(default=1.0, ge=0)
    prototype_weight: float = Field(default=1.0, ge=0)
    temperature: float = 0.07
    token_temperature: float = 0.1
    attention_temperature: float = 0.1
    token_weights: Literal["attention", "uniform"] = "attention"
    words_to_regions: bool = True
    regions_to_words: bool = True
    prototypes: int = Field(default=500, gt=1)
    prototypes_of: Literal["instances", "tokens"] = "instances"
    prototype_temperature: float = 0.2
    sinkhorn_epsilon: float = 0.05
    sinkhorn_iterations: int = Field(default=3, gt=0)
    frozen_epochs: int = Field(default=1, ge=0)
    readout: Literal["words", "report"] = "words"

    @model_validator(mode="after")
    def _read_what_is_trained(self) -> MgcaSettings:
        if self.readout == "words" and not self.aligns_tokens:
            raise ValueError("nothing trains words and regions, so readout must be 'report'")
        return self

    @property
    def aligns_tokens(self) -> bool:
        """Whether a part of the loss looks at words and regions."""
        return self.token_weight > 0 or (self.prototype_weight > 0 and self.prototypes_of == "tokens")


def architecture(settings: MgcaSettings) -> Architecture:
    """Heads for tokens where they are aligned, and [CLS] attention where it weighs them."""
    tokens = settings.aligns_tokens
    return Architecture(
        Readout("deep", "words", cosine=True) if settings.readout == "words" else Readout("final", "report"),
        depths=("deep",) if tokens else (),
        units=("words",) if tokens else (),
        cls_attention=tokens and settings.token_weights == "attention",
    )


def alignment(settings: MgcaSettings, dim: int) -> Objective:
    """The three levels, weighted."""
    parts = {"instance": (settings.instance_weight, GlobalAlignment(settings.temperature))}
    if settings.token_weight:
        parts["token"] = (settings.token_weight, _tokens(settings))
    if settings.prototype_weight:
        parts["prototype"] = (settings.prototype_weight, _prototypes(settings, dim))
    return WeightedSum(parts)


def _tokens(settings: MgcaSettings) -> TokenAlignment:
    return TokenAlignment(
        temperature=settings.token_temperature,
        attention_temperature=settings.attention_temperature,
        weights=settings.token_weights,
        words_to_regions=settings.words_to_regions,
        regions_to_words=settings.regions_to_words,
    )


def _prototypes(settings: MgcaSettings, dim: int) -> PrototypeAlignment:
    return PrototypeAlignment(
        dim,
        settings.prototypes,
        epsilon=settings.sinkhorn_epsilon,
        iterations=settings.sinkhorn_iterations,
        temperature=settings.prototype_temperature,
        frozen_epochs=settings.frozen_epochs,
        of=settings.prototypes_of,
        weights=settings.token_weights,
    )


METHOD = Method(
    name="mgca",
    summary="Three contrasts: images and reports, words and regions of one study, and prototypes of both",
    paper="arXiv 2210.06044",
    settings=MgcaSettings,
    architecture=architecture,
    alignment=alignment,
)
