"""CheXlocalize: ten findings drawn on CheXpert's validation and test images, by the truth's radiologists and by others.

`gt_*` is the truth, `hb_*` the human benchmark. Segmentations hold run lengths, all zero where an image does not show a
finding; annotations hold the contours they were made of, and only what was drawn; `hb_salient_pt_test.json` holds the
points that stand for a finding best.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ...errors import InputError
from ..annotations import Annotated, Annotations, Row, UnreadableRow, gather, read_json, size_of
from ..contours import contour_runs
from .coco import run_lengths

SEGMENTATIONS = "CheXlocalize segmentations"
ANNOTATIONS = "CheXlocalize annotations"
FINDINGS = (
    "Airspace Opacity",  # written so in the files; the set's own page calls it Lung Opacity
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Enlarged Cardiomediastinum",
    "Lung Lesion",
    "Pleural Effusion",
    "Pneumothorax",
    "Support Devices",
)
IMAGE_SIZE = "img_size"


def read_segmentations(path: Path) -> Annotations:
    """Read `{image: {finding: {"size": [h, w], "counts": "..."}}}`.

    Raises:
        InputError: it is missing, is something else, or nothing in it can be read.
    """

    def read(image: str, phrase: str, written: Any) -> Annotated:
        runs = run_lengths(written, "counts")
        return Annotated(image, phrase, phrase, runs.size, runs=runs, patient=patient_of(image))

    return gather(path, SEGMENTATIONS, _rows(path, read_json(path)), read)


def read_annotations(path: Path) -> Annotations:
    """Read `{image: {"img_size": [h, w], finding: [contour, ...]}}`, a contour being a list of points [x, y].

    An image says of each of the ten findings that it does not name that it is not there.

    Raises:
        InputError: it is missing, is something else, or nothing in it can be read.
    """
    content = read_json(path)

    def read(image: str, phrase: str, contours: Any) -> Annotated:
        size = _size(content[image])
        if not isinstance(contours, list):
            raise UnreadableRow(phrase, "is no list of contours")
        return Annotated(
            image, phrase, phrase, size, runs=contour_runs(contours, size, phrase), patient=patient_of(image)
        )

    return gather(path, ANNOTATIONS, _rows(path, content, absent=[]), read)


@dataclass(frozen=True)
class SalientPoints:
    """Points that a radiologist chose for a finding.

    Attributes:
        points: for image and finding the points (x, y), in pixels of the image.
        problems: a sentence for everything that could not be read.
    """

    points: Mapping[tuple[str, str], Float[np.ndarray, "points 2"]]
    problems: tuple[str, ...] = ()


def read_salient_points(path: Path) -> SalientPoints:
    """Read `{image: {finding: [[x, y], ...]}}`. An entry that cannot be read is reported and left out.

    Raises:
        InputError: it is missing or is something else.
    """
    points, problems = {}, []
    for place, image, finding, written in _rows(path, read_json(path)):
        try:
            found = np.array(written, dtype=float).reshape(-1, 2)
            if not np.isfinite(found).all():
                raise ValueError("a coordinate is no finite number")
            points[image, finding] = found
        except (TypeError, ValueError) as error:
            problems.append(f"{path}, {place}: no list of points [x, y] ({error}).")
    return SalientPoints(points, tuple(problems))


def patient_of(image: str) -> str | None:
    """The patient that an image's id names: `patient64541_study1_view1_frontal`."""
    patient = image.split("_")[0]
    return patient if patient.startswith("patient") else None


def _rows(path: Path, content: Any, absent: Any = None) -> Iterator[Row]:
    """What stands under each image and finding; `absent` for a finding that an image does not name, unless None."""
    if not isinstance(content, dict) or not all(isinstance(entry, dict) for entry in content.values()):
        raise InputError(f"{path}: this is no file of CheXlocalize, which holds an object of findings for each image.")
    for image, entry in content.items():
        named = {finding: written for finding, written in entry.items() if finding != IMAGE_SIZE}
        if absent is not None:
            named = {finding: absent for finding in FINDINGS} | named
        for finding, written in named.items():
            yield f"{image}, {finding}", image, finding, written


def _size(entry: Mapping[str, Any]) -> tuple[int, int]:
    written = entry.get(IMAGE_SIZE)
    if not isinstance(written, list) or len(written) != 2:
        raise UnreadableRow(IMAGE_SIZE, f"{written!r} is not [height, width]")
    return size_of(dict(zip(("height", "width"), written, strict=True)), "height", "width")
