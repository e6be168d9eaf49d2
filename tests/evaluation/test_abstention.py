"""When a model had better say nothing."""

import numpy as np
import pytest
from small_scores import scored

from cxrtutor.errors import InputError
from cxrtutor.evaluation.abstention import Abstention, choose_abstention, measure_abstention, risk_coverage


def test_the_threshold_keeps_the_share_that_it_must_and_no_lower_one():
    rng = np.random.default_rng(0)
    validation = scored(rng.normal(size=(97, 3)), rng.random((97, 3)) < 0.4, "validation")
    for kept in (0.5, 0.9, 1.0):
        chosen = choose_abstention(validation, kept)
        silent = chosen.abstains(validation)
        for column, finding in enumerate(validation.findings):
            with_it = validation.present[:, column]
            assert (~silent[with_it, column]).mean() >= kept
            higher = validation.scores[with_it, column] > chosen.thresholds[finding]
            assert higher.mean() < kept  # with the next threshold too few would be left


def test_misses_and_false_alarms_are_counted_apart():
    test = scored([[1, 5], [2, 6], [3, 7], [4, 8]], [[1, 0], [0, 0], [1, 1], [1, 0]])
    found = measure_abstention(Abstention({"finding 0": 2.5, "finding 1": 6.5}), test)
    assert found["present"].by_finding()["abstains"].to_dict() == {"finding 0": pytest.approx(1 / 3), "finding 1": 0}
    assert found["absent"].by_finding()["abstains"].to_dict() == {"finding 0": 1, "finding 1": pytest.approx(2 / 3)}
    assert found["absent"].by_finding()["samples"].sum() + found["present"].by_finding()["samples"].sum() == 8


def test_what_abstaining_buys():
    curve = risk_coverage(np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, True, False, False]))
    assert curve["coverage"].tolist() == [0.25, 0.75, 1.0]  # equals are answered together
    assert curve["risk"].tolist() == pytest.approx([0, 1 / 3, 0.5])


def test_what_cannot_be_chosen():
    test = scored(np.zeros((2, 1)), [[True], [False]])
    with pytest.raises(InputError, match="Abstention takes the validation split; this is 'test'"):
        choose_abstention(test)
    with pytest.raises(InputError, match="Nobody in the validation split has finding 0"):
        choose_abstention(scored(np.zeros((2, 1)), [[False], [False]], "val"))
    with pytest.raises(InputError, match="kept is 0"):
        choose_abstention(scored(np.zeros((2, 1)), [[True], [False]], "val"), kept=0.0)
    with pytest.raises(InputError, match="no threshold for finding 0"):
        Abstention({}).abstains(test)
