"""VinDr-CXR: 22 findings in boxes and 6 diagnoses, by three radiologists on each film to train on, by consent on tests.

`annotations/annotations_{train,test}.csv` has a row a box, `image_labels_{train,test}.csv` a row for each image and
reader; tests name no reader. VinBigData's challenge on Kaggle gave out the same training images in one `train.csv`,
with 14 findings and `class_id`; there, `No finding` is a class, its boxes blank. Boxes are in pixels of the DICOM
files, and no table gives sizes: images have to lie beside them, in their own size.

Readers differ, so that how many of them must have seen a finding is a choice (`agreement`, 2 of 3 unless told
otherwise). A finding that so many drew is there, with the boxes of all who drew it; one that fewer drew is not in the
truth. A label that so many gave is 1, one that nobody gave 0, and what lies between is -1, uncertain.

Source: Nguyen et al., VinDr-CXR: an open dataset of chest X-rays with radiologist's annotations, Sci. Data 2022. The
order of columns and the name of the readers' (`rad_id` or `rad_ID`) are as remembered [M], and read defensively.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from ...errors import InputError
from .. import splits
from ..annotations import Annotated, Annotations, Row, UnreadableRow, corner_box, gather, table_rows
from ..image_folder import ImageFolder, SizeOf, entry_with_truth
from ..listing import CONTRADICTING, UNREADABLE_ROW, LookUp, Skip, list_images, truth_by_image
from ..source import About, Entry, Listing, Source

LAYOUT = "VinDr-CXR"
COLUMNS = ("image_id", "class_name", "x_min", "y_min", "x_max", "y_max")
READER_COLUMNS = ("rad_id", "rad_ID")
NOTHING = "No finding"
AGREEMENT = 2
SPELLING = {"Other disease": "Other diseases"}
"""The table of tests spells one label otherwise than that of training."""


def read_boxes(
    path: Path, size_of: SizeOf, agreement: int = AGREEMENT, readers: Mapping[str, int] | None = None
) -> Annotations:
    """Read a table of boxes: the findings that so many readers of an image drew, or all where it has fewer readers.

    Args:
        path: the table.
        size_of: the size of an image.
        agreement: how many readers must have drawn a finding.
        readers: how many read each image; by default, those that have a row on it, "No finding" being one.

    Raises:
        InputError: it is missing, lacks a column, or no row can be read.
    """

    def rows() -> Iterator[Row]:
        for place, row in _table(path, COLUMNS):
            yield place, row.get("image_id", ""), row.get("class_name", ""), row

    def read(image: str, phrase: str, row: dict[str, str]) -> Annotated | None:
        size = None if phrase == NOTHING else size_of(image)
        return None if size is None else Annotated(image, phrase, phrase, size, (corner_box(row, COLUMNS[2:], size),))

    found, drawn = gather(path, LAYOUT, rows(), read), _opinions_of_boxes(path)

    def agreed(one: Annotated) -> bool:
        needed = min(agreement, (readers or {}).get(one.image, len(drawn.seen[one.image])))
        return drawn.votes(one.image, one.name) >= needed

    return replace(found, findings=tuple(filter(agreed, found.findings)))


@dataclass(frozen=True)
class _Opinions:
    """What each reader saw in each image.

    Attributes:
        seen: by image and reader the names of what was seen.
        places: of the first row of each image.
        names: of all that was asked for.
        spoiled: reason and detail for every image with a row that cannot be read.
        problems: a sentence for each such row.
    """

    seen: dict[str, dict[str, frozenset[str]]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    names: dict[str, None] = field(default_factory=dict)
    spoiled: dict[str, tuple[str, str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def votes(self, image: str, name: str) -> int:
        """How many readers saw it."""
        return sum(name in seen for seen in self.seen[image].values())

    def label(self, image: str, name: str, agreement: int) -> int:
        """1 where enough readers saw it (all of them, where there are fewer), 0 where nobody did, else -1."""
        votes = self.votes(image, name)
        return 1 if votes >= min(agreement, len(self.seen[image])) else -1 if votes else 0


def _opinions_of_boxes(path: Path) -> _Opinions:
    """Who saw what, by a table of boxes in which a reader without findings has a row too."""
    found = _Opinions()
    for place, row in _table(path, COLUMNS):
        image, name, reader = row.get("image_id", ""), row.get("class_name", ""), row["reader"]
        if image and name:  # other rows are among the problems of the boxes
            readers = found.seen.setdefault(image, {})
            readers[reader] = readers.get(reader, frozenset()) | {name}
            found.places.setdefault(image, f"{path.name}, {place}")
            found.names[name] = None
    return found


def _opinions_of_labels(path: Path) -> _Opinions:
    """Who saw what, by a table with a row for each image and reader and a column for each label."""
    found = _Opinions()
    for line, row in _table(path, ("image_id",)):
        place = f"{path.name}, {line}"
        image, reader = row.pop("image_id", ""), row.pop("reader")
        labels = {SPELLING.get(name, name): value for name, value in row.items() if name}
        try:
            if not image:
                raise UnreadableRow("image_id", "is blank")
            found.places.setdefault(image, place)
            seen = frozenset(name for name, value in labels.items() if _is_seen(name, value))
            known = found.seen.setdefault(image, {}).setdefault(reader, seen)
        except UnreadableRow as error:
            found.problems.append(f"{place}, {error.key}: {error}.")
            found.spoiled[image] = UNREADABLE_ROW, found.problems[-1]
            continue
        found.names.update(dict.fromkeys(labels))
        if known is not seen:
            alike = "alike; it counts once" if known == seen else "and otherwise"
            found.problems.append(f"{place}: {image} is listed twice for one reader, {alike}.")
            if known != seen:
                found.spoiled[image] = CONTRADICTING, found.problems[-1]
    return found


def _is_seen(name: str, value: str) -> bool:
    """Whether a label is 1; copies of the tables write 1.0, and nothing for 0."""
    try:
        seen = float(value or 0)
    except ValueError:
        seen = float("nan")
    if seen not in (0, 1):
        raise UnreadableRow(name, f"{value!r} is neither 0 nor 1")
    return seen == 1


def _table(path: Path, needed: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a table, with whoever read the image as `reader`: one and the same where the table names nobody."""
    for place, row in table_rows(path, needed):
        names = [row.pop(column) for column in READER_COLUMNS if column in row]
        yield place, {**row, "reader": names[0] if names else ""}


@dataclass(frozen=True)
class VinDr(Source):
    """The set as PhysioNet ships it, or the part of it that was VinBigData's challenge on Kaggle.

    Attributes:
        folder: PhysioNet's, with `annotations`, `train` and `test`; or Kaggle's, with `train.csv` and `train`.
        agreement: how many of an image's readers must have seen a finding.
        only: "train" or "test", where the other part of PhysioNet's set is not wanted.
    """

    folder: Path
    agreement: int = AGREEMENT
    only: Literal["train", "test"] | None = None

    about: ClassVar[About] = About(
        name=LAYOUT,
        version="1.0.0",
        licence="PhysioNet Credentialed Health Data License 1.5.0",
        redistribution=False,
        access="https://physionet.org/content/vindr-cxr: become a credentialed user of PhysioNet, complete the CITI "
        "course that it names, and sign the data use agreement. Or, training images alone, "
        "https://www.kaggle.com/c/vinbigdata-chest-xray-abnormalities-detection: accept the rules.",
    )

    def __post_init__(self) -> None:
        if self.agreement < 1:
            raise InputError(f"{self.agreement} readers cannot agree. Ask for 1, 2 or 3.")

    def asked_for(self) -> dict[str, Any]:
        """How truth is made of the readers', which parts, and whose splits."""
        return {
            "agreement": self.agreement,
            "only": self.only,
            "splits": splits.OURS_BY_IMAGE if self._is_kaggles else splits.OWNERS,
        }

    def tables(self) -> Mapping[str, Path]:
        """Boxes, labels and images of every part."""
        if self._is_kaggles:
            return {"boxes (train)": self.folder / "train.csv", "images (train)": self.folder / "train"}
        needed = {}
        for part in self._parts:
            needed[f"boxes ({part})"] = self.folder / "annotations" / f"annotations_{part}.csv"
            needed[f"labels ({part})"] = self.folder / "annotations" / f"image_labels_{part}.csv"
            needed[f"images ({part})"] = self.folder / part
        return needed

    def listing(self) -> Listing:
        """Every image of the tables of labels (Kaggle's: of boxes), with what was drawn in it.

        Raises:
            InputError: a table is missing, lacks a column, or nothing in it can be read.
        """
        parts = [self._part(name) for name in self._parts]

        def read(place: str, image: str, part: _Part) -> Entry:
            if image in part.opinions.spoiled:
                raise Skip(*part.opinions.spoiled[image])
            labels = {name: part.opinions.label(image, name, self.agreement) for name in part.opinions.names}
            # Of no two images it is known that they show one patient.
            split = part.split or splits.hashed_split(image)
            entry = Entry(image, image, split, part.images.path(image, ".dicom"), place, labels=labels)
            return entry_with_truth(entry, part.images, lambda: part.truth_of(image))

        rows = ((place, image, part) for part in parts for image, place in part.opinions.places.items())
        found = list_images(rows, read)
        problems = [problem for part in parts for problem in (*part.opinions.problems, *part.truth.problems)]
        return replace(found, problems=(*problems, *found.problems))

    @property
    def _is_kaggles(self) -> bool:
        return not (self.folder / "annotations").is_dir() and (self.folder / "train.csv").is_file()

    @property
    def _parts(self) -> tuple[str, ...]:
        return ("train",) if self._is_kaggles else (self.only,) if self.only else ("train", "test")

    def _part(self, name: str) -> _Part:
        tables, images = self.tables(), ImageFolder(self.folder / name)
        boxes = tables[f"boxes ({name})"]
        opinions = _opinions_of_boxes(boxes) if self._is_kaggles else _opinions_of_labels(tables[f"labels ({name})"])
        readers = {image: len(seen) for image, seen in opinions.seen.items()}
        drawn = read_boxes(boxes, images.size_if_readable, self.agreement, readers)
        part = _Part(None if self._is_kaggles else name, opinions, truth_by_image(drawn), images)
        lost = sorted(_opinions_of_boxes(boxes).places.keys() - opinions.places.keys())
        opinions.problems.extend(f"{boxes.name}: {image} has no row among the labels." for image in lost)
        return part


@dataclass(frozen=True)
class _Part:
    """A part of the set, read; `split` is None where it is ours to choose."""

    split: str | None
    opinions: _Opinions
    truth: LookUp[tuple[Annotated, ...]]
    images: ImageFolder

    def truth_of(self, image: str) -> tuple[Annotated, ...]:
        self.images.size(image)  # whose header cannot be read has lost its boxes
        return self.truth.get(image) or ()
