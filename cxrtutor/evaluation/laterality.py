"""Left or right: does the map lie on the side that the words name, and what tells a region its side?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol as Interface
from typing import runtime_checkable

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..data.dataset import StudyDataset
from ..data.places import exchange_sides
from ..data.study import Finding, Study
from ..data.views import Studies, mirrored
from ..errors import InputError
from ..localization.localize import MapsSimilarity
from ..localization.presence import presence
from ..localization.protocols import Protocol, protocol_named
from .bootstrap import Interval, paired_difference
from .evaluate import ImageSource, answers, evaluate
from .measurements import Measurements

_OTHER = {"left": "right", "right": "left"}
_SIDE = re.compile(r"\b(left|right)(?:-sided)?\b", re.IGNORECASE)


@runtime_checkable
class SeesSets(MapsSimilarity, Interface):
    """What is asked of a model to see a set in the mirror; `methods.AlignedModel` offers it."""

    def image_source(self, studies: Studies) -> ImageSource:
        """The features of a set's images."""
        ...


def one_side(phrase: str) -> str | None:
    """The side that a phrase names: "left", "right", or None where it names neither or both."""
    named = {match[1].lower() for match in _SIDE.finditer(phrase)}
    return named.pop() if len(named) == 1 else None


def half_of_image(study: Study, side: str) -> Bool[np.ndarray, "height width"] | None:
    """The half of the film that lies on one side of the patient; None where the lungs' masks are not known.

    The border is the line of equal distance from the lungs' centres: upright in an upright patient, and tilted with one
    who leans.
    """
    lungs = [study.anatomy.get(f"{each} lung") for each in (side, _OTHER[side])]
    if any(lung is None or not lung.any() for lung in lungs):
        return None
    own, other = (np.argwhere(lung).mean(axis=0) for lung in lungs)
    rows, columns = np.indices(study.image.shape)
    across = (rows - (own + other)[0] / 2) * (own - other)[0] + (columns - (own + other)[1] / 2) * (own - other)[1]
    return across > 0


def measure_laterality(
    model: MapsSimilarity, images: ImageSource, studies: Sequence[Study], protocol: str | Protocol = "afloc"
) -> Measurements:
    """Ask for every finding whose phrase names one side, and see on which side of the patient the answer lies.

    The metrics: `peak on the wrong side` (0 or 1; of several equal peaks their share) and `mask on the wrong side`, the
    share of the predicted pixels, as a mean over the protocol's thresholds; NaN where nothing is predicted. Half is
    chance.

    Args:
        model: gives similarity maps of images and prompts.
        images: position `i` holds the features of `studies[i]`.
        studies: a set with masks of the lungs.
        protocol: the name of a protocol, or a protocol.

    Raises:
        InputError: no finding of the set names a side, or on no film with it are the lungs known.
    """
    protocol, rows = protocol_named(protocol), []
    for samples, similarity, _ in answers(model, images, studies, own_words):
        halves = [half_of_image(studies[sample.index], _OTHER[one_side(sample.prompt)]) for sample in samples]
        known = [number for number, half in enumerate(halves) if half is not None]
        if not known:
            continue
        samples, maps = [samples[number] for number in known], similarity[known].cpu()
        wrong = torch.from_numpy(np.stack([halves[number] for number in known]))
        heat = protocol.heat(maps, tuple(wrong.shape[1:]))
        masks = protocol.masks(heat, [sample.finding for sample in samples], presence(maps))
        beyond = (masks & wrong[:, None]).flatten(2).sum(dim=2).double() / masks.flatten(2).sum(dim=2)
        for sample, peak, share in zip(samples, peaks_within(heat, wrong), beyond.nanmean(dim=1), strict=True):
            rows.append(
                {
                    "study": sample.study,
                    "patient": sample.patient,
                    "finding": sample.finding,
                    "lesions": "+".join(map(str, sample.lesions)),
                    "prompt": sample.prompt,
                    "peak on the wrong side": peak.item(),
                    "mask on the wrong side": share.item(),
                }
            )
    if not rows:
        raise InputError("No film of this set has masks of both lungs, so nobody knows where its sides are.")
    return Measurements(pd.DataFrame(rows), protocol.name, "precise")


def peaks_within(
    heat: Float[Tensor, "batch height width"], region: Bool[Tensor, "batch height width"]
) -> Float[Tensor, " batch"]:
    """The share of the highest pixels that lie in a region; NaN pixels are not judged."""
    judged = heat.masked_fill(heat.isnan(), -torch.inf)
    highest = judged == judged.amax(dim=(1, 2), keepdim=True)
    return (highest & region).sum(dim=(1, 2)).double() / highest.sum(dim=(1, 2))


# ---------------------------------------------------------------------------------------------------------- the mirror


def own_words(finding: Finding) -> str | None:
    """The phrase, where it names one side."""
    return finding.phrase if one_side(finding.phrase) else None


def other_side(finding: Finding) -> str | None:
    """The phrase with left and right exchanged, where it names one side."""
    phrase = own_words(finding)
    return None if phrase is None else exchange_sides(phrase)


def mirror_test(model: SeesSets, studies: StudyDataset, protocol: str | Protocol = "afloc") -> dict[str, Measurements]:
    """Ask films, and films in the mirror, for findings in their own words and with left and right exchanged.

    In a mirrored film the lesion lies on the other side of the picture, and so do the heart and the marker's letter. If
    a region knows its side by its place in the picture, the exchanged words fit the mirrored film better; if by the
    anatomy or the letter, the own words still do; if it does not know, no words matter.

    Returns:
        Measurements by "film as it is, own words", "film as it is, other side", "mirrored, own words" and "mirrored,
        other side"; `own_words_win` compares them.

    Raises:
        InputError: there is no such protocol, or no finding names a side.
    """
    as_is = [studies[index] for index in range(len(studies))]
    films = {
        "film as it is": (model.image_source(studies), as_is),
        "mirrored": (model.image_source(mirrored(studies)), [mirrored_truth(study) for study in as_is]),
    }
    return {
        f"{film}, {words}": replace(evaluate(model, images, shown, protocol, ask), prompts="own words or other side")
        for film, (images, shown) in films.items()
        for words, ask in (("own words", own_words), ("other side", other_side))
    }


def own_words_win(tested: dict[str, Measurements], metric: str = "cnr") -> dict[str, Interval]:
    """For the film as it is and for the mirrored one: by how much the own words fit better than the exchanged ones.

    Above 0 the report's own side is heard, below 0 the other; where the limits hold 0, nothing can be said.
    """
    return {
        film: paired_difference(tested[f"{film}, own words"], tested[f"{film}, other side"], metric)
        for film in ("film as it is", "mirrored")
    }


def mirrored_truth(study: Study) -> Study:
    """What is known of a study's mirrored film: its lesions, on the other side of the picture."""
    findings = tuple(
        replace(
            finding,
            mask=None if finding.mask is None else np.ascontiguousarray(finding.mask[:, ::-1]),
            boxes=tuple(box._replace(x=study.image.shape[1] - box.x - box.width) for box in finding.boxes),
        )
        for finding in study.findings
    )
    return replace(study, image=np.ascontiguousarray(study.image[:, ::-1]), findings=findings)
