from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import UInt8
from small_runs import small_set

from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.study import Report, Sentence
from cxrtutor.encoders import caching
from cxrtutor.encoders.caching import (
    CachedImages,
    CachedTexts,
    LiveImages,
    LiveTexts,
    cached_images,
    cached_texts,
    image_source,
    text_source,
)
from cxrtutor.encoders.image import ImageEncoder, image_encoder
from cxrtutor.encoders.text import Pooling, TextEncoder, text_encoder
from cxrtutor.errors import InputError

TEXTS = [
    "Small left effusion.",
    "No pneumothorax.",
    "",
    "Clear lungs, normal heart and no other change since.",
    "Edema.",
]


class MadeUpStudies:
    """Noise for images, and reports of zero to five sentences that many studies share."""

    def __init__(self, count: int = 70, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.key = f"made up {count} {seed}"
        self.pixels = rng.integers(0, 256, (count, 64, 64), dtype=np.uint8)
        self.texts = [list(rng.choice(TEXTS, rng.integers(0, 6))) for _ in range(count)]
        self.looked_at = 0

    def __len__(self) -> int:
        return len(self.pixels)

    def images(self, indices: Sequence[int], size: int | None = None) -> UInt8[np.ndarray, "n height width"]:
        self.looked_at += len(indices)
        chosen = self.pixels[indices]
        return chosen if size is None else chosen[:, :size, :size]

    def reports(self) -> list[Report]:
        return [Report({}, tuple(Sentence(str(text)) for text in sentences)) for sentences in self.texts]


@pytest.fixture(scope="module")
def lite0() -> ImageEncoder:
    return image_encoder("efficientnet-lite0")


@pytest.fixture(scope="module")
def minilm() -> TextEncoder:
    return text_encoder("minilm")


@pytest.fixture
def studies() -> MadeUpStudies:
    return MadeUpStudies()


def assert_same(first: object, second: object) -> None:
    for name, value in vars(first).items():
        other = getattr(second, name)
        assert (value is None) == (other is None), name
        assert value is None or (value.dtype == other.dtype and torch.equal(value, other)), name


INDICES = np.array([69, 3, 0, 3, 64])


def test_cached_images_equal_live_ones_to_the_last_bit(home: Path, lite0: ImageEncoder, studies: MadeUpStudies):
    cached = cached_images(lite0, studies)
    assert len(cached) == 70
    assert_same(cached.batch(INDICES), LiveImages(lite0, studies).batch(INDICES))
    assert_same(cached.batch([5]), LiveImages(lite0, studies).batch([5]))
    assert_same(cached.batch([5]), lite0(torch.from_numpy(studies.pixels[5:6, None]).float() / 255))


@pytest.mark.parametrize(
    ("context", "pooling"),
    [("sentence", None), ("report", Pooling(layers=2, words="sum", sentences="words", report="cls"))],
)
def test_cached_texts_equal_live_ones_to_the_last_bit(
    home: Path, studies: MadeUpStudies, context: str, pooling: Pooling | None
):
    encoder = text_encoder("minilm", context=context, pooling=pooling)
    cached = cached_texts(encoder, studies)
    assert len(cached) == 70
    live = LiveTexts(encoder, studies)
    assert len(live) == 70
    lengths = [len(texts) for texts in studies.texts]
    assert 0 in lengths
    for indices in (INDICES, [lengths.index(0)], [lengths.index(1), lengths.index(0)], range(70)):
        assert_same(cached.batch(indices), live.batch(indices))


@pytest.mark.parametrize("context", ["sentence", "report"])
def test_cached_attention_of_cls_to_words_equals_the_live_one_to_the_last_bit(
    home: Path, studies: MadeUpStudies, context: str
):
    encoder = text_encoder("minilm", context=context, cls_attention=True)
    cached, live = cached_texts(encoder, studies), LiveTexts(encoder, studies)
    assert cached.batch(range(70)).word_attention.any()
    for indices in (INDICES, range(70)):
        assert_same(cached.batch(indices), live.batch(indices))
    assert_same(cached.batch([5]), encoder([studies.texts[5]]))
    [folder] = (home / "features").iterdir()
    assert np.load(folder / "attention.npy").dtype == np.float16


def test_cached_attention_of_cls_to_patches_equals_the_live_one_to_the_last_bit(home: Path):
    studies, encoder = MadeUpStudies(9), image_encoder("vit-b16", pretrained=False, cls_attention=True)
    cached = cached_images(encoder, studies)
    assert cached.batch([0]).attention.shape == (1, 4, 4)
    assert_same(cached.batch([8, 3, 3]), LiveImages(encoder, studies).batch([8, 3, 3]))
    assert_same(cached.batch([5]), LiveImages(encoder, studies).batch([5]))


def test_attention_of_cls_that_is_not_asked_for_leaves_caches_where_they_are(minilm: TextEncoder):
    """Of a network without [CLS] the cache stays even where it is asked for."""
    vit, lite0 = (
        [image_encoder(name, pretrained=False, cls_attention=asked).identity() for asked in (False, True)]
        for name in ("vit-b16", "efficientnet-lite0")
    )
    texts = [minilm.identity(), text_encoder("minilm", cls_attention=True).identity()]
    assert lite0[0] == lite0[1]
    assert "cls_attention" not in lite0[0]
    for without, asked in (vit, texts):
        assert "cls_attention" not in without
        assert asked == {**without, "cls_attention": True}


def test_chosen_sentences_are_all_that_the_report_has(home: Path, minilm: TextEncoder, studies: MadeUpStudies):
    cached, live = cached_texts(minilm, studies), LiveTexts(minilm, studies)
    choice = [np.random.default_rng(index).permutation(cached.with_words(index))[:2] for index in range(70)]
    chosen = [[studies.texts[index][place] for place in places] for index, places in enumerate(choice)]
    assert {len(places) for places in choice} == {0, 1, 2}
    assert_same(cached.batch(range(70), choice), minilm(chosen))
    assert_same(live.batch(range(70), choice), minilm(chosen))
    assert_same(cached.batch(INDICES, [choice[index] for index in INDICES]), minilm([chosen[i] for i in INDICES]))


def test_sentences_with_words_are_told_from_those_without(home: Path, minilm: TextEncoder, studies: MadeUpStudies):
    studies.texts[:2] = [["", "Edema.", "...", "- ?", "3 cm"], ["", "!"]]
    for source in (cached_texts(minilm, studies), LiveTexts(minilm, studies)):
        assert source.with_words(0).tolist() == [1, 4]
        assert source.with_words(1).tolist() == []
        for index, texts in enumerate(studies.texts[2:], 2):
            assert source.with_words(index).tolist() == [place for place, text in enumerate(texts) if text]


def test_caches_on_disk_are_half_precision_and_hold_each_passage_once(
    home: Path, lite0: ImageEncoder, minilm: TextEncoder, studies: MadeUpStudies
):
    cached_images(lite0, studies)
    cached_texts(minilm, studies)
    arrays = {file.name: np.load(file) for file in home.rglob("*.npy")}
    shapes = {name: array.shape for name, array in arrays.items() if array.dtype == np.float16}
    assert shapes == {
        "depth-0.npy": (70, 40, 8, 8),
        "depth-1.npy": (70, 112, 4, 4),
        "depth-2.npy": (70, 320, 2, 2),
        "words.npy": (15, 384),
        "sentences.npy": (len(TEXTS), 384),
    }


def test_what_is_cached_is_not_computed_again(
    home: Path, lite0: ImageEncoder, minilm: TextEncoder, studies: MadeUpStudies, monkeypatch: pytest.MonkeyPatch
):
    first = cached_images(lite0, studies).batch(INDICES), cached_texts(minilm, studies).batch(INDICES)
    assert studies.looked_at == 70
    monkeypatch.setattr(TextEncoder, "encode_blocks", None)
    second = cached_images(lite0, studies).batch(INDICES), cached_texts(minilm, studies).batch(INDICES)
    assert studies.looked_at == 70
    for one, other in zip(first, second, strict=True):
        assert_same(one, other)


def test_other_data_another_encoder_or_another_size_have_caches_of_their_own(home: Path, lite0: ImageEncoder):
    studies, others = MadeUpStudies(3), MadeUpStudies(3, seed=1)
    random = image_encoder("efficientnet-lite0", pretrained=False)
    caches = [
        cached_images(lite0, studies),
        cached_images(lite0, others),
        cached_images(random, studies),
        cached_images(lite0, studies, size=32),
    ]
    assert len(list((home / "features").iterdir())) == 4
    assert caches[3].batch([0]).shallow.shape[2:] == (4, 4)
    assert not torch.equal(caches[0].batch([0]).pooled, caches[1].batch([0]).pooled)
    assert not torch.equal(caches[0].batch([0]).pooled, caches[2].batch([0]).pooled)


def test_interrupted_caching_leaves_nothing_half(
    home: Path, lite0: ImageEncoder, minilm: TextEncoder, studies: MadeUpStudies, monkeypatch: pytest.MonkeyPatch
):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    whole = studies.images
    monkeypatch.setattr(
        studies, "images", lambda indices, size: interrupted() if 69 in indices else whole(indices, size)
    )
    with monkeypatch.context() as patch:
        patch.setattr("cxrtutor.encoders.caching._append", _Failing(after=3))
        with pytest.raises(KeyboardInterrupt):
            cached_texts(minilm, studies)
    with pytest.raises(KeyboardInterrupt):
        cached_images(lite0, studies)
    assert not any(path.is_file() for path in home.rglob("*"))
    monkeypatch.setattr(studies, "images", whole)
    assert len(cached_images(lite0, studies)) == len(cached_texts(minilm, studies)) == 70


class _Failing:
    """Stands in for a write, and is interrupted at one of the calls."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_a_full_disk_is_explained(
    home: Path, lite0: ImageEncoder, studies: MadeUpStudies, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cxrtutor.encoders.caching._append", full)
    with pytest.raises(InputError, match="No space left on device"):
        cached_images(lite0, studies)


def test_frozen_encoders_are_cached_and_trainable_ones_are_not(
    home: Path, lite0: ImageEncoder, minilm: TextEncoder, studies: MadeUpStudies
):
    assert isinstance(image_source(lite0, studies), CachedImages)
    assert isinstance(text_source(minilm, studies), CachedTexts)
    image, text = image_encoder("efficientnet-lite0", trainable=True), text_encoder("minilm", trainable=True)
    images, texts = image_source(image, studies), text_source(text, studies)
    assert isinstance(images, LiveImages)
    assert isinstance(texts, LiveTexts)
    assert torch.equal(images.inputs([3, 1]), torch.from_numpy(studies.pixels[[3, 1], None]).float() / 255)
    assert texts.inputs([3, 1]) == [studies.texts[3], studies.texts[1]]
    assert_same(cached_images(lite0, studies).inputs([3]), cached_images(lite0, studies).batch([3]))
    (images.batch(INDICES).deep.mean() + texts.batch(INDICES).report.mean()).backward()
    assert all(next(encoder.parameters()).grad is not None for encoder in (image, text))
    for refused in (lambda: cached_images(image, studies), lambda: cached_texts(text, studies)):
        with pytest.raises(InputError, match="is trainable"):
            refused()


def test_a_set_without_studies_is_refused(home: Path, lite0: ImageEncoder):
    with pytest.raises(InputError, match="no studies"):
        cached_images(lite0, MadeUpStudies(0))


def test_a_set_whose_reports_are_all_empty(home: Path, minilm: TextEncoder, studies: MadeUpStudies):
    studies.texts = [[] for _ in studies.texts]
    features = cached_texts(minilm, studies).batch(INDICES)
    assert not features.word_mask.any()
    assert features.report.shape == (5, 384)


def test_several_splits_use_the_cache_of_each(
    home: Path, lite0: ImageEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = small_set(tmp_path, {"train": 5, "test": 3, "validation": 2})
    train, test = (cached_images(lite0, StudyDataset(folder, split)) for split in ("train", "test"))
    monkeypatch.setattr(caching, "_write_images", None)
    both = cached_images(lite0, StudyDataset(folder, ("test", "train")))
    assert len(both) == 8
    found = both.batch([7, 0, 3, 2])
    assert_same(both.batch([7, 3]), train.batch([4, 0]))
    assert_same(both.batch([0, 2]), test.batch([0, 2]))
    assert torch.equal(
        found.deep, torch.cat([(train, test)[n].batch([i]).deep for n, i in ((0, 4), (1, 0), (0, 0), (1, 2))])
    )
