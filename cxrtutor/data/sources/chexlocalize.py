"""CheXlocalize: ten findings drawn on CheXpert's validation and test images, by the truth's radiologists and by others.

`gt_*` is the truth, `hb_*` the human benchmark. Segmentations hold run lengths, all zero where an image does not show a
finding; annotations hold the contours they were made of, and only what was drawn; `hb_salient_pt_test.json` holds the
points that stand for a finding best.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from ...errors import InputError
from ..annotations import Annotated, Annotations, Row, UnreadableRow, gather, read_json, size_of
from ..contours import contour_runs
from ..listing import Skip, list_images, numbered, truth_by_image
from ..source import About, Entry, Listing, Skipped, Source, split_name
from ..splits import OWNERS
from .chexpert import LABELS, OPACITY, OTHER_OPACITY, Named, id_of, labels_of
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


@dataclass(frozen=True)
class Chexlocalize(Source):
    """CheXpert's validation and test images with the truth of CheXlocalize.

    The segmentations name only images that show at least one of the ten findings. An image of the tables that they do
    not name was looked at and shows none, unless its labels say otherwise.

    Attributes:
        folder: what was downloaded: `CheXlocalize` with the segmentations, `CheXpert` with images and labels.
    """

    folder: Path

    about: ClassVar[About] = About(
        name="CheXlocalize",
        version="1.0",
        licence="Stanford University Dataset Research Use Agreement",
        redistribution=False,
        access="https://stanfordaimi.azurewebsites.net: register, accept the research use agreement of CheXlocalize, "
        "and download both of its folders with the link that is given then.",
    )

    def asked_for(self) -> dict[str, Any]:
        return {"splits": OWNERS}

    def tables(self) -> Mapping[str, Path]:
        needed = {}
        for split in ("val", "test"):
            needed[f"{split} segmentations"] = self.folder / "CheXlocalize" / f"gt_segmentations_{split}.json"
            needed[f"{split} labels"] = self.folder / "CheXpert" / f"{split}_labels.csv"
            needed[f"{split} images"] = self.folder / "CheXpert" / split
        return needed

    def listing(self) -> Listing:
        """Read segmentations and labels.

        Raises:
            InputError: a file is missing, or nothing in it can be read.
        """
        validation, test = self._listing("val"), self._listing("test")
        return Listing(
            validation.entries + test.entries, validation.skipped + test.skipped, validation.problems + test.problems
        )

    def _listing(self, split: str) -> Listing:
        needed = self.tables()
        segmentations, labels = needed[f"{split} segmentations"], needed[f"{split} labels"]
        truth = truth_by_image(read_segmentations(segmentations))

        def read(place: str, image: str, row: dict[str, str]) -> Entry:
            path = Named.by(row.get("Path", ""))
            view = path.frontal(row)
            found = truth.get(image)
            said = {OTHER_OPACITY if name == OPACITY else name: value for name, value in labels_of(row).items()}
            if found is None and (shown := [name for name in FINDINGS if said.get(name) == 1]):
                raise Skip("label without truth", f"it shows {shown[0]}, and {segmentations.name} does not name it")
            return Entry(
                id=image,
                patient=path.patient,
                split=split_name(split),
                image=needed[f"{split} images"] / path.below,  # the paths say "valid", the folder is "val"
                place=place,
                study=path.study,
                truth=found or (),
                annotated=True,
                labels=said,
                view=view,
            )

        columns = ("Path", *(name for name in LABELS if name != OPACITY))
        listed = list_images(numbered(labels, columns, id_of), read)
        known = {one.id for one in (*listed.entries, *listed.skipped)}
        others = (image for image in truth.values if image not in known)
        strangers = (Skipped(image, "not among the labels", f"{segmentations.name}, {image}") for image in others)
        return Listing(listed.entries, (*listed.skipped, *strangers), (*truth.problems, *listed.problems))


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
