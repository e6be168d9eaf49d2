"""NIH ChestX-ray14: 112,120 frontal films with labels that were read off their reports, and 984 boxes in 880 of them.

The header of the boxes (`Image Index,Finding Label,Bbox [x,y,w,h],,,`) splits into nine names over six values. Boxes
are in pixels of images of 1,024 x 1,024. One row a box; boxes of a finding that an image shows twice are united. The
boxes call "Infiltrate" what the labels call "Infiltration"; both stay as they are.

An image is annotated where every one of its labels has a box: most have none, and then nobody drew what is there.

Source: Wang et al., ChestX-ray8: hospital-scale chest X-ray database and benchmarks, CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from .. import splits
from ..annotations import Annotated, Annotations, UnreadableRow, box_of, gather, read_text, table_rows
from ..image_folder import ImageFolder
from ..listing import CONTRADICTING, LATERAL, NO_SPLIT, NO_VIEW, Skip, list_images, numbered, truth_by_image
from ..source import About, Entry, Listing, Source

LAYOUT = "NIH ChestX-ray14 boxes"
COLUMNS = ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]")
SIZE = (1024, 1024)
LABELS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Hernia",
    "Infiltration",
    "Mass",
    "No Finding",
    "Nodule",
    "Pleural_Thickening",
    "Pneumonia",
    "Pneumothorax",
)
ENTRY_TABLES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
ENTRY_COLUMNS = ("Image Index", "Finding Labels", "Patient ID", "View Position")
LABEL_OF_BOX = {"Infiltrate": "Infiltration"}
"""What the labels call a finding, where the boxes call it otherwise."""
LISTS = ("train_val_list", "test_list")
VALIDATION = {"train": 7 / 8, "validation": 1 / 8}
"""How patients of the owner's list `train_val` are shared out; with its list of tests it makes about 70, 10, 20 %."""


def read_boxes(path: Path) -> Annotations:
    """Read the table of boxes. An image's id is its file name without `.png`, the patient what stands before `_`.

    Raises:
        InputError: it is missing, lacks a column, or no row can be read.
    """

    def read(image: str, phrase: str, row: dict[str, str]) -> Annotated:
        return Annotated(image, phrase, phrase, SIZE, (box_of(row, COLUMNS[2:], SIZE),), patient=image.split("_")[0])

    table = table_rows(path, COLUMNS)
    rows = ((place, Path(row.get("Image Index", "")).stem, row.get("Finding Label", ""), row) for place, row in table)
    return gather(path, LAYOUT, rows, read)


@dataclass(frozen=True)
class Nih(Source):
    """The set as its owner ships it: tables, lists and boxes in a folder, images in it at any depth.

    Attributes:
        folder: with `Data_Entry_2017_v2020.csv` (or `Data_Entry_2017.csv`), `BBox_List_2017.csv`, `train_val_list.txt`
            and `test_list.txt`; images as `images/*.png` or `images_001/images/*.png`.
        boxes_only: list the 880 images with boxes alone.
    """

    folder: Path
    boxes_only: bool = False

    about: ClassVar[About] = About(
        name="NIH ChestX-ray14",
        version="2017, labels of 2020",
        # As remembered; until a reader has read the terms, the stricter answer.
        licence="free to use with attribution to the NIH Clinical Center",
        redistribution=False,
        access="no registration: 45 GB from https://nihcc.app.box.com/v/ChestXray-NIHCC, or Kaggle's copy of it "
        "(nih-chest-xrays/data).",
    )

    def asked_for(self) -> dict[str, Any]:
        """Which images, and whose splits."""
        return {
            "boxes only": self.boxes_only,
            "splits": "the owner's lists; one patient in eight of train_val is for validation, by a hash",
        }

    def tables(self) -> Mapping[str, Path]:
        """The table of images, the boxes and both lists."""
        entries = [self.folder / name for name in ENTRY_TABLES]
        return {
            "table of images": next((path for path in entries if path.is_file()), entries[0]),
            "boxes": self.folder / "BBox_List_2017.csv",
            **{name: self.folder / f"{name}.txt" for name in LISTS},
        }

    def listing(self) -> Listing:
        """Every image of the table, with its boxes where it has any."""
        tables = self.tables()
        images, truth = ImageFolder(self.folder), truth_by_image(read_boxes(tables["boxes"]))
        lists = {name: _names(tables[name]) for name in LISTS}
        boxed = truth.values.keys() | truth.spoiled.keys()

        def read(place: str, image: str, row: dict[str, str]) -> Entry:
            patient = row.get("Patient ID", "")
            if not patient:
                raise UnreadableRow("Patient ID", "is blank")
            found, labels = truth.get(image) or (), _labels(row)
            boxes = {LABEL_OF_BOX.get(one.name, one.name) for one in found}
            return Entry(
                id=image,
                patient=patient,
                split=_split(image, patient, lists),
                image=images.path(image, ".png"),
                place=place,
                truth=found,
                annotated=boxes.issuperset(name for name, value in labels.items() if value),
                labels=labels,
                view=_view(row),
            )

        rows = numbered(tables["table of images"], ENTRY_COLUMNS, lambda row: Path(row.get("Image Index", "")).stem)
        listed: set[str] = set()

        def wanted(image: str) -> bool:
            listed.add(image)
            return not self.boxes_only or not image or image in boxed

        found = list_images((row for row in rows if wanted(row[1])), read)
        lost = [
            f"{tables[name].name}: {len(unknown)} images, such as {min(unknown)}, are not in the table of images."
            for name, named in {"boxes": boxed, **lists}.items()
            if (unknown := named - listed)
        ]
        return replace(found, problems=(*truth.problems, *found.problems, *lost))


def _names(path: Path) -> frozenset[str]:
    """The ids of the images that a list holds, one file name a line."""
    return frozenset(Path(line.strip()).stem for line in read_text(path).splitlines() if line.strip())


def _split(image: str, patient: str, lists: Mapping[str, frozenset[str]]) -> str:
    train, test = (image in lists[name] for name in LISTS)
    if train and test:
        raise Skip(CONTRADICTING, f"it stands in both of {' and '.join(LISTS)}")
    if not train and not test:
        raise Skip(NO_SPLIT, f"it stands in none of {' and '.join(LISTS)}")
    return "test" if test else splits.hashed_split(patient, VALIDATION)


def _view(row: Mapping[str, str]) -> str:
    view = row.get("View Position", "").upper()
    if not view:
        raise Skip(NO_VIEW, "View Position is blank")
    if view not in ("PA", "AP"):
        raise Skip(LATERAL, f"View Position is {view!r}")
    return view


def _labels(row: Mapping[str, str]) -> dict[str, int]:
    """1 for every label that the table names, 0 for the others of the fifteen, "No Finding" among them."""
    named = [name.strip() for name in row.get("Finding Labels", "").split("|")]
    if unknown := [name for name in named if name not in LABELS]:
        raise UnreadableRow("Finding Labels", f"{unknown[0]!r} is none of the set's labels")
    return {name: int(name in named) for name in LABELS}
