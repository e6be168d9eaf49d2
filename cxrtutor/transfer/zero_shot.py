"""Classification by words alone: of several classes, which does the image answer most? No label is seen (chapter 17).

A class that has several prompts is an ensemble, which authors put together in three ways. "embeddings" compares the
image with the mean of the prompts' directions (CLIP, Radford et al. 2021; CheXzero, Tiu et al. 2022). "scores" is the
mean of the image's scores with each prompt (MedCLIP). "highest" is the highest of these (GLoRIA's code, whose comment
calls it an average). Of cosines the first is the second times a number that is the same for all images: it changes no
ranking of images, only the comparison between classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from ..alignment.global_alignment import cosines, directions
from ..encoders.features import ImageFeatures
from ..errors import InputError
from ..evaluation.classification import Predictions
from ..evaluation.presence_scores import SCORES
from ..localization.localize import in_use
from ..localization.presence import presence
from ..methods.model import AlignedModel
from .examples import LabelledExamples
from .prompt_sets import PromptSet

ENSEMBLES = ("embeddings", "scores", "highest")

PROTOCOL = "zero-shot"
_BATCH = 64


def zero_shot(
    model: AlignedModel,
    examples: LabelledExamples,
    prompts: PromptSet,
    score: str = "global",
    ensemble: str = "embeddings",
) -> Predictions:
    """Score every example for every class by the prompts that stand for it.

    Where the prompts deny too, the score is the affirming side less the denying one, and from 0 on a yes. It is the log
    odds of CheXzero's softmax of the two, at its temperature of 1: the same ranks and the same answers, also where
    similarities are so far apart that a probability is 0 or 1 to the last digit. Else scores are as the model gives
    them, and have no point from which they mean yes; of exclusive classes the one that scores highest is the answer.

    Args:
        model: gives pooled images, reports and similarity maps.
        examples: images with the names of their classes.
        prompts: for each of these names.
        score: "global", the cosine of the pooled image with the prompt as a whole report; "presence", the highest
            place of the smoothed similarity map. A map is linear in its prompt, so that an ensemble of embeddings is
            the mean of the prompts' maps there, in the read-out's own lengths.
        ensemble: how the prompts of one side of a class become one score.

    Raises:
        InputError: a class has no prompt, a prompt is empty or too long, or there is no such score or ensemble.
    """
    if score not in SCORES or ensemble not in ENSEMBLES:
        raise InputError(
            f"There is no score {score!r} with the ensemble {ensemble!r}. Choose a score of {', '.join(SCORES)}, and "
            f"an ensemble of {', '.join(ENSEMBLES)}."
        )
    sides = prompts.sides(examples.names)
    scores = _scores(model, examples, list(chain(*sides)), score, ensemble).reshape(len(examples), len(sides), -1)
    return Predictions(
        examples.ids,
        examples.patients,
        examples.names,
        scores[:, 0] - scores[:, 1] if prompts.deny else scores[:, 0],
        examples.targets,
        examples.exclusive,
        PROTOCOL,
        threshold=0.0 if prompts.deny else None,
    )


def _scores(
    model: AlignedModel, examples: LabelledExamples, groups: Sequence[Sequence[str]], score: str, ensemble: str
) -> Float[np.ndarray, "examples groups"]:
    """The score of every example for every group of prompts."""
    images, scores = model.image_source(examples.studies), []
    asked = list(dict.fromkeys(chain(*groups)))
    members = [[asked.index(prompt) for prompt in group] for group in groups]
    with in_use(model) as device:
        read = _READ[score](model, asked, members, ensemble)
        for start in tqdm(range(0, len(examples), _BATCH), desc="asking", unit="batch", disable=None, delay=5):
            features = images.batch(examples.positions[start : start + _BATCH]).to(device)
            scores.append(read(features).double().cpu().numpy())
    return np.concatenate(scores)


_Reader = Callable[[ImageFeatures], Float[Tensor, "batch groups"]]
"""From features to a score for every group of prompts."""


def _global(model: AlignedModel, asked: list[str], members: list[list[int]], ensemble: str) -> _Reader:
    reports = model.embed_reports(asked)  # once for all images: prompts cost more than a batch of cached features

    def read(features: ImageFeatures) -> Float[Tensor, "batch groups"]:
        pooled = model.image_projection.pool(features)
        if ensemble == "embeddings":
            return cosines(pooled, _united(directions(reports), members))
        return _united(cosines(reports, pooled), members, ensemble).T

    return read


def _presence(model: AlignedModel, asked: list[str], members: list[list[int]], ensemble: str) -> _Reader:
    def read(features: ImageFeatures) -> Float[Tensor, "batch groups"]:
        maps = model.similarity_table(features, asked).transpose(0, 1)
        if ensemble == "embeddings":
            return _highest_places(_united(maps, members)).T
        return _united(_highest_places(maps), members, ensemble).T

    return read


_READ = {"global": _global, "presence": _presence}


def _highest_places(maps: Float[Tensor, "prompts batch rows columns"]) -> Float[Tensor, "prompts batch"]:
    return presence(maps.flatten(0, 1)).view(maps.shape[:2])


def _united(
    values: Float[Tensor, "prompts ..."], members: list[list[int]], ensemble: str = "scores"
) -> Float[Tensor, "groups ..."]:
    """The values of each group's prompts as one: the highest of them, or their mean."""
    grouped = (values[rows] for rows in members)
    return torch.stack([one.amax(dim=0) if ensemble == "highest" else one.mean(dim=0) for one in grouped])
