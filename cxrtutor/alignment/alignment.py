"""What every objective takes and gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Bool, Float
from torch import Tensor, nn

from ..encoders.features import ImageFeatures, TextFeatures


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """What a decoder makes of the patches of an image that was hidden in part.

    Attributes:
        predicted: the decoder's answer for every patch.
        pixels: the patch itself, standardised by its own mean and deviation.
        hidden: True for the patches that the encoder did not see.
    """

    predicted: Float[Tensor, "batch patches pixels"]
    pixels: Float[Tensor, "batch patches pixels"]
    hidden: Bool[Tensor, "batch patches"]


@dataclass(frozen=True, eq=False)
class PairedFeatures:
    """A batch of images and reports in the joint space; row `i` of both belongs to one study.

    Attributes:
        image: what an objective sees of the images; hidden in part where a method masks them.
        text: the reports.
        whole: the pooled vectors of the same images unmasked, without gradient; None where nothing is masked.
        reconstruction: of the masked images; None where nothing decodes them.
    """

    image: ImageFeatures
    text: TextFeatures
    whole: Float[Tensor, "batch dim"] | None = None
    reconstruction: Reconstruction | None = None


@dataclass(frozen=True, eq=False)
class Alignment:
    """What an objective says about a batch.

    Attributes:
        loss: what training minimises.
        parts: its terms by name, detached, for the log.
        maps: attention or transport plans of the *matching* pairs by name, detached, for drawing; may be empty.
    """

    loss: Float[Tensor, ""]
    parts: Mapping[str, Tensor] = field(default_factory=dict)
    maps: Mapping[str, Tensor] = field(default_factory=dict)


class Objective(nn.Module, ABC):
    """One alignment objective: `forward(PairedFeatures) -> Alignment`. It reads no files and knows no method's name."""

    @abstractmethod
    def forward(self, pairs: PairedFeatures) -> Alignment:
        """The loss of a batch, its parts and maps."""

    def on_epoch(self, epoch: int) -> None:
        """Called before epoch `epoch` (from 0), for objectives that change as training goes on."""
