import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from torchmetrics.functional.classification import binary_jaccard_index
from torchmetrics.functional.segmentation import dice_score

from cxrtutor.evaluation.metrics import cnr, dice, iou, iou_at, pointing, points_hit

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


# What a metric says of (mask, truth), by which pairs count.
RULES = {
    ("positives", True, False): math.nan,
    ("positives", False, True): 0,
    ("positives", False, False): math.nan,
    ("true positives", True, False): math.nan,
    ("true positives", False, True): math.nan,
    ("true positives", False, False): math.nan,
    ("all", True, False): 0,
    ("all", False, True): 0,
    ("all", False, False): math.nan,
}


@pytest.mark.parametrize("metric", [iou, dice])
@pytest.mark.parametrize("over", ["positives", "true positives", "all"])
def test_what_is_empty_follows_its_rule(metric, over):
    pixels = {False: torch.zeros(4, 4, dtype=torch.bool), True: torch.eye(4, dtype=torch.bool)}
    assert metric(pixels[True], pixels[True], over=over) == 1
    for (rule, predicted, true), expected in RULES.items():
        if rule == over:
            mask, truth = pixels[predicted], pixels[true]
            np.testing.assert_equal(metric(mask, truth, over=over).item(), expected)
            one, cut = mask[None].float(), torch.tensor([[0.5]])
            np.testing.assert_equal(iou_at(one, cut, truth[None], over=over).item(), expected)
    assert metric(pixels[False], pixels[True]) == 0  # positives, when nothing is said
    assert metric(pixels[True], pixels[True], pixels[False], over=over).isnan()  # nothing at all is judged
    half = pixels[True].clone()
    half[:2] = False
    np.testing.assert_equal(metric(half, pixels[True], ~half, over=over).item(), RULES[over, False, True])


@given(SEEDS)
def test_the_rules_differ_in_nothing_but_what_is_empty(seed):
    mask, truth = masks(seed, 3, 8, 8), masks(seed + 1, 3, 8, 8)
    mask[:, 0, 0] = truth[:, 1, 1] = True
    assert torch.equal(iou(mask, truth, over="all"), iou(mask, truth))
    assert torch.equal(iou(mask, truth, over="true positives"), iou(mask, truth))


@given(SEEDS, st.integers(1, 7), st.sampled_from(["positives", "true positives", "all"]))
def test_iou_at_thresholds_is_the_iou_of_every_mask(seed, thresholds, over):
    rng = np.random.default_rng(seed)
    heat = torch.from_numpy(rng.integers(0, 6, size=(3, 9, 7)) / 5)  # thresholds lie on values that occur
    heat[torch.from_numpy(rng.random(heat.shape) < 0.2)] = torch.nan
    cuts = torch.from_numpy(rng.choice([-math.inf, -1.0, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0, math.inf], size=(3, thresholds)))
    truth = masks(seed + 1, 3, 9, 7)
    truth[0] = False
    expected = [iou(heat > cut[:, None, None], truth, ~heat.isnan(), over=over) for cut in cuts.T]
    torch.testing.assert_close(
        iou_at(heat, cuts, truth, over=over).double(), torch.stack(expected, 1).double(), equal_nan=True
    )


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
def test_cnr_is_scipys_statistics_and_the_same_on_larger_pixels(seed):
    heat, truth = np.random.default_rng(seed).normal(size=(6, 5)), masks(seed, 6, 5)
    truth[0, 0], truth[1, 1] = True, False
    (mean_out, mean_in), (var_out, var_in) = (f(heat, truth.numpy(), [0, 1]) for f in (ndimage.mean, ndimage.variance))
    value = cnr(torch.from_numpy(heat), truth)
    assert value.item() == pytest.approx((mean_in - mean_out) / math.sqrt(var_in + var_out), abs=1e-9)
    larger = [m.repeat_interleave(3, 0).repeat_interleave(2, 1) for m in (torch.from_numpy(heat), truth)]
    torch.testing.assert_close(cnr(*larger), value)


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
    larger = [m.repeat_interleave(3, 1).repeat_interleave(2, 2) for m in (torch.from_numpy(heat), truth)]
    assert pointing(*larger).tolist() == expected


def test_a_map_that_is_judged_nowhere_leaves_nothing_to_find():
    nowhere, truth = torch.full((2, 4, 4), torch.nan), torch.eye(4, dtype=torch.bool).expand(2, -1, -1)
    assert cnr(nowhere, truth).isnan().all() and pointing(nowhere, truth).isnan().all()
    assert iou_at(nowhere, torch.zeros(2, 3), truth).isnan().all()


@given(SEEDS, st.integers(0, 5))
def test_points_hit_where_a_pixel_of_the_truth_holds_one(seed, number):
    rng = np.random.default_rng(seed)
    points, truth = rng.uniform(-2, 9, size=(4, number, 2)), masks(seed, 4, 6, 7)
    truth[:, 0, 0] = True
    pixels = [{(math.floor(y), math.floor(x)) for x, y in row} for row in points]
    expected = [
        bool(row & {tuple(pixel) for pixel in np.argwhere(t.numpy())}) for row, t in zip(pixels, truth, strict=True)
    ]
    padded = np.concatenate([points, np.full((4, 2, 2), np.nan)], axis=1)
    assert points_hit(torch.from_numpy(points), truth).tolist() == expected
    assert points_hit(torch.from_numpy(padded), truth).tolist() == expected


def test_points_are_x_and_y_and_need_a_truth():
    truth = torch.zeros(4, 6, dtype=torch.bool)
    truth[1, 5] = True
    assert points_hit(torch.tensor([[5.99, 1.0]]), truth) == 1
    assert points_hit(torch.tensor([[1.0, 5.0]]), truth) == 0
    assert points_hit(torch.tensor([[6.0, 1.0]]), truth) == 0  # beyond the border
    assert points_hit(torch.tensor([[5.5, 1.5]]), torch.zeros_like(truth)).isnan()
