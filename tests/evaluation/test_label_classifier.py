"""The classifier that saw labels: what it learns, how it is asked, and that it is kept."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from small_runs import small_config, study, use_small_text_encoder

from cxrtutor import store
from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.prepared import shard_path, write_card, write_shard
from cxrtutor.data.study import Finding
from cxrtutor.encoders.features import ImageFeatures
from cxrtutor.errors import InputError
from cxrtutor.evaluation import label_classifier as room
from cxrtutor.evaluation.class_maps import ClassMaps
from cxrtutor.evaluation.controls import category
from cxrtutor.evaluation.evaluate import evaluate
from cxrtutor.evaluation.label_classifier import LabelClassifier, label_classifier
from cxrtutor.methods.registry import method


def told(index: int):
    """Noise, in three of four films with a bright square: on the left it is a mass, on the right an effusion."""
    plain = study(index, "train")
    image, findings = 0.3 * plain.image, ()
    if index % 4:
        mask = np.zeros(image.shape, bool)
        left = 4 if index % 2 else 18
        mask[12:28, left : left + 10] = True
        image = np.where(mask, np.float32(1), image)
        findings = (Finding("mass" if index % 2 else "effusion", f"{index}", mask),)
    return dataclasses.replace(plain, image=image.astype(np.float32), findings=findings)


def made(folder, studies):
    shard = shard_path(folder, "train", 0)
    write_shard(shard, studies)
    write_card(
        folder, [shard], {"told": len(studies)}, name="told", version="1", licence="CC0-1.0", redistribution=True
    )
    return StudyDataset(folder, "train")


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    return made(tmp_path_factory.mktemp("told") / "set", [told(index) for index in range(96)])


@pytest.fixture(scope="module")
def model(data):
    with pytest.MonkeyPatch.context() as patch:
        use_small_text_encoder(patch)
        config = small_config(data)
        yield method(config.method).model(config).eval()


def random_features(side: int = 6) -> ImageFeatures:
    deep = torch.randn(3, 5, side, side, generator=torch.Generator().manual_seed(0))
    return ImageFeatures(shallow=None, deep=deep, final=deep, pooled=deep.mean((2, 3)))


def test_its_map_is_the_positive_part_of_its_scores():
    """Grad-CAM at the last map of a head that is followed by a linear score and a mean: CAM by another way."""
    torch.manual_seed(0)
    classifier = LabelClassifier(5, ("mass", "edema", "nodule"), width=4).eval()
    given, asked = random_features(), ["nodule", "mass", "edema"]
    with torch.no_grad():
        maps = classifier.similarity_maps(given, asked)
        weights = classifier.score.weight[:, :, 0, 0]
        by_hand = torch.einsum("bkrc,bk->brc", classifier.head(given.deep), weights[[2, 0, 1]]).relu() / 36
    torch.testing.assert_close(maps, by_hand)
    assert not maps.requires_grad and (maps > 0).any()


def test_it_is_asked_for_its_labels_alone():
    classifier = LabelClassifier(5, ("mass", "edema")).eval()
    for maps in (classifier, ClassMaps(lambda given: given.deep, ("mass", "edema"))):
        with pytest.raises(InputError, match=r"no label 'cavity'; it can be asked for mass, edema alone"):
            maps.similarity_maps(random_features(), ["mass", "cavity", "mass"])


def test_it_learns_its_labels_and_looks_where_they_are(model, training, home, monkeypatch):
    monkeypatch.setattr(room, "EPOCHS", 8)
    before = torch.get_rng_state()
    classifier = label_classifier(model, training)
    assert torch.equal(torch.get_rng_state(), before)
    assert classifier.categories == ("effusion", "mass") and not classifier.training
    images = model.image_source(training)
    with torch.no_grad():
        scores = classifier(images.batch(range(96)).deep)
    shown = torch.tensor([[index % 4 == 2, index % 2 == 1] for index in range(96)])
    assert ((scores > 0) == shown).float().mean() > 0.9
    measured = evaluate(classifier, images, training, prompts=category)
    assert measured.macro()["cnr"] > 0.2


def test_it_is_trained_once(model, training, home, monkeypatch):
    monkeypatch.setattr(room, "EPOCHS", 1)
    first = label_classifier(model, training)
    [folder] = (store.home() / "label-classifiers").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(room, "_trained", lambda *_: pytest.fail("trained again"))
        again = label_classifier(model, training)
    for key, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])
    monkeypatch.setattr(room, "EPOCHS", 2)
    label_classifier(model, training)
    assert len(list(folder.parent.iterdir())) == 2


def test_the_same_again_is_the_same(model, training, home, monkeypatch):
    monkeypatch.setattr(room, "EPOCHS", 1)
    first, second = (room._trained(model, training) for _ in range(2))
    assert torch.equal(first.score.weight, second.score.weight)


def test_studies_that_nobody_annotated_teach_nothing(tmp_path):
    nobody = [dataclasses.replace(told(index), findings=(), annotated=False) for index in range(4)]
    rows, names = room._labels(made(tmp_path / "half", [*nobody, told(5), told(8), told(9)]))
    assert rows.tolist() == [4, 5, 6] and names == [{"mass"}, set(), {"mass"}]
    with pytest.raises(InputError, match="these hold none"):
        room._labels(made(tmp_path / "none", nobody))
