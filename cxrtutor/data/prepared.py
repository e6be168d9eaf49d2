"""The form in which every set lies on disk: Parquet shards, one study a row, and a card that says what they hold.

Reading one column leaves the others on the disk, so reports cost nothing for their images; masks are COCO's compressed
run lengths (pycocotools reads them elsewhere too); images are PNG or JPEG of 8 bits.

Format 2 added the columns `study`, `labels` and `geometry`, and JPEG. What was written as format 1 is read as before.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from tqdm import tqdm

from .. import __version__, store
from ..errors import InputError
from .geometry import Box, Geometry
from .study import Finding, Report, Sentence, Study

FORMAT = 2
READABLE = (1, 2)
ENCODINGS = ("png", "jpeg")
"""How images may be written: PNG keeps all 8 bits, JPEG takes half the room and is read several times as fast."""
_PNG_LEVEL = 3  # a quarter of the time of Pillow's 6, for an eighth more room
_JPEG_QUALITY = 95  # a grey level or less of error, root mean square, on a film of 512 pixels
ROWS_PER_GROUP = 32
"""Studies that are read together when one is asked for: a compromise between single look-ups and whole sweeps."""

_BOX = pa.struct([(side, pa.float64()) for side in Box._fields])
_FINDING = pa.struct(
    {
        "name": pa.string(),
        "phrase": pa.string(),
        "mask": pa.binary(),
        "boxes": pa.list_(_BOX),
        "attributes": pa.string(),
    }
)
_GEOMETRY = pa.struct(
    {
        "stored_height": pa.int32(),
        "stored_width": pa.int32(),
        "transposed": pa.bool_(),
        "mirrored": pa.bool_(),
        "upside_down": pa.bool_(),
    }
)
_COLUMNS = {
    "id": (pa.string(), "the image's, unique within the set"),
    "patient": (pa.string(), "the patient, shared by studies of one person"),
    "split": (pa.string(), "the part of the set it belongs to"),
    "view": (pa.string(), "PA, AP, or null where unknown"),
    "height": (pa.int32(), "of the image, in pixels"),
    "width": (pa.int32(), "of the image, in pixels"),
    "pixel_spacing": (pa.list_(pa.float64()), "millimetres between rows and between columns, or null where unknown"),
    "image": (pa.binary(), "PNG or JPEG, grey, 8 bits, bone bright, the patient's right on the left"),
    "sections": (pa.list_(pa.struct({"name": pa.string(), "text": pa.string()})), "of the report, as written"),
    "sentences": (
        pa.list_(pa.struct({"text": pa.string(), "findings": pa.list_(pa.int32())})),
        "of FINDINGS and IMPRESSION, each with the positions of the findings it speaks of, where known",
    ),
    "annotated": (pa.bool_(), "whether somebody looked for findings; no findings then means none there"),
    "findings": (
        pa.list_(_FINDING),
        "the ground truth: mask (COCO compressed run lengths of height x width, or null), boxes (x, y, width, height "
        "in pixels), attributes (JSON)",
    ),
    "anatomy": (
        pa.list_(pa.struct({"name": pa.string(), "mask": pa.binary()})),
        "masks of organs, like those of findings",
    ),
    "study": (pa.string(), "the owner's id of the study, which several images may share, or null"),
    "labels": (
        pa.list_(pa.struct({"name": pa.string(), "value": pa.int8()})),
        "categories of the whole image or study: 1 present, 0 absent, -1 uncertain; not mentioned is left out",
    ),
    "geometry": (
        _GEOMETRY,
        "how the image lay in its file: size there; rows and columns exchanged, then left and right, then top and "
        "bottom; then scaled to height x width; or null where not known",
    ),
}
SCHEMA = pa.schema([(name, kind) for name, (kind, _) in _COLUMNS.items()])


def shard_path(folder: Path, split: str, number: int) -> Path:
    """Where the shard `number` of a split lies."""
    return folder / f"{split}-{number:05d}.parquet"


def write_shard(
    path: Path, studies: Iterable[Study], *, encoding: str = "png", record: Mapping[str, Any] | None = None
) -> None:
    """Write studies into one Parquet file, whole or not at all.

    Boxes are cut at the image's border, and those without area inside it or listed twice are dropped; how many is kept
    in the file, and `write_card` adds it up under "repairs".

    Args:
        path: of the file.
        studies: may be none.
        encoding: of the images, one of `ENCODINGS`.
        record: what else the file shall tell of how it was made, as JSON can hold it (see `shard_record`). It is read
            after the last study, so that whoever draws the studies may fill it meanwhile.

    Raises:
        InputError: there is no such encoding, a study's truth does not fit its image, a finding has neither a mask nor
            a box in it, or the file cannot be written.
    """
    if encoding not in ENCODINGS:
        raise InputError(f"Images cannot be written as {encoding!r}. Choose one of: {', '.join(ENCODINGS)}.")
    repairs: Counter[str] = Counter()
    table = pa.Table.from_pylist([_row(study, encoding, repairs) for study in studies], SCHEMA)
    told = {"repairs": json.dumps(+repairs, sort_keys=True), "record": json.dumps(record or {}, sort_keys=True)}
    table = table.replace_schema_metadata(told)
    content = io.BytesIO()
    pq.write_table(table, content, row_group_size=ROWS_PER_GROUP, compression="zstd")
    store.write_file(path, content.getvalue())


def shard_record(path: Path) -> dict[str, Any]:
    """The `record` that a shard was written with.

    Raises:
        InputError: the shard is missing or damaged.
    """
    return _told(path, "record")


def _told(path: Path, what: str) -> dict[str, Any]:
    """What `write_shard` wrote beside the studies."""
    try:
        return json.loads(pq.read_schema(path).metadata[what.encode()])
    except (OSError, pa.ArrowInvalid, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is missing or damaged ({error}). Delete it and prepare the set again.") from error


def write_card(
    folder: Path,
    shards: Sequence[Path],
    asked_for: object,
    *,
    name: str,
    version: str,
    licence: str,
    redistribution: bool,
    by_content: bool = False,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write `card.json`, which turns a folder of shards into a set. It goes last: where it lies, the set is whole.

    Args:
        folder: of the set.
        shards: its files, in the order of the studies.
        asked_for: all that decides the set's content, as JSON can hold it. Empty, it decides nothing, and the key is
            that of the content.
        name: of the set.
        version: of the set.
        licence: a name or an address.
        redistribution: whether the licence lets the set's images and reports be published.
        by_content: whether the key stands for the shards' bytes too, which a set needs whose content comes from files
            that `asked_for` does not name.
        details: what else the card shall tell, as JSON can hold it.

    Raises:
        InputError: two studies share an id, a shard is missing or damaged, or the card cannot be written.
    """
    listed, repairs, ids, splits = [], Counter(), Counter(), Counter()
    for path in tqdm(shards, desc="card", unit="shard", disable=None, delay=5):
        repairs.update(_told(path, "repairs"))
        columns = pq.read_table(path, columns=["id", "split"])
        if len(columns) == 0:
            continue
        of_split = Counter(columns["split"].to_pylist())
        if len(of_split) != 1:
            raise InputError(
                f"{path} holds studies of {len(of_split)} splits. Write each split into shards of its own."
            )
        digest = file_digest(path)
        listed.append({"file": path.name, "split": next(iter(of_split)), "rows": len(columns), "sha256": digest})
        ids.update(columns["id"].to_pylist())
        splits.update(of_split)
    if twice := [id for id, count in ids.items() if count > 1]:
        raise InputError(f"{folder}: {len(twice)} study ids are used twice, such as {twice[0]!r}. Ids must be unique.")
    digests = [shard["sha256"] for shard in listed]
    content = {"asked_for": asked_for, "shards": digests} if by_content or not asked_for else asked_for
    card = {
        "format": FORMAT,
        "name": name,
        "version": version,
        "licence": licence,
        "redistribution": redistribution,
        "asked_for": asked_for,
        "key": store.content_key(content),
        "package_version": __version__,
        "splits": dict(splits),
        "repairs": dict(repairs),
        "columns": {column: meaning for column, (_, meaning) in _COLUMNS.items()},
        "rows_per_group": ROWS_PER_GROUP,
        "details": dict(details or {}),
        "shards": listed,
    }
    store.write_file(folder / "card.json", json.dumps(card, indent=1))


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a prepared set.

    Raises:
        InputError: there is none, or it was written by a version that this one does not understand.
    """
    path = folder / "card.json"
    try:
        card = json.loads(path.read_text())
        form = card["format"]
    except FileNotFoundError as error:
        raise InputError(f"{folder} {_why_no_set(folder)}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}). Delete {folder} and prepare the set again.") from error
    if form not in READABLE:
        raise InputError(
            f"{path} is of format {form}; this version reads up to {FORMAT}. Prepare the set again, or update cxrtutor."
        )
    return card


def _why_no_set(folder: Path) -> str:
    """What a folder without a card is, and what to do."""
    if not folder.is_dir():
        return "is no folder. Check the path."
    if (folder / "plan.json").is_file():
        return "was begun and is not finished: card.json is missing. Prepare it with the same command; it goes on."
    return (
        "holds no prepared set: card.json is missing. Give the folder that a script of data_scripts prepared a set "
        "into (--output), not the one with its owner's files."
    )


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}. Check the path.") from error


def study_of(row: Mapping[str, Any]) -> Study:
    """The study that a row holds; the columns that format 1 lacks may be missing."""
    shape = row["height"], row["width"]
    return Study(
        id=row["id"],
        patient=row["patient"],
        image=decoded_image(row["image"]).astype(np.float32) / np.float32(255),
        report=report_of(row),
        findings=findings_of(row),
        annotated=row["annotated"],
        anatomy={organ["name"]: _decoded_mask(organ["mask"], shape) for organ in row["anatomy"]},
        pixel_spacing=None if row["pixel_spacing"] is None else tuple(row["pixel_spacing"]),
        view=row["view"],
        split=row["split"],
        study=row.get("study"),
        labels=labels_of(row),
        geometry=_geometry_of(row.get("geometry"), shape),
    )


def findings_of(row: Mapping[str, Any]) -> tuple[Finding, ...]:
    """The findings that a row holds; needs its "findings", "height" and "width" only."""
    shape = row["height"], row["width"]
    return tuple(
        Finding(
            name=finding["name"],
            phrase=finding["phrase"],
            mask=None if finding["mask"] is None else _decoded_mask(finding["mask"], shape),
            boxes=tuple(Box(**box) for box in finding["boxes"]),
            attributes=json.loads(finding["attributes"]),
        )
        for finding in row["findings"]
    )


def labels_of(row: Mapping[str, Any]) -> dict[str, int]:
    """The labels that a row holds; needs its "labels" only, and nothing where format 1 has none."""
    return {label["name"]: label["value"] for label in row.get("labels") or ()}


def report_of(row: Mapping[str, Any]) -> Report:
    """The report that a row holds; needs its "sections" and "sentences" only."""
    sections = {section["name"]: section["text"] for section in row["sections"]}
    return Report(sections, tuple(Sentence(line["text"], tuple(line["findings"])) for line in row["sentences"]))


def decoded_image(encoded: bytes) -> UInt8[np.ndarray, "height width"]:
    """The pixels of an "image" cell."""
    return np.asarray(Image.open(io.BytesIO(encoded)))


def _geometry_of(cell: Mapping[str, Any] | None, size: tuple[int, int]) -> Geometry | None:
    if cell is None:
        return None
    stored = cell["stored_height"], cell["stored_width"]
    return Geometry(stored, size, cell["transposed"], cell["mirrored"], cell["upside_down"])


def _row(study: Study, encoding: str, repairs: Counter[str]) -> dict[str, Any]:
    shape = study.image.shape
    if not (np.isfinite(study.image).all() and study.image.min() >= 0 and study.image.max() <= 1):
        raise InputError(f"Study {study.id!r}: intensities must be numbers within [0, 1]. Read it with read_image.")
    spoken_of = {finding for line in study.report.sentences for finding in line.findings}
    if not spoken_of <= set(range(len(study.findings))):
        raise InputError(
            f"Study {study.id!r}: a sentence speaks of a finding that is not in the study. Mend its links."
        )
    return {
        "id": study.id,
        "patient": study.patient,
        "split": study.split,
        "view": study.view,
        "height": shape[0],
        "width": shape[1],
        "pixel_spacing": study.pixel_spacing,
        "image": _encoded_image(study.image, encoding),
        "sections": [{"name": name, "text": text} for name, text in study.report.sections.items()],
        "sentences": [{"text": line.text, "findings": line.findings} for line in study.report.sentences],
        "annotated": study.annotated,
        "findings": [_finding_cell(finding, study, repairs) for finding in study.findings],
        "anatomy": [{"name": name, "mask": _encoded_mask(mask, study, name)} for name, mask in study.anatomy.items()],
        "study": study.study,
        "labels": [{"name": name, "value": value} for name, value in study.labels.items()],
        "geometry": _geometry_cell(study),
    }


def _finding_cell(finding: Finding, study: Study, repairs: Counter[str]) -> dict[str, Any]:
    boxes = _boxes_within(finding.boxes, study, repairs)
    if finding.mask is None and not boxes:
        raise InputError(
            f"Study {study.id!r}: {finding.name!r} has no mask, and no box with area in the image, so that it is "
            "nowhere. Leave the finding out, or the study."
        )
    return {
        "name": finding.name,
        "phrase": finding.phrase,
        "mask": None if finding.mask is None else _encoded_mask(finding.mask, study, finding.name),
        "boxes": [box._asdict() for box in boxes],
        "attributes": json.dumps(dict(finding.attributes)),
    }


def _geometry_cell(study: Study) -> dict[str, Any] | None:
    geometry = study.geometry
    if geometry is None:
        return None
    if geometry.size != study.image.shape:
        raise InputError(
            f"Study {study.id!r}: its geometry ends at {geometry.size} pixels and the image has {study.image.shape}. "
            "Scale the image to its geometry."
        )
    return {
        "stored_height": geometry.stored[0],
        "stored_width": geometry.stored[1],
        "transposed": geometry.transposed,
        "mirrored": geometry.mirrored,
        "upside_down": geometry.upside_down,
    }


def _encoded_image(image: Float[np.ndarray, "height width"], encoding: str) -> bytes:
    grey = Image.fromarray(np.rint(image * 255).astype(np.uint8))
    encoded = io.BytesIO()
    if encoding == "jpeg":
        grey.save(encoded, "JPEG", quality=_JPEG_QUALITY)
    else:
        grey.save(encoded, "PNG", compress_level=_PNG_LEVEL)
    return encoded.getvalue()


def _encoded_mask(mask: Bool[np.ndarray, "rows columns"], study: Study, name: str) -> bytes:
    from pycocotools import mask as coco

    if mask.shape != study.image.shape:
        raise InputError(
            f"Study {study.id!r}: the mask of {name!r} is {mask.shape} and the image {study.image.shape}. "
            "Scale the mask to the image."
        )
    return coco.encode(np.asfortranarray(mask, np.uint8))["counts"]


def _decoded_mask(counts: bytes, shape: tuple[int, int]) -> Bool[np.ndarray, "height width"]:
    from pycocotools import mask as coco

    return coco.decode({"size": shape, "counts": counts}).astype(bool)


def _boxes_within(boxes: Sequence[Box], study: Study, repairs: Counter[str]) -> list[Box]:
    kept: list[Box] = []
    for box in boxes:
        if not np.isfinite(box).all():
            raise InputError(f"Study {study.id!r}: {box} has a side that is no number. Mend or leave out the box.")
        inside = box.cut(study.image.shape)
        if not inside.has_area:
            repairs["boxes without area in the image, dropped"] += 1
        elif inside in kept:
            repairs["boxes listed twice, dropped"] += 1
        else:
            cut = max(abs(a - b) for a, b in zip(inside, box, strict=True)) > 1e-6
            repairs["boxes beyond the border, cut"] += cut
            kept.append(inside if cut else box)
    return kept
