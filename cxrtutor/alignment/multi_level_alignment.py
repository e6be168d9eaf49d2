"""Multi-level alignment: words, sentences and the report, each against its own depth of the image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from ..encoders.projection import Unit
from ..errors import InputError
from .alignment import Objective
from .global_alignment import GlobalAlignment
from .local_alignment import Level, LocalAlignment
from .weighted_sum import WeightedSum

AFLOC_LEVELS = {"words-shallow": 1.0, "sentences-deep": 1.0, "report-pooled": 1.0}
"""What AFLoc pairs, and how it weighs the pairs."""


class MultiLevelAlignment(WeightedSum):
    """The sum of one contrast for every level, a pairing of a text unit with an image depth (AFLoc, arXiv 2401.02044).

    "words-shallow" and "sentences-deep" are GLoRIA's local loss; "report-pooled" is the symmetric InfoNCE of whole
    reports and whole images, whose cosines are multiplied by the same `logit_temperature`. Each level adds two
    cross-entropies. Any unit may be paired with any depth: the paper's choice is one of the pairings.

    Args:
        levels: weights by the name of a level, "UNIT-DEPTH".
        attention_temperature, aggregation_temperature, logit_temperature, aggregation: as `LocalAlignment` has them.

    Raises:
        InputError: there is no level, or one of that name cannot be made.
    """

    def __init__(
        self,
        levels: Mapping[str, float] = AFLOC_LEVELS,
        *,
        attention_temperature: float = 4.0,
        aggregation_temperature: float = 5.0,
        logit_temperature: float = 10.0,
        aggregation: Literal["sum", "mean"] = "sum",
    ) -> None:
        if not levels:
            raise InputError("levels is empty; name at least one, such as 'sentences-deep'.")

        def objective(name: str) -> Objective:
            unit, depth = parsed_level(name)
            if (unit, depth) == ("report", "pooled"):
                return GlobalAlignment(1 / logit_temperature)
            return LocalAlignment(
                unit,
                depth,
                attention_temperature=attention_temperature,
                aggregation_temperature=aggregation_temperature,
                logit_temperature=logit_temperature,
                aggregation=aggregation,
            )

        super().__init__({name: (weight, objective(name)) for name, weight in levels.items()})


def parsed_level(name: str) -> tuple[Unit, Level]:
    """The unit and the depth of a level's name.

    Raises:
        InputError: the name is not "UNIT-DEPTH".
    """
    unit, _, depth = name.partition("-")
    if unit not in get_args(Unit) or depth not in get_args(Level):
        units, depths = (" | ".join(get_args(values)) for values in (Unit, Level))
        raise InputError(f"There is no level {name!r}. A level is ({units})-({depths}), such as 'sentences-deep'.")
    return unit, depth
