"""What makes a paper a recipe: the model it needs and the objectives it sums."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..alignment.alignment import Objective
from .config import RunConfig, Strict, validated
from .model import AlignedModel, Architecture


@dataclass(frozen=True)
class Method:
    """A paper as a recipe.

    Attributes:
        name: what a configuration's `method` says.
        summary: one line for a list.
        paper: where it comes from.
        settings: the keys that a configuration's `alignment` group may hold.
        architecture: from its settings, the heads it needs and how it is read.
        alignment: from its settings and the dimensions of the joint space, the objective that it minimises.
    """

    name: str
    summary: str
    paper: str
    settings: type[Strict]
    architecture: Callable[[Any], Architecture]
    alignment: Callable[[Any, int], Objective]

    def settings_of(self, config: RunConfig) -> Strict:
        """The settings of the method's objectives: what `config` says, and the defaults for the rest.

        Raises:
            InputError: `alignment` holds a key that this method does not know.
        """
        return validated(self.settings, config.alignment, where=f"`alignment` of method {self.name!r}")

    def model(self, config: RunConfig) -> AlignedModel:
        """A fresh model for `config`.

        Raises:
            InputError: as `settings_of`.
        """
        return AlignedModel(config.model, self.architecture(self.settings_of(config)))

    def objective(self, config: RunConfig) -> Objective:
        """The method's objective with the settings of `config`.

        Raises:
            InputError: as `settings_of`.
        """
        return self.alignment(self.settings_of(config), config.model.projection.dim)
