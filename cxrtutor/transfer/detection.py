"""Boxes on a representation: torchvision's FCOS, with our maps in the place of its backbone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOS, FCOSHead
from torchvision.models.detection.image_list import ImageList
from tqdm import tqdm

from ..data.study import Box
from ..encoders.projection import Standardize
from ..encoders.weights import reproducible_initialization
from ..errors import InputError
from ..evaluation.detection import Detections, ScoredBox
from ..localization.localize import in_use
from . import training
from .examples import BoxedExamples
from .representation import Representation
from .training import Maps, Recipe, transferred

RECIPE = Recipe(steps=120, learning_rate=5e-3, encoder_learning_rate=5e-4)
WIDTH, CONVOLUTIONS = 64, 1
"""Channels of the head, and 3x3 convolutions in each of its two towers (of classes, and of boxes)."""

CELL = 8
"""The side of a cell in the detector's own coordinates. Cells of an image need not be whole pixels; these are."""

BOXES = 10
"""The most boxes an image is given."""

LEAST_SCORE, OVERLAP = 0.01, 0.4
"""Less sure boxes are dropped, and so are those that overlap a surer one of the same class by more (IoU)."""

STANDARDIZING_EXAMPLES, BLOCK = 128, 64
"""Examples by which maps are standardised; examples whose boxes are predicted at a time."""

Boxes = tuple[Float[np.ndarray, "_ 4"], Int[np.ndarray, " _"]]
"""Of one image: left, top, right, bottom, in pixels, and the class of each."""


def detect(
    representation: Representation,
    train: BoxedExamples,
    test: BoxedExamples,
    *,
    fine_tune: bool = False,
    steps: int = RECIPE.steps,
    seed: int = 0,
) -> Detections:
    """Learn to draw boxes from examples, and match those that are drawn on others with the true ones.

    The detector is FCOS (Tian et al., Fully Convolutional One-Stage Object Detection, ICCV 2019): torchvision's head,
    losses and post-processing, with the representation's maps as its only level. (A grid twice as fine cost twice the
    time and found no more nodules.) It is not the published protocol: MGCA and MLIP put a YOLOv3 head of three levels
    and nine anchors on their encoders. Published figures are not comparable with these number by number.

    Half of every batch shows something and half does not, where there are both. A class that no example shows is
    learned as background. So is a box that holds no cell's middle, as FCOS learns a box at the middles within it: of
    the teaching set's nodules and masses 13 % on the grid of 16 cells a side, 14 % on 14, 3 % on 19. Targets that were
    widened to a cell (for the loss alone, one network, three seeds) gave a mAP of .113 in place of .108, less than
    seeds differ by; so FCOS was left as it is.

    Args:
        representation: what is transferred; it is never changed.
        train: examples to learn from.
        test: examples of the same classes to measure on.
        fine_tune: whether a copy of the representation learns with the detector.
        steps: of training, whatever the number of examples.
        seed: of the detector and of the order of examples.

    Raises:
        InputError: the two are of other classes, no example has a box to learn from or to test on, or one shows a class
            without a box of it.
        FloatingPointError: the loss is no longer a number.
    """
    if train.names != test.names:
        raise InputError(
            f"Trained to find {', '.join(train.names)}, a detector cannot be tested on {', '.join(test.names)}."
        )
    size = representation.image_size
    boxes, asked = _drawn(train, size, "learn"), _drawn(test, size, "measure")
    with transferred(representation, fine_tune) as used:
        detector = _prepared(used, train, boxes, seed)
        seen = Maps.of(used, train)

        def loss(batch: Int[np.ndarray, " batch"]) -> Float[Tensor, ""]:
            return detector.loss(seen(batch), [boxes[place] for place in batch], size)

        shows = train.shows.any(axis=1)
        pools = [np.flatnonzero(shows), np.flatnonzero(~shows)]
        recipe, tuned = replace(RECIPE, steps=steps), used if fine_tune else None
        title = f"detection of {', '.join(train.names)}"
        training.train(detector, loss, pools, recipe, encoder=tuned, seed=seed, title=title)
        with in_use(used), in_use(detector):
            return _matched(detector, Maps.of(used, test), test, asked, size)


class Detector(nn.Module):
    """FCOS that is given maps.

    Boxes, in and out, are in pixels of a square image, whose side is told with them.

    Args:
        channels: of the maps.
        classes: how many there are.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        neck = nn.Sequential(
            Standardize(channels),
            nn.Conv2d(channels, WIDTH, 1),
            nn.GroupNorm(32, WIDTH),
            nn.ReLU(),
        )
        neck.out_channels = WIDTH
        points = AnchorGenerator(((CELL,),), ((1.0,),))
        points.cell_anchors = [each + CELL / 2 for each in points.cell_anchors]  # around the middles of the cells
        self.fcos = FCOS(
            neck,
            classes,
            anchor_generator=points,
            head=FCOSHead(WIDTH, 1, classes, CONVOLUTIONS),
            score_thresh=LEAST_SCORE,
            nms_thresh=OVERLAP,
            detections_per_img=BOXES,
            topk_candidates=10 * BOXES,
        )

    def prepare(self, maps: Float[Tensor, "n channels rows columns"], boxes: list[Boxes], size: int) -> None:
        """Set the standardisation, and let every cell begin from a box of the usual size, half of it to each side."""
        self.fcos.backbone[0].measure(maps)
        sides = np.concatenate([corners[:, 2:] - corners[:, :2] for corners, _ in boxes])
        cells = np.array([maps.shape[3], maps.shape[2]])
        half = torch.from_numpy(np.median(sides * cells / size, axis=0) / 2)
        self.fcos.head.regression_head.bbox_reg.bias.data.copy_(half.repeat(2))

    def loss(
        self, maps: Float[Tensor, "batch channels rows columns"], boxes: list[Boxes], size: int
    ) -> Float[Tensor, ""]:
        """FCOS's three: focal loss of the class, generalised IoU of the box, cross entropy of centre-ness."""
        outputs, points, (rows, columns) = self._outputs(maps)
        scale = maps.new_tensor([columns, rows, columns, rows]) * CELL / size
        targets = [
            {"boxes": maps.new_tensor(corners) * scale, "labels": torch.as_tensor(classes, device=maps.device)}
            for corners, classes in boxes
        ]
        return sum(self.fcos.compute_loss(targets, outputs, points, [rows * columns]).values())

    def forward(self, maps: Float[Tensor, "batch channels rows columns"], size: int) -> list[dict[str, Tensor]]:
        """Of every image `boxes` (left, top, right, bottom), `scores` and `labels`, from the surest on."""
        outputs, points, (rows, columns) = self._outputs(maps)
        scale = maps.new_tensor([columns, rows, columns, rows]) * CELL / size
        levels = {name: [values] for name, values in outputs.items()}
        shapes = [(rows * CELL, columns * CELL)] * len(maps)
        found = self.fcos.postprocess_detections(levels, [[each] for each in points], shapes)
        return [{**one, "boxes": one["boxes"] / scale} for one in found]

    def _outputs(
        self, maps: Float[Tensor, "batch channels rows columns"]
    ) -> tuple[dict[str, Tensor], list[Tensor], tuple[int, int]]:
        """What the head says of every cell, the cells of every image as squares, and the sides of the grid."""
        seen = self.fcos.backbone(maps)
        rows, columns = seen.shape[2:]
        shape = (rows * CELL, columns * CELL)
        images = ImageList(seen.new_empty(0, 1, *shape), [shape] * len(seen))
        return self.fcos.head([seen]), self.fcos.anchor_generator(images, [seen]), (rows, columns)


def _drawn(examples: BoxedExamples, size: int, purpose: str) -> list[Boxes]:
    """The boxes of examples.

    Raises:
        InputError: there is none, or an example shows something without a box of it.
    """
    boxes = examples.boxes(range(len(examples)), size)
    bare = [
        image
        for image, shows, (_, classes) in zip(examples.ids, examples.shows, boxes, strict=True)
        if set(np.flatnonzero(shows)) - set(classes)
    ]
    names = " or ".join(examples.names)
    if bare:
        raise InputError(
            f"Of {examples}, {len(bare)} show {names} without a box of it, such as {bare[0]!r}. They would be taken "
            "for films without it. Give each finding a box, or leave these out."
        )
    if not examples.shows.any():
        raise InputError(f"None of {examples} shows {names}; there is nothing to {purpose}. Take more.")
    return boxes


def _prepared(used: Representation, train: BoxedExamples, boxes: list[Boxes], seed: int) -> Detector:
    """A detector that nothing has trained, prepared on some of the examples."""
    spread = np.linspace(0, len(train) - 1, min(len(train), STANDARDIZING_EXAMPLES)).astype(int)
    with in_use(used) as device:
        maps = Maps.of(used, train)(spread)
    with reproducible_initialization(seed):
        detector = Detector(maps.shape[1], len(train.names)).to(device)
    detector.prepare(maps, boxes, used.image_size)
    return detector


def _matched(detector: Detector, seen: Maps, test: BoxedExamples, boxes: list[Boxes], size: int) -> Detections:
    """The boxes that a detector draws on examples, held against theirs."""
    places = np.arange(len(test))
    bar = tqdm(np.array_split(places, -(-len(test) // BLOCK)), desc=f"boxes of {', '.join(test.names)}", disable=None)
    found = [
        {key: values.cpu().numpy() for key, values in one.items()}
        for block in bar
        for one in detector(seen(block), size)
    ]
    predicted = {name: [_scored(one, number) for one in found] for number, name in enumerate(test.names)}
    truth = {
        name: [_boxes(corners[classes == number]) for corners, classes in boxes]
        for number, name in enumerate(test.names)
    }
    return Detections.matched(predicted, truth, test.ids, test.patients)


def _scored(found: dict[str, np.ndarray], number: int) -> list[ScoredBox]:
    """Of the boxes found on an image, those of one class."""
    mine = found["labels"] == number
    boxes, scores = _boxes(found["boxes"][mine]), found["scores"][mine].tolist()
    return [ScoredBox(box, score) for box, score in zip(boxes, scores, strict=True)]


def _boxes(corners: Float[np.ndarray, "_ 4"]) -> list[Box]:
    return [Box(left, top, right - left, bottom - top) for left, top, right, bottom in corners.tolist()]
