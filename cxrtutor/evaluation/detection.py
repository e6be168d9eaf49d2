"""How well ranked boxes find the true ones, and heat maps judged so: boxes around the parts of a mask."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from ..data.study import Box
from ..errors import InputError
from .difference import Difference

THRESHOLDS = tuple(round(0.40 + 0.05 * step, 2) for step in range(8))
"""The overlaps that mAP is averaged over: .40 to .75, as in MGCA's transfer to detection."""

MOST_BOXES = 100
"""How many boxes of an image count, the surest first; COCO's limit."""


RECALLS = np.linspace(0, 1, 101)
"""The recalls that precision is averaged over; COCO's."""


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
    """COCO's average precision, averaged over overlaps; NaN where no image has a true box.

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
    images = [str(image) for image in range(len(truth))]
    found = Detections.matched({"box": predicted}, {"box": truth}, images, images, thresholds)
    return float(found.statistic("map", np.ones((1, len(images))))[0])


@dataclass(frozen=True, eq=False)
class Detections:
    """The boxes of one model on one set, once it is known which of them are right: a `results.Result`.

    What is right does not change with the patients that are drawn, so boxes are matched once, and a draw is a sum.

    Attributes:
        names: of the findings that were looked for.
        images: the ids of the images.
        image_patients: whose each image is.
        true_boxes: how many there are to be found of every finding in every image.
        finding: of every predicted box, from the surest to the least sure, as a place in `names`.
        image: its image, as a place in `images`.
        score: how sure it is.
        right: whether it finds a true box at every threshold of overlap.
        thresholds: of IoU.
    """

    names: tuple[str, ...]
    images: tuple[str, ...]
    image_patients: tuple[str, ...]
    true_boxes: Int[np.ndarray, "findings images"]
    finding: Int[np.ndarray, " boxes"]
    image: Int[np.ndarray, " boxes"]
    score: Float[np.ndarray, " boxes"]
    right: Bool[np.ndarray, "thresholds boxes"]
    thresholds: tuple[float, ...] = THRESHOLDS

    @classmethod
    def matched(
        cls,
        predicted: Mapping[str, Sequence[Sequence[ScoredBox]]],
        truth: Mapping[str, Sequence[Sequence[Box]]],
        images: Sequence[str],
        patients: Sequence[str],
        thresholds: Sequence[float] = THRESHOLDS,
    ) -> Detections:
        """Match predicted boxes with true ones, finding by finding and image by image, by `pycocotools`.

        Args:
            predicted: of every finding and image the boxes; those beyond the surest hundred are left out.
            truth: of every finding and image the boxes.
            images: the ids of the images, in the same order.
            patients: whose each image is.
            thresholds: of IoU, in (0, 1].

        Raises:
            InputError: there are not as many images in the one as in the other.
        """
        for name, boxes in truth.items():
            if not len(predicted[name]) == len(boxes) == len(images):
                raise InputError(
                    f"There are predictions for {len(predicted[name])} images, and truth for {len(boxes)}."
                )
        names = tuple(truth)
        judged = [one for one in _judged([predicted[n] for n in names], list(truth.values()), thresholds) if one]
        true_boxes = np.zeros((len(names), len(images)), int)
        for one in judged:
            true_boxes[one["category_id"], one["image_id"]] = len(one["gtIds"])
        sizes = [len(one["dtIds"]) for one in judged]
        score = np.array([score for one in judged for score in one["dtScores"]], float)
        right = np.concatenate([np.zeros((len(thresholds), 0)), *(one["dtMatches"] for one in judged)], axis=1) > 0
        ranked = np.argsort(-score, kind="stable")  # equally sure boxes stay in the order of their images, as COCO's do
        return cls(
            names,
            tuple(images),
            tuple(patients),
            true_boxes,
            np.repeat(np.array([one["category_id"] for one in judged], int), sizes)[ranked],
            np.repeat(np.array([one["image_id"] for one in judged], int), sizes)[ranked],
            score[ranked],
            right[:, ranked],
            tuple(thresholds),
        )

    @property
    def protocol(self) -> str:
        """The metric's name with the overlaps that it is averaged over."""
        return f"average precision at IoU {', '.join(f'{threshold:.2f}' for threshold in self.thresholds)}"

    @property
    def metrics(self) -> list[str]:
        """The names of what is measured."""
        return ["map"]

    @property
    def samples(self) -> int:
        """How many images there are."""
        return len(self.images)

    @property
    def patients(self) -> tuple[str, ...]:
        """Whose images they are, each once, in sorted order."""
        return tuple(np.unique(np.array(self.image_patients, str)).tolist())

    def statistic(self, metric: str, weights: Float[np.ndarray, "draws patients"]) -> Float[np.ndarray, " draws"]:
        """COCO's average precision, "map", where the images of patient p are there `weights[:, p]` times.

        Mean over thresholds, then over the findings that a draw has true boxes of; NaN where it has none at all.

        Raises:
            InputError: there is no such metric.
        """
        if metric not in self.metrics:
            raise InputError(f"Detections have no metric {metric!r}. They have: {', '.join(self.metrics)}.")
        _, patient = np.unique(np.array(self.image_patients, str), return_inverse=True)
        precision = np.stack([self._average_precision(f, patient, weights) for f in range(len(self.names))])
        defined = ~np.isnan(precision)
        with np.errstate(invalid="ignore"):
            return np.where(defined, precision, 0.0).sum(axis=0) / defined.sum(axis=0)

    def less(self, other: Detections) -> Difference:
        """The difference of the two in the same draws.

        Raises:
            InputError: they were measured at different overlaps, or on different images.
        """
        for what in ("protocol", "names", "images", "image_patients"):
            if getattr(self, what) != getattr(other, what):
                raise InputError(f"These detections differ in {what}; a comparison needs the same images and findings.")
        if not np.array_equal(self.true_boxes, other.true_boxes):
            raise InputError("These detections were held against different true boxes; measure both against one truth.")
        return Difference(self, other)

    def undefined(self) -> dict[str, int]:
        """None: an image without true boxes counts by its false alarms."""
        return {"map": 0}

    def to_json(self) -> dict[str, Any]:
        """Everything as values that JSON can hold: scores to four digits, and `right` as a bit a threshold."""
        bits = 1 << np.arange(len(self.thresholds))
        return {
            "thresholds": list(self.thresholds),
            "names": list(self.names),
            "images": list(self.images),
            "patients": list(self.image_patients),
            "true_boxes": self.true_boxes.tolist(),
            "boxes": {
                "finding": self.finding.tolist(),
                "image": self.image.tolist(),
                "score": [float(f"{score:.4g}") for score in self.score],
                "right": (bits @ self.right).tolist(),
            },
        }

    @classmethod
    def from_json(cls, content: Any) -> Detections:
        """What `to_json` gave; the ranks, and so every statistic, are those of the unrounded scores.

        Raises:
            InputError: it is something else.
        """
        try:
            boxes, thresholds = content["boxes"], tuple(content["thresholds"])
            bits = 1 << np.arange(len(thresholds))
            return cls(
                tuple(content["names"]),
                tuple(content["images"]),
                tuple(content["patients"]),
                np.array(content["true_boxes"], int).reshape(len(content["names"]), len(content["images"])),
                np.array(boxes["finding"], int),
                np.array(boxes["image"], int),
                np.array(boxes["score"], float),
                (np.array(boxes["right"], int) & bits[:, None]) > 0,
                thresholds,
            )
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"These are no detections ({error!r}). Measure again.") from error

    def _average_precision(
        self, finding: int, patient: Int[np.ndarray, " images"], weights: Float[np.ndarray, "draws patients"]
    ) -> Float[np.ndarray, " draws"]:
        """Average precision of one finding, mean over thresholds; NaN in draws without a true box of it.

        Between two right boxes precision only falls, so the right ones alone are looked at. One that was drawn several
        times makes recall rise in several steps, of which the last is the most precise; one that was not drawn lies
        below the curve. So neither changes it.
        """
        mine = self.finding == finding
        owner, right = patient[self.image[mine]], self.right[:, mine]
        hits = np.flatnonzero(right.any(axis=0))
        by_patient = np.zeros((len(hits), weights.shape[1]))
        ranks = np.arange(hits[-1] + 1 if len(hits) else 0)
        np.add.at(by_patient, (np.searchsorted(hits, ranks), owner[ranks]), 1.0)
        predicted = weights @ by_patient.cumsum(axis=0).T  # down to every hit, in every draw
        true = weights @ np.bincount(patient, self.true_boxes[finding], weights.shape[1])
        total = np.zeros(len(weights))
        for found in right[:, hits]:
            correct = weights[:, owner[hits[found]]].cumsum(axis=1)
            precision = _ratio(correct, predicted[:, found])
            highest = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
            reached = np.searchsorted(RECALLS, _ratio(correct, true[:, None]), side="right")
            total += (highest * np.diff(reached, prepend=0, axis=1)).sum(axis=1) / len(RECALLS)
        return np.where(true > 0, total / len(right), np.nan)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Zero where the whole is."""
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)


def _judged(
    predicted: Sequence[Sequence[Sequence[ScoredBox]]],
    truth: Sequence[Sequence[Sequence[Box]]],
    thresholds: Sequence[float],
) -> list[dict[str, Any] | None]:
    """What COCO's evaluation says of every finding in every image; None where there is no box at all."""
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        scored = [[[one.box for one in boxes] for boxes in images] for images in predicted]
        scores = [one.score for images in predicted for boxes in images for one in boxes]
        found = _coco(scored, scores)
        judged = COCOeval(_coco(truth, None), found, "bbox")
        judged.params.iouThrs = np.asarray(thresholds, dtype=float)
        judged.params.maxDets = [MOST_BOXES]
        judged.params.areaRng, judged.params.areaRngLbl = [[0.0, float("inf")]], ["all"]
        judged.evaluate()
    return judged.evalImgs


def _coco(boxes: Sequence[Sequence[Sequence[Box]]], scores: Sequence[float] | None) -> Any:
    """Boxes of every finding and image as COCO keeps them, with scores where they are predictions."""
    from pycocotools.coco import COCO

    annotations = [
        {"image_id": image, "category_id": finding, "bbox": list(box), "area": 1.0, "iscrowd": 0}
        for finding, images in enumerate(boxes)
        for image, here in enumerate(images)
        for box in here
    ]
    for number, annotation in enumerate(annotations):
        annotation["id"] = number + 1  # zero means no match
        if scores is not None:
            annotation["score"] = float(scores[number])
    coco = COCO()
    images = [{"id": image} for image in range(len(boxes[0]))]
    categories = [{"id": finding} for finding in range(len(boxes))]
    coco.dataset = {"images": images, "categories": categories, "annotations": annotations}
    coco.createIndex()
    return coco
