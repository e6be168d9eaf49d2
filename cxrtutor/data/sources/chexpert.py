"""CheXpert: frontal films of Stanford's patients, with labels that were read off their reports.

`train.csv` and `valid.csv` name every image by a path that begins with the set's own folder:
`CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg`. The layout is as remembered and read defensively: a
folder that was renamed, or unpacked elsewhere, does no harm.

Source: Irvin et al., CheXpert: a large chest radiograph dataset with uncertainty labels, AAAI 2019.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

from ..annotations import UnreadableRow
from ..listing import LATERAL, NO_VIEW, Skip, list_images, numbered
from ..source import About, Entry, Listing, Source
from ..splits import OWNERS, with_validation

LABELS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Enlarged Cardiomediastinum",
    "Fracture",
    "Lung Lesion",
    "Lung Opacity",
    "No Finding",
    "Pleural Effusion",
    "Pleural Other",
    "Pneumonia",
    "Pneumothorax",
    "Support Devices",
)
OPACITY, OTHER_OPACITY = "Lung Opacity", "Airspace Opacity"
"""One finding: tables of labels that radiologists gave call it by the second name."""

_VALUES = {"1.0": 1, "0.0": 0, "-1.0": -1, "1": 1, "0": 0, "-1": -1, "": None}
_PATH = re.compile(
    r"(?:.*/)?(?P<folder>train|valid|val|test)/"
    r"(?P<below>(?P<patient>patient\d{1,9})/(?P<study>study\d{1,9})/(?P<view>view\d{1,9}_(?:frontal|lateral))\.\w{1,9})",
    re.ASCII,
)


@dataclass(frozen=True)
class Chexpert(Source):
    """CheXpert, full or small.

    Attributes:
        folder: of the two tables; beside them `train` and `valid` with the images.
        validation_images: 0 for the owner's splits. Else MGCA's convention: the official validation images are for
            testing, as the owner's test images were not public, and this many of the training images are for
            validation (MGCA takes 5,000). Theirs are drawn by image, ours are all images of patients drawn by a hash of
            their names until the number is reached, so that no patient is on both sides.
    """

    folder: Path
    validation_images: int = 0

    about: ClassVar[About] = About(
        name="CheXpert",
        version="1.0",
        licence="Stanford University Dataset Research Use Agreement",
        redistribution=False,
        access="https://stanfordaimi.azurewebsites.net: register, accept the research use agreement of CheXpert, and "
        "download it (439 GB, or CheXpert-v1.0-small with 11 GB).",
    )

    def asked_for(self) -> dict[str, Any]:
        theirs = f"official validation for testing, {self.validation_images} images of training for validation"
        return {"splits": theirs if self.validation_images else OWNERS}

    def tables(self) -> Mapping[str, Path]:
        return {
            "labels of the training images": self.folder / "train.csv",
            "labels of the validation images": self.folder / "valid.csv",
            "training images": self.folder / "train",
            "validation images": self.folder / "valid",
        }

    def listing(self) -> Listing:
        """Read both tables.

        Raises:
            InputError: a table is missing or lacks a column.
        """
        labels_of_row = shared_labels()

        def read(place: str, image: str, row: dict[str, str]) -> Entry:
            path = Named.by(row.get("Path", ""))
            view = path.frontal(row)
            return Entry(
                id=image,
                patient=path.patient,
                split="train" if path.folder == "train" else "test" if self.validation_images else "validation",
                image=self.folder / path.folder / path.below,
                place=place,
                study=path.study,
                labels=labels_of_row(row),
                view=view,
            )

        columns = ("Path", "Frontal/Lateral", *LABELS)
        tables = (numbered(self.folder / f"{name}.csv", columns, id_of) for name in ("train", "valid"))
        found = list_images(chain.from_iterable(tables), read)
        return replace(found, entries=with_validation(found.entries, self.validation_images))


@dataclass(frozen=True)
class Named:
    """What the path of an image tells.

    Attributes:
        folder: "train", "valid", "val" or "test".
        below: the rest of the path.
        patient: such as "patient00001".
        study: patient and study, as the same numbers are used for all patients.
        id: of the image: patient, study and view, as CheXlocalize writes it.
    """

    folder: str
    below: str
    patient: str
    study: str
    id: str

    @classmethod
    def by(cls, path: str) -> Named:
        """Read a path.

        Raises:
            UnreadableRow: it is no path of CheXpert.
        """
        found = _PATH.fullmatch(path)
        if found is None:
            raise UnreadableRow("Path", f"{path!r} is no path of CheXpert")
        study = f"{found['patient']}_{found['study']}"
        return cls(found["folder"], found["below"], found["patient"], study, f"{study}_{found['view']}")

    def frontal(self, row: Mapping[str, str]) -> str | None:
        """The view of a frontal image: "PA", "AP", or None where its row does not tell which.

        The test images' table may have no columns for views; their names tell frontal from lateral.

        Raises:
            Skip: it is lateral, or the row tells something else.
        """
        stated = row.get("Frontal/Lateral") or ("Lateral" if self.id.endswith("lateral") else "Frontal")
        if stated != "Frontal":
            raise Skip(LATERAL if stated == "Lateral" else NO_VIEW, f"Frontal/Lateral is {stated!r}")
        view = row.get("AP/PA")
        return view if view in ("AP", "PA") else None


def id_of(row: Mapping[str, str]) -> str:
    """The id of a row's image; its path where that is none of CheXpert's, for the messages."""
    path = row.get("Path", "")
    try:
        return Named.by(path).id
    except UnreadableRow:
        return path


def labels_of(row: Mapping[str, str]) -> dict[str, int]:
    """The labels of a row, by the names of `LABELS`: 1.0, 0.0, -1.0, or blank where not mentioned.

    MIMIC-CXR's tables are of the same form.

    Raises:
        UnreadableRow: a value is something else.
    """
    labels = {}
    for name in LABELS:
        written = row.get(name, "") or (row.get(OTHER_OPACITY, "") if name == OPACITY else "")
        if written not in _VALUES:
            raise UnreadableRow(name, f"{written!r} is neither 1.0, 0.0, -1.0 nor blank")
        if written:
            labels[name] = _VALUES[written]
    return labels


def shared_labels() -> Callable[[Mapping[str, str]], Mapping[str, int]]:
    """`labels_of`, with one mapping for all rows that say the same: thousands share their labels."""
    shared: dict[tuple[tuple[str, int], ...], Mapping[str, int]] = {}

    def read(row: Mapping[str, str]) -> Mapping[str, int]:
        labels = labels_of(row)
        return shared.setdefault(tuple(labels.items()), labels)

    return read
