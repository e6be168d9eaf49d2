"""What alarms are worth, against counting, SciPy's binomial test and scikit-learn."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import precision_score
from small_scores import scored

from cxrtutor.errors import InputError
from cxrtutor.evaluation.abstention import Abstention
from cxrtutor.evaluation.base_rates import Alarms, count_alarms, predictive_value, share

shares = st.floats(0.01, 0.99)


def test_a_share_has_the_interval_that_wilson_gave():
    z, yes, of = norm.ppf(0.975), 9, 12
    middle = (yes + z**2 / 2) / (of + z**2)
    reach = z * math.sqrt(yes * (of - yes) / of + z**2 / 4) / (of + z**2)
    found = share(yes, of)
    assert (found.value, found.low, found.high) == pytest.approx((yes / of, middle - reach, middle + reach))


def test_no_failure_among_few_is_no_proof_of_safety():
    assert share(0, 20).high > 0.1 > share(0, 200).high > 0
    assert share(20, 20).low < 0.9
    assert share(5, 10, level=0.5).high < share(5, 10).high


@pytest.mark.parametrize(("yes", "of"), [(0, 0), (-1, 3), (4, 3)])
def test_what_is_no_share(yes, of):
    with pytest.raises(InputError, match=f"{yes} of {of} is no share"):
        share(yes, of)


def test_of_a_thousand_people():
    assert predictive_value(0.9, 0.9, 0.2) == pytest.approx(180 / 260)
    assert predictive_value(0.9, 0.9, 0.002) == pytest.approx(1.8 / 101.6)
    assert math.isnan(predictive_value(0.5, 1, 0))
    assert predictive_value(1, 1, 0.5) == 1


@given(shares, shares, shares)
def test_a_rarer_finding_makes_an_alarm_worth_less_and_a_coin_is_worth_nothing(sensitivity, specificity, prevalence):
    assert predictive_value(sensitivity, specificity, prevalence / 2) < predictive_value(
        sensitivity, specificity, prevalence
    )
    assert predictive_value(sensitivity, 1 - sensitivity, prevalence) == pytest.approx(prevalence)


def test_alarms_are_counted_finding_by_finding():
    test = scored([[1, 5], [2, 6], [3, 7], [4, 8]], [[1, 0], [0, 0], [1, 1], [1, 0]])
    found = count_alarms(Abstention({"finding 0": 2.0, "finding 1": 6.0}), test)
    assert found == {"finding 0": Alarms(2, 1, 1, 0), "finding 1": Alarms(1, 0, 2, 1)}
    assert found["finding 0"].sensitivity == share(2, 3)
    assert found["finding 1"].specificity == share(1, 3)
    with pytest.raises(InputError, match="no threshold for finding 1"):
        count_alarms(Abstention({"finding 0": 2.0}), test)


def test_nobody_is_counted_twice():
    test = replace(scored([[1], [2], [3]], [[1], [0], [1]]), patients=("a", "b", "a"))
    with pytest.raises(InputError, match="1 of 3 studies are of patients who were counted already"):
        count_alarms(Abstention({"finding 0": 2.0}), test)


def test_another_prevalence_is_another_weight_for_the_same_patients():
    alarms = Alarms(found=45, missed=5, false=30, quiet=120)
    there = np.repeat([True, True, False, False], [45, 5, 30, 120])
    alarm = np.repeat([True, False, True, False], [45, 5, 30, 120])
    for prevalence in (0.25, 0.2, 0.002):
        weights = np.where(there, prevalence / 50, (1 - prevalence) / 150)
        found = alarms.predictive_value(prevalence)
        assert found.value == pytest.approx(precision_score(there, alarm, sample_weight=weights))
        assert found.low < found.value < found.high
    assert alarms.predictive_value(0.25).value == pytest.approx(45 / 75)


def test_the_interval_of_a_predictive_value_covers_what_many_samples_give():
    draw, prevalence, truth = np.random.default_rng(0), 0.01, predictive_value(0.9, 0.8, 0.01)
    covered = 0
    for _ in range(200):
        found, false = int(draw.binomial(80, 0.9)), int(draw.binomial(400, 0.2))
        one = Alarms(found, 80 - found, false, 400 - false).predictive_value(prevalence, resamples=400)
        covered += not one.excludes(truth)
    assert 0.9 < covered / 200 < 0.99


def test_a_test_set_without_an_error_promises_nothing():
    flawless = Alarms(found=40, missed=0, false=0, quiet=60).predictive_value(0.002)
    assert flawless.value == flawless.high == 1 and flawless.low < 0.1
    most = share(60, 60).low  # a specificity that such a test set leaves room for
    assert flawless.low == pytest.approx(predictive_value(1, most, 0.002), abs=0.05)
    futile = Alarms(found=0, missed=40, false=6, quiet=54).predictive_value(0.2)
    assert futile.value == futile.low == 0 < futile.high < 0.2
    assert Alarms(found=40, missed=0, false=6, quiet=54).predictive_value(0).high == 0


def test_where_there_was_no_alarm_its_worth_is_unknown():
    never = Alarms(found=0, missed=5, false=0, quiet=5).predictive_value(0.1)
    assert all(math.isnan(value) for value in (never.value, never.low, never.high))
