"""A radiograph and its truth agree, whatever is drawn."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from cxrtutor.data.teaching.lesion import FINDINGS, UNSEEN_FINDINGS, Lesion
from cxrtutor.data.teaching.patient import (
    ENLARGED,
    NORMAL,
    VISIBLE,
    Radiograph,
    draw_radiograph,
    mask_of,
    sample_lesions,
)


def drawn(seed: int, **options) -> Radiograph:
    return draw_radiograph(sample_lesions, np.random.default_rng(seed), **{"size": 96, "outlines": "train"} | options)


@pytest.fixture(scope="module")
def thirty() -> list[Radiograph]:
    return [drawn(seed) for seed in range(30)]


def test_frequencies_of_findings():
    rng = np.random.default_rng(0)
    patients = [sample_lesions(rng) for _ in range(2000)]
    share = collections.Counter(name for lesions in patients for name in {lesion.finding for lesion in lesions})
    assert {*share} == {*FINDINGS}
    assert min(share.values()) > 200
    assert 0.12 < sum(not lesions for lesions in patients) / 2000 < 0.18
    assert max(len({lesion.group for lesion in lesions}) for lesions in patients) == 3


def test_combinations_that_a_report_could_not_tell_apart_do_not_occur():
    rng = np.random.default_rng(1)
    for _ in range(1500):
        lesions = sample_lesions(rng)
        air = {lesion.side for lesion in lesions if lesion.finding == "pneumothorax"}
        fluid = {lesion.side for lesion in lesions if lesion.finding == "pleural effusion"}
        assert not air & fluid
        names = {lesion.finding for lesion in lesions}
        assert not {"edema", "ground-glass opacity"} <= names
        for group in {lesion.group for lesion in lesions}:
            assert len({lesion.finding for lesion in lesions if lesion.group == group}) == 1


def test_unseen_findings_come_only_when_asked_for():
    rng = np.random.default_rng(2)
    unseen = {lesion.finding for _ in range(100) for lesion in sample_lesions(rng, UNSEEN_FINDINGS)}
    assert unseen == {*UNSEEN_FINDINGS}


def test_nodules_come_singly_large_or_in_groups_small():
    rng = np.random.default_rng(3)
    for _ in range(500):
        nodules = [lesion for lesion in sample_lesions(rng) if lesion.finding == "nodule"]
        low, high = (20, 30) if len(nodules) == 1 else (11, 20)
        assert all(low <= nodule.size_mm <= high for nodule in nodules)


def test_equal_generators_give_equal_bytes():
    first, second, other = drawn(4), drawn(4), drawn(5)
    assert first.image.tobytes() == second.image.tobytes()
    assert first.lesions == second.lesions and first.visibility == second.visibility
    assert all((a == b).all() for a, b in zip(first.masks, second.masks, strict=True))
    assert first.image.tobytes() != other.image.tobytes()


def test_everything_drawn_is_visible_inside_the_image_and_matches_its_words(thirty: list[Radiograph]):
    seen = collections.Counter()
    for one in thirty:
        assert one.image.dtype == np.float32 and one.image.shape == (96, 96)
        assert one.image.min() >= 0 and one.image.max() <= 1
        assert len(one.lesions) == len(one.masks) == len(one.visibility)
        middle = one.anatomy["heart"].shape[1] / 2
        for lesion, mask, visibility in zip(one.lesions, one.masks, one.visibility, strict=True):
            seen[lesion.finding] += 1
            assert mask.dtype == bool and mask.any()
            assert visibility >= VISIBLE
            column = np.nonzero(mask)[1].mean()
            if lesion.side in ("left", "right"):
                assert (column > middle) == (lesion.side == "left"), lesion
                field = one.anatomy[f"{lesion.side} lung"]
                assert (mask & field).sum() > 0.6 * mask.sum(), lesion
            if lesion.size_mm:
                area = mask.sum() * one.pixel_spacing[0] ** 2
                assert 0.45 < area / (np.pi / 4 * lesion.size_mm**2) < 1.6, lesion
    assert len(seen) == len(FINDINGS)


def test_cardiomegaly_is_what_the_projection_measures(thirty: list[Radiograph]):
    for one in thirty:
        enlarged = [lesion for lesion in one.lesions if lesion.finding == "cardiomegaly"]
        assert one.cardiothoracic_ratio > ENLARGED if enlarged else one.cardiothoracic_ratio < NORMAL
        for lesion, mask in zip(one.lesions, one.masks, strict=True):
            if lesion.finding == "cardiomegaly":
                assert (mask == one.anatomy["heart"]).all()


def test_the_picture_changes_where_the_mask_is():
    """The same patient with and without a consolidation differs inside its mask, and hardly outside."""
    lesion = Lesion("consolidation", "right", "middle", "moderate")
    one = draw_radiograph((lesion,), np.random.default_rng(8), size=96, outlines="train")
    two = draw_radiograph((), np.random.default_rng(8), size=96, outlines="train")
    difference = one.image - two.image
    (mask,) = one.masks
    far = one.anatomy["left lung"]
    assert np.median(difference[mask]) > np.median(np.abs(difference[far])) + 0.05


def test_mask_is_the_disc_of_a_ball():
    offsets = np.arange(80) * 1.0 - 39.5
    distance = np.hypot(offsets[:, None], offsets[None])
    shadow = 2 * np.sqrt(np.maximum(15**2 - distance**2, 0)).astype(np.float32)
    mask = mask_of(shadow, 1.0)
    assert mask.sum() == pytest.approx(np.pi * 15**2, rel=0.08)
    assert not mask_of(np.zeros((8, 8), np.float32), 1.0).any()


def test_shifted_pictures_differ_in_look_not_in_truth():
    usual = [drawn(seed) for seed in range(6)]
    other = [drawn(seed, shifted=True) for seed in range(6)]
    assert {lesion.finding for one in other for lesion in one.lesions} <= {*FINDINGS}
    sharpness = [np.mean([np.abs(np.diff(one.image, axis=1)).mean() for one in group]) for group in (usual, other)]
    assert sharpness[0] != pytest.approx(sharpness[1], rel=0.05)


def test_other_sizes_work():
    one = draw_radiograph(sample_lesions, np.random.default_rng(2), size=224, outlines="test")
    assert one.image.shape == (224, 224)
    assert one.pixel_spacing[0] < drawn(2, outlines="test").pixel_spacing[0]
