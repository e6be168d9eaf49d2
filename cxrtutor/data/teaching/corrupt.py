"""Reports that say the wrong thing, for experiments on how much a method suffers from it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ..places import exchange_sides
from ..reports import compose_report, split_sentences
from ..study import Report, Sentence
from .grammar import write_sentence
from .lesion import FINDINGS, Lesion

_MENTION = {
    "consolidation": "consolid|opaci|airspace|infiltrate|pneumonia|infect",
    "ground-glass opacity": "opaci|airspace|infiltrate|pneumonia|hazy|inflammat",
    "nodule": "nodul|round|opaci",
    "mass": "mass|round|malignan|neoplas|opaci",
    "pleural effusion": "effusion|pleura|costophrenic|opaci",
    "pneumothorax": "pneumothora|pleura|lucen",
    "atelectasis": "atelecta|linear|streak|volume loss|collapse|opaci",
    "edema": "edema|congest|vascul|vessel|fluid|interstitial|decompens|heart failure",
    "cardiomegaly": "heart|cardi",
}
"""Any word that may affirm or deny a finding: an invented finding must be one of which the report says nothing."""


def corrupt(
    report: Report, rng: np.random.Generator, *, swap_side: float = 0.0, drop: float = 0.0, invent: float = 0.0
) -> Report:
    """Change what a report says about the patient, and nothing about what is true of the patient.

    Only the report is changed. The phrases, masks and lesions of its study remain the truth: a swapped report says
    "right" where `Finding.phrase` still says "left". Links stay right in that sense: a swapped sentence still speaks of
    its lesion (wrongly), an invented one of none.

    A finding is dropped or swapped in all its sentences, FINDINGS and IMPRESSION alike; findings that share a sentence
    share their fate. Sentences without a link (denials, normal statements, all of a real report) stay as they are, so
    a swapped finding may contradict "The right lung is clear.", as real errors do. With one seed, a higher rate drops
    (or swaps) the same findings and more.

    Args:
        swap_side: probability, for each finding, that left is said for right; no effect where no side is named.
        drop: probability, for each finding, that the report is silent about it. A report may end without sentences.
        invent: probability, for each report, that FINDINGS gains a sentence on a finding that the report says nothing
            about. A report that mentions all findings gains none.
    """
    together = _findings_that_share_sentences(report.sentences)
    draws = rng.random((len(together), 2))
    dropped = {finding for group, draw in zip(together, draws, strict=True) if draw[0] < drop for finding in group}
    swapped = {finding for group, draw in zip(together, draws, strict=True) if draw[1] < swap_side for finding in group}

    border = len(split_sentences(report.sections.get("findings", report.sections.get("last_paragraph", ""))))
    findings, impression = (
        [_swap(s) if swapped.intersection(s.findings) else s for s in part if dropped.isdisjoint(s.findings)]
        for part in (report.sentences[:border], report.sentences[border:])
    )
    if rng.random() < invent and (invented := _invention(report.text, rng)):
        findings.insert(int(rng.integers(len(findings) + 1)), invented)
    if (*findings, *impression) == report.sentences:
        return report
    others = {name: text for name, text in report.sections.items() if name not in _REWRITTEN}
    return compose_report(findings, impression, others)


_REWRITTEN = ("findings", "last_paragraph", "impression")


def _findings_that_share_sentences(sentences: Sequence[Sentence]) -> list[set[int]]:
    groups: list[set[int]] = []
    for sentence in sentences:
        merged = set(sentence.findings)
        apart = [group for group in groups if group.isdisjoint(merged)]
        merged.update(*(group for group in groups if not group.isdisjoint(merged)))
        groups = [*apart, merged] if merged else groups
    return sorted(groups, key=min)


def _swap(sentence: Sentence) -> Sentence:
    return Sentence(exchange_sides(sentence.text), sentence.findings)


def _invention(text: str, rng: np.random.Generator) -> Sentence | None:
    unmentioned = [name for name in FINDINGS if not re.search(_MENTION[name], text, re.IGNORECASE)]
    if not unmentioned:
        return None
    return Sentence(write_sentence(_any_lesion(str(rng.choice(unmentioned)), rng), rng))


def _any_lesion(finding: str, rng: np.random.Generator) -> Lesion:
    zones = {
        "pleural effusion": ("basal",),
        "pneumothorax": ("apical",),
        "cardiomegaly": ("whole",),
        "edema": ("whole",),
    }
    sides = {"cardiomegaly": ("middle",), "edema": ("both",)}
    sizes = {"nodule": (20.0, 30.0), "mass": (31.0, 60.0)}
    return Lesion(
        finding,
        side=str(rng.choice(sides.get(finding, ("left", "right")))),
        zone=str(rng.choice(zones.get(finding, ("upper", "middle", "lower")))),
        severity=str(rng.choice(("small", "moderate", "large"))),
        size_mm=float(rng.uniform(*sizes[finding])) if finding in sizes else None,
    )
