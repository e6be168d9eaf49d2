"""What one training step computes: model and objective, as the one module that is trained."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..alignment.alignment import Objective, PairedFeatures
from ..encoders.features import ImageFeatures, TextFeatures
from ..methods.model import AlignedModel
from .gathering import gather_pairs
from .recomputation import in_pieces


class Training(nn.Module):
    """Model and objective as the one module that an optimiser, a device and a checkpoint see.

    Features come in and results go out as plain dictionaries: Fabric walks through both, and cannot through frozen
    dataclasses. Where an encoder is trained, what it takes comes in instead of its features.

    Args:
        model: is trained.
        objective: of it, over the pairs of all processes.
        piece: how many pairs go through the model at a time; None for all.
    """

    def __init__(self, model: AlignedModel, objective: Objective, piece: int | None = None) -> None:
        super().__init__()
        self.model = model
        self.objective = objective
        self.piece = piece

    def forward(
        self,
        image: dict[str, Tensor] | Tensor,
        text: dict[str, Tensor] | list[list[str]],
        hidden: Tensor | None = None,
        masked: dict[str, Tensor] | None = None,
    ) -> dict[str, Any]:
        pairs = in_pieces(self._encoded, self.model, self.piece, image, text, hidden, masked)
        alignment = self.objective(gather_pairs(pairs))
        return {"loss": alignment.loss, "parts": dict(alignment.parts)}

    def _encoded(
        self,
        image: dict[str, Tensor | None] | Tensor,
        text: dict[str, Tensor | None] | list[list[str]],
        hidden: Tensor | None,
        masked: dict[str, Tensor | None] | None,
    ) -> PairedFeatures:
        image = ImageFeatures(**image) if isinstance(image, dict) else image
        text = TextFeatures(**text) if isinstance(text, dict) else text
        return self.model(image, text, hidden, None if masked is None else ImageFeatures(**masked))

    def changeable_state(self) -> dict[str, Tensor]:
        """What training changes: the model's projections and trainable encoders, and the objective's parameters."""
        state = {f"model.{key}": value for key, value in self.model.changeable_state().items()}
        return state | {f"objective.{key}": value for key, value in self.objective.state_dict().items()}
