"""Which public sets show the same films, so that two of them are not two pieces of evidence.

Names are those of `About.name`. What is here is what the sets' owners say of them; that two sets stand in no line
together does not prove that they share nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Overlap(NamedTuple):
    """Sets that share films, and how."""

    sets: tuple[str, ...]
    how: str


OVERLAPS = (
    Overlap(
        ("NIH ChestX-ray14", "RSNA Pneumonia", "SIIM-ACR Pneumothorax", "ChestX-Det"),
        "The films of RSNA Pneumonia, SIIM-ACR Pneumothorax and ChestX-Det were all taken from NIH ChestX-ray14.",
    ),
    Overlap(
        ("COVIDx", "RSNA Pneumonia", "NIH ChestX-ray14"),
        "Most of COVIDx's normal and pneumonia films are RSNA Pneumonia's, and so NIH ChestX-ray14's.",
    ),
    Overlap(("MIMIC-CXR", "MS-CXR"), "MS-CXR's boxes are drawn on films of MIMIC-CXR."),
    Overlap(("CheXpert", "CheXlocalize"), "CheXlocalize's films are CheXpert's validation and test films."),
)


def shared_films(sets: Iterable[str]) -> list[str]:
    """A sentence for every way in which one of these sets shares films with another set, one of these or not."""
    named = set(sets)
    return [one.how for one in OVERLAPS if named & set(one.sets)]
