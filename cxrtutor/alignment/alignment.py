"""What every objective takes and gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor, nn

from ..encoders.features import ImageFeatures, TextFeatures


@dataclass(frozen=True, eq=False)
class PairedFeatures:
    """A batch of images and reports in the joint space; row `i` of both belongs to one study."""

    image: ImageFeatures
    text: TextFeatures


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
