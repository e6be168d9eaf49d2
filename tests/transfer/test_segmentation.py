"""Outlines are learned where they can be, what is frozen stays, and masks lie where images do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from small_tasks import small_set

from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.study import Finding, Report, Study
from cxrtutor.encoders.image import image_encoder
from cxrtutor.encoders.projection import ImageProjection
from cxrtutor.encoders.weights import fingerprint
from cxrtutor.errors import InputError
from cxrtutor.evaluation.measurements import Measurements
from cxrtutor.methods.config import ImageEncoderConfig
from cxrtutor.transfer import segmentation, training
from cxrtutor.transfer.examples import OutlinedExamples
from cxrtutor.transfer.representation import Representation, trunk
from cxrtutor.transfer.segmentation import PackedMasks, ProgressiveHead, outline_loss, segment, unet

SIZE, CELL = 64, 8
COUNTS = {"train": 36, "test": 12}


def film(index: int, split: str) -> Study:
    """Dim noise; two of three show a bright rectangle, in one of four places. Films are wider than high, and so do not
    fill a square."""
    random = np.random.default_rng([index, len(split)])
    image = random.uniform(0, 0.1, (48, 64)).astype(np.float32)
    findings = ()
    if index % 3:
        mask = np.zeros(image.shape, bool)
        top, left = random.choice([2, 22]), random.choice([4, 35])
        mask[top : top + 22, left : left + 24] = True
        image[mask] += 0.8
        findings = (Finding("mass", "mass", mask),)
    return Study(f"{split}-{index}", f"p{index // 2}", image, Report({}, ()), findings, annotated=True, split=split)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, OutlinedExamples]:
    folder = small_set(tmp_path_factory.mktemp("films") / "set", "outlined films", COUNTS, film)
    return {split: outlined(StudyDataset(folder, split)) for split in COUNTS}


def outlined(studies: StudyDataset) -> OutlinedExamples:
    shows = np.array(["mass" in names for names in studies.finding_names()])
    return OutlinedExamples(
        studies, np.arange(len(studies)), tuple(studies.ids()), tuple(studies.patients()), "mass", ("mass",), shows
    )


@pytest.fixture(scope="module")
def imagenet() -> Representation:
    return trunk(ImageEncoderConfig(), "imagenet", image_size=SIZE)


@pytest.fixture(scope="module")
def with_heads(imagenet: Representation) -> Representation:
    """The same network under heads, as a method that leaves it frozen has them."""
    shallow, deep, final = imagenet.encoder.dims
    torch.manual_seed(0)
    heads = ImageProjection({"shallow": shallow, "deep": deep, "final": final}, 16, ("deep",), "convolution")
    return Representation("with heads", imagenet.encoder, heads, SIZE, trained=True)


@dataclass(frozen=True, eq=False)
class Shifted(OutlinedExamples):
    """Examples whose masks lie one cell too far to the right."""

    def masks(self, indices, size):
        return np.roll(super().masks(indices, size), CELL, axis=2)


def test_outlines_are_learned_and_a_truth_that_lies_one_cell_away_is_noticed(imagenet, films):
    test = films["test"]
    right, shifted = (segment(imagenet, films["train"], each, steps=60).rows for each in (test, Shifted(**vars(test))))
    assert right.dice.mean() > 0.5 and right["false mask"].mean() < 0.5
    assert shifted.dice.mean() < right.dice.mean() - 0.05


def test_every_example_has_a_row_and_healthy_ones_a_column_of_their_own(imagenet, films):
    test = films["test"]
    measured = segment(imagenet, films["train"], test, steps=2)
    assert measured.metrics == ["iou", "dice", "false mask"]
    assert list(measured.rows.study) == list(test.ids) and list(measured.rows.patient) == list(test.patients)
    assert_array_equal(measured.rows.dice.isna(), ~test.shows)
    assert_array_equal(measured.rows["false mask"].isna(), test.shows)
    assert set(measured.rows["false mask"].dropna()) <= {0.0, 1.0}
    again = Measurements.from_json(measured.to_json())
    assert again.rows.equals(measured.rows.round(4))


def test_an_empty_prediction_scores_nothing_and_is_no_false_mask(imagenet, films, monkeypatch):
    monkeypatch.setattr(
        ProgressiveHead, "forward", lambda self, maps: self.score.bias - torch.full((len(maps), 1, 64, 64), 9.0)
    )
    rows = segment(imagenet, films["train"], films["test"], steps=2).rows
    assert (rows.dice[films["test"].shows] == 0).all() and (rows["false mask"].dropna() == 0).all()


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[torch.nn.Module | None]]:
    """The encoders that are trained meanwhile, None for a training on top of a frozen one."""
    seen, whole = [], training.train

    def noting(*arguments: object, encoder: torch.nn.Module | None = None, **options: object) -> None:
        seen.append(encoder)
        whole(*arguments, encoder=encoder, **options)

    monkeypatch.setattr(segmentation.training, "train", noting)
    yield seen


@pytest.mark.parametrize("decoder", ["setr", "unet"])
@pytest.mark.parametrize("fine_tune", [False, True])
def test_a_representation_is_never_changed(decoder, fine_tune, imagenet, films, trained, monkeypatch):
    """Neither is the network that a U-Net stands on, where it is frozen; and what is fine-tuned changes."""
    made, build = [], unet
    monkeypatch.setattr(segmentation, "unet", lambda representation: made.append(build(representation)) or made[-1])
    before = fingerprint(imagenet)
    few, test = films["train"].take(range(8)), films["test"].take(range(3))
    segment(imagenet, few, test, decoder=decoder, fine_tune=fine_tune, steps=2)
    assert fingerprint(imagenet) == before and not imagenet.encoder.trainable
    [encoder] = trained
    untouched = build(imagenet)[0] if decoder == "unet" else imagenet
    if fine_tune:
        assert fingerprint(encoder) != fingerprint(untouched)
    else:
        assert encoder is None
        assert all(fingerprint(network) == fingerprint(untouched) for network, _ in made)
    assert len(made) == (decoder == "unet")


def test_heads_over_a_frozen_network_are_fine_tuned_with_it_and_without_their_own_change(with_heads, films, trained):
    before = fingerprint(with_heads)
    segment(with_heads, films["train"], films["test"], fine_tune=True, steps=2)
    [copied] = trained
    assert fingerprint(with_heads) == before
    assert fingerprint(copied.adapter) != fingerprint(with_heads.adapter)
    assert fingerprint(copied.encoder) != fingerprint(with_heads.encoder)


@pytest.mark.parametrize("name", ["efficientnet-lite0", "resnet50"])
def test_a_unets_network_gives_what_ours_gives(name):
    encoder = image_encoder(name, pretrained=False)
    network, head = unet(Representation(name, encoder, None, SIZE, trained=False))
    images = torch.rand(2, 1, SIZE, SIZE)
    with torch.no_grad():
        seen = network(images)
        own = encoder.network((images - encoder.mean) / encoder.std)
        assert head.eval()(seen).shape == (2, 1, SIZE, SIZE)
    assert len(seen) == 6
    for ours, theirs in zip(own, seen[-3:], strict=True):
        torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=1e-5)


def test_a_unet_learns(imagenet, films):
    measured = segment(imagenet, films["train"], films["test"], decoder="unet", steps=10)
    assert measured.rows.dice.mean() > 0.5 and measured.protocol == "segmentation by unet"


def test_a_unet_is_refused_where_it_would_tell_no_method_from_another(with_heads, films):
    with pytest.raises(InputError, match="the same numbers"):
        segment(with_heads, films["train"], films["test"], decoder="unet")


def test_a_unet_is_refused_where_it_does_not_fit():
    transformer = Representation("vit", image_encoder("vit-mini", pretrained=False), None, SIZE, trained=False)
    with pytest.raises(InputError, match="one grid"):
        unet(transformer)
    with pytest.raises(InputError, match="multiple of 32"):
        unet(Representation("small", image_encoder("efficientnet-lite0", pretrained=False), None, 48, trained=False))


@pytest.mark.parametrize(("name", "decoder"), [("efficientnet-lite0", "unet"), ("vit-mini", "setr")])
def test_what_pre_training_changed_is_judged_as_in_the_papers(name, decoder, films):
    encoder = image_encoder(name, pretrained=False, trainable=True)
    trained = Representation("trained", encoder, None, SIZE, trained=True)
    assert segment(trained, films["train"], films["test"], steps=2).protocol == f"segmentation by {decoder}"


def test_what_is_frozen_is_judged_by_its_maps(with_heads, films):
    assert segment(with_heads, films["train"], films["test"], steps=2).protocol == "segmentation by setr"


def test_equal_seeds_give_equal_outlines(imagenet, films):
    first, again, other = (segment(imagenet, films["train"], films["test"], steps=5, seed=s).rows for s in (1, 1, 2))
    assert first.equals(again) and not first.equals(other)


def test_one_example_is_enough_to_learn_and_to_test(imagenet, films):
    one = films["train"].take([1])
    assert one.shows.all()
    rows = segment(imagenet, one, one, steps=40).rows
    assert len(rows) == 1 and rows.dice[0] > 0.5


@dataclass(frozen=True, eq=False)
class Emptied(OutlinedExamples):
    """Examples whose masks are too small for any pixel."""

    def masks(self, indices, size):
        return np.zeros_like(super().masks(indices, size))


def test_where_there_is_nothing_to_learn_or_to_measure_nothing_is_trained(imagenet, films, monkeypatch):
    """Without one true pixel, Dice is of no number; and this is said before the training and not after it."""
    monkeypatch.setattr(segmentation.training, "train", None)
    train, test = films["train"], films["test"]
    healthy = test.take(np.flatnonzero(~test.shows))
    for nothing in (healthy, test.take([]), Emptied(**vars(test))):
        with pytest.raises(InputError, match=f"{len(nothing)} examples of 'test' in .*set shows mass.*to learn"):
            segment(imagenet, nothing, test)
        with pytest.raises(InputError, match=f"{len(nothing)} examples of 'test' in .*set shows mass.*to measure"):
            segment(imagenet, train, nothing)


def test_masks_lie_where_images_do(films):
    """Also where a film does not fill the square: bright pixels are those of the mask."""
    train = films["train"]
    images = train.studies.images(range(len(train)), 96)
    masks = PackedMasks.of(train, 96)[np.arange(len(train))]
    bright = images > 0.45 * 255
    for shift in [(0, 0), (CELL, 0), (-CELL, 0), (0, CELL), (0, -CELL)]:
        moved = np.roll(masks, shift, axis=(1, 2))
        overlap = 2 * (bright & moved).sum() / (bright.sum() + moved.sum())
        assert overlap > 0.95 if shift == (0, 0) else overlap < 0.8


@pytest.mark.parametrize(("rows", "size"), [(8, 64), (16, 128), (14, 224), (19, 224), (32, 32)])
def test_a_cell_is_enlarged_around_its_own_place(rows: int, size: int):
    head = ProgressiveHead(3, rows, size, width=4).eval()
    for parameter in head.parameters():
        torch.nn.init.constant_(parameter, 1.0 if parameter.ndim > 1 else 0.0)
    for stage in head.stages:
        torch.nn.init.ones_(stage[1].weight)
    maps = torch.zeros(1, 3, rows, rows)
    row, column = rows // 2, rows // 2 - 1
    maps[0, :, row, column] = 1
    with torch.no_grad():
        weights = head(maps)[0, 0]
    centre = (torch.arange(size) + 0.5) / size * rows - 0.5
    assert weights.shape == (size, size)
    assert (weights.sum(1) @ centre / weights.sum()).item() == pytest.approx(row, abs=0.01)
    assert (weights.sum(0) @ centre / weights.sum()).item() == pytest.approx(column, abs=0.01)


@pytest.mark.parametrize("size", [5, 16])
def test_packed_masks_are_the_masks(films, size: int):
    test = films["test"]
    chosen = np.array([4, 0, 4])
    assert_array_equal(PackedMasks.of(test, size)[chosen], test.masks(chosen, size))


def test_the_loss_is_least_for_the_truth_and_defined_for_an_empty_one():
    truth = torch.zeros(2, 8, 8, dtype=torch.bool)
    truth[0, 2:5, 2:5] = True
    sure = torch.where(truth, 20.0, -20.0)[:, None]
    assert outline_loss(sure, truth) < 1e-3 < 1 < outline_loss(-sure, truth)
    logits = torch.zeros(2, 1, 8, 8, requires_grad=True)
    outline_loss(logits, torch.zeros_like(truth)).backward()
    assert (logits.grad > 0).all()


def test_the_loss_of_a_guess():
    """Probability one half throughout, a quarter of all pixels true: log 2, and 2 (1/2) (1/4) / (1/2 + 1/4) of Dice."""
    truth = torch.zeros(4, 8, 8, dtype=torch.bool)
    truth[0] = True
    assert outline_loss(torch.zeros(4, 1, 8, 8), truth).item() == pytest.approx(np.log(2) + 1 - 1 / 3)
