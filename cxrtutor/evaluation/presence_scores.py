"""Is the finding there at all? Every study asked for every finding, and how well the answers part the two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, runtime_checkable
from typing import Protocol as Interface

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from torch import Tensor
from tqdm import tqdm

from ..data.prompts import simple_prompt
from ..data.study import Study
from ..encoders.features import ImageFeatures
from ..errors import InputError
from ..localization.localize import MapsSimilarity, in_use
from ..localization.presence import presence
from .evaluate import ImageSource
from .measurements import Measurements

_BATCH = 64


Score = Literal["presence", "global"]
"""What decides how well an image answers a prompt: the presence score of its similarity map, or (of an `AlignedModel`)
the global similarity of the whole image with the prompt as a report."""
SCORES: tuple[Score, ...] = ("presence", "global")


@runtime_checkable
class AsksAll(Interface):
    """What is asked of a model to fill a table: `methods.AlignedModel` offers it."""

    def similarity_table(
        self, features: ImageFeatures, prompts: Sequence[str]
    ) -> Float[Tensor, "batch prompts grid_height grid_width"]:
        """Every image asked with every prompt."""
        ...


@dataclass(frozen=True, eq=False)
class PresenceScores:
    """A score for every study and every finding, beside the truth.

    Attributes:
        scores: higher where the finding's prompt is answered more.
        present: whether the study shows the finding.
        findings: the columns.
        studies: the rows, by id.
        patients: whose they are.
        split: where the studies come from; None where they are of several splits or of none.
    """

    scores: Float[np.ndarray, "studies findings"]
    present: Bool[np.ndarray, "studies findings"]
    findings: tuple[str, ...]
    studies: tuple[str, ...]
    patients: tuple[str, ...]
    split: str | None


def scores_of(
    model: MapsSimilarity,
    images: ImageSource,
    positions: Sequence[int],
    prompts: Sequence[str],
    score: Score = "presence",
) -> Float[np.ndarray, " questions"]:
    """The score of every question: the image of a position, asked with a prompt."""
    scores = []
    with in_use(model) as device:
        for start in tqdm(range(0, len(prompts), _BATCH), desc="asking", unit="batch", disable=None, delay=5):
            batch = slice(start, start + _BATCH)
            features, asked = images.batch(positions[batch]).to(device), prompts[batch]
            if score == "global":
                values = model.global_similarity(features, asked)
            else:
                values = presence(model.similarity_maps(features, asked))
            scores.append(values.double().cpu().numpy())
    return np.concatenate(scores) if scores else np.zeros(0)


def presence_scores(
    model: AsksAll, images: ImageSource, studies: Sequence[Study], findings: Sequence[str] | None = None
) -> PresenceScores:
    """Ask every annotated study for every finding by the finding's name ("Findings suggesting ...").

    Args:
        model: gives similarity maps of all images with all prompts.
        images: position `i` holds the features of `studies[i]`.
        studies: their findings are the truth; studies that nobody looked through are left out.
        findings: the categories to ask for; by default all that the studies show.

    Raises:
        InputError: no study is annotated, or none shows any finding and none is named.
    """
    positions, shown, described = [], [], []
    for position in range(len(studies)):
        study = studies[position]
        if study.annotated:
            positions.append(position)
            shown.append({finding.name for finding in study.findings})
            described.append((study.id, study.patient, study.split))
    names = tuple(sorted(set().union(*shown)) if findings is None else findings)
    if not positions or not names:
        raise InputError("There is no annotated study with a finding to ask for, so there is nothing to measure.")
    prompts, scores = [simple_prompt(name) for name in names], []
    with in_use(model) as device:
        for start in tqdm(range(0, len(positions), _BATCH), desc="asking", unit="batch", disable=None, delay=5):
            features = images.batch(positions[start : start + _BATCH]).to(device)
            maps = model.similarity_table(features, prompts)
            scores.append(presence(maps.flatten(0, 1)).view(maps.shape[:2]).double().cpu().numpy())
    ids, patients, splits = zip(*described, strict=True)
    return PresenceScores(
        np.concatenate(scores),
        np.array([[name in present for name in names] for present in shown]),
        names,
        ids,
        patients,
        splits[0] if len(set(splits)) == 1 else None,
    )


def measure_auroc(scored: PresenceScores) -> Measurements:
    """How well the scores part studies that show a finding from those that do not.

    Rows are the findings of studies that show them. The metric `auroc` of a row is the share of the studies without
    that finding which score lower, a tie counting half; its mean over a finding's rows is the area under the finding's
    ROC curve (Hanley & McNeil, Radiology 1982), NaN where every study shows it. An interval over patients draws those
    who have the finding anew; the others stay.
    """
    rows = []
    for column, finding in enumerate(scored.findings):
        present = scored.present[:, column]
        without = np.sort(scored.scores[~present, column])
        with_it = scored.scores[present, column]
        below = np.searchsorted(without, with_it, "left") + np.searchsorted(without, with_it, "right")
        shares = below / (2 * len(without)) if len(without) else np.full(len(with_it), np.nan)
        for study, share in zip(np.flatnonzero(present), shares, strict=True):
            rows.append(
                {
                    "study": scored.studies[study],
                    "patient": scored.patients[study],
                    "finding": finding,
                    "lesions": finding,
                    "prompt": simple_prompt(finding),
                    "auroc": float(share),
                }
            )
    if not rows:
        raise InputError("No study shows any of the findings asked for, so there is nothing to tell apart.")
    return Measurements(pd.DataFrame(rows), protocol="presence", prompts="simple")
