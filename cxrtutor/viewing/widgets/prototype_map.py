"""A map of studies by their embeddings: each point is a study, and choosing one shows its radiograph and its report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Float, Shaped
from PIL import Image

from cxrtutor.errors import InputError
from cxrtutor.viewing import colours
from cxrtutor.viewing.widgets.page_widget import PageWidget
from cxrtutor.viewing.widgets.radiograph_widget import in_range, module, png

MOST_BYTES = 1_000_000
"""What a map may add to its page."""

MOST_FINDINGS = 2 * len(colours.SERIES)
"""Each colour of the course's series belongs to one shape, which may be filled or hollow."""


@dataclass(frozen=True, eq=False)
class MappedStudy:
    """One point of the map.

    Attributes:
        title: a short name, such as "Study 12".
        finding: what the study is counted under; it chooses the colour and the shape.
        position: its place in the plane, x to the right and y upwards, in any unit.
        report: its text.
        image: uint8, or float in [0, 1]; bone is bright. None where the page shall not show it.
        prototype: the number of the prototype that the study is assigned to, or None.

    Raises:
        InputError: the image leaves [0, 1], or the position is not finite.
    """

    title: str
    finding: str
    position: tuple[float, float] | Float[np.ndarray, " 2"]
    report: str = ""
    image: Shaped[np.ndarray, "height width"] | None = None
    prototype: int | None = None

    def __post_init__(self) -> None:
        if self.image is not None and not in_range(self.image):
            raise InputError(f"{self.title!r}: the image must be uint8, or float in [0, 1] without NaN.")
        if not np.isfinite(self.position).all():
            raise InputError(f"{self.title!r}: its position is {self.position}; give two finite numbers.")


class PrototypeMap(PageWidget):
    """Studies, and prototypes if there are any, in the plane.

    A study's finding gives its point a colour and a shape; past the seventh finding shapes are hollow. Pointing at a
    point, or moving to it by the arrow keys, names it; a click or Enter chooses it, and shows the study's radiograph
    and report, or which studies a prototype has. The legend takes findings out and puts them back. Both axes have one
    scale, so that distances can be compared.

    Args:
        studies: at least one, with no more than `MOST_FINDINGS` kinds of finding; the first one's is the first kind.
        prototypes: their places in the same plane.
        prototype_names: one for each; "Prototype 0", "Prototype 1", ... by default.
        side: pictures are brought to so many pixels along their longer side.
        selected: the number of the study that is shown at first.
        show_links: whether lines lead from studies to their prototypes at first.

    Raises:
        InputError: there is no study or too many findings, a study's prototype is not there, a prototype's position is
            not finite, or the map adds more than `MOST_BYTES` to its page.
    """

    _esm = module("prototype_map.js")

    studies = traitlets.List(traitlets.Dict()).tag(sync=True)
    findings = traitlets.List(traitlets.Dict()).tag(sync=True)
    prototypes = traitlets.List(traitlets.Dict()).tag(sync=True)
    selected = traitlets.Int(0, min=0).tag(sync=True)
    left_out = traitlets.List(traitlets.Int()).tag(sync=True)
    show_links = traitlets.Bool(True).tag(sync=True)
    colours = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        studies: Sequence[MappedStudy],
        prototypes: Float[np.ndarray, "prototypes 2"] | None = None,
        *,
        prototype_names: Sequence[str] = (),
        side: int = 72,
        selected: int = 0,
        show_links: bool = True,
    ) -> None:
        places = np.empty((0, 2)) if prototypes is None else prototypes
        _check(studies, places, prototype_names)
        findings = list(dict.fromkeys(study.finding for study in studies))
        super().__init__(
            studies=[_as_json(study, findings, side) for study in studies],
            findings=[
                {"name": name, "colour": colour, "hollow": hollow}
                for name, (hollow, colour) in zip(findings, product((False, True), colours.SERIES), strict=False)
            ],
            prototypes=[
                {"name": name, "x": x, "y": y}
                for name, (x, y) in zip(
                    prototype_names or [f"Prototype {number}" for number in range(len(places))],
                    places.tolist(),
                    strict=True,
                )
            ],
            selected=selected,
            show_links=show_links,
            colours={"casing": colours.CASING},
        )
        size = len(json.dumps(self.page_values()))
        if size > MOST_BYTES:
            raise InputError(
                f"The map adds {size:,} bytes to its page, more than {MOST_BYTES:,}. "
                "Give fewer studies a picture, or make `side` smaller."
            )


def _as_json(study: MappedStudy, findings: Sequence[str], side: int) -> dict[str, Any]:
    x, y = map(float, study.position)
    values = {"title": study.title, "finding": findings.index(study.finding), "x": x, "y": y, "report": study.report}
    picture = None if study.image is None else _picture(study.image, side)
    return values | {"prototype": study.prototype, "picture": picture}


def _picture(image: Shaped[np.ndarray, "height width"], side: int) -> dict[str, Any]:
    """The image as PNG; its longer side has `side` pixels at most, each the mean of those it covers."""
    grey = image if image.dtype == np.uint8 else np.round(image * 255).astype(np.uint8)
    small = Image.fromarray(grey)
    shrink = min(1, side / max(small.size))
    small = small.resize([max(1, round(length * shrink)) for length in small.size], Image.Resampling.BOX)
    return {"png": png(np.asarray(small)), "width": small.width, "height": small.height}


def _check(studies: Sequence[MappedStudy], places: Float[np.ndarray, "prototypes 2"], names: Sequence[str]) -> None:
    if not studies:
        raise InputError("The map was given no study. Give at least one.")
    findings = {study.finding for study in studies}
    if len(findings) > MOST_FINDINGS:
        raise InputError(
            f"There are {len(findings)} findings, but colours and shapes for {MOST_FINDINGS}. "
            "Count the rare ones under one name, such as 'other'."
        )
    for study in studies:
        if study.prototype is not None and not 0 <= study.prototype < len(places):
            raise InputError(f"{study.title!r} has prototype {study.prototype}, but there are {len(places)}.")
    if not np.isfinite(places).all():
        raise InputError("A prototype's position is not finite. Give two finite numbers for each.")
    if names and len(names) != len(places):
        raise InputError(f"There are {len(names)} names for {len(places)} prototypes. Give one for each, or none.")
