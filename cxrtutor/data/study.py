"""What a radiologist leaves behind, as a value: an image, a report, and (for measuring only) the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from .geometry import Box, Geometry


@dataclass(frozen=True)
class Sentence:
    """One sentence of a report.

    Attributes:
        text: the sentence, without surrounding white space.
        findings: which of the study's findings (indices) it speaks of. Known only where the truth is known: in the
            teaching set. Empty for normal statements, negations, distractors, and all real reports.
    """

    text: str
    findings: tuple[int, ...] = ()


@dataclass(frozen=True)
class Report:
    """A report: its sections as written, and the sentences of FINDINGS and IMPRESSION in reading order.

    Attributes:
        sections: section name in lower case ("findings", "impression", "comparison", ...) to its text.
        sentences: may be empty; nothing here assumes otherwise.
    """

    sections: Mapping[str, str]
    sentences: tuple[Sentence, ...]

    @property
    def text(self) -> str:
        """The sentences joined by spaces: what a text encoder is given."""
        return " ".join(sentence.text for sentence in self.sentences)


@dataclass(frozen=True, eq=False)
class Finding:
    """One lesion: what it is and where it is. Never shown to a model in training.

    Attributes:
        name: the category, such as "pleural effusion".
        phrase: the words that ask for it precisely ("small left pleural effusion"). Findings of one study that share a
            phrase are measured together, as the union of their masks.
        mask: its pixels, or None where only boxes are known.
        boxes: its boxes; empty where only a mask is known.
        attributes: what else is known ("side", "zone", "size_mm", "visibility", ...).
    """

    name: str
    phrase: str
    mask: Bool[np.ndarray, "height width"] | None = None
    boxes: tuple[Box, ...] = ()
    attributes: Mapping[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Study:
    """One frontal image with its report and, where it is known, the truth.

    Attributes:
        id: of the image, unique within its set.
        patient: studies of one patient share it; intervals are computed over patients.
        image: intensities in [0, 1], bone bright; row 0 is the top, and the patient's right is on the image's left.
        report: may have no sentences.
        findings: empty both for a healthy patient and where nothing was annotated; `annotated` tells which.
        anatomy: masks such as "left lung", "right lung", "heart"; empty where unknown.
        pixel_spacing: millimetres between (rows, columns), or None where unknown.
        view: "PA", "AP", "LATERAL" or None where unknown.
        split: "train", "validation", "test", ..., or None.
        study: the owner's id of the study, which several images may share; None where there is none.
        labels: categories of the whole image or study: 1 present, 0 absent, -1 uncertain; not mentioned is left out.
        geometry: how the image lay in the file that it was read from, and the way back; None where not known.
    """

    id: str
    patient: str
    image: Float[np.ndarray, "height width"]
    report: Report
    findings: tuple[Finding, ...] = ()
    annotated: bool = False
    anatomy: Mapping[str, Bool[np.ndarray, "height width"]] = field(default_factory=dict)
    pixel_spacing: tuple[float, float] | None = None
    view: str | None = None
    split: str | None = None
    study: str | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    geometry: Geometry | None = None
