"""The same films under the heat maps of all methods, drawn from what records kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float

from ..data.sets import open_studies, studies_are_made
from ..evaluation.evaluate import measure
from ..localization.protocols import Protocol, protocol_named
from .experiments import Trial
from .pictures import Answer, question_to
from .records import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 4


@dataclass(frozen=True, eq=False)
class PicturedFilm:
    """One film, asked one question, with the answers of several methods.

    Attributes:
        prompt: the question.
        image: the film, in [0, 1].
        truth: what was to be found.
        heats: by method, as the protocol makes them of the recorded similarities; NaN where not judged.
        scores: by method, the IoU as the protocol sums it up.
        restricted: the name of the film's set, where it may not be passed on.
    """

    prompt: str
    image: Float[np.ndarray, "height width"]
    truth: Bool[np.ndarray, "height width"]
    heats: Mapping[str, Float[np.ndarray, "height width"]]
    scores: Mapping[str, float]
    restricted: str | None = None

    @property
    def alt(self) -> str:
        """What the figure shows, in words."""
        scores = ", ".join(f"{name} {score:.2f}" for name, score in self.scores.items())
        return f"A chest radiograph asked for '{self.prompt}': its truth, and heat maps of IoU {scores}."

    def figure(self) -> Figure:
        """The film, and the film under every heat map, each with its truth outlined."""
        from ..viewing.figures import radiograph_grid

        several = 1 + len(self.heats)
        return radiograph_grid(
            [self.image] * several,
            titles=["film and truth", *(f"{name}\nIoU {self.scores[name]:.2f}" for name in self.heats)],
            heats=[None, *self.heats.values()],
            truths=[self.truth] * several,
            columns=COLUMNS,
        )


def pictured_films(
    trials: Sequence[Trial], records: Mapping[str, Record], names: Mapping[str, str]
) -> list[PicturedFilm]:
    """The films of an experiment with what its runs answered, of each run the first seed that is recorded.

    Nothing where no trial is recorded, or the set that has the films is not on this machine.

    Args:
        trials: of the experiment.
        records: by file.
        names: what runs are called; by their own name where nothing is said.
    """
    answered: dict[str, dict[str, Answer]] = {}
    known = [trial for trial in trials if trial.file in records]
    for trial in known:
        answers = {answer.study: answer for answer in records[trial.file].pictures}
        answered.setdefault(names.get(trial.run, trial.run), answers)
    if not known or not studies_are_made(*known[0].measured_on):
        return []
    first, (name, edition) = known[0], known[0].measured_on
    studies = open_studies(name, first.pictures.split, edition)
    positions = {study: position for position, study in enumerate(studies.ids())}
    protocol = protocol_named(first.protocol)
    restricted = None if studies.card.get("redistribution") is True else str(studies.card["name"])
    films = []
    for study, answer in next(iter(answered.values())).items():
        truth = question_to(studies, positions[study], first.prompts).truth
        maps = {method: answers[study] for method, answers in answered.items()}
        drawn = {method: _drawn(one, truth, protocol) for method, one in maps.items()}
        heats, scores = ({method: one[part] for method, one in drawn.items()} for part in (0, 1))
        films.append(PicturedFilm(answer.prompt, studies[positions[study]].image, truth, heats, scores, restricted))
    return films


def _drawn(
    answer: Answer, truth: Bool[np.ndarray, "height width"], protocol: Protocol
) -> tuple[Float[np.ndarray, "height width"], float]:
    """A recorded answer as a heat map on the film's pixels, and its IoU."""
    similarity = torch.from_numpy(answer.similarity)[None]
    heat = protocol.heat(similarity, truth.shape)[0].numpy()
    scores = measure(similarity, torch.from_numpy(truth)[None], protocol, [answer.finding])
    return heat, scores["iou"].item()
