import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import label, regionprops

from cxrtutor.data.study import Box
from cxrtutor.errors import InputError
from cxrtutor.evaluation.detection import THRESHOLDS, ScoredBox, boxes_of, mean_average_precision


@given(st.integers(0, 1000), st.floats(0.05, 0.6))
def test_boxes_are_skimages_regions_with_their_peaks(seed, share):
    rng = np.random.default_rng(seed)
    heat = rng.random((12, 15))
    mask = rng.random((12, 15)) < share
    expected = set()
    for region in regionprops(label(mask, connectivity=1), heat):
        top, left, bottom, right = region.bbox
        expected.add(ScoredBox(Box(left, top, right - left, bottom - top), region.intensity_max))
    assert set(boxes_of(heat, mask)) == expected


def test_an_empty_mask_has_no_box_and_unjudged_pixels_do_no_harm():
    heat = np.full((5, 6), np.nan)
    assert boxes_of(heat, np.zeros((5, 6), bool)) == []
    heat[1:4, 2:5] = 0.5
    heat[2, 3] = 0.9
    assert boxes_of(heat, heat > 0.4) == [ScoredBox(Box(2, 1, 3, 3), 0.9)]


def overlap(a, b):
    across = max(0, min(a.x + a.width, b.x + b.width) - max(a.x, b.x))
    down = max(0, min(a.y + a.height, b.y + b.height) - max(a.y, b.y))
    return across * down / (a.width * a.height + b.width * b.height - across * down)


def average_precision(predicted, truth, threshold):
    """By the definition, box by box."""
    ranked = sorted(((one, image) for image, boxes in enumerate(predicted) for one in boxes), key=lambda p: -p[0].score)
    taken, right = set(), []
    for one, image in ranked:
        free = [(overlap(one.box, box), n) for n, box in enumerate(truth[image]) if (image, n) not in taken]
        best, number = max(free, default=(0, None))
        right.append(best >= threshold)
        if right[-1]:
            taken.add((image, number))
    hits = np.cumsum(right)
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / sum(map(len, truth))
    reached = [precision[recall >= r] for r in np.linspace(0, 1, 101)]
    return np.mean([max(values, default=0) for values in reached])


def random_boxes(rng, most):
    return [Box(*rng.uniform(0, 6, 2), *rng.uniform(2, 8, 2)) for _ in range(rng.integers(0, most))]


@given(st.integers(0, 10_000))
def test_map_is_its_definition_box_by_box(seed):
    rng = np.random.default_rng(seed)
    truth = [random_boxes(rng, 4) for _ in range(5)]
    truth[0].append(Box(1, 1, 5, 5))
    predicted = [
        [ScoredBox(Box(*(np.array(box) * rng.normal(1, 0.1, 4))), rng.random()) for box in boxes]
        + [ScoredBox(box, rng.random()) for box in random_boxes(rng, 3)]
        for boxes in truth
    ]
    expected = np.mean([average_precision(predicted, truth, threshold) for threshold in THRESHOLDS])
    assert mean_average_precision(predicted, truth) == pytest.approx(expected, abs=1e-9)
    single = average_precision(predicted, truth, 0.6)
    assert mean_average_precision(predicted, truth, [0.6]) == pytest.approx(single, abs=1e-9)
    larger = [[ScoredBox(Box(*(3 * np.array(one.box))), one.score / 7) for one in boxes] for boxes in predicted]
    assert mean_average_precision(larger, [[Box(*(3 * np.array(box))) for box in boxes] for boxes in truth]) == (
        pytest.approx(expected, abs=1e-9)
    )


def test_map_at_its_ends():
    boxes = [[Box(0, 0, 4, 4), Box(10, 10, 3, 2)], []]
    perfect = [[ScoredBox(box, 1.0) for box in each] for each in boxes]
    assert mean_average_precision(perfect, boxes) == 1
    assert mean_average_precision([[], []], boxes) == 0
    assert math.isnan(mean_average_precision(perfect, [[], []]))
    sure_alarm = [perfect[0], [ScoredBox(Box(0, 0, 4, 4), 2.0)]]
    unsure_alarm = [perfect[0], [ScoredBox(Box(0, 0, 4, 4), 0.5)]]
    assert mean_average_precision(sure_alarm, boxes) == pytest.approx(2 / 3)
    assert mean_average_precision(unsure_alarm, boxes) == 1
    first, second = boxes[0]
    twice = [[ScoredBox(first, 3.0), ScoredBox(first, 2.0), ScoredBox(second, 1.0)], []]
    assert mean_average_precision(twice, boxes) < 1  # the second box of a lesion is a false alarm
    with pytest.raises(InputError, match="predictions for 1 images, and truth for 2"):
        mean_average_precision([[]], boxes)


def test_it_prints_nothing(capsys):
    mean_average_precision([[ScoredBox(Box(0, 0, 4, 4), 1.0)]], [[Box(0, 0, 4, 4)]])
    assert capsys.readouterr() == ("", "")
