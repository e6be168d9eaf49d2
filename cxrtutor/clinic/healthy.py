"""The ten patients in good health: what `planted.py` has with a bug each.

A docstring here is a patient's chart: what the function promises, in plain words. Tests are written from it. Whatever
the package has a version of its own of is compared with it by the package's tests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError


def sharpness(attention: Float[Tensor, "*units regions"], temperature: float | int = 4.0) -> Float[Tensor, "*units"]:
    """How sharply each unit of a report looks.

    An attention is the softmax over the regions of `temperature * shares`, where every share lies between 0 and 1. Its
    sharpness is 0 where the unit looks at all regions alike and 1 where it looks at one region as sharply as an
    attention can. In between it goes in proportion to the largest weight. There are at least two regions.
    """
    regions = attention.shape[-1]
    evenly = 1 / regions
    at_most = 1 / (1 + (regions - 1) * math.exp(-temperature))
    return (attention.amax(dim=-1) - evenly) / (at_most - evenly)


def attention(
    regions: Float[Tensor, "studies regions dim"],
    units: Float[Tensor, "studies units dim"],
    mask: Bool[Tensor, "studies units"],
    temperature: float | int = 4.0,
) -> Float[Tensor, "studies units regions"]:
    """Where each unit of a report looks in the film of its own study.

    Every region shares itself out among the units of the report and a background, by a softmax of its dot products with
    them; the background scores 0 with every region. Each unit then takes a softmax over the regions, of `temperature`
    times what they gave it. So its weights add up to 1, and in reports of every length they tell regions that fit it
    from regions that do not. What stands where `mask` is False is no unit: its weights are 0, and it changes nothing
    for the others.
    """
    scores = (units @ regions.mT).masked_fill(~mask[..., None], -torch.inf)
    with_background = F.pad(scores, (0, 0, 0, 1), value=0.0)
    shares = with_background.softmax(dim=1)[:, :-1]
    return (temperature * shares).softmax(dim=2) * mask[..., None]


def word_batch(
    reports: Sequence[str], vocabulary: Mapping[str, int]
) -> tuple[Int[Tensor, "reports longest"], Bool[Tensor, "reports longest"]]:
    """The reports of a batch as numbers, and a mask that is True where there is a word.

    Words are what white space bounds, in lower case. A word that is not in the vocabulary has the number 1; what fills
    up the shorter reports has the number 0 and is no word. Both tables are as wide as the longest report has words.
    """
    longest = max((len(report.split()) for report in reports), default=0)
    numbers = torch.zeros(len(reports), longest, dtype=torch.long)
    mask = torch.zeros(len(reports), longest, dtype=torch.bool)
    for row, report in enumerate(reports):
        words = report.lower().split()
        numbers[row, : len(words)] = torch.tensor([vocabulary.get(word, 1) for word in words], dtype=torch.long)
        mask[row, : len(words)] = True
    return numbers, mask


def report_vectors(
    words: Float[Tensor, "reports longest dim"], mask: Bool[Tensor, "reports longest"]
) -> Float[Tensor, "reports dim"]:
    """One vector a report: the mean of the vectors of its words.

    Words stand where `mask` is True; numbers elsewhere are finite and do not count. A report without words has a vector
    of zeros. As many vectors come out as reports went in, in the same order.
    """
    total = (words * mask[..., None]).sum(dim=1)
    count = mask.sum(dim=1, keepdim=True)
    return total / count.clamp(min=1)


def local_loss(
    regions: Float[Tensor, "studies regions dim"],
    units: Float[Tensor, "studies units dim"],
    mask: Bool[Tensor, "studies units"],
    t1: float | int = 4.0,
    t2: float | int = 5.0,
    t3: float | int = 10.0,
) -> Float[Tensor, ""]:
    """GLoRIA's local loss of a batch: how hard is it to tell by single units which report belongs to which film?

    For each film with each report: every region shares itself out among the units of the report (a softmax of dot
    products), every unit attends to the regions (a softmax of `t1` times the shares) and gathers its context, and the
    cosines of contexts with their units, times `t2`, go through a log-sum-exp. These similarities, times `t3`, go
    through cross-entropies with targets on the diagonal, both ways, added. Every report has a unit at least. What
    stands where `mask` is False is no unit.
    """
    missing = ~mask[None]
    scores = torch.einsum("imd,jkd->ijkm", regions, units).masked_fill(missing[..., None], -torch.inf)
    shares = scores.softmax(dim=2)
    weights = (t1 * shares).softmax(dim=3)
    contexts = torch.einsum("ijkm,imd->ijkd", weights, regions)
    cosines = F.cosine_similarity(contexts, units[None], dim=3)
    similarity = (t2 * cosines).masked_fill(missing, -torch.inf).logsumexp(dim=2)
    own = torch.arange(len(similarity))
    return F.cross_entropy(t3 * similarity, own) + F.cross_entropy(t3 * similarity.T, own)


def overlay(
    film: Float[np.ndarray, "height width"], heat: Float[np.ndarray, "height width"], opacity: float | int = 0.5
) -> UInt8[np.ndarray, "height width 3"]:
    """A heat map over its film, as a picture whose last axis is red, green, blue, from 0 to 255.

    The film, whose values go from 0 to 1, is grey. Over it lies the heat, from pure blue where it is lowest to pure red
    where it is highest, and in proportion in between; of heat that is the same everywhere all is blue. `opacity` says
    how much of the picture is heat: 0 is the film alone, 1 the heat alone.
    """
    span = heat.max() - heat.min()
    warmth = (heat - heat.min()) / (span if span > 0 else 1)
    grey = np.stack([film, film, film], axis=-1)
    colour = np.stack([warmth, np.zeros_like(warmth), 1 - warmth], axis=-1)
    picture = (1 - opacity) * grey + opacity * colour
    return (255 * picture.clip(0, 1)).round().astype(np.uint8)


def codes(
    scores: Float[Tensor, "studies prototypes"], epsilon: float | int = 0.05, iterations: int = 3
) -> Float[Tensor, "studies prototypes"]:
    """How the studies of a batch are shared out among prototypes, such that all prototypes are used nearly alike.

    It begins with `exp(scores / epsilon)`. An iteration divides every column by its sum, and then every row by its sum.
    `scores` are cosines, in any floating-point type. Codes have the type of the scores, or float32 where that is less
    precise, and they are finite numbers from 0 to 1 whose rows add up to 1.
    """
    logarithms = scores.to(torch.promote_types(scores.dtype, torch.float32)) / epsilon
    for _ in range(iterations):
        logarithms = logarithms - logarithms.logsumexp(dim=0, keepdim=True)
        logarithms = logarithms - logarithms.logsumexp(dim=1, keepdim=True)
    return logarithms.exp()


def global_loss(
    films: Float[Tensor, "studies dim"],
    reports: Float[Tensor, "studies dim"],
    devices: int = 1,
    temperature: float | int = 0.1,
) -> Float[Tensor, ""]:
    """InfoNCE of a batch that lies on several devices: film to report plus report to film.

    Film `i` and report `i` belong together. The batch is cut into as many parts as there are devices, and each device
    computes the losses of the studies it holds; the mean over all studies is returned. A film's candidates are all
    reports of the batch, a report's candidates are all films. Similarities are cosines, divided by `temperature`.
    """
    films, reports = F.normalize(films, dim=1), F.normalize(reports, dim=1)
    held = list(zip(films.chunk(devices), reports.chunk(devices), strict=True))
    all_films = torch.cat([part for part, _ in held])
    all_reports = torch.cat([part for _, part in held])
    total, first = films.new_zeros(()), 0
    for own_films, own_reports in held:
        own = torch.arange(first, first + len(own_films))
        total = total + F.cross_entropy(own_films @ all_reports.T / temperature, own, reduction="sum")
        total = total + F.cross_entropy(own_reports @ all_films.T / temperature, own, reduction="sum")
        first += len(own)
    return total / len(films)


def choose_checkpoint(history: Sequence[Mapping[str, float | int]]) -> tuple[int, float | int]:
    """Which checkpoint of a run is published, and the test score that is published with it.

    Each entry of the history is a checkpoint: its "step", and its scores on the "validation" and on the "test"
    patients. Higher is better. The one that does best on the validation patients is chosen, of equals the first; one
    whose validation score is NaN never is. Returned are its step and its test score.

    Raises InputError where no checkpoint has a validation score.
    """
    judged = [entry for entry in history if not math.isnan(entry["validation"])]
    if not judged:
        raise InputError("No checkpoint has a validation score, so none can be chosen. Validate at least once.")
    best = max(judged, key=lambda entry: entry["validation"])
    return int(best["step"]), best["test"]


def report_scores(
    cosines: Float[Tensor, "films reports units"],
    mask: Bool[Tensor, "reports units"],
    temperature: float | int = 5.0,
) -> Float[Tensor, "films reports"]:
    """How well each report fits each film, from the cosine of each of its units with the film.

    A soft maximum, in which the best units count most: the logarithm of the mean, over the units of the report, of
    `exp(temperature * cosine)`. What stands where `mask` is False is no unit. Every report has one at least.
    """
    logits = (temperature * cosines).masked_fill(~mask[None], -torch.inf)
    units = mask.sum(dim=1).to(logits.dtype)
    return logits.logsumexp(dim=2) - units.log()
