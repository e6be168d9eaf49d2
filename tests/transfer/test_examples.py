"""A share of the labels lies within a larger one, and what is to be outlined lies where the image does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from data.made_up import make_set
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.prepared import shard_path, write_card, write_shard
from cxrtutor.data.study import Box, Finding, Report, Study
from cxrtutor.errors import InputError
from cxrtutor.transfer import examples as module
from cxrtutor.transfer.examples import BoxedExamples, LabelledExamples, OutlinedExamples, share_of, shots

MOST = 40
NAMES = ("a", "b", "c")
SIZE = 48


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> StudyDataset:
    return StudyDataset(make_set(tmp_path_factory.mktemp("set"), {"train": MOST}), "train")


def who(number: int) -> dict[str, tuple[str, ...]]:
    return {"ids": tuple(f"image {n}" for n in range(number)), "patients": tuple(f"p{n // 2}" for n in range(number))}


def labelled(studies: StudyDataset, targets: np.ndarray, exclusive: bool = False) -> LabelledExamples:
    number, names = targets.shape
    where = np.arange(number)[::-1].copy()
    return LabelledExamples(studies, where, **who(number), names=NAMES[:names], targets=targets, exclusive=exclusive)


any_targets = arrays.arrays(
    float,
    st.tuples(st.integers(1, MOST), st.integers(1, len(NAMES))),
    elements=st.sampled_from([0.0, 1.0, float("nan")]),
)


def test_taking_keeps_together_what_belongs_together(studies: StudyDataset) -> None:
    some = labelled(studies, np.arange(12.0).reshape(6, 2)).take([4, 0, -1])
    assert isinstance(some, LabelledExamples) and len(some) == 3
    assert some.ids == ("image 4", "image 0", "image 5") and some.patients == ("p2", "p0", "p2")
    assert some.positions.tolist() == [1, 5, 0]
    assert some.targets.tolist() == [[8, 9], [0, 1], [10, 11]]
    again = some.take(np.array([1]))
    assert again.ids == ("image 0",) and again.targets.tolist() == [[0, 1]]


def test_equal_keys_mean_equal_examples(studies: StudyDataset) -> None:
    given = labelled(studies, np.array([[1.0, np.nan], [0.0, 1.0]]))
    assert given.key == replace(given, targets=given.targets.copy()).key == given.take([0, 1]).key
    others = (
        given.take([1, 0]),
        replace(given, names=("a", "c")),
        replace(given, exclusive=True),
        replace(given, targets=np.array([[1.0, 0.0], [0.0, 1.0]])),
        replace(given, patients=("p0", "p1")),
        replace(given, studies=StudyDataset(studies.folder)),
        OutlinedExamples(studies, given.positions, given.ids, given.patients, "a", ("mass",), np.array([True, False])),
        OutlinedExamples(studies, given.positions, given.ids, given.patients, "a", ("edema",), np.array([True, False])),
    )
    assert len({given.key, *(one.key for one in others)}) == 1 + len(others)


@settings(max_examples=15)
@given(targets=any_targets, exclusive=st.booleans(), draw=st.integers(0, 3), data=st.data())
def test_shares_are_nested_and_hold_every_kind(
    studies: StudyDataset, targets: np.ndarray, exclusive: bool, draw: int, data: st.DataObject
) -> None:
    examples = labelled(studies, targets, exclusive)
    low, high = sorted(data.draw(st.tuples(*[st.floats(0.001, 1)] * 2)))
    small, large = (share_of(examples, share, draw) for share in (low, high))
    assert set(small.ids) <= set(large.ids)
    assert list(small.positions) == sorted(small.positions, reverse=True), "not in their order"
    kinds = examples.kinds
    assert (small.kinds.any(axis=0) == kinds.any(axis=0)).all()
    assert (np.nansum(small.targets == 1, axis=0) > 0).tolist() == (targets == 1).any(axis=0).tolist()
    assert round(low * len(targets)) <= len(small) <= max(round(low * len(targets)), kinds.shape[1])
    assert share_of(examples, low, draw).ids == small.ids
    for place, image in zip(small.positions, small.ids, strict=True):
        assert examples.ids[list(examples.positions).index(place)] == image


def test_all_is_all_in_order(studies: StudyDataset) -> None:
    examples = labelled(studies, np.ones((30, 2)))
    for draw in range(3):
        assert share_of(examples, 1.0, draw).ids == examples.ids
    assert share_of(examples, 0.2, 0).ids != share_of(examples, 0.2, 1).ids


def test_a_share_is_drawn_fairly(studies: StudyDataset) -> None:
    targets = np.zeros((MOST, 1))
    targets[::2] = 1
    taken = [share_of(labelled(studies, targets), 0.5, draw) for draw in range(60)]
    counts = np.bincount(np.concatenate([one.positions for one in taken]), minlength=MOST)
    assert (abs(counts - 30) < 20).all() and abs(np.mean([one.targets.mean() for one in taken]) - 0.5) < 0.03


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01, float("nan")])
def test_a_share_out_of_range_is_refused(studies: StudyDataset, share: float) -> None:
    with pytest.raises(InputError, match="above 0, up to 1"):
        share_of(labelled(studies, np.ones((3, 1))), share)


@given(targets=any_targets, exclusive=st.booleans(), k=st.integers(1, 9), draw=st.integers(0, 3))
def test_shots_are_so_many_of_every_kind(
    studies: StudyDataset, targets: np.ndarray, exclusive: bool, k: int, draw: int
) -> None:
    if exclusive:
        targets = np.eye(targets.shape[1])[np.nan_to_num(targets[:, 0]).astype(int) % targets.shape[1]]
    examples = labelled(studies, targets, exclusive)
    few, more = (shots(examples, number, draw) for number in (k, k + 2))
    assert set(few.ids) <= set(more.ids)
    for answer in (1,) if exclusive else (1, 0):
        assert ((few.targets == answer).sum(0) == np.minimum(k, (targets == answer).sum(0))).all()
    known = ~np.isnan(few.targets)
    whole = np.array([targets[examples.ids.index(image)] for image in few.ids]).reshape(few.targets.shape)
    assert (few.targets[known] == whole[known]).all() and known.any(axis=1).all()


def test_no_shot_is_refused(studies: StudyDataset) -> None:
    with pytest.raises(InputError, match="1 or more"):
        shots(labelled(studies, np.ones((3, 1))), 0)


# An image's own truth is its bright part, so that the two must lie on the same pixels however they are scaled.
SHAPES = ((48, 48), (96, 60), (31, 80), (24, 24), (200, 50))


def bright(number: int, shape: tuple[int, int]) -> Study:
    box = Box(round(shape[1] * 0.25), round(shape[0] * 0.125), round(shape[1] * 0.375), round(shape[0] * 0.5))
    mask = np.zeros(shape, bool)
    mask[int(box.y) : int(box.y + box.height), int(box.x) : int(box.x + box.width)] = True
    other = Finding("other", "other", np.ones(shape, bool), (Box(0, 0, 9, 9),))
    findings = (Finding("bright", "bright", mask if number % 2 else None, (box,)), other)
    return Study(
        f"image {number}", f"p{number}", mask.astype(np.float32), Report({}, ()), findings, True, split="train"
    )


@pytest.fixture(scope="module")
def oblong(tmp_path_factory: pytest.TempPathFactory) -> StudyDataset:
    folder: Path = tmp_path_factory.mktemp("oblong")
    write_shard(path := shard_path(folder, "train", 0), [bright(*one) for one in enumerate(SHAPES)])
    write_card(folder, [path], {}, name="oblong", version="1", licence="CC0-1.0", redistribution=True)
    return StudyDataset(folder, "train")


def test_masks_lie_where_the_image_does(oblong: StudyDataset) -> None:
    number = len(SHAPES)
    examples = OutlinedExamples(
        oblong, np.arange(number), **who(number), name="bright", findings=("bright",), shows=np.ones(number, bool)
    )
    order = [3, 0, 4, 1, 2, 0]
    masks, images = examples.masks(order, SIZE), oblong.images(order, SIZE) / 255
    assert masks.shape == (6, SIZE, SIZE) and masks.any((1, 2)).all()
    sure = abs(images - 0.5) > 0.2  # at edges, image and mask are rounded differently
    assert sure.mean() > 0.9 and ((images > 0.5) == masks)[sure].all()
    some = examples.take([4, 2])
    np.testing.assert_array_equal(some.masks([1, 0], SIZE), examples.masks([2, 4], SIZE))
    assert len(examples.masks([], SIZE)) == 0


def test_boxes_lie_where_the_image_does(oblong: StudyDataset) -> None:
    number = len(SHAPES)
    examples = BoxedExamples(
        oblong,
        np.arange(number),
        **who(number),
        names=("nothing", "bright"),
        findings=(("absent",), ("bright",)),
        shows=np.ones((number, 2), bool),
    )
    order = [2, 4, 0]
    for (corners, classes), image in zip(examples.boxes(order, SIZE), oblong.images(order, SIZE), strict=True):
        assert classes.tolist() == [1]
        rows, columns = np.flatnonzero((image > 127).any(1)), np.flatnonzero((image > 127).any(0))
        seen = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        np.testing.assert_allclose(corners[0], seen, atol=0.75)
    only = examples.take([1])
    np.testing.assert_array_equal(only.boxes([0], SIZE)[0][0], examples.boxes([1], SIZE)[0][0])


def test_findings_of_many_examples_are_read_some_at_a_time(
    oblong: StudyDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Masks are decoded with the boxes; all at once would fill the memory."""
    number, read, whole = len(SHAPES), [], StudyDataset.findings
    examples = BoxedExamples(
        oblong,
        np.arange(number),
        **who(number),
        names=("x",),
        findings=(("bright",),),
        shows=np.ones((number, 1), bool),
    )
    expected = [examples.boxes([place], SIZE)[0][0].tolist() for place in range(number)]
    monkeypatch.setattr(module, "_BLOCK", 2)
    monkeypatch.setattr(StudyDataset, "findings", lambda self, some: read.append(len(some)) or whole(self, some))
    assert [corners.tolist() for corners, _ in examples.boxes(range(number), SIZE)] == expected
    assert read == [2, 2, 1]


def test_an_example_without_boxes_has_none(oblong: StudyDataset) -> None:
    examples = BoxedExamples(
        oblong, np.array([0]), **who(1), names=("x",), findings=(("absent",),), shows=np.zeros((1, 1), bool)
    )
    corners, classes = examples.boxes([0], SIZE)[0]
    assert corners.shape == (0, 4) and classes.shape == (0,)
