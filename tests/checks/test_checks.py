"""The self-checks of the exercises: each is tried with wrong answers that people give, and each must earn its hint;
with the book's own solution; and with a right answer that is written in another way, which must pass as well."""

from __future__ import annotations

import ast
import re
import sys
from importlib import import_module
from pathlib import Path

import nbformat
import numpy as np
import pytest

from cxrtutor import checks as check
from cxrtutor.checks import EXERCISES, Verdict, exercise, judging
from cxrtutor.checks.comparing import same
from cxrtutor.classroom.exercises import exercises
from cxrtutor.classroom.fresh_inputs import assert_agrees

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = {
    re.sub(r"^\d+-", "", path.stem).replace("-", "_"): path
    for folder in ("chapters", "book")
    for path in sorted((ROOT / folder).glob("*.ipynb"))
}
CHAPTERS = {name: [one for one in EXERCISES if EXERCISES[one].chapter == name] for name in NOTEBOOKS}
"""The exercises of every notebook, by its name without the number; some have none."""

ANSWERS = {name: import_module(f"answers.{name}") for name, own in CHAPTERS.items() if own}
WRONG = {name: answers for one in ANSWERS.values() for name, answers in one.WRONG.items()}
"""For every exercise: wrong answers, each with a piece of the hint that it must earn. All hints must be earned."""

ALSO_RIGHT = {name: answer for one in ANSWERS.values() for name, answer in one.ALSO_RIGHT.items()}
"""For every exercise: a right answer that goes about it in another way than the book's solution."""

IN_OTHER_TYPES = {
    name: answer for one in ANSWERS.values() for name, answer in getattr(one, "IN_OTHER_TYPES", {}).items()
}
"""For some exercises: a right answer that wants torch's tensors, or gives another type than the book's solution."""

FROM_THREE_TO_FIVE = range(3, 6)


def notebook(chapter):
    return nbformat.read(NOTEBOOKS[chapter], as_version=4)


def checked(text):
    return re.findall(r"\bcheck\.(\w+)\(", text)


def provided(chapter):
    """What a notebook imports and defines at the top of its cells: names, and the statement that makes each."""
    names = {}
    for cell in notebook(chapter).cells:
        for statement in ast.parse(cell.source).body if cell.cell_type == "code" else []:
            if isinstance(statement, ast.FunctionDef):
                names[statement.name] = statement
            if isinstance(statement, ast.Import | ast.ImportFrom):
                names |= {alias.asname or alias.name.split(".")[0]: statement for alias in statement.names}
    return names


def verdicts(code, known):
    """What the checks say that a solution calls: with its own definitions, and whatever these need of the notebook."""
    names = {}

    def define(tree):
        for name in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - names.keys():
            if name in known:
                names[name] = None  # being defined: two functions may call each other
                define(known[name])
                exec(compile(ast.Module([known[name]], type_ignores=[]), "<notebook>", "exec"), names)

    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    for call in (call for call in calls if checked(ast.unparse(call.func) + "(")):
        define(call)
        yield eval(ast.unparse(call), names)


def test_every_exercise_belongs_to_a_notebook_and_every_notebook_to_its_answers():
    assert sum(map(len, CHAPTERS.values())) == len(EXERCISES)
    assert {path.stem for path in (Path(__file__).parent / "answers").glob("*.py")} == {*ANSWERS, "helpers"}
    for name, answers in ANSWERS.items():
        assert set(answers.WRONG) == set(answers.ALSO_RIGHT) == set(CHAPTERS[name])


@pytest.mark.parametrize("chapter", ANSWERS)
def test_a_notebook_has_a_check_and_a_solution_for_every_exercise_and_an_exercise_for_every_check(chapter):
    named = []
    for one in exercises(notebook(chapter)):
        if one.text.startswith("No code."):
            continue
        (name,) = set(checked(one.text))
        assert [answer.check for answer in one.answers()] == [name], f"the solution of {one.label} must pass its check"
        named.append(name)
    assert sorted(named) == sorted(CHAPTERS[chapter])


@pytest.mark.parametrize("chapter", [name for name, path in NOTEBOOKS.items() if path.parent.name == "chapters"])
def test_a_chapter_has_three_to_five_exercises(chapter):
    assert len(CHAPTERS[chapter]) in FROM_THREE_TO_FIVE


@pytest.mark.parametrize("chapter", ANSWERS)
def test_the_solutions_of_a_notebook_are_right(chapter):
    known = provided(chapter)
    said = [verdict for one in exercises(notebook(chapter)) for verdict in verdicts("\n".join(one.code), known)]
    assert len(said) == len(CHAPTERS[chapter])
    assert all(said), [verdict.message for verdict in said if not verdict]


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_an_exercise_knows_at_least_three_wrong_answers(name):
    assert len(WRONG[name]) >= 3


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_a_right_answer_that_is_written_in_another_way_is_right(name):
    verdict = getattr(check, name)(ALSO_RIGHT[name])
    assert verdict, verdict.message


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_it_is_right_on_inputs_that_no_check_shows_too(name):
    for seed in range(3):
        assert_agrees(name, ALSO_RIGHT[name], seed)


@pytest.mark.parametrize("name", sorted(IN_OTHER_TYPES))
def test_a_right_answer_is_right_in_other_types_too(name):
    verdict = getattr(check, name)(IN_OTHER_TYPES[name])
    assert verdict, verdict.message
    for seed in range(3):
        assert_agrees(name, IN_OTHER_TYPES[name], seed)


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_the_right_answer_is_right(name):
    verdict = EXERCISES[name](EXERCISES[name].right)
    assert verdict, verdict.message
    assert verdict.message == "Right."


@pytest.mark.parametrize(
    ("name", "answer", "piece"), [(name, *wrong) for name, all_wrong in WRONG.items() for wrong in all_wrong]
)
def test_a_wrong_answer_earns_its_hint(name, answer, piece):
    verdict = getattr(check, name)(answer)
    assert not verdict
    assert piece in verdict.message
    assert verdict.message in EXERCISES[name].hints()


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_no_hint_is_idle(name):
    earned = {EXERCISES[name](answer).message for answer, _ in WRONG[name]}
    assert earned == set(EXERCISES[name].hints())


@pytest.fixture
def doubled(monkeypatch):
    """An exercise that asks for twice a number or an array, and knows one slip."""
    monkeypatch.setattr(judging, "EXERCISES", {})

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


def test_rows_of_different_lengths_are_no_error_of_the_function(doubled):
    assert doubled(lambda x: [[1.0], [2.0, 3.0]]).message == (
        "Your function gives what is no array: the rows of [[1.0], [2.0, 3.0]] differ in length."
    )


def test_nothing_returned_is_noticed(doubled):
    assert "forget `return`" in doubled(lambda x: None).message
    assert "forget `return`" in check.is_denied(lambda sentence, finding: None).message


def test_an_exception_is_the_readers_and_is_told(doubled):
    assert "`ZeroDivisionError: " in doubled(lambda x: x / 0).message


def test_what_refuses_arrays_and_tensors_alike_is_told_of_both():
    message = check.word_shares(lambda regions, words: (regions @ words.T).softmax(dim=1).tranpose(0, 1)).message
    assert "has no attribute 'softmax'`. On tensors it raised `AttributeError: " in message
    assert "'tranpose'" in message


def test_a_slip_that_has_nothing_to_do_with_tensors_is_told_once():
    assert check.swap_sides(lambda text: text.swapped()).message.count("AttributeError") == 1


def test_an_answer_in_torch_needs_torch(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    message = check.word_shares(IN_OTHER_TYPES["word_shares"]).message
    assert message == "Your function raised `AttributeError: 'numpy.ndarray' object has no attribute 'softmax'`."


def test_a_result_instead_of_a_function_is_noticed(doubled):
    assert "the function itself" in doubled(6.0).message


def test_an_answer_that_writes_into_its_input_cannot_disturb_the_check(doubled):
    def in_place(x):
        x *= 2
        return x

    assert doubled(in_place)
    assert doubled(in_place)


def test_tensors_are_handed_over_where_an_exercise_asks_for_them():
    verdict = check.contexts(lambda attention, regions: attention.bmm(regions))  # an array has no `bmm`
    assert verdict, verdict.message


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
        (np.str_("left"), "left", True),
        (re.match("l", "left"), True, True),
        (None, False, True),
        (None, True, False),
        ("yes", True, False),
        (np.array([True, True]), True, False),
        ({"IoU": 1}, {"IoU": 1}, True),
        (np.ones((2, 1)), np.ones(2), False),
        (object(), 1.0, False),
        ((np.ones(2), 3), (np.ones(2), 3), True),
        (np.array([1.0, 2.0]), (1, 2), True),
        (np.array([1.0, 2.0]), (2, 1), False),
        (np.array(1.0), (1,), False),
    ],
)
def test_same(given, wanted, equal):
    assert same(given, wanted) is equal


def test_a_tensor_with_a_gradient_is_compared_by_its_values():
    torch = pytest.importorskip("torch")
    assert same(torch.ones(2, requires_grad=True) * 2, np.full(2, 2.0))
