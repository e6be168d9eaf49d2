"""Curves from scores to probabilities, and whether these keep their word."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss
from small_scores import scored

from cxrtutor.errors import InputError
from cxrtutor.evaluation.calibration import brier_score, calibrate, calibration_error, reliability

SHAPES = ("isotonic", "platt")


def drawn(number, seed, split):
    """Scores of two findings whose probabilities are known: a logistic curve each, of quite different units."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(number, 2)) * [1.0, 50.0] + [0.0, 200.0]
    probability = 1 / (1 + np.exp(-np.stack([2 * scores[:, 0] - 1, (scores[:, 1] - 200) / 25 + 0.5], axis=1)))
    return scored(scores, rng.random(probability.shape) < probability, split), probability


@pytest.mark.parametrize("shape", SHAPES)
def test_probabilities_that_are_known_are_found_again(shape):
    validation, _ = drawn(4000, 0, "validation")
    test, probability = drawn(4000, 1, "test")
    found = calibrate(validation, shape).probability(test)
    assert np.abs(found - probability).mean() < 0.03
    assert calibration_error(found, test.present) < 0.02


@pytest.mark.parametrize("shape", SHAPES)
def test_a_higher_score_is_never_less_probable(shape):
    validation, _ = drawn(200, 2, "validation")
    line = np.linspace(-1000, 1000, 500)
    test = scored(np.stack([line, line], axis=1), np.zeros((500, 2)))
    found = calibrate(validation, shape).probability(test)
    assert (np.diff(found, axis=0) >= 0).all() and found.min() >= 0 and found.max() <= 1


def test_a_score_that_falls_with_the_finding_says_how_many_have_it():
    truth = np.arange(40)[:, None] < 10
    wrong_way = scored(np.arange(40.0)[:, None], truth, "validation")
    assert calibrate(wrong_way, "platt").probability(wrong_way) == pytest.approx(0.25)
    assert calibrate(wrong_way, "isotonic").probability(wrong_way) == pytest.approx(0.25)


def test_the_unit_of_the_score_does_not_matter():
    validation, _ = drawn(300, 3, "validation")
    larger = scored(validation.scores * 1000, validation.present, "validation")
    for shape in SHAPES:
        same = calibrate(larger, shape).probability(larger)
        np.testing.assert_allclose(same, calibrate(validation, shape).probability(validation), atol=1e-4)


def test_choices_on_the_test_split_are_refused():
    test, _ = drawn(50, 4, "test")
    with pytest.raises(InputError, match="Calibration takes the validation split; this is 'test'"):
        calibrate(test)


def test_a_finding_that_nobody_or_everybody_has():
    with pytest.raises(InputError, match="finding 0 is shown by 3 of 3"):
        calibrate(scored(np.zeros((3, 1)), np.ones((3, 1)), "validation"))
    validation, _ = drawn(50, 5, "validation")
    with pytest.raises(InputError, match="no curve for rash"):
        calibrate(validation).probability(scored([[0.0]], [[True]], findings=["rash"]))


def test_the_reliability_curve_by_hand():
    said = np.array([0.05, 0.0, 0.12, 0.18, 1.0])
    true = np.array([False, False, True, False, True])
    curve = reliability(said, true)
    assert curve.index.tolist() == [0, 1, 9] and curve["count"].tolist() == [2, 2, 1]
    assert curve["said"].tolist() == pytest.approx([0.025, 0.15, 1.0])
    assert curve["true"].tolist() == [0.0, 0.5, 1.0]
    assert calibration_error(said, true) == pytest.approx((2 * 0.025 + 2 * 0.35) / 5)
    assert brier_score(said, true) == pytest.approx(brier_score_loss(true, said))
