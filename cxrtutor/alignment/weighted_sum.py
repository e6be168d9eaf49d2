"""Several objectives as one."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from .alignment import Alignment, Objective, PairedFeatures


class WeightedSum(Objective):
    """The weighted sum of several objectives' losses, with their parts and maps under their names.

    Args:
        objectives: by name, each with its weight.
    """

    def __init__(self, objectives: Mapping[str, tuple[float, Objective]]) -> None:
        super().__init__()
        self.weights = {name: weight for name, (weight, _) in objectives.items()}
        self.objectives = nn.ModuleDict({name: objective for name, (_, objective) in objectives.items()})

    def forward(self, pairs: PairedFeatures) -> Alignment:
        results = {name: objective(pairs) for name, objective in self.objectives.items()}
        loss = sum(self.weights[name] * result.loss for name, result in results.items())
        return Alignment(
            loss=loss,
            parts={f"{name}/{part}": value for name, r in results.items() for part, value in r.parts.items()},
            maps={f"{name}/{key}": value for name, r in results.items() for key, value in r.maps.items()},
        )

    def on_epoch(self, epoch: int) -> None:
        for objective in self.objectives.values():
            objective.on_epoch(epoch)
