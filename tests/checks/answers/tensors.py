"""Answers to the exercises of `cxrtutor/checks/tensors.py`."""

from __future__ import annotations

import torch
from scipy.special import logsumexp
from torch.nn import functional as F


def overwritten_sums(values, group, groups):
    sums = values.new_zeros(groups, values.shape[1])
    sums[group] += values
    return sums


def choosing(table):
    return (table.logsumexp(dim=1) - table.diagonal()).mean()


WRONG = {
    "map_to_regions": [
        (lambda maps: maps.reshape(len(maps), -1, maps.shape[1]), "scrambled"),
        (lambda maps: maps.flatten(2), "[batch, dim, regions]"),
        (lambda maps: maps.permute(0, 2, 3, 1), "still a map"),
        (lambda maps: maps.permute(0, 3, 2, 1).flatten(1, 2), "down the columns"),
    ],
    "cosine_table": [
        (lambda a, b: a @ b.T, "dot products"),
        (lambda a, b: (b / b.norm(dim=1, keepdim=True)) @ (a / a.norm(dim=1, keepdim=True)).T, "exchanged"),
        (lambda a, b: (a / a.norm(dim=0)) @ (b / b.norm(dim=0)).T, "divide columns"),
        (lambda a, b: (a / a.norm()) @ (b / b.norm()).T, "whole table"),
    ],
    "masked_mean": [
        (lambda units, mask: units.mean(dim=1), "as if it were a sentence"),
        (lambda units, mask: units.masked_fill(~mask[..., None], 0).mean(dim=1), "padded one"),
        (lambda units, mask: units.masked_fill(~mask[..., None], 0).sum(dim=1), "That is the sum"),
        (lambda units, mask: units.masked_fill(~mask[..., None], 0).sum(dim=1) / mask.sum(), "whole batch"),
        (lambda units, mask: (units * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True), "0 times NaN"),
    ],
    "log_sum_exp": [
        (lambda scores: scores.exp().sum(dim=-1).log(), "overflows"),
        (lambda scores: (scores - scores.amax(dim=-1, keepdim=True)).exp().sum(dim=-1).log(), "add it back"),
        (lambda scores: (scores - scores.max()).exp().sum(dim=-1).log() + scores.max(), "its own"),
        (
            lambda scores: (scores - scores.amax(dim=-1, keepdim=True)).exp().sum(dim=-1).log() + scores.amax(dim=-1),
            "infinity minus infinity",
        ),
    ],
    "contexts": [
        (lambda attention, regions: (attention @ regions).sum(dim=0), "batch is gone"),
        (lambda attention, regions: (attention @ regions).mT, "[batch, dim, units]"),
        (lambda attention, regions: attention @ regions.sum(dim=0), "*all* images"),
        (
            lambda attention, regions: regions.mean(dim=1, keepdim=True).expand(-1, attention.shape[1], -1),
            "see the same",
        ),
    ],
    "group_sums": [
        (overwritten_sums, "overwrite each other"),
        (
            lambda values, group, groups: values.new_zeros(groups, 2).index_add(0, group, values)[group.unique()],
            "disappeared",
        ),
        (
            lambda values, group, groups: (
                values.new_zeros(groups, 2).index_add(0, group, values)
                / group.bincount(minlength=groups).clamp(min=1)[:, None]
            ),
            "mean of each group",
        ),
        (lambda values, group, groups: values[group], "way back"),
    ],
    "matching_loss": [
        (lambda table: choosing(table), "each row chooses"),
        (lambda table: choosing(table.T), "each column chooses"),
        (lambda table: (choosing(table) + choosing(table.T)) / 2, "sum, not the mean"),
        (lambda table: len(table) * (choosing(table) + choosing(table.T)), "add up the studies"),
        (lambda table: -choosing(table) - choosing(table.T), "sign"),
    ],
}


ALSO_RIGHT = {
    "map_to_regions": lambda maps: maps.permute(0, 2, 3, 1).reshape(len(maps), -1, maps.shape[1]),
    "cosine_table": lambda a, b: F.cosine_similarity(a[:, None], b[None], dim=-1),
    "masked_mean": lambda units, mask: torch.stack(
        [one[real].mean(dim=0) for one, real in zip(units, mask, strict=True)]
    ),
    "log_sum_exp": lambda scores: logsumexp(scores.numpy(), axis=-1),
    "contexts": lambda attention, regions: torch.stack([a @ r for a, r in zip(attention, regions, strict=True)]),
    "group_sums": lambda values, group, groups: F.one_hot(group, groups).T.to(values) @ values,
    "matching_loss": lambda table: -(table.log_softmax(dim=0) + table.log_softmax(dim=1)).diagonal().mean(),
}

IN_OTHER_TYPES = {
    "group_sums": lambda values, group, groups: torch.zeros(groups, values.shape[1]).index_add(0, group, values),
}
