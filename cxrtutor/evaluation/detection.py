"""Heat maps judged as detections: boxes around the parts of a mask, and how well ranked boxes find the true ones."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ..data.study import Box
from ..errors import InputError

THRESHOLDS = tuple(round(0.40 + 0.05 * step, 2) for step in range(8))
"""The overlaps that mAP is averaged over: .40 to .75, as in MGCA's transfer to detection."""

MOST_BOXES = 100
"""How many boxes of an image count, the surest first; COCO's limit."""


@dataclass(frozen=True)
class ScoredBox:
    """A box that was predicted, and how sure it is: of two boxes of a set, the higher `score` is the surer."""

    box: Box
    score: float


def boxes_of(heat: Float[np.ndarray, "height width"], mask: Bool[np.ndarray, "height width"]) -> list[ScoredBox]:
    """A box around every part of `mask` that is connected side by side, scored by the highest heat in the part.

    Heat is compared between images, so it should not be stretched image by image where ranks are to mean something.
    """
    from scipy import ndimage

    parts, number = ndimage.label(mask)
    scores = ndimage.maximum(heat, parts, range(1, number + 1))
    boxes = [
        Box(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        for rows, columns in ndimage.find_objects(parts)
    ]
    return [ScoredBox(box, float(score)) for box, score in zip(boxes, scores, strict=True)]


def mean_average_precision(
    predicted: Sequence[Sequence[ScoredBox]],
    truth: Sequence[Sequence[Box]],
    thresholds: Sequence[float] = THRESHOLDS,
) -> float:
    """COCO's average precision, averaged over overlaps, by `pycocotools`; NaN where no image has a true box.

    The boxes of all images are taken from the surest to the least sure. One is right if it overlaps a true box of its
    image, not yet taken, by at least the threshold; of several the one that it overlaps most. Average precision is the
    mean over 101 recalls, 0 to 1, of the highest precision at that recall or a higher one.

    Args:
        predicted: of every image its boxes; those beyond the surest hundred are left out.
        truth: of every image its boxes.
        thresholds: of IoU, in (0, 1].

    Raises:
        InputError: there are not as many images in the one as in the other.
    """
    if len(predicted) != len(truth):
        raise InputError(f"There are predictions for {len(predicted)} images, and truth for {len(truth)}.")
    if not any(truth):
        return float("nan")
    if not any(predicted):
        return 0.0

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        known = COCO()
        known.dataset = {
            "images": [{"id": image} for image in range(len(truth))],
            "categories": [{"id": 0}],
            "annotations": [
                {"id": number, "image_id": image, "category_id": 0, "bbox": list(box), "area": 1.0, "iscrowd": 0}
                for number, (image, box) in enumerate(
                    ((image, box) for image, boxes in enumerate(truth) for box in boxes), start=1
                )
            ],
        }
        known.createIndex()
        found = known.loadRes(
            np.array([[image, *one.box, one.score, 0] for image, boxes in enumerate(predicted) for one in boxes])
        )
        judged = COCOeval(known, found, "bbox")
        judged.params.iouThrs = np.asarray(thresholds, dtype=float)
        judged.params.maxDets = [MOST_BOXES]
        judged.params.areaRng, judged.params.areaRngLbl = [[0.0, float("inf")]], ["all"]
        judged.evaluate()
        judged.accumulate()
    return float(judged.eval["precision"].mean())
