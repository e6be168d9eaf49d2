"""MLIP: contrast of masked images, transport between sentences and patches, and masked patches decoded (2401.01591).

The paper's outline is what is confirmed: a contrast of masked images whose samples are weighted by relative semantic
integrity, sentences matched to patches by optimal transport, a decoder that predicts what was masked. The ratio, the
formula of the weights, the marginals, Sinkhorn's settings and the weights of the parts are our reading, so every one of
them is a setting.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ..alignment.alignment import Objective
from ..alignment.global_alignment import GlobalAlignment
from ..alignment.masked_contrast import MaskedContrast
from ..alignment.patch_reconstruction import PatchReconstruction
from ..alignment.transport_alignment import TransportAlignment
from ..alignment.weighted_sum import WeightedSum
from .config import Strict
from .method import Method
from .model import Architecture, Masking, Readout


class MaskingSettings(Strict):
    """How much of an image training hides, in squares of `patch` pixels.

    A frozen encoder sees one of so many `copies` of each image, hidden in different places; a trainable one sees new
    places in every epoch. The decoder, where there is one, has so many blocks of so many dimensions (a multiple of 32).
    """

    ratio: float = Field(default=0.5, ge=0, lt=1)
    patch: int = Field(default=16, gt=0)
    copies: int = Field(default=2, gt=0)
    decoder_dim: int = Field(default=96, gt=0)
    decoder_depth: int = Field(default=1, gt=0)


class MlipSettings(Strict):
    """Matching or reconstruction of weight 0 is left out; `masking` set to null trains on whole images, with a plain
    contrast and nothing to decode.

    `relaxation` is how strictly regions and sentences keep their shares of the transport: a weight of the divergence
    for each side, null for exactly. `mass` below 1 moves only so much. `readout` is what a prompt is read with:
    "sentences", on the regions that were matched to them, or "report", on those whose mean the contrast trained.
    """

    contrast_weight: float = Field(default=1.0, ge=0)
    matching_weight: float = Field(default=1.0, ge=0)
    reconstruction_weight: float = Field(default=1.0, ge=0)
    temperature: float = 0.1
    masking: MaskingSettings | None = MaskingSettings()
    sample_weights: Literal["integrity", "uniform"] = "integrity"
    integrity_temperature: float = 0.1
    stop_gradient: bool = True
    epsilon: float = 0.1
    iterations: int = Field(default=30, gt=0)
    relaxation: tuple[float | None, float | None] | None = None
    mass: float | None = None
    logit_temperature: float = 10.0
    readout: Literal["sentences", "report"] = "sentences"

    @model_validator(mode="after")
    def _read_what_is_trained(self) -> MlipSettings:
        if self.readout == "sentences" and not self.matching_weight:
            raise ValueError("nothing trains regions and sentences, so readout must be 'report'")
        return self


def architecture(settings: MlipSettings) -> Architecture:
    """Heads for regions and sentences where they are matched, by direction alone; and the masking."""
    matched = settings.matching_weight > 0
    return Architecture(
        Readout("deep", "sentences", cosine=True) if settings.readout == "sentences" else Readout("final", "report"),
        depths=("deep",) if matched else (),
        units=("sentences",) if matched else (),
        masking=_masking(settings),
    )


def _masking(settings: MlipSettings) -> Masking | None:
    if settings.masking is None:
        return None
    return Masking(
        ratio=settings.masking.ratio,
        patch=settings.masking.patch,
        copies=settings.masking.copies,
        whole=settings.sample_weights == "integrity",
        decoder=settings.reconstruction_weight > 0,
        decoder_dim=settings.masking.decoder_dim,
        decoder_depth=settings.masking.decoder_depth,
    )


def alignment(settings: MlipSettings, dim: int) -> Objective:
    """Masked contrast, sentence-patch matching, and what the decoder missed."""
    parts = {"contrast": (settings.contrast_weight, _contrast(settings))}
    if settings.matching_weight:
        parts["matching"] = (settings.matching_weight, _matching(settings))
    if settings.reconstruction_weight and settings.masking:
        parts["reconstruction"] = (settings.reconstruction_weight, PatchReconstruction())
    return WeightedSum(parts)


def _contrast(settings: MlipSettings) -> Objective:
    if settings.masking is None:
        return GlobalAlignment(settings.temperature)
    return MaskedContrast(
        settings.temperature,
        weights=settings.sample_weights,
        weight_temperature=settings.integrity_temperature,
        stop_gradient=settings.stop_gradient,
    )


def _matching(settings: MlipSettings) -> TransportAlignment:
    return TransportAlignment(
        epsilon=settings.epsilon,
        iterations=settings.iterations,
        relaxation=settings.relaxation,
        mass=settings.mass,
        logit_temperature=settings.logit_temperature,
    )


METHOD = Method(
    name="mlip",
    summary="Contrast of masked images, sentences moved to patches by optimal transport, masked patches decoded",
    paper="arXiv 2401.01591",
    settings=MlipSettings,
    architecture=architecture,
    alignment=alignment,
)
