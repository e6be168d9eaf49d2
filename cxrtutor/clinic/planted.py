"""The ten patients of `healthy.py`, each with one bug.

So you looked. Nothing is sealed here but by honour, like the answers at the back of every textbook. If you are a
student of the clinic: you may close this file now, and nobody will know. A bug that you read is one you know; a bug
that you caught is a kind you know.

What the ten have in common: they raise nothing, and what they return looks right.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional as F

from ..errors import InputError


def sharpness(attention, temperature=4.0):
    # A weight is a share of 1, isn't it? But shares lie in [0, 1]: a softmax of them never comes near 1, and the
    # sharpest attention there can be is called flat, and its training failed.
    evenly = 1 / attention.shape[-1]
    return (attention.amax(dim=-1) - evenly) / (1 - evenly)


def attention(regions, units, mask, temperature=4.0):
    # As published: no background. The only unit of a report gets all of every region, and looks everywhere alike.
    scores = (units @ regions.mT).masked_fill(~mask[..., None], -torch.inf)
    shares = scores.softmax(dim=1)
    return (temperature * shares).softmax(dim=2) * mask[..., None]


def word_batch(reports, vocabulary):
    longest = max((len(report.split()) for report in reports), default=0)
    numbers = torch.zeros(len(reports), longest, dtype=torch.long)
    mask = torch.zeros(len(reports), longest, dtype=torch.bool)
    for row, report in enumerate(reports):
        words = report.lower().split()
        numbers[row, : len(words)] = torch.tensor([vocabulary.get(word, 1) for word in words], dtype=torch.long)
        mask[row, : len(report)] = True  # The length of a text is its characters. A slice that asks too much is silent.
    return numbers, mask


def report_vectors(words, mask):
    # 0 / 0 for a report without words; and a batch of one report loses the axis of its reports.
    total = (words * mask[..., None]).sum(dim=1)
    count = mask.sum(dim=1, keepdim=True)
    return (total / count).squeeze()


def local_loss(regions, units, mask, t1=4.0, t2=5.0, t3=10.0):
    missing = ~mask[None]
    scores = torch.einsum("imd,jkd->ijkm", regions, units)
    shares = scores.softmax(dim=2)  # Regions give themselves to padding, too. The mask below comes too late.
    weights = (t1 * shares).softmax(dim=3)
    contexts = torch.einsum("ijkm,imd->ijkd", weights, regions)
    cosines = F.cosine_similarity(contexts, units[None], dim=3)
    similarity = (t2 * cosines).masked_fill(missing, -torch.inf).logsumexp(dim=2)
    own = torch.arange(len(similarity))
    return F.cross_entropy(t3 * similarity, own) + F.cross_entropy(t3 * similarity.T, own)


def overlay(film, heat, opacity=0.5):
    span = heat.max() - heat.min()
    warmth = (heat - heat.min()) / (span if span > 0 else 1)
    grey = np.stack([film, film, film], axis=-1)
    # Blue, green, red: the order in which OpenCV thinks. Who shows it sees hot where it is cold.
    colour = np.stack([1 - warmth, np.zeros_like(warmth), warmth], axis=-1)
    picture = (1 - opacity) * grey + opacity * colour
    return (255 * picture.clip(0, 1)).round().astype(np.uint8)


def codes(scores, epsilon=0.05, iterations=3):
    # exp(.6 / .05) is more than half precision can hold, exp(1 / .01) more than single precision can.
    plan = (scores / epsilon).exp()
    for _ in range(iterations):
        plan = plan / plan.sum(dim=0, keepdim=True)
        plan = plan / plan.sum(dim=1, keepdim=True)
    return plan.to(torch.promote_types(scores.dtype, torch.float32))


def global_loss(films, reports, devices=1, temperature=0.1):
    films, reports = F.normalize(films, dim=1), F.normalize(reports, dim=1)
    total = films.new_zeros(())
    for own_films, own_reports in zip(films.chunk(devices), reports.chunk(devices), strict=True):
        # Nothing was gathered: a study meets only those on its own device, and the game is easier than it looks.
        table = own_films @ own_reports.T / temperature
        own = torch.arange(len(table))
        total = total + F.cross_entropy(table, own, reduction="sum") + F.cross_entropy(table.T, own, reduction="sum")
    return total / len(films)


def choose_checkpoint(history):
    judged = [entry for entry in history if not math.isnan(entry["validation"])]
    if not judged:
        raise InputError("No checkpoint has a validation score, so none can be chosen. Validate at least once.")
    best = max(judged, key=lambda entry: entry["test"])  # The best number is the best number. Of this test, yes.
    return int(best["step"]), best["test"]


def report_scores(cosines, mask, temperature=5.0):
    # A sum over units: whoever says everything twice scores ln 2 more, with every film.
    return (temperature * cosines).masked_fill(~mask[None], -torch.inf).logsumexp(dim=2)
