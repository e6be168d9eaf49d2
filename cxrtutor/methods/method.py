"""What makes a paper a recipe: the model it needs and the objectives it sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..alignment.alignment import Alignment, Objective, PairedFeatures
from .config import RunConfig, Strict, validated
from .model import AlignedModel, Architecture


class WeightedSum(Objective):
    """Several objectives as one: the weighted sum of their losses, their parts and maps under their names."""

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


@dataclass(frozen=True)
class Method:
    """A paper as a recipe.

    Attributes:
        name: what a configuration's `method` says.
        summary: one line for a list.
        paper: where it comes from.
        settings: the keys that a configuration's `alignment` group may hold.
        architecture: the heads it needs and how it is read.
        objectives: its objectives by name, each with its weight.
    """

    name: str
    summary: str
    paper: str
    settings: type[Strict]
    architecture: Architecture
    objectives: Callable[[Any], Mapping[str, tuple[float, Objective]]]

    def model(self, config: RunConfig) -> AlignedModel:
        """A fresh model for `config`."""
        return AlignedModel(config.model, self.architecture)

    def settings_of(self, config: RunConfig) -> Strict:
        """The settings of the method's objectives: what `config` says, and the defaults for the rest.

        Raises:
            InputError: `alignment` holds a key that this method does not know.
        """
        return validated(self.settings, config.alignment, where=f"`alignment` of method {self.name!r}")

    def objective(self, config: RunConfig) -> Objective:
        """The method's objective with the settings of `config`.

        Raises:
            InputError: `alignment` holds a key that this method does not know.
        """
        return WeightedSum(self.objectives(self.settings_of(config)))
