"""COCO's JSON of annotated images: boxes, polygons or run lengths, and phrases where there are any."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..annotations import Annotated, Annotations, Row, UnreadableRow, box_of, gather, size_of
from ..annotations import read_json as read_content
from ..contours import contour_runs
from ..run_lengths import RunLengths
from ..study import Box

LAYOUT = "COCO"


def read_coco(
    path: Path, layout: str = LAYOUT, patient_of: Callable[[str], str | None] = lambda path: None
) -> Annotations:
    """Read `images`, `categories` and `annotations`.

    An annotation's `label_text` is its phrase, as MS-CXR has it; its category stands in for a missing one. The mask
    counts where there is a `segmentation`, else the `bbox`. The size is the image's, or the annotation's own where the
    image has none.

    Args:
        path: the file.
        layout: what to call it.
        patient_of: the patient that an image's path names, if any.

    Raises:
        InputError: the file is missing, is no COCO JSON, two images share a file name, or no annotation can be read.
    """
    content = read_content(path)
    try:
        images = {image["id"]: image for image in content["images"]}
        categories = {category["id"]: str(category["name"]) for category in content["categories"]}
        annotations = list(content["annotations"])
        ids = {key: Path(str(image["file_name"])).stem for key, image in images.items()}
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is no COCO JSON: {error!r} is missing or of another kind.") from error
    if len(set(ids.values())) < len(ids):
        raise InputError(f"{path}: several images have the same file name, so that no map can be told to be of one.")

    def read(image: str, phrase: str, annotation: Mapping[str, Any]) -> Annotated:
        of_image = images[annotation["image_id"]]
        size = size_of(of_image if "height" in of_image else annotation, "height", "width")
        drawn = annotation.get("segmentation")
        return Annotated(
            image=image,
            name=categories[annotation["category_id"]],
            phrase=phrase,
            size=size,
            boxes=() if drawn else (_box(annotation, size),),
            runs=_runs(drawn, size) if drawn else None,
            patient=patient_of(str(of_image.get("path", ""))),
            split=_split(annotation),
            path=str(of_image.get("path") or of_image["file_name"]),
        )

    def row(number: int, annotation: Any) -> Row:
        place = f"annotations[{number}]"
        if not isinstance(annotation, dict):
            raise InputError(f"{path}, {place}: is no object, so this is no COCO JSON.")
        # An image or category that is not listed leaves a blank, which `gather` reports.
        category = categories.get(_id(annotation, "category_id"), "")
        phrase = str(annotation.get("label_text") or category).strip() if category else ""
        return place, ids.get(_id(annotation, "image_id"), ""), phrase, annotation

    return gather(path, layout, (row(*entry) for entry in enumerate(annotations)), read)


def _id(annotation: Mapping[str, Any], key: str) -> int | str | None:
    value = annotation.get(key)
    return value if isinstance(value, int | str) else None


def _split(annotation: Mapping[str, Any]) -> str | None:
    split = annotation.get("split")
    if not isinstance(split, str | None):
        raise UnreadableRow("split", f"{split!r} is no name")
    return split or None


def _box(annotation: Mapping[str, Any], size: tuple[int, int]) -> Box:
    values = annotation.get("bbox")
    if not isinstance(values, list) or len(values) != 4:
        raise UnreadableRow("bbox", f"{values!r} is not [x, y, width, height]")
    keys = ("bbox x", "bbox y", "bbox width", "bbox height")
    return box_of(dict(zip(keys, values, strict=True)), keys, size)


def _runs(drawn: Any, size: tuple[int, int]) -> RunLengths:
    """A `segmentation`: run lengths, compressed or not, or polygons [x1, y1, x2, y2 ...]."""
    key = "segmentation"
    try:
        if isinstance(drawn, list):
            return contour_runs([list(zip(flat[::2], flat[1::2], strict=True)) for flat in drawn], size, key)
        if tuple(drawn["size"]) != size:
            raise UnreadableRow(key, f"is of size {drawn['size']}, its image of {list(size)}")
        return run_lengths(drawn, key)
    except (TypeError, KeyError, ValueError) as error:
        if isinstance(error, UnreadableRow):
            raise
        raise UnreadableRow(key, f"is neither polygons nor run lengths ({error!r})") from error


def run_lengths(written: Any, key: str) -> RunLengths:
    """`{"size": [height, width], "counts": ...}`, compressed or not.

    Raises:
        UnreadableRow: it is something else, or damaged.
    """
    import numpy as np

    try:
        height, width = written["size"]
        counts = written["counts"]
        if isinstance(counts, list):
            return RunLengths((int(height), int(width)), np.array(counts, dtype=np.int64))
        return RunLengths.from_compressed((int(height), int(width)), counts)
    except InputError as error:
        raise UnreadableRow(key, str(error)) from error
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise UnreadableRow(key, f"holds no run lengths ({error!r})") from error
