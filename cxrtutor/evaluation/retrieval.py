"""Does a film find its report, a report its film, and a film its like? (chapter 06)

Three rules, shared by all measures:

- **Ties.** Candidates with equal scores stand in no order. A measure is then its mean over all orders in which they
  could stand (McSherry & Najork, ECIR 2008). So a model that scores everything alike gets exactly what chance gets.
- **Twins.** Reports that read alike, word for word, are one answer: nothing could tell them apart.
- A candidate scored minus infinity does not compete, such as a film among the answers to itself. Where no relevant
  candidate competes there is nothing to find, and a measure is undefined: NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..alignment.global_alignment import cosines
from ..data.dataset import StudyDataset
from ..data.study import Study
from ..encoders.caching import text_source
from ..errors import InputError
from ..localization.localize import in_use
from ..methods.model import AlignedModel
from .measurements import Measurements

OWN = ("recall@1", "recall@5", "recall@10")
"""Measured where a study has a partner: whether its own report, or film, is among the first so many."""

ALIKE = ("precision@5", "average precision")
"""Measured for every finding of a study: how far those that come first show it too."""

HEALTHY = "no finding"

_BATCH = 64


def recall_at(
    k: int, scores: Float[Tensor, "queries candidates"], relevant: Bool[Tensor, "queries candidates"]
) -> Float[Tensor, " queries"]:
    """Whether a relevant candidate is among the best `k`: 0 or 1, or between them where a tie decides.

    One is enough, as image-text retrieval counts: of several relevant candidates, any may be found.

    Raises:
        InputError: `k` is less than 1, or a score is NaN.
    """
    relevant = _competing(k, scores, relevant)
    best = scores.masked_fill(~relevant, -torch.inf).amax(dim=1, keepdim=True)
    tied = scores == best
    size, hits = tied.sum(dim=1).double(), (tied & relevant).sum(dim=1).double()
    places = (k - (scores > best).sum(dim=1)).clamp(min=0).minimum(tied.sum(dim=1)).double()
    # The chance that all places of the tie go to others: C(size - hits, places) / C(size, places).
    others = (size - hits - places).clamp(min=0)
    logs = [(value + 1).lgamma() for value in (size - hits, size - places, others, size)]
    missed = torch.where(size - hits < places, 0.0, (logs[0] + logs[1] - logs[2] - logs[3]).exp())
    return torch.where(relevant.any(dim=1), 1 - missed, torch.nan)


def precision_at(
    k: int, scores: Float[Tensor, "queries candidates"], relevant: Bool[Tensor, "queries candidates"]
) -> Float[Tensor, " queries"]:
    """The share of the best `k` that is relevant; of `k`, even where there are fewer candidates.

    Raises:
        InputError: `k` is less than 1, or a score is NaN.
    """
    relevant = _competing(k, scores, relevant)
    ranking = _Ranking.of(scores, relevant)
    return torch.where(relevant.any(dim=1), (ranking.hits / ranking.size)[:, :k].sum(dim=1) / k, torch.nan)


def average_precision(
    scores: Float[Tensor, "queries candidates"], relevant: Bool[Tensor, "queries candidates"]
) -> Float[Tensor, " queries"]:
    """At the place of every relevant candidate, the share of relevant ones so far; the mean of these. In (0, 1].

    Raises:
        InputError: a score is NaN.
    """
    relevant = _competing(1, scores, relevant)
    ranking = _Ranking.of(scores, relevant)
    inside = ranking.place - ranking.before - 1  # how many of the same tie stand ahead
    others = inside * (ranking.hits - 1) / (ranking.size - 1).clamp(min=1)
    expected = (ranking.found + 1 + others) / ranking.place
    return (ranking.hits / ranking.size * expected).sum(dim=1) / relevant.sum(dim=1)


@dataclass(frozen=True, eq=False)
class _Ranking:
    """Candidates from the best to the worst, place by place, each described by the tie it stands in.

    Attributes:
        place: 1 for the first.
        before: how many candidates stand ahead of the whole tie.
        found: how many of these are relevant.
        size: how many candidates are tied here.
        hits: how many of these are relevant.
    """

    place: Float[Tensor, " candidates"]
    before: Float[Tensor, "queries candidates"]
    found: Float[Tensor, "queries candidates"]
    size: Float[Tensor, "queries candidates"]
    hits: Float[Tensor, "queries candidates"]

    @classmethod
    def of(cls, scores: Float[Tensor, "queries candidates"], relevant: Bool[Tensor, "queries candidates"]) -> _Ranking:
        ranked, order = scores.sort(dim=1, descending=True)
        hit = relevant.gather(1, order).double()
        place = torch.arange(1, scores.shape[1] + 1, device=scores.device, dtype=torch.float64)
        starts = torch.ones_like(relevant)
        starts[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
        tie = starts.cumsum(dim=1) - 1

        def over_tie(values: Tensor) -> Tensor:
            return torch.zeros_like(hit).scatter_add(1, tie, values).gather(1, tie)

        def at_start(values: Tensor) -> Tensor:
            return torch.where(starts, values, 0.0).cummax(dim=1).values

        return cls(
            place, at_start(place - 1), at_start(hit.cumsum(dim=1) - hit), over_tie(torch.ones_like(hit)), over_tie(hit)
        )


def score_tables(model: AlignedModel, studies: StudyDataset) -> dict[str, Float[Tensor, "studies studies"]]:
    """Cosines of every study with every other by direction: queries in rows, candidates in columns.

    The directions are "image to report", "report to image" and "image to image"; in the last, no film is a candidate
    for itself. Images and reports are the vectors of global contrast: the pooled image and the whole report.
    """
    images, reports = [], []
    with in_use(model) as device, torch.no_grad():
        image_features, text_features = model.image_source(studies), text_source(model.text_encoder, studies)
        for start in range(0, len(studies), _BATCH):
            rows = range(start, min(start + _BATCH, len(studies)))
            pairs = model(image_features.batch(rows).to(device), text_features.batch(rows).to(device))
            images.append(pairs.image.pooled.cpu())
            reports.append(pairs.text.report.cpu())
    films, texts = torch.cat(images), torch.cat(reports)
    table = cosines(films, texts)
    return {
        "image to report": table,
        "report to image": table.T,
        "image to image": cosines(films, films).fill_diagonal_(-torch.inf),
    }


def measure_retrieval(
    tables: Mapping[str, Float[Tensor, "studies studies"]], studies: Sequence[Study]
) -> dict[str, Measurements]:
    """Every direction's measures, one row for each query and each of its findings ("no finding" for a healthy one).

    `average precision` and `precision@5` count a candidate as relevant when its study shows that finding too;
    `recall@k` asks for the query's own partner, and is missing where a study has none: between films. `lesions` says
    which findings of the study are meant. An interval over patients draws the queries anew; the candidates stay.

    Args:
        tables: scores by direction, as `score_tables` gives them; all alike, such as zeros, measure chance.
        studies: position `i` belongs to row and column `i`.

    Raises:
        InputError: a table does not fit the studies, or holds NaN.
    """
    seen = [studies[index] for index in range(len(studies))]
    for name, table in tables.items():
        if table.shape != (len(seen), len(seen)):
            raise InputError(f"The table {name!r} has shape {tuple(table.shape)}, but there are {len(seen)} studies.")
    queries = [(row, finding) for row, study in enumerate(seen) for finding in _findings(study)]
    rows = torch.tensor([row for row, _ in queries])
    shows = {name: torch.tensor([name in _findings(study) for study in seen]) for _, name in queries}
    alike = torch.stack([shows[finding] for _, finding in queries])
    twins = _twins([study.report.text for study in seen])[rows]
    described = pd.DataFrame([_described(seen[row], finding) for row, finding in queries])
    measured = {}
    for name, table in tables.items():
        scores = table[rows].double()
        columns = {"precision@5": precision_at(5, scores, alike), "average precision": average_precision(scores, alike)}
        if not table.diagonal().isneginf().all():
            columns = {column: recall_at(int(column[7:]), scores, twins) for column in OWN} | columns
        frame = described.assign(**{column: values.numpy() for column, values in columns.items()})
        measured[name] = Measurements(frame, protocol=f"retrieval among {len(seen)} studies", prompts=name)
    return measured


def _twins(texts: Sequence[str]) -> Bool[Tensor, "studies studies"]:
    """Which reports read alike; one without a word has no like, not even itself."""
    _, numbers = np.unique(texts, return_inverse=True)
    number = torch.from_numpy(numbers)
    return (number[:, None] == number) & torch.tensor([bool(text) for text in texts])


def _findings(study: Study) -> list[str]:
    return list(dict.fromkeys(finding.name for finding in study.findings)) or [HEALTHY]


def _described(study: Study, finding: str) -> dict[str, str]:
    lesions = [str(number) for number, lesion in enumerate(study.findings) if lesion.name == finding]
    return {
        "study": study.id,
        "patient": study.patient,
        "finding": finding,
        "lesions": "+".join(lesions),
        "prompt": "",
    }


def _competing(
    k: int, scores: Float[Tensor, "queries candidates"], relevant: Bool[Tensor, "queries candidates"]
) -> Bool[Tensor, "queries candidates"]:
    """The relevant candidates that compete."""
    if k < 1:
        raise InputError(f"k is {k}; ask for the first 1 or more.")
    if scores.isnan().any():
        raise InputError("A score is NaN, and what is no number has no rank. Give minus infinity to leave it out.")
    return relevant & ~scores.isneginf()
