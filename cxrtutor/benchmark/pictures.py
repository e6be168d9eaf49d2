"""The same films for all methods: which ones, and what a model answers to them, kept in a record on the map's own grid.

A film is chosen by its truth and never by an answer: of the films that show a finding alone, one whose lesions are
neither among the largest nor among the smallest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ..data.dataset import StudyDataset
from ..evaluation.evaluate import ImageSource, Sample, samples_of
from ..evaluation.truth import truth_mask
from ..localization.localize import MapsSimilarity, in_use
from ..localization.prompts import Ask, asking

_DECIMALS = 5


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model answered to one question about one film.

    Attributes:
        study: whose film it is.
        prompt: what was asked.
        finding: the category that was asked for.
        similarity: on the patch grid of the letterboxed square.
    """

    study: str
    prompt: str
    finding: str
    similarity: Float[np.ndarray, "grid_height grid_width"]

    def to_json(self) -> dict[str, Any]:
        """Everything as values that JSON can hold; similarities to five decimals."""
        return {**vars(self), "similarity": np.round(self.similarity.astype(float), _DECIMALS).tolist()}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Answer:
        """What `to_json` gave."""
        return cls(**{**content, "similarity": np.array(content["similarity"], dtype=np.float32)})


def chosen_films(studies: StudyDataset, films: int, findings: Sequence[str] = ()) -> list[int]:
    """The positions of at most so many films, of as many findings as there are.

    Films are grouped by what they show; groups of one finding come before those of several, and the commonest first.
    Each group's films are sorted by the area of their lesions. Of k films that are wanted of it, the middle ones of k
    equal parts are taken: the median, where it is one.

    Args:
        studies: to choose from.
        films: how many.
        findings: choose among films that show nothing else, where any are given.
    """
    groups: dict[frozenset[str], list[int]] = defaultdict(list)
    for position, shown in enumerate(studies.finding_names()):
        if shown and (not findings or shown <= set(findings)):
            groups[shown].append(position)
    first = sorted(groups, key=lambda shown: (len(shown), -len(groups[shown]), sorted(shown)))[:films]
    chosen = []
    for place, shown in enumerate(first):
        chosen += _middle(studies, groups[shown], films // len(first) + (place < films % len(first)))
    return chosen


def _middle(studies: StudyDataset, positions: Sequence[int], number: int) -> list[int]:
    marked = studies.findings(positions)
    areas = [truth_mask(findings, size).mean() for size, findings in marked]
    by_area = [positions[place] for place in np.argsort(areas, kind="stable")]
    number = min(number, len(by_area))
    return [by_area[int((part + 0.5) * len(by_area) / number)] for part in range(number)]


def question_to(studies: StudyDataset, position: int, prompts: str | Ask) -> Sample | None:
    """The first question that would be put to a film; None where there is none."""
    study = studies[position]
    return next(samples_of(position, study, asking(prompts)(study)), None)


def answers_to(
    model: MapsSimilarity, images: ImageSource, studies: StudyDataset, films: Sequence[int], prompts: str | Ask
) -> tuple[Answer, ...]:
    """What a model answers to the first question to each film.

    Args:
        model: gives similarity maps of images and prompts.
        images: position `i` holds the features of `studies[i]`.
        studies: the set.
        films: positions in it.
        prompts: as of `evaluate`.
    """
    answers = []
    for sample in filter(None, (question_to(studies, film, prompts) for film in films)):
        with in_use(model) as device:
            maps = model.similarity_maps(images.batch([sample.index]).to(device), [sample.prompt])
        answers.append(Answer(sample.study, sample.prompt, sample.finding, maps[0].float().cpu().numpy()))
    return tuple(answers)
