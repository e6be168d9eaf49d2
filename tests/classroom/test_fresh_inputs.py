"""Fresh inputs stay what they were in kind, are the same for one seed, and every right answer holds on them."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from classroom.conftest import NOTEBOOKS, answers_of, read
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from cxrtutor.checks import EXERCISES
from cxrtutor.checks.comparing import same
from cxrtutor.checks.judging import Exercise
from cxrtutor.classroom.exercises import exercises
from cxrtutor.classroom.fresh_inputs import TOLERANCE, assert_agrees, fresh_inputs, varied_value

SEEDS = range(5)
numbers = st.floats(-4, 4).map(lambda x: round(x, 2))
tables = arrays(np.float64, array_shapes(max_dims=2, max_side=5), elements=st.one_of(numbers, st.just(np.nan)))


def varied(value, seed=0):
    return varied_value(value, 1.07, np.random.default_rng(seed))


def told(arguments):
    with np.printoptions(threshold=sys.maxsize):
        return repr(arguments)


def exercise_of(right, *arguments):
    return Exercise(lambda answer: iter(()), right, [arguments], 1e-5, False)


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_the_right_answer_holds_on_the_inputs_of_every_seed(name):
    for seed in SEEDS:
        assert_agrees(name, EXERCISES[name].right, (0, seed))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_so_does_a_right_answer_that_is_written_in_another_way(path):
    asked = [answer.check for one in exercises(read(path)) for answer in one.answers()]
    for name in asked:
        for seed in SEEDS:
            assert_agrees(name, answers_of(path).ALSO_RIGHT[name], (0, seed))


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_a_seed_is_one_set_of_inputs(name):
    assert repr(fresh_inputs(EXERCISES[name], (0, 1))) == repr(fresh_inputs(EXERCISES[name], (0, 1)))


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_every_group_gets_inputs_of_its_own(name):
    assert len({told(fresh_inputs(EXERCISES[name], (0, seed))) for seed in SEEDS}) == len(SEEDS)


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_who_has_learnt_the_inputs_of_the_check_by_heart_is_found_out(name):
    exercise = EXERCISES[name]
    by_heart = {told(arguments): exercise.right(*arguments) for arguments in exercise.inputs}
    for seed in SEEDS:
        asked = [(told(one), exercise.right(*one)) for one in fresh_inputs(exercise, (0, seed))]
        for guess in by_heart.values():
            assert not all(same(by_heart.get(one, guess), right, TOLERANCE) for one, right in asked)


@given(tables)
def test_numbers_keep_their_sign_and_what_is_undefined_keeps_its_place(table):
    after = varied(table)
    assert after.shape == table.shape
    assert (np.isnan(after) == np.isnan(table)).all()
    assert np.nansum(after > 0) == np.nansum(table > 0) and np.nansum(after == 0) == np.nansum(table == 0)


@given(arrays(np.float64, 6, elements=numbers))
def test_order_and_ties_are_kept_and_a_sorted_array_stays_in_order(values):
    ordered = np.sort(values)
    assert (np.sign(np.diff(varied(ordered))) == np.sign(np.diff(ordered))).all()


@given(arrays(np.float64, (3, 4), elements=st.floats(0.1, 4)), st.sampled_from([(0,), (1,), (0, 1)]))
def test_shares_still_sum_to_one_in_their_places(table, axes):
    shares = table / table.sum(axis=axes, keepdims=True)
    after = varied(shares)
    assert np.allclose(after.sum(axis=axes), 1)


def test_a_table_keeps_the_ties_of_its_rows_and_gets_no_others():
    table = np.array([[0.3, 0.3, 0.1], [0.5, 0.3, 0.2], [0.1, 0.5, 0.3]])
    ties = sorted(len(set(row)) for row in table)
    for seed in range(10):
        assert sorted(len(set(row)) for row in varied(table, seed)) == ties


def test_a_threshold_and_what_equals_it_go_together():
    heat, threshold = varied((np.array([0.3, 0.7, 0.2]), 0.3))
    assert (heat == threshold).sum() == 1


def test_masks_change_places_and_whole_numbers_stay():
    mask = np.arange(40) < 7
    assert varied(mask).sum() == 7 and (varied(mask) != mask).any()
    counts = np.array([3, 1, 4])
    assert varied(counts) is counts
    for value in (True, 3, "left", {"a"}, None):
        assert varied(value) is value


def test_an_input_on_which_the_right_answer_is_lost_is_not_varied():
    def refuses(x):
        if x != 2.5:
            raise ValueError
        return x

    assert fresh_inputs(exercise_of(refuses, 2.5), 0) == [(2.5,)]
    assert fresh_inputs(exercise_of(lambda x: x if x == 2.5 else np.nan, 2.5), 0) == [(2.5,)]
    assert fresh_inputs(exercise_of(lambda x: x, 2.5), 0) != [(2.5,)]


@pytest.mark.parametrize(("off", "passes"), [(TOLERANCE / 10, True), (TOLERANCE * 10, False)])
def test_a_processor_may_round_and_a_student_may_not(off, passes):
    def answer(a, b):
        return EXERCISES["cosine_similarity"].right(a, b) * (1 + off)

    if passes:
        assert_agrees("cosine_similarity", answer, 0)
    else:
        with pytest.raises(AssertionError, match="wrong on fresh input"):
            assert_agrees("cosine_similarity", answer, 0)
