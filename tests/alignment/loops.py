"""The objectives as plain loops, one study at a time: what the package must agree with."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import cosine_similarity, cross_entropy


def local_similarity_loop(regions, units, unit_mask, t1=4.0, t2=5.0, background=False):
    """`Z` [images, reports], written from the equations."""
    rows = []
    for r in regions:
        row = []
        for u, mask in zip(units, unit_mask, strict=True):
            u = u[mask]
            scores = r @ u.T
            if background:
                scores = torch.cat([scores, torch.zeros_like(scores[:, :1])], dim=1)
            p = scores.softmax(dim=1)[:, : len(u)]
            a = (t1 * p).softmax(dim=0)
            c = a.T @ r
            row.append((t2 * cosine_similarity(c, u)).exp().sum().log())
        rows.append(torch.stack(row))
    return torch.stack(rows)


def local_loss_loop(regions, units, unit_mask, t3=10.0, mean=False, **temperatures):
    """The local loss; `mean` subtracts `t3 ln n_j` from the logits."""
    logits = t3 * local_similarity_loop(regions, units, unit_mask, **temperatures)
    if mean:
        logits = logits - t3 * unit_mask.sum(dim=1).to(logits.dtype).log()
    target = torch.arange(len(logits))
    return cross_entropy(logits, target) + cross_entropy(logits.T, target)


def info_nce_loop(table, tau):
    """Symmetric InfoNCE of a table of cosines, one study at a time."""
    n = len(table)
    exp = [[math.exp(table[i][j] / tau) for j in range(n)] for i in range(n)]
    image_to_text = -sum(math.log(exp[i][i] / sum(exp[i])) for i in range(n)) / n
    text_to_image = -sum(math.log(exp[i][i] / sum(exp[j][i] for j in range(n))) for i in range(n)) / n
    return image_to_text + text_to_image


def global_loss_loop(images, reports, tau, weight=0.5):
    """ConVIRT's loss, twice the weighted mean of both directions, one study and one number at a time."""

    def cosine(a, b):
        return sum(x * y for x, y in zip(a, b, strict=True)) / (
            sum(x * x for x in a).sqrt() * sum(y * y for y in b).sqrt()
        )

    n, loss = len(images), 0.0
    exp = [[(cosine(image, report) / tau).exp() for report in reports] for image in images]
    for i in range(n):
        loss = loss - 2 * weight * (exp[i][i] / sum(exp[i])).log() / n
        loss = loss - 2 * (1 - weight) * (exp[i][i] / sum(exp[j][i] for j in range(n))).log() / n
    return loss


def token_loss_loop(words, regions, word_weights, region_weights, tau=0.1, attention_tau=0.1):
    """Both sides of MGCA's token-wise loss of one study, one token and one number at a time."""

    def unit(x):
        return x / (x * x).sum().sqrt()

    def side(queries, keys, weights):
        queries, keys = [unit(q) for q in queries], [unit(k) for k in keys]
        found = []
        for q in queries:
            shares = [((q @ k) / attention_tau).exp() for k in keys]
            found.append(unit(sum(s * k for s, k in zip(shares, keys, strict=True)) / sum(shares)))
        loss = 0.0
        for i, (q, o, weight) in enumerate(zip(queries, found, weights, strict=True)):
            among_found = torch.stack([q @ other for other in found]) / tau
            among_queries = torch.stack([other @ o for other in queries]) / tau
            loss = loss + weight * (among_found.logsumexp(0) + among_queries.logsumexp(0)) / 2 - weight * among_found[i]
        return loss

    return side(words, regions, word_weights), side(regions, words, region_weights)


def swav_codes(scores, epsilon=0.05, iterations=3):
    """Codes as SwAV's published code makes them, in double and without logarithms."""
    table = (scores.double() / epsilon).exp().T
    prototypes, studies = table.shape
    table = table / table.sum()
    for _ in range(iterations):
        table = table / table.sum(dim=1, keepdim=True) / prototypes
        table = table / table.sum(dim=0, keepdim=True) / studies
    return (table * studies).T


def prototype_loss_loop(images, reports, prototypes, epsilon=0.05, iterations=3, tau=0.2):
    """MGCA's prototype-wise loss, one study at a time; codes without gradient."""

    def unit(x):
        return x / (x * x).sum().sqrt()

    kinds = [unit(p).detach() + p - p.detach() for p in prototypes]
    scores = [torch.stack([torch.stack([unit(x) @ p for p in kinds]) for x in side]) for side in (images, reports)]
    codes = [swav_codes(side.detach(), epsilon, iterations) for side in scores]
    loss = 0.0
    for i in range(len(images)):
        for known, predicting in ((0, 1), (1, 0)):
            predicted = (scores[predicting][i] / tau).exp()
            loss = loss - (codes[known][i] * (predicted / predicted.sum()).log()).sum() / len(images) / 2
    return loss


def masked_contrast_loop(masked, reports, whole, tau, weight_tau, stop_gradient):
    """InfoNCE of masked images, each study weighted by how like its whole image the masked one is."""
    n = len(masked)
    likeness = [(cosine_similarity(masked[i], whole[i], dim=0) / weight_tau).exp() for i in range(n)]
    exp = [[(cosine_similarity(image, report, dim=0) / tau).exp() for report in reports] for image in masked]
    loss = 0.0
    for i in range(n):
        weight = n * likeness[i] / sum(likeness)
        weight = weight.detach() if stop_gradient else weight
        loss = loss - weight * (exp[i][i] / sum(exp[i])).log() / n
        loss = loss - weight * (exp[i][i] / sum(exp[j][i] for j in range(n))).log() / n
    return loss
