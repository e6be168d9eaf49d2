"""Boxes are found where they are, as wide and as high as they are; what is frozen stays."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from small_tasks import small_set
from torchvision.ops import box_iou

from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.geometry import Box
from cxrtutor.data.study import Finding, Report, Study
from cxrtutor.encoders.projection import ImageProjection
from cxrtutor.encoders.weights import fingerprint
from cxrtutor.errors import InputError
from cxrtutor.evaluation.detection import Detections
from cxrtutor.methods.config import ImageEncoderConfig
from cxrtutor.transfer import detection
from cxrtutor.transfer.detection import Detector, detect
from cxrtutor.transfer.examples import BoxedExamples
from cxrtutor.transfer.representation import Representation, trunk

SIZE, SHAPE = 64, (48, 64)
COUNTS = {"train": 60, "test": 24}
NAMES = ("bright and wide", "dark and high")


def film(index: int, split: str) -> Study:
    """Grey noise; a bright box that is wider than high, a dark one that is higher than wide, or nothing.

    Films are wider than high, so that they do not fill a square.
    """
    random = np.random.default_rng([index, len(split)])
    image = random.uniform(0.4, 0.6, SHAPE).astype(np.float32)
    findings = ()
    if index % 3:
        kind = index % 3 - 1
        width, height = ((28, 12), (12, 28))[kind]
        box = Box(int(random.integers(0, SHAPE[1] - width)), int(random.integers(0, SHAPE[0] - height)), width, height)
        image[box.y : box.y + height, box.x : box.x + width] += (0.4, -0.4)[kind]
        findings = (Finding(NAMES[kind], NAMES[kind], None, (box,)),)
    return Study(f"{split}-{index}", f"p{index // 2}", image, Report({}, ()), findings, annotated=True, split=split)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, BoxedExamples]:
    folder = small_set(tmp_path_factory.mktemp("films") / "set", "boxed films", COUNTS, film)
    return {split: boxed(StudyDataset(folder, split)) for split in COUNTS}


def boxed(studies: StudyDataset) -> BoxedExamples:
    shows = np.array([[name in there for name in NAMES] for there in studies.finding_names()])
    who = tuple(studies.ids()), tuple(studies.patients())
    return BoxedExamples(studies, np.arange(len(studies)), *who, NAMES, tuple((name,) for name in NAMES), shows)


@pytest.fixture(scope="module")
def imagenet() -> Representation:
    return trunk(ImageEncoderConfig(), "imagenet", image_size=SIZE)


def average_precision(found: Detections) -> float:
    return found.statistic("map", np.ones((1, len(found.patients))))[0]


@pytest.fixture(scope="module")
def learned(imagenet: Representation, films: dict[str, BoxedExamples]) -> Detections:
    return detect(imagenet, films["train"], films["test"], steps=60)


def test_both_classes_are_found_and_told_apart(learned, films):
    """On films that do not fill their square; boxes of the other class, or as if they did, would not match."""
    test = films["test"]
    assert average_precision(learned) > 0.6
    assert learned.names == NAMES and learned.images == test.ids and learned.image_patients == test.patients
    assert learned.true_boxes.T.tolist() == test.shows.astype(int).tolist()
    surest = [np.flatnonzero(learned.image == place)[0] for place in np.flatnonzero(test.shows.any(axis=1))]
    assert np.mean(learned.finding[surest] == test.shows[test.shows.any(axis=1)].argmax(axis=1)) > 0.9


def test_the_same_seed_gives_the_same_boxes_and_another_others(imagenet, films):
    few = films["train"].take(range(6))
    test = films["test"].take(range(6))
    one, again, other = (detect(imagenet, few, test, steps=3, seed=seed) for seed in (0, 0, 1))
    assert one.to_json() == again.to_json()
    assert not np.array_equal(one.score, other.score)


@pytest.mark.parametrize("fine_tune", [False, True])
def test_a_representation_is_never_changed_and_a_copy_learns_where_asked(fine_tune, imagenet, films, monkeypatch):
    shallow, deep, final = imagenet.encoder.dims
    torch.manual_seed(0)
    heads = ImageProjection({"shallow": shallow, "deep": deep, "final": final}, 16, ("deep",), "convolution")
    with_heads = Representation("with heads", imagenet.encoder, heads, SIZE, trained=True)
    trained, fit = [], detection.training.train
    monkeypatch.setattr(
        detection.training,
        "train",
        lambda *a, encoder=None, **k: trained.append(encoder) or fit(*a, encoder=encoder, **k),
    )
    before = fingerprint(with_heads)
    detect(with_heads, films["train"].take(range(9)), films["test"].take(range(3)), fine_tune=fine_tune, steps=2)
    assert fingerprint(with_heads) == before and not with_heads.encoder.trainable
    [copied] = trained
    if fine_tune:
        assert fingerprint(copied.adapter) != fingerprint(heads)
        assert fingerprint(copied.encoder) != fingerprint(imagenet.encoder)
    else:
        assert copied is None


def test_one_example_with_a_box_is_enough_and_none_too_few(imagenet, films):
    train, test = films["train"], films["test"]
    one = detect(imagenet, train.take([1]), test, steps=3)
    assert one.samples == len(test) and 0 <= average_precision(one) <= 1
    healthy = train.take(range(0, 60, 3))
    with pytest.raises(InputError, match=r"None of 20 examples of 'train' in .* shows bright and wide or dark"):
        detect(imagenet, healthy, test)
    with pytest.raises(InputError, match=r"None of 20 examples .* nothing to measure"):
        detect(imagenet, train, healthy)
    with pytest.raises(InputError, match="Trained to find bright and wide, dark and high"):
        detect(imagenet, train, dataclasses.replace(test, names=("a", "b")))
    with pytest.raises(InputError, match=r"None of 0 examples of 'test' .* nothing to measure"):
        detect(imagenet, train, test.take([]))


def test_a_finding_without_a_box_is_no_background(imagenet, films):
    """A film that shows something but has no box of it, be it for training or for testing."""
    train, test = films["train"], films["test"]
    said = test.shows.copy()
    said[3] = True
    bare = dataclasses.replace(test, shows=said)
    for examples in ((bare, test), (train, bare)):
        with pytest.raises(InputError, match=r"1 show bright and wide or dark and high without a box.*'test-3'"):
            detect(imagenet, *examples)


def test_a_class_that_training_never_shows_is_hardly_ever_found(imagenet, films):
    bright = films["train"].take(np.flatnonzero(~films["train"].shows[:, 1]))
    found = detect(imagenet, bright, films["test"].take(range(12)), steps=20)
    scores = [found.score[found.finding == kind].max(initial=0) for kind in (0, 1)]
    assert scores[0] > 2 * scores[1]


@pytest.mark.parametrize("rows, size", [(8, 64), (19, 224)])
def test_a_box_of_the_head_is_where_its_cell_is(rows, size):
    """Cells need not be whole pixels. Each cell's box reaches as far as the head says, to the left, up, right, down."""
    detector = Detector(3, 1).eval()
    head, maps = detector.fcos.head, torch.zeros(1, 3, rows, rows)
    logits = torch.full((1, rows * rows, 1), -12.0)
    row, column = 5, 2
    logits[0, row * rows + column] = 9.0
    reach = torch.tensor([1.0, 2.0, 3.0, 0.5]).expand(1, rows * rows, 4)
    said = {"cls_logits": logits, "bbox_regression": reach, "bbox_ctrness": torch.full_like(logits, 9.0)}
    head.forward = lambda levels: said
    with torch.no_grad():
        [found] = detector(maps, size)
    cell = size / rows
    expected = np.array([column + 0.5 - 1, row + 0.5 - 2, column + 0.5 + 3, row + 0.5 + 0.5]) * cell
    np.testing.assert_allclose(found["boxes"][0].numpy(), expected, rtol=1e-5)
    assert found["labels"].tolist() == [0]


def test_the_loss_is_least_where_the_boxes_are():
    """Of a detector that says one box, at four places; an image without boxes has a loss of its own."""
    detector, rows, size = Detector(2, 2), 8, 128
    boxes = [(np.array([[16.0, 32.0, 80.0, 64.0]]), np.array([1]))]
    head = detector.fcos.head

    def loss_of(row: int, column: int, kind: int, reach: list[float]) -> float:
        logits = torch.full((1, rows * rows, 2), -5.0)
        logits[0, row * rows + column, kind] = 2.0
        said = {
            "cls_logits": logits,
            "bbox_regression": torch.tensor(reach).expand(1, rows * rows, 4),
            "bbox_ctrness": torch.zeros(1, rows * rows, 1),
        }
        head.forward = lambda levels: said
        return float(detector.loss(torch.zeros(1, 2, rows, rows), boxes, size))

    right = loss_of(2, 2, 1, [2.0, 0.8, 2.0, 1.2])
    wrong = [
        loss_of(2, 2, 0, [2.0, 0.8, 2.0, 1.2]),  # the other class
        loss_of(6, 6, 1, [2.0, 0.8, 2.0, 1.2]),  # elsewhere
        loss_of(2, 2, 1, [0.8, 2.0, 1.2, 2.0]),  # high and narrow
    ]
    assert all(right < other for other in wrong)
    boxes = [(np.zeros((0, 4)), np.zeros(0, int))]
    assert 0 < loss_of(2, 2, 1, [1.0] * 4) < 5


def test_every_cell_begins_from_the_usual_box():
    detector = Detector(4, 1)
    corners = [np.array([[0.0, 0, 32, 8]]), np.zeros((0, 4)), np.array([[10.0, 10, 42, 18], [0, 0, 64, 64]])]
    detector.prepare(torch.rand(3, 4, 8, 8), [(one, np.zeros(len(one), int)) for one in corners], 64)
    with torch.no_grad():
        detector.fcos.head.regression_head.bbox_reg.weight.zero_()
        detector.fcos.head.classification_head.cls_logits.bias.fill_(1.0)
        [found] = detector.eval()(torch.rand(1, 4, 8, 8), 64)
    sides = found["boxes"][:, 2:] - found["boxes"][:, :2]
    assert (sides <= torch.tensor([32.0, 8.0]) + 1e-4).all()  # those at a border are cut
    assert (sides.max(0).values > torch.tensor([31.9, 7.9])).all()


def test_boxes_of_an_image_are_few_and_apart(learned):
    assert np.bincount(learned.image).max() <= detection.BOXES
    detector = Detector(4, 1).eval()
    detector.fcos.head.regression_head.bbox_reg.bias.data.fill_(2.0)
    detector.fcos.head.classification_head.cls_logits.bias.data.fill_(1.0)
    with torch.no_grad():
        [found] = detector(torch.rand(1, 4, 16, 16), 128)
    assert 1 < len(found["boxes"]) <= detection.BOXES and (found["scores"].diff() <= 0).all()
    overlaps = box_iou(found["boxes"], found["boxes"])
    pairs = itertools.combinations(range(len(overlaps)), 2)
    assert all(overlaps[a, b] <= detection.OVERLAP for a, b in pairs)
