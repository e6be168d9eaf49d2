"""The vocabulary that the pictures and the reports of the teaching set share: what is wrong with a patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FINDINGS = (
    "consolidation",
    "ground-glass opacity",
    "nodule",
    "mass",
    "pleural effusion",
    "pneumothorax",
    "atelectasis",
    "edema",
    "cardiomegaly",
)
"""The findings that training may show."""

UNSEEN_FINDINGS = ("viral pneumonia", "cavity")
"""Held out of training altogether: a COVID-like pattern (an unseen *combination*) and a cavitary lesion (an unseen
*morphology*)."""

Side = Literal["left", "right", "both", "middle"]
Zone = Literal["apical", "upper", "middle", "lower", "perihilar", "basal", "whole"]
Severity = Literal["small", "moderate", "large"]


@dataclass(frozen=True)
class Lesion:
    """One lesion before it has a place in pixels.

    Attributes:
        finding: one of `FINDINGS` or `UNSEEN_FINDINGS`.
        side: the *patient's* side; "both" for one diffuse process in both lungs (edema), "middle" for the heart.
        zone: the height at which a frontal film shows it; "whole" where that says nothing (the heart).
        severity: extent for effusion, pneumothorax, edema, opacities; degree for cardiomegaly.
        lobe: "upper lobe", "middle lobe", "lower lobe", "lingula" or None where a frontal film does not allow it.
        size_mm: the longest diameter of a nodule, mass or cavity; None for what is not measured.
        group: lesions that one radiologist would report in one breath (several nodules, effusions of both sides)
            share a group number.
    """

    finding: str
    side: Side
    zone: Zone
    severity: Severity
    lobe: str | None = None
    size_mm: float | None = None
    group: int = 0
