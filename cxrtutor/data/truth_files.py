"""Any truth file that this package knows, recognised by what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import guard
from ..errors import InputError
from .annotations import Annotations, read_json, read_table
from .image_folder import ImageFolder, SizeOf
from .sources import (
    chestx_det,
    chexlocalize,
    coco,
    covid_rural,
    ms_cxr,
    nih,
    object_cxr,
    padchest_gr,
    rsna,
    siim,
    vindr,
)

TABLES = (
    (ms_cxr.COLUMNS, ms_cxr.read_csv),
    (rsna.COLUMNS, rsna.read_labels),
    (rsna.MEDKLIP_COLUMNS, rsna.read_medklip),
    (siim.COLUMNS, siim.read_csv),
    (nih.COLUMNS, nih.read_boxes),
)
"""The columns by which a table is recognised, and what reads it."""

TABLES_WITHOUT_SIZES = (
    *(((column, object_cxr.ANNOTATION), object_cxr.read_csv) for column in object_cxr.IMAGE_COLUMNS),
    (vindr.COLUMNS, vindr.read_boxes),
)
LISTS_WITHOUT_SIZES = ((chestx_det.KEYS, chestx_det.read_list), (padchest_gr.KEYS, padchest_gr.read_boxes))
"""The same for tables, and for JSON lists by the keys of their entries, that do not say how large an image is."""

KNOWN = (
    "MS-CXR (CSV, JSON), RSNA stage 2 (CSV, also as MedKLIP lists it), COVID Rural (folder of masks), "
    "CheXlocalize (segmentations, annotations), SIIM-ACR (CSV), NIH ChestX-ray14 (boxes), COCO JSON; and, with their "
    "images, VinDr-CXR (boxes, also as Kaggle lists them), Object-CXR (CSV), PadChest-GR (JSON), ChestX-Det (JSON)"
)


def read_truth(path: Path, *, images: Path | None = None, redistribution: bool = False) -> Annotations:
    """Read a truth file in its owner's layout: one of `KNOWN`.

    Args:
        path: of the file, or of the folder of masks.
        images: the folder of the set's images, at any depth, for a layout that does not say how large they are; only
            their headers are read.
        redistribution: whether what it says may be published. No owner of these layouts surely allows it, so a notebook
            that reads one is marked as restricted (`guard.note_opened`); a file that you made up yourself is free.

    Raises:
        InputError: it is missing, is in no layout that is known here, or nothing in it can be read; or it needs images.
    """
    annotations = _read(path, images)
    guard.note_opened({"name": annotations.layout, "redistribution": redistribution})
    return annotations


def _read(path: Path, images: Path | None) -> Annotations:
    if path.name == "card.json" or (path / "card.json").is_file():
        raise InputError(
            f"{path} is of a prepared set. Give the file of truth as its owner ships it, or use `evaluate`."
        )
    if path.is_dir():
        return covid_rural.read_masks(path)
    if path.suffix == ".json":
        return _of_json(path, read_json(path), images)
    header, _ = read_table(path)
    for columns, read in TABLES:
        if set(columns) <= set(header):
            return read(path)
    for columns, read_with in TABLES_WITHOUT_SIZES:
        if set(columns) <= set(header):
            return read_with(path, _sizes(path, images))
    raise InputError(f"{path} has columns of no known layout: {', '.join(header)}. Known are {KNOWN}.")


def _of_json(path: Path, content: Any, images: Path | None) -> Annotations:
    if isinstance(content, dict) and {"images", "annotations"} <= set(content):
        phrases = any(isinstance(one, dict) and "label_text" in one for one in content["annotations"])
        return ms_cxr.read_json(path) if phrases else coco.read_coco(path)
    if isinstance(content, dict) and content and all(isinstance(entry, dict) for entry in content.values()):
        drawn = any(chexlocalize.IMAGE_SIZE in entry for entry in content.values())
        return chexlocalize.read_annotations(path) if drawn else chexlocalize.read_segmentations(path)
    first = content[0] if isinstance(content, list) and content else None
    for keys, read_with in LISTS_WITHOUT_SIZES:
        if isinstance(first, dict) and set(keys) <= set(first):
            return read_with(path, _sizes(path, images))
    raise InputError(f"{path} holds JSON of no known layout. Known are {KNOWN}.")


def _sizes(path: Path, images: Path | None) -> SizeOf:
    if images is None:
        raise InputError(f"{path} does not say how large its images are. Give the folder of its images too: --images.")
    if not images.is_dir():
        raise InputError(f"There is no folder {images}. Give the folder of the images that {path} speaks of.")
    return ImageFolder(images).size
