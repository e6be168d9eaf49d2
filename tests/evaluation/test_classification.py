"""What a classifier answered, and how right it was."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from cxrtutor.errors import InputError
from cxrtutor.evaluation.classification import Predictions
from cxrtutor.evaluation.results import Result

_ORACLES = {"auroc": roc_auc_score, "average precision": average_precision_score}


def predictions(scores, targets, patients=None, exclusive=False, **options) -> Predictions:
    """Scores and targets of studies s0, s1, ..., each of a patient of its own."""
    scores, targets = np.array(scores, float), np.array(targets, float)
    ids = range(len(scores))
    return Predictions(
        tuple(f"s{index}" for index in ids),
        tuple(f"p{index:03d}" for index in ids) if patients is None else tuple(patients),
        tuple(f"finding {place}" for place in range(scores.shape[1])),
        scores,
        targets,
        exclusive,
        **{"protocol": "test", **options},
    )


def random_predictions(studies=60, names=3, seed=0, **options) -> Predictions:
    random = np.random.default_rng(seed)
    scores, targets = random.random((studies, names)), random.integers(0, 2, (studies, names))
    return predictions(scores, targets, [f"p{index // 2:03d}" for index in range(studies)], **options)


def once(result) -> np.ndarray:
    return np.ones((1, len(result.patients)))


rows = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from([0.0, 1.0, np.nan]), st.integers(0, 3)), min_size=1, max_size=25
)


@pytest.mark.parametrize("metric", list(_ORACLES))
@given(rows=rows)
def test_weighted_ranks_are_those_of_scikit_learn(metric, rows):
    scores, targets, weights = (np.array(column, float) for column in zip(*rows, strict=True))
    result = predictions(scores[:, None], targets[:, None])
    value = result.statistic(metric, np.stack([weights, 2 * weights]))
    counted = ~np.isnan(targets) & (weights > 0)
    if len(set(targets[counted])) < 2:
        assert np.isnan(value).all()
    else:
        oracle = _ORACLES[metric](targets[counted], scores[counted], sample_weight=weights[counted])
        np.testing.assert_allclose(value, oracle)


@pytest.mark.parametrize("metric", ["auroc", "average precision", "accuracy"])
@pytest.mark.parametrize("exclusive", [False, True])
def test_a_weight_is_a_patient_so_many_times(metric, exclusive):
    random = np.random.default_rng(1)
    scores, patients = random.integers(0, 6, (40, 3)) / 5, [f"p{index % 7}" for index in range(40)]
    targets = np.eye(3)[random.integers(0, 3, 40)] if exclusive else random.integers(0, 2, (40, 3))
    weights = random.integers(0, 4, (5, 7))
    found = predictions(scores, targets, patients, exclusive).statistic(metric, weights.astype(float))
    for drawn, value in zip(weights, found, strict=True):
        copies = [row for row in range(40) for _ in range(drawn[row % 7])]
        drawn_alone = predictions(scores[copies], targets[copies], exclusive=exclusive)
        assert value == pytest.approx(drawn_alone.macro()[metric])


def test_findings_count_alike_and_one_without_both_kinds_is_left_out():
    scores = [[0.9, 0.2, 0.3], [0.8, 0.6, 0.1], [0.1, 0.7, 0.9], [0.2, 0.1, 0.4]]
    targets = [[1, 1, 1], [1, 0, 1], [0, 1, np.nan], [np.nan, 0, 1]]
    result = predictions(scores, targets)
    table = result.by_finding()
    assert table.index.name == "finding"
    np.testing.assert_allclose(table["auroc"], [1, 0.75, np.nan])
    np.testing.assert_allclose(table["average precision"], [1, 5 / 6, np.nan])
    np.testing.assert_allclose(table["accuracy"], [1, 0.5, 0])
    assert table["samples"].tolist() == [3, 4, 3] and table["positives"].tolist() == [2, 2, 3]
    assert result.samples == 10
    assert result.undefined() == {"auroc": 3, "average precision": 3, "accuracy": 0}
    np.testing.assert_allclose(result.macro(), [0.875, 11 / 12, 0.5])


def test_the_threshold_itself_says_yes():
    result = predictions([[0.5], [0.4]], [[1], [0]])
    assert result.macro()["accuracy"] == 1
    assert replace(result, threshold=0.4).macro()["accuracy"] == 0.5
    unscaled = replace(result, threshold=None)
    assert unscaled.metrics == ["auroc", "average precision"]
    with pytest.raises(InputError, match="no 'accuracy' of these answers"):
        unscaled.statistic("accuracy", once(unscaled))


def test_of_exclusive_classes_the_highest_is_the_answer_and_a_tie_is_shared():
    scores = [[0.2, 0.9, 0.1], [0.4, 0.3, 0.2], [0.5, 0.5, 0.1], [0.1, 0.1, 0.1]]
    classes = np.eye(3)[[1, 1, 0, 2]]
    result = predictions(scores, classes, exclusive=True, threshold=None)
    assert result.macro()["accuracy"] == pytest.approx((1 + 0 + 1 / 2 + 1 / 3) / 4)
    np.testing.assert_allclose(result.by_finding()["accuracy"], [1 / 2, 1 / 2, 1 / 3])
    assert result.samples == 4 and result.undefined() == {"auroc": 0, "average precision": 0, "accuracy": 0}
    two = predictions(np.array(scores)[:3], classes[:3], exclusive=True)
    assert two.undefined()["auroc"] == 0 and np.isnan(two.by_finding()["auroc"].iloc[2])
    one = predictions(np.array(scores)[:2], classes[:2], exclusive=True)
    assert one.undefined() == {"auroc": 2, "average precision": 2, "accuracy": 0}


def test_a_difference_is_paired_whatever_the_order_of_the_studies():
    a = random_predictions()
    b = replace(a, scores=np.random.default_rng(5).random(a.scores.shape))
    turned = replace(b, study=b.study[::-1], patient=b.patient[::-1], scores=b.scores[::-1], targets=b.targets[::-1])
    weights = np.random.default_rng(2).integers(0, 3, (4, len(a.patients))).astype(float)
    expected = a.statistic("auroc", weights) - b.statistic("auroc", weights)
    difference = a.less(turned)
    np.testing.assert_allclose(difference.statistic("auroc", weights), expected)
    assert isinstance(a, Result) and isinstance(difference, Result)
    assert difference.patients == a.patients and difference.samples == a.samples
    assert difference.undefined() == a.undefined()
    np.testing.assert_allclose(difference.less(a.less(a)).statistic("auroc", weights), expected)
    assert a.less(replace(b, threshold=None)).metrics == ["auroc", "average precision"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol": "other"}, "different protocols"),
        ({"names": ("a", "b", "c")}, "different findings"),
        ({"targets": np.ones((60, 3))}, "different studies: 's.*truth in the other"),
        ({"study": tuple(f"t{index}" for index in range(60))}, "different studies: 's0'"),
    ],
)
def test_what_cannot_be_paired(change, message):
    a = random_predictions()
    with pytest.raises(InputError, match=message):
        a.less(replace(a, **change))
    with pytest.raises(InputError, match=message):
        a.less(a).less(replace(a, **change).less(replace(a, **change)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patient": ("p",)}, "1 patients"),
        ({"names": ("a", "b")}, r"scores \(60, 3\)"),
        ({"scores": np.full((60, 3), np.nan)}, "study 's0' for 'finding 0' is NaN"),
        ({"targets": np.full((60, 3), 2.0)}, "another value"),
        ({"exclusive": True, "targets": np.zeros((60, 3))}, "'s0' is not of exactly one"),
        ({"study": ("s",) * 60}, "'s' stands in two rows"),
    ],
)
def test_what_does_not_fit(change, message):
    with pytest.raises(InputError, match=message):
        replace(random_predictions(), **change)


def test_nothing_to_measure():
    with pytest.raises(InputError, match="nothing to measure"):
        Predictions((), (), ("a",), np.zeros((0, 1)), np.zeros((0, 1)), False, "test")


def test_kept_as_json():
    a = random_predictions(threshold=None)
    unknown = replace(a, targets=np.where(a.scores < 0.2, np.nan, a.targets))
    text = json.dumps(unknown.to_json(), allow_nan=False)
    found = Predictions.from_json(json.loads(text))
    assert (found.study, found.patient, found.names) == (unknown.study, unknown.patient, unknown.names)
    assert (found.protocol, found.exclusive, found.threshold) == ("test", False, None)
    np.testing.assert_array_equal(found.targets, unknown.targets)
    np.testing.assert_allclose(found.scores, unknown.scores, rtol=5e-4)
    assert len(text) < 60 * (3 * 10 + 16) + 300
    own = replace(unknown, patient=unknown.study)
    assert Predictions.from_json(own.to_json()).patient == own.study
    assert len(json.dumps(own.to_json())) < len(text) - 60 * 7


@pytest.mark.parametrize("scale", [0.01, 1, 8])
def test_rounding_leaves_the_ranks(scale):
    """Also those of a sure classifier, whose probabilities crowd at 0 and 1."""
    random = np.random.default_rng(0)
    targets = random.integers(0, 2, (600, 9))
    logits = scale * (random.normal(size=targets.shape) + targets)
    scores = 1 / (1 + np.exp(-logits - scale * 2))
    a = predictions(scores, targets)
    found = Predictions.from_json(a.to_json())
    for metric in ("auroc", "average precision"):
        np.testing.assert_allclose(found.by_finding()[metric], a.by_finding()[metric], atol=1e-3)


@pytest.mark.parametrize("content", [None, {}, {"scores": {"a": [1]}}, {**random_predictions().to_json(), "study": []}])
def test_something_else_is_no_predictions(content):
    with pytest.raises(InputError, match="no predictions"):
        Predictions.from_json(content)


def test_a_thousand_draws_take_a_second():
    import time

    a = random_predictions(600, 9)
    weights = np.random.default_rng(0).multinomial(300, np.full(300, 1 / 300), 1000).astype(float)
    start = time.process_time()
    for metric in a.metrics:
        a.statistic(metric, weights)
    assert time.process_time() - start < 4
