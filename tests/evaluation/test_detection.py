import contextlib
import io
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from skimage.measure import label, regionprops

from cxrtutor.data.study import Box
from cxrtutor.errors import InputError
from cxrtutor.evaluation.bootstrap import interval, paired_difference
from cxrtutor.evaluation.detection import THRESHOLDS, Detections, ScoredBox, boxes_of, mean_average_precision
from cxrtutor.evaluation.results import Result


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


def coco_map(predicted, truth, order):
    """By pycocotools from end to end, on images given in `order`, which may repeat some; NaN without a true box."""
    marks = [(i, k, box) for k, name in enumerate(truth) for i, n in enumerate(order) for box in truth[name][n]]
    found = [
        [i, *one.box, one.score, k]
        for k, name in enumerate(predicted)
        for i, n in enumerate(order)
        for one in predicted[name][n]
    ]
    if not marks:
        return np.nan
    if not found:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = {
            "images": [{"id": i} for i in range(len(order))],
            "categories": [{"id": k} for k in range(len(truth))],
            "annotations": [
                {"id": n, "image_id": i, "category_id": k, "bbox": list(box), "area": 1.0, "iscrowd": 0}
                for n, (i, k, box) in enumerate(marks, start=1)
            ],
        }
        known.createIndex()
        judged = COCOeval(known, known.loadRes(np.array(found, float)), "bbox")
        judged.params.iouThrs, judged.params.maxDets = np.array(THRESHOLDS), [100]
        judged.params.areaRng, judged.params.areaRngLbl = [[0.0, float("inf")]], ["all"]
        judged.evaluate()
        judged.accumulate()
    precision = judged.eval["precision"]
    return precision[precision > -1].mean()


IMAGES = [f"image {n}" for n in range(6)]
PATIENTS = ["b", "a", "b", "c", "d", "a"]


def random_set(seed, distinct=False):
    """Boxes of two findings in six images, of which some have no truth, or no prediction; scores often tie.

    With `distinct`, only those of different images do.
    """
    rng = np.random.default_rng(seed)
    truth = {name: [random_boxes(rng, 3) for _ in IMAGES] for name in ("nodule", "mass")}
    predicted = {}
    for name, images in truth.items():
        predicted[name] = []
        for boxes in images:
            near = [Box(*(np.array(box) * rng.normal(1, 0.1, 4))) for box in boxes if rng.random() < 0.8]
            here = near + random_boxes(rng, 3)
            scores = rng.permutation(12)[: len(here)] if distinct else rng.integers(0, 4, len(here))
            predicted[name].append([ScoredBox(box, float(s) / 12) for box, s in zip(here, scores, strict=True)])
    return predicted, truth


def once(detections):
    return detections.statistic("map", np.ones((1, len(detections.patients))))[0]


@given(st.integers(0, 10_000))
def test_detections_where_everybody_counts_once_are_cocos(seed):
    predicted, truth = random_set(seed)
    detections = Detections.matched(predicted, truth, IMAGES, PATIENTS)
    assert isinstance(detections, Result) and detections.samples == 6
    assert once(detections) == pytest.approx(coco_map(predicted, truth, range(6)), abs=1e-9, nan_ok=True)
    assert detections.true_boxes.tolist() == [[len(boxes) for boxes in truth[name]] for name in ("nodule", "mass")]


@given(st.integers(0, 10_000))
def test_a_patient_who_counts_twice_is_one_whose_images_are_there_twice(seed):
    predicted, truth = random_set(seed, distinct=True)
    detections = Detections.matched(predicted, truth, IMAGES, PATIENTS)
    assert detections.patients == ("a", "b", "c", "d")
    draws = np.random.default_rng(seed).integers(0, 4, (5, 4))
    for weights, value in zip(draws, detections.statistic("map", draws.astype(float)), strict=True):
        times = [weights["abcd".index(patient)] for patient in PATIENTS]
        expected = coco_map(predicted, truth, np.repeat(np.arange(6), times))
        assert value == pytest.approx(expected, abs=1e-9, nan_ok=True)


@given(st.integers(0, 10_000))
def test_json_keeps_every_statistic_though_it_rounds_scores(seed):
    predicted, truth = random_set(seed)
    close = {
        name: [[ScoredBox(one.box, 0.5 + one.score / 1e6) for one in here] for here in images]
        for name, images in predicted.items()
    }
    detections = Detections.matched(close, truth, IMAGES, PATIENTS)
    again = Detections.from_json(json.loads(json.dumps(detections.to_json())))
    weights = np.random.default_rng(seed).integers(0, 3, (4, 4)).astype(float)
    np.testing.assert_array_equal(again.statistic("map", weights), detections.statistic("map", weights))
    assert set(again.score.tolist()) <= {0.5}
    assert again.protocol == detections.protocol and again.to_json() == detections.to_json()
    if any(map(any, truth.values())):
        assert again.less(detections).statistic("map", np.ones((1, 4)))[0] == 0


def test_intervals_and_differences_are_over_patients():
    rng = np.random.default_rng(0)
    images, patients = [f"i{n}" for n in range(60)], [f"p{n // 2}" for n in range(60)]
    truth = {"nodule": [[Box(*rng.uniform(0, 50, 2), 10, 10)] for _ in images]}

    def found(spread):
        boxes = [Box(b.x + rng.normal(0, spread), b.y + rng.normal(0, spread), 10, 10) for (b,) in truth["nodule"]]
        predicted = {"nodule": [[ScoredBox(box, float(rng.random()))] for box in boxes]}
        return Detections.matched(predicted, truth, images, patients)

    good, fair = found(0.5), found(2)
    of_good, more = interval(good, "map", resamples=200), paired_difference(good, fair, "map", resamples=200)
    assert of_good.low < of_good.value < of_good.high and of_good.value == pytest.approx(once(good))
    assert more.value == pytest.approx(once(good) - once(fair)) and more.excludes(0)
    assert paired_difference(good, good, "map", resamples=20).high == 0


def test_what_cannot_be_compared_or_read_is_refused():
    predicted, truth = random_set(1)
    one = Detections.matched(predicted, truth, IMAGES, PATIENTS)
    with pytest.raises(InputError, match="differ in protocol"):
        one.less(Detections.matched(predicted, truth, IMAGES, PATIENTS, [0.5]))
    with pytest.raises(InputError, match="differ in images"):
        one.less(Detections.matched(predicted, truth, IMAGES[::-1], PATIENTS))
    with pytest.raises(InputError, match="different true boxes"):
        one.less(Detections.matched(predicted, {**truth, "mass": [[]] * 6}, IMAGES, PATIENTS))
    with pytest.raises(InputError, match="no metric 'auroc'"):
        one.statistic("auroc", np.ones((1, 4)))
    for content in ({}, [], {**one.to_json(), "boxes": None}):
        with pytest.raises(InputError, match="no detections"):
            Detections.from_json(content)
