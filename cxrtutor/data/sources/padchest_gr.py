"""PadChest-GR: reports whose sentences are linked to boxes, of one hospital in Alicante, in Spanish and English.

`grounded_reports_20240819.json` lists studies, `{"StudyID", "ImageID", "findings": [...]}`. A finding is a sentence,
`{"sentence_en", "sentence_es", "abnormal", "boxes", "extra_boxes", "labels", "locations", "progression"}`; one that
tells of nothing abnormal lacks most of it. Boxes are in shares of the image. `master_table.csv` has a row for each
label of each study, with patient and split.

- The report of an image is its English sentences, in their order.
- A positive sentence that has boxes is a finding, and the sentence its phrase; one that has none is a label alone.
  Where a sentence has several labels, each is a finding of that phrase, with the same boxes.
- An image is annotated unless a positive sentence of it has no boxes, as that tells of something without a place.
- `boxes` are those of the first reader. `extra_boxes`, by a second one for a part of the sentences, are left out.
- The corners' order [x1, y1, x2, y2] is as remembered [M]: a box without area is reported, and its image skipped.

Source: Castro et al., PadChest-GR: a bilingual chest X-ray dataset for grounded radiology report generation, 2024.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, NamedTuple

from ...errors import InputError
from .. import splits
from ..annotations import Annotated, Annotations, Row, UnreadableRow, check_text, corner_box, gather, number, read_json
from ..image_folder import ImageFolder, SizeOf, entry_with_truth
from ..listing import CONTRADICTING, NO_SPLIT, LookUp, Skip, list_images, numbered
from ..reports import compose_report
from ..source import About, Entry, Listing, Source, split_name
from ..study import Report, Sentence

LAYOUT = "PadChest-GR"
KEYS = ("StudyID", "ImageID", "findings")
REPORTS = "grounded_reports_20240819.json"
TABLE = "master_table.csv"
TABLE_COLUMNS = ("StudyID", "ImageID", "PatientID", "split")
"""Of the table, whose other columns are not needed here."""

_CORNERS = ("boxes x1", "boxes y1", "boxes x2", "boxes y2")


@dataclass(frozen=True)
class _Said:
    """A sentence with what it is linked to; `boxes` are x1, y1, x2, y2 in shares of the image."""

    text: str
    abnormal: bool
    labels: tuple[str, ...]
    boxes: tuple[tuple[float, ...], ...]


def read_boxes(path: Path, size_of: SizeOf) -> Annotations:
    """Read every sentence that has boxes. Several labels of one are one name here, joined by commas.

    Raises:
        InputError: the file is missing, is something else, or nothing in it can be read.
    """

    def rows() -> Iterator[Row]:
        for place, image, study in _studies(path):
            for position, finding in enumerate(_findings(study)):
                text = finding.get("sentence_en") if isinstance(finding, dict) else ""
                yield f"{place}, findings[{position}]", image, str(text or "").strip(), finding

    def read(image: str, phrase: str, finding: Any) -> Annotated | None:
        said, size = _said(finding), size_of(image)
        drawn = size is not None and said.boxes
        return _annotated(image, ", ".join(said.labels) or phrase, said, size) if drawn else None

    return gather(path, LAYOUT, rows(), read)


def _studies(path: Path) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Place, image and content of every study."""
    content = read_json(path)
    if not isinstance(content, list) or not all(isinstance(study, dict) for study in content):
        raise InputError(f"{path}: this is no file of PadChest-GR, which holds a list of objects, one a study.")
    for position, study in enumerate(content):
        yield f"study {position}", _stem(study.get("ImageID")), study


def _findings(study: Mapping[str, Any]) -> list[Any]:
    found = study.get("findings")
    return found if isinstance(found, list) else [found]  # something else is reported where it is read


def _said(finding: Any) -> _Said:
    if not isinstance(finding, dict):
        raise UnreadableRow("findings", f"{finding!r} is no object that tells of a sentence")
    text = finding.get("sentence_en")
    if not isinstance(text, str) or not text.strip():
        raise UnreadableRow("sentence_en", "is blank")
    check_text(text, "sentence_en")
    lists = {}
    for key in ("labels", "boxes"):
        lists[key] = [] if finding.get(key) is None else finding[key]  # sentences of nothing abnormal lack the keys
        if not isinstance(lists[key], list):
            raise UnreadableRow(key, f"{finding[key]!r} is no list")
    for box in lists["boxes"]:
        if not isinstance(box, list) or len(box) != 4:
            raise UnreadableRow("boxes", f"{box!r} is not [x1, y1, x2, y2]")
    if lists["boxes"] and not finding.get("abnormal"):
        raise UnreadableRow("abnormal", f"is {finding.get('abnormal')!r}, and yet there are boxes")
    boxes = (dict(zip(_CORNERS, box, strict=True)) for box in lists["boxes"])
    labels = dict.fromkeys(str(label).strip() for label in lists["labels"])
    check_text("".join(labels), "labels")
    return _Said(
        text=text.strip(),
        abnormal=bool(finding.get("abnormal")),
        labels=tuple(filter(None, labels)),
        boxes=tuple(tuple(number(box, key) for key in _CORNERS) for box in boxes),
    )


def _annotated(image: str, name: str, said: _Said, size: tuple[int, int]) -> Annotated:
    height, width = size
    pixels = (
        {key: share * side for key, share, side in zip(_CORNERS, box, (width, height, width, height), strict=True)}
        for box in said.boxes
    )
    return Annotated(image, name, said.text, size, tuple(corner_box(box, _CORNERS, size) for box in pixels))


def _truth(image: str, said: tuple[_Said, ...], size: tuple[int, int]) -> tuple[Annotated, ...]:
    """One finding for each sentence with boxes and each of its labels; a sentence that is said twice is one."""
    found: dict[tuple[str, str], Annotated] = {}
    for one in said:
        for name in one.labels or (one.text,):
            if one.boxes:
                more = _annotated(image, name, one, size)
                known = found.get((name, one.text), replace(more, boxes=()))
                found[name, one.text] = replace(more, boxes=(*known.boxes, *more.boxes))
    return tuple(found.values())


def _report(said: tuple[_Said, ...], truth: tuple[Annotated, ...]) -> Report:
    """The sentences in their order, each with the positions of what it tells of."""
    linked = {one.text: tuple(n for n, finding in enumerate(truth) if finding.phrase == one.text) for one in said}
    return compose_report([Sentence(one.text, linked[one.text]) for one in said], [])


@dataclass(frozen=True)
class PadChestGr(Source):
    """The set as its owner ships it: JSON and table in a folder, images in it at any depth.

    Attributes:
        folder: with `grounded_reports_20240819.json`, `master_table.csv` (unpacked) and the images (16-bit PNG) of
            `Padchest_GR_files`.
    """

    folder: Path

    about: ClassVar[About] = About(
        name=LAYOUT,
        version="2024-08-19",
        licence="BIMCV research use agreement",
        redistribution=False,
        access="https://bimcv.cipf.es/bimcv-projects/padchest-gr: sign the research use agreement; 36 GB in 37 parts.",
    )

    def asked_for(self) -> dict[str, Any]:
        """Whose splits; there are no options."""
        return {"splits": splits.OWNERS}

    def tables(self) -> Mapping[str, Path]:
        """The reports and the table."""
        return {"reports": self.folder / REPORTS, "table": self.folder / TABLE}

    def listing(self) -> Listing:
        """Every study of the JSON; patient and split stand in the table, the size of an image in its header.

        Raises:
            InputError: a file is missing or is something else.
        """
        images, known = ImageFolder(self.folder), _studies_of_table(self.folder / TABLE)
        listed: set[str] = set()

        @cache  # studies that are alike give one object, by which the listing knows them
        def truth(image: str, said: tuple[_Said, ...]) -> tuple[Annotated, ...]:
            return _truth(image, said, images.size(image))

        def read(place: str, image: str, study: Mapping[str, Any]) -> Entry:
            name = str(study.get("StudyID") or "")
            listed.add(name)
            row = known.get(name)
            if row is None:
                raise Skip(NO_SPLIT, f"{TABLE} has no study {name!r}")
            if row.image != image:
                raise Skip(CONTRADICTING, f"{TABLE} says that study {name} has the image {row.image}")
            said = tuple(map(_said, _findings(study)))
            entry = Entry(
                id=image,
                patient=row.patient,
                split=row.split,
                image=images.path(image, ".png"),
                place=place,
                study=name,
                report=_report(said, ()),
                labels={label: 1 for one in said if one.abnormal for label in one.labels},
            )
            entry = entry_with_truth(entry, images, lambda: truth(image, said))
            placed = all(one.boxes for one in said if one.abnormal)
            return replace(entry, report=_report(said, entry.truth), annotated=entry.annotated and placed)

        rows = ((f"{REPORTS}, {place}", image, study) for place, image, study in _studies(self.folder / REPORTS))
        found = list_images(rows, read)
        lost = (
            f"{TABLE}: study {study} with the image {row.image} is not in {REPORTS}."
            for study, row in known.values.items()
            if study not in listed
        )
        return replace(found, problems=(*known.problems, *found.problems, *lost))


class _Row(NamedTuple):
    """What the table says of a study."""

    image: str
    patient: str
    split: str


def _studies_of_table(path: Path) -> LookUp[_Row]:
    """The table by study; it repeats a study's row for each of its labels."""
    values: dict[str, _Row] = {}
    spoiled: dict[str, tuple[str, str]] = {}
    problems = []
    for place, study, row in numbered(path, TABLE_COLUMNS, "StudyID"):
        said = _Row(_stem(row.get("ImageID")), row.get("PatientID", ""), split_name(row.get("split", "")))
        if not study or not all(said):
            blank = next(key for key, value in zip(TABLE_COLUMNS, (study, *said), strict=True) if not value)
            problems.append(f"{place}, {blank}: is blank (study {study!r}, image {said.image!r}).")
        elif values.setdefault(study, said) != said:
            problems.append(f"{place}: study {study} is of another image, patient or split than in an earlier row.")
            spoiled[study] = CONTRADICTING, problems[-1]
    return LookUp(values, spoiled, tuple(problems))


def _stem(name: Any) -> str:
    """An image's id, by its file name."""
    return PurePosixPath(str(name or "")).stem
