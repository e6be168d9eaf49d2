import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import binary_jaccard_index
from torchmetrics.functional.segmentation import dice_score

from cxrtutor.evaluation.metrics import cnr, dice, iou, pointing

SEEDS = st.integers(0, 10_000)


def masks(seed, *shape):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.random(shape) < rng.uniform(0.05, 0.9))


@given(SEEDS)
def test_iou_and_dice_are_torchmetrics(seed):
    mask, truth = masks(seed, 4, 9, 11), masks(seed + 1, 4, 9, 11)
    mask[:, 0, 0] = truth[:, 1, 1] = True
    expected = torch.stack([binary_jaccard_index(a.int(), b.int()) for a, b in zip(mask, truth, strict=True)])
    torch.testing.assert_close(iou(mask, truth), expected)
    channels = mask[:, None].int(), truth[:, None].int()
    expected = dice_score(*channels, num_classes=1, average="none", aggregation_level="samplewise")
    torch.testing.assert_close(dice(mask, truth), expected[:, 0])


@given(SEEDS)
def test_iou_counts_as_sets_do(seed):
    mask, truth, valid = masks(seed, 7, 5), masks(seed + 1, 7, 5), masks(seed + 2, 7, 5)
    truth[3, 3] = valid[3, 3] = True
    a, b, c = ({tuple(pixel) for pixel in np.argwhere(m.numpy())} for m in (mask, truth, valid))
    assert iou(mask, truth, valid).item() == pytest.approx(len(a & b & c) / len((a | b) & c))
    assert dice(mask, truth, valid).item() == pytest.approx(2 * len(a & b & c) / (len(a & c) + len(b & c)))


@given(SEEDS)
def test_iou_and_dice_keep_their_laws(seed):
    mask, truth = masks(seed, 3, 8, 8), masks(seed + 1, 3, 8, 8)
    mask[:, 0, 0] = truth[:, 1, 1] = True
    score = iou(mask, truth)
    assert ((score >= 0) & (score <= 1)).all()
    torch.testing.assert_close(iou(truth, mask), score)
    torch.testing.assert_close(dice(mask, truth), 2 * score / (1 + score))
    assert torch.equal(iou(mask, mask), torch.ones(3))
    bigger = [m.repeat_interleave(3, 1).repeat_interleave(2, 2) for m in (mask, truth)]
    torch.testing.assert_close(iou(*bigger), score)


@pytest.mark.parametrize("metric", [iou, dice])
def test_what_is_empty_follows_its_rule(metric):
    nothing, something = torch.zeros(4, 4, dtype=torch.bool), torch.eye(4, dtype=torch.bool)
    assert metric(nothing, something) == 0
    assert metric(something, nothing).isnan()
    assert metric(nothing, nothing).isnan()
    assert metric(something, something, nothing).isnan()  # the truth lies where nothing is judged
    half = something.clone()
    half[:2] = False
    assert metric(half, something, ~half) == 0  # and here the prediction does


def test_many_thresholds_share_one_truth():
    mask, truth = masks(0, 3, 5, 8, 8), masks(1, 3, 8, 8)
    scores = iou(mask, truth[:, None])
    assert scores.shape == (3, 5)
    torch.testing.assert_close(scores[2, 4], iou(mask[2, 4], truth[2]))


@given(SEEDS, st.floats(0.1, 100), st.floats(-50, 50))
def test_cnr_is_its_formula_and_ignores_scale_and_shift(seed, scale, shift):
    rng = np.random.default_rng(seed)
    heat = rng.normal(size=(2, 9, 7))
    truth = masks(seed, 2, 9, 7)
    truth[:, 1, :2], truth[:, 2, :2] = True, False
    heat[:, 0] = np.nan
    for index in range(2):
        inside, outside = (heat[index][1:][m.numpy()] for m in (truth[index][1:], ~truth[index][1:]))
        expected = (inside.mean() - outside.mean()) / math.sqrt(inside.var() + outside.var())
        assert cnr(torch.from_numpy(heat), truth)[index].item() == pytest.approx(expected, abs=1e-9)
    scaled = cnr(torch.from_numpy(heat * scale + shift), truth)
    torch.testing.assert_close(scaled, cnr(torch.from_numpy(heat), truth), atol=1e-7, rtol=1e-7)


@given(SEEDS)
def test_cnr_is_signed_unless_asked_otherwise(seed):
    heat, truth = torch.from_numpy(np.random.default_rng(seed).normal(size=(3, 6, 6))), masks(seed, 3, 6, 6)
    truth[:, 0, 0], truth[:, 1, 1] = True, False
    value = cnr(heat, truth)
    torch.testing.assert_close(cnr(-heat, truth), -value)
    torch.testing.assert_close(cnr(heat, ~truth), -value)
    torch.testing.assert_close(cnr(heat, truth, absolute=True), value.abs())


def test_cnr_without_variance_or_without_a_side():
    heat, truth = torch.full((4, 4), 0.3), torch.eye(4, dtype=torch.bool)
    assert cnr(heat, truth) == 0
    assert cnr(truth.float(), truth) == 0  # AFLoc's rule, though the map could not be better
    assert cnr(torch.randn(4, 4), torch.zeros_like(truth)).isnan()
    assert cnr(torch.randn(4, 4), torch.ones_like(truth)).isnan()


def test_pointing_hits_where_the_peak_is():
    heat, truth = torch.zeros(6, 8), torch.zeros(6, 8, dtype=torch.bool)
    heat[2, 5], truth[2, 4:7] = 1.0, True
    assert pointing(heat, truth) == 1
    assert pointing(heat, truth.flip(1)) == 0
    assert pointing(heat, torch.zeros_like(truth)).isnan()
    heat[0, 0] = 1.0
    assert pointing(heat, truth) == 1  # of two peaks any may hit
    heat[2, 5] = torch.nan
    assert pointing(heat, truth) == 0  # what is not judged is no peak
    assert pointing(torch.full((6, 8), 0.4), truth) == 0  # a constant map points nowhere
    assert pointing(torch.full((6, 8), torch.nan), truth).isnan()


@given(SEEDS, st.floats(0.1, 10), st.floats(-5, 5))
def test_pointing_is_numpys_argmax_and_ignores_scale_and_shift(seed, scale, shift):
    heat, truth = np.random.default_rng(seed).normal(size=(5, 6, 7)), masks(seed, 5, 6, 7)
    truth[:, 0, 0] = True
    expected = [float(t.numpy().ravel()[np.argmax(h)]) for h, t in zip(heat, truth, strict=True)]
    assert pointing(torch.from_numpy(heat), truth).tolist() == expected
    assert pointing(torch.from_numpy(heat * scale + shift), truth).tolist() == expected
