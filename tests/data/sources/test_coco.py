"""COCO JSON: boxes, polygons and run lengths say the same; what is broken is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.truth_layouts import coco_json, encoded, rectangle, written

from cxrtutor.data.sources.coco import read_coco
from cxrtutor.data.study import Box
from cxrtutor.errors import InputError

SIZE = (30, 40)
MASK = rectangle((5, 6, 10, 8), SIZE)


def uncompressed(mask: np.ndarray) -> dict[str, Any]:
    pixels = np.concatenate([[False], mask.ravel(order="F"), [not mask[-1, -1]]])
    ends = np.flatnonzero(pixels[1:] != pixels[:-1])
    return {"size": list(mask.shape), "counts": np.diff(np.concatenate([[0], ends])).tolist()}


@pytest.mark.parametrize("drawn", [encoded(MASK), uncompressed(MASK), [[5, 6, 14, 6, 14, 13, 5, 13]]])
def test_every_kind_of_segmentation_counts_before_the_box(drawn: Any, tmp_path: Path) -> None:
    path = coco_json(tmp_path / "a.json", "0017", SIZE, [{"segmentation": drawn, "bbox": [0, 0, 1, 1]}])
    [one] = read_coco(path).findings
    assert (one.image, one.name, one.phrase, one.size) == ("0017", "Nodule", "Nodule", SIZE)
    assert one.boxes == () and np.array_equal(one.finding().mask, MASK)


def test_boxes_of_one_category_are_united(tmp_path: Path) -> None:
    boxes = [{"bbox": [5, 6, 10, 8], "segmentation": []}, {"bbox": [0, 0, 2, 2]}]
    [one] = read_coco(coco_json(tmp_path / "a.json", "0017", SIZE, boxes)).findings
    assert one.boxes == (Box(5, 6, 10, 8), Box(0, 0, 2, 2)) and one.runs is None


@pytest.mark.parametrize(
    ("annotation", "key"),
    [
        ({}, "bbox: None"),
        ({"bbox": [1, 2, 3]}, "bbox: [1, 2, 3]"),
        ({"bbox": [1, 2, 3, "x"]}, "bbox height: 'x'"),
        ({"segmentation": [[1, 2, 3]]}, "segmentation: is neither"),
        ({"segmentation": [[1, 2]]}, "segmentation: contour 0"),
        ({"segmentation": "x"}, "segmentation: is neither"),
        ({"segmentation": {"size": [30, 41], "counts": ""}}, "segmentation: is of size [30, 41]"),
        ({"segmentation": {"size": [30, 40], "counts": "04"}}, "segmentation: the runs cover"),
        ({"segmentation": {"size": [30, 40], "counts": [5, -5]}}, "segmentation: a run has a negative"),
        ({"segmentation": {"size": [30, 40], "counts": ["x"]}}, "segmentation: holds no run lengths"),
        ({"image_id": 8, "bbox": [1, 1, 2, 2]}, "image: is blank"),
        ({"category_id": 8, "bbox": [1, 1, 2, 2]}, "phrase: is blank"),
    ],
)
def test_a_broken_annotation_is_named(annotation: dict[str, Any], key: str, tmp_path: Path) -> None:
    good = {"bbox": [5, 6, 10, 8], "label_text": "good"}
    found = read_coco(coco_json(tmp_path / "a.json", "0017", SIZE, [good, annotation]))
    assert [one.phrase for one in found.findings] == ["good"]
    assert len(found.problems) == 1 and f"a.json, annotations[1], {key}" in found.problems[0]


def test_the_size_may_stand_on_the_annotation(tmp_path: Path) -> None:
    path = coco_json(tmp_path / "a.json", "0017", SIZE, [{"bbox": [5, 6, 10, 8], "height": 50, "width": 60}])
    content = json.loads(path.read_text())
    del content["images"][0]["height"], content["images"][0]["width"]
    assert read_coco(written(path, json.dumps(content))).findings[0].size == (50, 60)


def test_images_of_one_name_are_refused(tmp_path: Path) -> None:
    path = coco_json(tmp_path / "a.json", "0017", SIZE, [{"bbox": [5, 6, 10, 8]}])
    content = json.loads(path.read_text())
    content["images"].append({"id": 8, "file_name": "val/0017.png", "height": 3, "width": 4})
    with pytest.raises(InputError, match="several images have the same file name"):
        read_coco(written(path, json.dumps(content)))


@pytest.mark.parametrize("text", ["[1]", '{"images": []}', '{"images": [1], "categories": [], "annotations": []}'])
def test_other_json_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.json is no COCO JSON"):
        read_coco(written(tmp_path / "a.json", text))
