"""Truth files as their owners ship them, written small: every function returns the path of what it wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from pycocotools import mask as coco

DICOM = "02aa804e-bde0afdd-112c0b34-7bc16630-4e384014"
OTHER_DICOM = "2a2277a9-b0ded155-c0de8eb9-c124d10e-82c5caab"
CHEXPERT = "patient64541_study1_view1_frontal"
COVID = "COVID-19-AR-16406488_01-08-2012-XR"


class Marked(NamedTuple):
    """A box that a radiologist drew for a phrase."""

    image: str
    category: str
    phrase: str
    box: tuple[float, float, float, float]
    size: tuple[int, int] = (2544, 3056)
    patient: str = "10000032"
    split: str = "test"
    study: str = "50414267"

    @property
    def path(self) -> str:
        return f"files/p{self.patient[:2]}/p{self.patient}/s{self.study}/{self.image}.jpg"


def ms_cxr_csv(path: Path, marks: Sequence[Marked], version: str = "1.1.0") -> Path:
    columns = "dicom_id,category_name,label_text,path,x,y,w,h,image_width,image_height"
    lines = [columns + (",split" if version == "1.1.0" else "")]
    for mark in marks:
        box, (height, width) = ",".join(f"{value:g}" for value in mark.box), mark.size
        line = f'{mark.image},{mark.category},"{mark.phrase}",{mark.path},{box},{width},{height}'
        lines.append(line + (f",{mark.split}" if version == "1.1.0" else ""))
    return written(path, "\n".join(lines) + "\n")


def ms_cxr_json(path: Path, marks: Sequence[Marked], version: str = "1.1.0") -> Path:
    names = sorted({mark.category for mark in marks})
    images = {mark.image: mark for mark in marks}
    content = {
        "info": {"version": version, "description": "MS-CXR"},
        "licenses": [],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, 1)],
        "images": [
            {
                "id": number,
                "file_name": f"{image}.jpg",
                "path": mark.path,
                "height": mark.size[0],
                "width": mark.size[1],
            }
            for number, (image, mark) in enumerate(images.items())
        ],
        "annotations": [
            {
                "id": number,
                "image_id": list(images).index(mark.image),
                "category_id": names.index(mark.category) + 1,
                "bbox": list(mark.box),
                "height": mark.size[0],
                "width": mark.size[1],
                "label_text": mark.phrase,
            }
            | ({"split": mark.split} if version == "1.1.0" else {})
            for number, mark in enumerate(marks)
        ],
    }
    return written(path, json.dumps(content))


def coco_json(path: Path, image: str, size: tuple[int, int], annotations: Sequence[Mapping[str, Any]]) -> Path:
    content = {
        "images": [{"id": 7, "file_name": f"train/{image}.png", "height": size[0], "width": size[1]}],
        "categories": [{"id": 3, "name": "Nodule"}],
        "annotations": [{"id": n, "image_id": 7, "category_id": 3, **one} for n, one in enumerate(annotations)],
    }
    return written(path, json.dumps(content))


def rsna_csv(path: Path, rows: Sequence[tuple[str, Sequence[float] | None]]) -> Path:
    lines = ["patientId,x,y,width,height,Target"]
    lines += [f"{image},,,,,0" if box is None else f"{image},{','.join(map(str, box))},1" for image, box in rows]
    return written(path, "\n".join(lines) + "\n")


def medklip_csv(path: Path, rows: Mapping[str, Sequence[Sequence[float]]]) -> Path:
    lines = ["ID,img_path,boxes,classes"]
    for image, boxes in rows.items():
        text = "|".join(";".join(map(str, box)) for box in boxes) or "nan"
        lines.append(f"{image},stage_2_train_images/{image}.dcm,{text},{int(bool(boxes))}")
    return written(path, "\n".join(lines) + "\n")


def covid_rural(folder: Path, masks: Mapping[str, np.ndarray]) -> Path:
    for name, mask in masks.items():
        (folder / "pngs_masks").mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask.astype(np.uint8)).save(folder / "pngs_masks" / f"{name}.png")
    return folder


def chexlocalize_segmentations(path: Path, masks: Mapping[str, Mapping[str, np.ndarray]]) -> Path:
    """All ten findings of every image; those that are not given are all zero."""
    content = {}
    for image, drawn in masks.items():
        nothing = np.zeros_like(next(iter(drawn.values())))
        content[image] = {finding: encoded(drawn.get(finding, nothing)) for finding in CHEXLOCALIZE_FINDINGS}
    return written(path, json.dumps(content))


def chexlocalize_annotations(
    path: Path, size: tuple[int, int], contours: Mapping[str, Mapping[str, Sequence[Sequence[Sequence[float]]]]]
) -> Path:
    return written(path, json.dumps({image: {"img_size": list(size), **drawn} for image, drawn in contours.items()}))


def salient_points(path: Path, points: Mapping[str, Mapping[str, Sequence[Sequence[float]]]]) -> Path:
    return written(path, json.dumps(points))


def siim_csv(path: Path, rows: Sequence[tuple[str, str]]) -> Path:
    """The header has a space before its second name."""
    return written(path, "\n".join(["ImageId, EncodedPixels", *(f"{image},{text}" for image, text in rows)]) + "\n")


def nih_csv(path: Path, rows: Sequence[tuple[str, str, Sequence[float]]]) -> Path:
    """The header holds nine names, every row six values."""
    lines = ["Image Index,Finding Label,Bbox [x,y,w,h],,,"]
    lines += [f"{image},{finding},{','.join(map(str, box))}" for image, finding, box in rows]
    return written(path, "\n".join(lines) + "\n")


CHEXLOCALIZE_FINDINGS = (
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Lesion",
    "Airspace Opacity",
    "Edema",
    "Consolidation",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Support Devices",
)


def encoded(mask: np.ndarray) -> dict[str, Any]:
    """COCO's compressed form, by pycocotools."""
    runs = coco.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(runs["size"]), "counts": runs["counts"].decode()}


def rectangle(box: Sequence[int], size: tuple[int, int]) -> np.ndarray:
    """The pixels of a box of whole numbers."""
    x, y, width, height = box
    mask = np.zeros(size, bool)
    mask[max(y, 0) : y + height, max(x, 0) : x + width] = True
    return mask


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
