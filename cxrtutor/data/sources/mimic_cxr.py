"""MIMIC-CXR-JPG's images with MIMIC-CXR's reports: every frontal film, with the labels that were read off its report.

Images lie in `files/p10/p10000032/s50414267/<dicom_id>.jpg`, reports in `files/p10/p10000032/s50414267.txt`; both sets
may share one folder. Release 2.1.0 kept the names `mimic-cxr-2.0.0-*` of its tables. Nothing of it may be published.

Source: Johnson et al., MIMIC-CXR-JPG, a large publicly available database of labeled chest radiographs, 2019.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from ...errors import InputError
from ..annotations import Annotations, UnreadableRow
from ..listing import LATERAL, NO_SPLIT, NO_VIEW, LookUp, Skip, check_id, list_images, look_up, numbered, owners_split
from ..source import HELD_OUT, About, Entry, Listing, Source
from ..splits import OWNERS
from . import ms_cxr
from .chexpert import LABELS, OPACITY, OTHER_OPACITY, labels_of, shared_labels

_NUMBER = re.compile(r"\d{1,12}", re.ASCII)


@dataclass(frozen=True)
class MimicCxr(Source):
    """MIMIC-CXR-JPG, beside MIMIC-CXR.

    Attributes:
        folder: of MIMIC-CXR-JPG: the tables, and `files` with the images.
        reports: of MIMIC-CXR: `files` with the reports, unpacked from `mimic-cxr-reports.zip`.
        labeler: whose labels: "chexpert" or "negbio".
        radiologists: whether the labels of the 687 studies in `mimic-cxr-2.1.0-test-set-labeled.csv`, which
            radiologists gave, replace the labeler's.
        hold_out: an MS-CXR file (CSV or JSON). Its images go to the split "held-out", whatever MIMIC-CXR says.
        hold_out_by: "patient" holds out all images of the patients in that file; "image", as BioViL does, the images
            alone, so that others of the same patients are trained on.
    """

    folder: Path
    reports: Path
    labeler: Literal["chexpert", "negbio"] = "chexpert"
    radiologists: bool = False
    hold_out: Path | None = None
    hold_out_by: Literal["patient", "image"] = "patient"

    about: ClassVar[About] = About(
        name="MIMIC-CXR",
        version="2.1.0",
        licence="PhysioNet Credentialed Health Data License 1.5.0",
        redistribution=False,
        access="https://physionet.org/content/mimic-cxr-jpg and https://physionet.org/content/mimic-cxr: become a "
        "credentialed user of PhysioNet, complete the CITI course that it names, and sign the data use agreement.",
    )

    def asked_for(self) -> dict[str, Any]:
        return {
            "labeler": self.labeler,
            "radiologists": self.radiologists,
            "held out by": self.hold_out_by if self.hold_out else None,
            "splits": OWNERS,
        }

    def tables(self) -> Mapping[str, Path]:
        needed = {name: self._table(f"mimic-cxr-2.0.0-{name}") for name in ("metadata", "split", self.labeler)}
        if self.radiologists:
            needed["radiologists' labels"] = self._table("mimic-cxr-2.1.0-test-set-labeled")
        if self.hold_out:
            needed[f"file of MS-CXR, whose images are held out ({ms_cxr.HOME})"] = self.hold_out
        return {
            **needed,
            "images": self.folder / "files",
            "reports, unpacked from mimic-cxr-reports.zip": self.reports / "files",
        }

    def listing(self) -> Listing:
        """Read metadata, splits and labels.

        Raises:
            InputError: a table is missing or damaged, or lacks a column, or what is to be held out is no file of
                MS-CXR.
        """
        held_out = ms_cxr.read(self.hold_out) if self.hold_out else None  # first, as all else takes a minute
        splits = look_up(self.tables()["split"], "dicom_id", ["split"], lambda row: owners_split(row.get("split")))
        labels, radiologists = self._labels()
        unlabelled: set[str] = set()
        shown: set[tuple[str, str]] = set()  # image and patient of all rows, as what is skipped shows its patient too

        def read(place: str, image: str, row: dict[str, str]) -> Entry:
            patient = _numeral(row, "subject_id")
            shown.add((image, patient))
            study = _numeral(row, "study_id")
            check_id(image, "dicom_id")
            view = _frontal(row.get("ViewPosition", ""))
            split = splits.get(image)
            if split is None:
                raise Skip(NO_SPLIT, "the table of splits does not name it")
            said = radiologists.get(study)
            said = labels.get(study) if said is None else said
            if said is None:
                unlabelled.add(study)
            folder = f"p{patient[:2]}/p{patient}/s{study}"
            return Entry(
                id=image,
                patient=patient,
                split=split,
                image=Path(f"{self.folder}/files/{folder}/{image}.jpg"),
                place=place,
                study=study,
                report=Path(f"{self.reports}/files/{folder}.txt"),
                labels=said or {},
                view=view,
            )

        columns = ("dicom_id", "subject_id", "study_id", "ViewPosition")
        found = list_images(numbered(self.tables()["metadata"], columns, "dicom_id"), read)
        problems = (*found.problems, *splits.problems, *labels.problems, *radiologists.problems)
        if unlabelled:
            problems += (f"{len(unlabelled)} studies, such as {min(unlabelled)}, have no row among the labels.",)
        found = replace(found, problems=problems)
        return _held_out(found, self.hold_out, held_out, self.hold_out_by, shown) if held_out else found

    def _table(self, name: str) -> Path:
        unpacked = self.folder / f"{name}.csv"
        return unpacked if unpacked.is_file() or "2.1.0" in name else self.folder / f"{name}.csv.gz"

    def _labels(self) -> tuple[LookUp[Mapping[str, int]], LookUp[Mapping[str, int]]]:
        """By study: the labeler's, and the radiologists' of which there are few or none."""
        labels = look_up(self.tables()[self.labeler], "study_id", LABELS, shared_labels())
        if not self.radiologists:
            return labels, LookUp({}, {}, ())
        names = [OTHER_OPACITY if name == OPACITY else name for name in LABELS]
        return labels, look_up(self.tables()["radiologists' labels"], "study_id", names, labels_of)


def _numeral(row: dict[str, str], key: str) -> str:
    value = row.get(key, "")
    if not _NUMBER.fullmatch(value):
        raise UnreadableRow(key, f"{value!r} is no number" if value else "is blank")
    return value


def _frontal(view: str) -> str:
    """The view, if it is frontal: PA or AP. MIMIC-CXR has lateral ones (LATERAL, LL) and a few oblique and others."""
    if view in ("PA", "AP"):
        return view
    if not view:
        raise Skip(NO_VIEW, "ViewPosition is blank")
    raise Skip(LATERAL if "LATERAL" in view or view == "LL" else "neither PA nor AP", f"ViewPosition is {view}")


def _held_out(
    found: Listing, path: Path, truth: Annotations, by: Literal["patient", "image"], shown: Set[tuple[str, str]]
) -> Listing:
    """The listing with the images of an MS-CXR file, or all of their patients, in a split of their own.

    `shown` tells of all of MIMIC-CXR's images, listed or not, whom they show.
    """
    images = {one.image for one in truth.findings} | {image for image, _ in truth.left_out if image}
    patients = {one.patient for one in truth.findings if one.patient}
    patients |= {patient for image, patient in shown if image in images}
    strangers = images - {entry.id for entry in found.entries}
    if strangers == images:
        raise InputError(f"{path}: none of its images is among MIMIC-CXR's. Give a file of MS-CXR.")

    def is_held_out(entry: Entry) -> bool:
        return entry.id in images or (by == "patient" and entry.patient in patients)

    problems = truth.problems
    if strangers:
        problems += (f"{path.name}: {len(strangers)} of its images, such as {min(strangers)}, are not listed here.",)
    entries = tuple(replace(entry, split=HELD_OUT) if is_held_out(entry) else entry for entry in found.entries)
    return replace(found, entries=entries, problems=(*found.problems, *problems))
