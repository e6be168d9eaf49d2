"""The self-checks of the exercises: each is tried with wrong answers that people give, and each must earn its hint."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cxrtutor import checks as check
from cxrtutor.checks import EXERCISES, Verdict, exercise, same

WRONG_ANSWERS: dict[str, list[tuple[Callable, str]]] = {
    "cosine_similarity": [
        (lambda a, b: a @ b, "dot product"),
        (lambda a, b: a @ b / np.linalg.norm(b), "first vector"),
        (lambda a, b: a @ b / np.linalg.norm(a), "second vector"),
        (lambda a, b: 1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), "distance"),
        (lambda a, b: abs(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b)), "sign"),
    ],
}
"""For every exercise: wrong answers, each with a piece of the hint that it must earn. All hints must be earned."""


def test_every_exercise_has_wrong_answers():
    assert set(WRONG_ANSWERS) == set(EXERCISES)


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_the_right_answer_is_right(name):
    verdict = EXERCISES[name](EXERCISES[name].right)
    assert verdict, verdict.message
    assert verdict.message == "Right."


@pytest.mark.parametrize(
    ("name", "answer", "piece"), [(name, *wrong) for name, all_wrong in WRONG_ANSWERS.items() for wrong in all_wrong]
)
def test_a_wrong_answer_earns_its_hint(name, answer, piece):
    verdict = getattr(check, name)(answer)
    assert not verdict
    assert piece in verdict.message
    assert verdict.message in EXERCISES[name].hints()


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_no_hint_is_idle(name):
    earned = {EXERCISES[name](answer).message for answer, _ in WRONG_ANSWERS[name]}
    assert earned == set(EXERCISES[name].hints())


@pytest.fixture
def doubled(monkeypatch):
    """An exercise that asks for twice a number or an array, and knows one slip."""
    monkeypatch.setattr(check, "EXERCISES", {})

    @exercise(right=lambda x: 2 * x, inputs=[(3.0,), (np.array([1.0, np.nan]),)])
    def doubled(answer):
        """Twice."""
        yield same(answer(3.0), 9.0), "That is the *square*."

    return doubled


def test_the_first_slip_ends_the_check_with_its_hint(doubled):
    assert doubled(lambda x: x * x).message == "That is the *square*."


def test_a_wrong_answer_that_nobody_foresaw_is_shown_beside_the_right_one(doubled):
    assert doubled(lambda x: x + 1).message == "Not yet. For (3.0) your function gives 4.0; wanted is 6.0."


def test_all_inputs_count(doubled):
    assert doubled(lambda x: 6.0 if same(x, 3.0) else x).message.startswith("Not yet. For ([ 1., nan])")


def test_a_wrong_shape_is_named(doubled):
    assert "shape (1, 2) where (2,)" in doubled(lambda x: 2 * x if np.ndim(x) == 0 else 2 * x[None]).message


def test_nothing_returned_is_noticed(doubled):
    assert "forget `return`" in doubled(lambda x: None).message


def test_an_exception_is_the_readers_and_is_told(doubled):
    assert "`ZeroDivisionError: " in doubled(lambda x: x / 0).message


def test_a_result_instead_of_a_function_is_noticed(doubled):
    assert "the function itself" in doubled(6.0).message


def test_an_answer_that_writes_into_its_input_cannot_disturb_the_check(doubled):
    def in_place(x):
        x *= 2
        return x

    assert doubled(in_place)
    assert doubled(in_place)


def test_two_exercises_of_one_name_are_refused(doubled):
    with pytest.raises(ValueError, match="doubled"):
        exercise(right=abs, inputs=[(1,)])(doubled.slips)


def test_a_verdict_shows_its_message_and_can_be_asserted():
    verdict = Verdict(False, "Try *again*.")
    assert not verdict
    assert repr(verdict) == verdict._repr_markdown_() == "Try *again*."


@pytest.mark.parametrize(
    ("given", "wanted", "equal"),
    [
        (1, 1.0, True),
        (1.0, 1.1, False),
        ([1, 2], [1, 2], True),
        ([1, 2], [1, 2, 3], False),
        (float("nan"), float("nan"), True),
        ("left", "left", True),
        ("left", 1.0, False),
        ({"IoU": 1}, {"IoU": 1}, True),
        (np.ones((2, 1)), np.ones(2), False),
        (object(), 1.0, False),
        ((np.ones(2), 3), (np.ones(2), 3), True),
    ],
)
def test_same(given, wanted, equal):
    assert same(given, wanted) is equal


def test_a_tensor_with_a_gradient_is_compared_by_its_values():
    torch = pytest.importorskip("torch")
    assert same(torch.ones(2, requires_grad=True) * 2, np.full(2, 2.0))
