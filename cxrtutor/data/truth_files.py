"""Any truth file that this package knows, recognised by what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import guard
from ..errors import InputError
from .annotations import Annotations, read_json, read_table
from .sources import chexlocalize, coco, covid_rural, ms_cxr, nih, rsna, siim

TABLES = (
    (ms_cxr.COLUMNS, ms_cxr.read_csv),
    (rsna.COLUMNS, rsna.read_labels),
    (rsna.MEDKLIP_COLUMNS, rsna.read_medklip),
    (siim.COLUMNS, siim.read_csv),
    (nih.COLUMNS, nih.read_boxes),
)
"""The columns by which a table is recognised, and what reads it."""

KNOWN = (
    "MS-CXR (CSV, JSON), RSNA stage 2 (CSV, also as MedKLIP lists it), COVID Rural (folder of masks), "
    "CheXlocalize (segmentations, annotations), SIIM-ACR (CSV), NIH ChestX-ray14 (boxes), COCO JSON"
)


def read_truth(path: Path, redistribution: bool = False) -> Annotations:
    """Read a truth file in its owner's layout: one of `KNOWN`.

    Args:
        path: of the file, or of the folder of masks.
        redistribution: whether what it says may be published. No owner of these layouts surely allows it, so a notebook
            that reads one is marked as restricted (`guard.note_opened`); a file that you made up yourself is free.

    Raises:
        InputError: it is missing, is in no layout that is known here, or nothing in it can be read.
    """
    annotations = _read(path)
    guard.note_opened({"name": annotations.layout, "redistribution": redistribution})
    return annotations


def _read(path: Path) -> Annotations:
    if path.is_dir():
        return covid_rural.read_masks(path)
    if path.suffix == ".json":
        return _of_json(path, read_json(path))
    header, _ = read_table(path)
    for columns, read in TABLES:
        if set(columns) <= set(header):
            return read(path)
    raise InputError(f"{path} has columns of no known layout: {', '.join(header)}. Known are {KNOWN}.")


def _of_json(path: Path, content: Any) -> Annotations:
    if isinstance(content, dict) and {"images", "annotations"} <= set(content):
        phrases = any(isinstance(one, dict) and "label_text" in one for one in content["annotations"])
        return ms_cxr.read_json(path) if phrases else coco.read_coco(path)
    if isinstance(content, dict) and content and all(isinstance(entry, dict) for entry in content.values()):
        drawn = any(chexlocalize.IMAGE_SIZE in entry for entry in content.values())
        return chexlocalize.read_annotations(path) if drawn else chexlocalize.read_segmentations(path)
    raise InputError(f"{path} holds JSON of no known layout. Known are {KNOWN}.")
