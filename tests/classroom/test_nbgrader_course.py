"""A whole round with nbgrader: generate, release, solve, submit, mark."""

from __future__ import annotations

import shutil

import nbformat
import pytest
from classroom.conftest import ROOT, answers_of, read

from cxrtutor.classroom.assignments import make_assignment
from cxrtutor.classroom.exercises import exercises
from cxrtutor.classroom.nbgrader_course import mark_rows, marked
from cxrtutor.errors import InputError

CHAPTER = ROOT / "chapters" / "00-how-to-use-this-book.ipynb"
NAMES = [answer.name for one in exercises(read(CHAPTER)) for answer in one.answers()]
WRONG = answers_of(CHAPTER).WRONG
ROUNDS = max(len(WRONG[name]) for name in NAMES)
ANSWER = "import sys\n\nsys.path.append({tests!r})\nfrom {module} import {table}\n\n{name} = {table}[{name!r}]{which}"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return tmp_path_factory.mktemp("course")


@pytest.fixture(scope="module")
def released(course):
    """What two groups are given."""
    return [next(folder.glob("*.ipynb")) for folder in make_assignment(ROOT, "0", course, [1, 2])]


@pytest.fixture(scope="module")
def marking(course, released):
    """The solution, another right answer, nothing at all, and round k: of every exercise the wrong answer k."""
    hand_in(course, released[0], "solution", {})
    shutil.copyfile(
        course / "source" / "00-group-1" / CHAPTER.name, course / "submitted/solution/00-group-1" / CHAPTER.name
    )
    hand_in(course, released[1], "nothing", {})
    hand_in(course, released[1], "another", {name: ("ALSO_RIGHT", "") for name in NAMES})
    for k in range(ROUNDS):
        wrong = {name: ("WRONG", f"[{min(k, len(WRONG[name]) - 1)}][0]") for name in NAMES}
        hand_in(course, released[k % 2], f"wrong-{k}", wrong)
    hand_in(course, released[0], "never-ending", {})
    never = course / "submitted" / "never-ending" / "00-group-1" / CHAPTER.name
    never.write_text(never.read_text().replace("raise NotImplementedError()", "while True: pass", 1))
    broken = course / "submitted" / "broken" / "00-group-1" / CHAPTER.name
    broken.parent.mkdir(parents=True)
    broken.write_text("no notebook")
    patience = course / "nbgrader_config.py"
    patience.write_text(patience.read_text().replace("timeout = 60 ", "timeout = 5 "))
    return marked(course, "0")


@pytest.fixture(scope="module")
def marks(marking):
    return {mark.student: mark for mark in marking.marks}


def hand_in(course, released, student, answers):
    """Fill the cells of a released notebook with answers of the tests: `{name: (table, which)}`."""
    notebook = read(released)
    module = answers_of(CHAPTER).__name__
    for cell in notebook.cells:
        name = cell.id.removeprefix("answer-")
        if name in answers:
            table, which = answers[name]
            tests = str(ROOT / "tests" / "checks")
            cell.source = ANSWER.format(tests=tests, module=module, table=table, name=name, which=which)
    folder = course / "submitted" / student / released.parent.name
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / released.name)


def test_what_is_released_has_neither_solutions_nor_hidden_tests(released):
    for path in released:
        text = path.read_text()
        assert all(word not in text for word in ("SOLUTION", "HIDDEN", "assert_agrees", "linalg.norm", "seed="))
        assert text.count("raise NotImplementedError()") == len(NAMES)


def test_groups_are_marked_on_inputs_of_their_own(course, released):
    first, second = (next((course / "source" / f"00-group-{group}").glob("*.ipynb")).read_text() for group in (1, 2))
    assert "seed=(0, 1)" in first and "seed=(0, 2)" in second


def test_right_answers_have_all_points_and_none_has_none(marks):
    assert marks["solution"].share == marks["another"].share == 1
    assert marks["nothing"].share == 0
    assert marks["solution"].assignment == "00-group-1" and marks["nothing"].assignment == "00-group-2"


def test_every_wrong_answer_is_below_in_its_own_exercise(marks):
    for k in range(ROUNDS):
        for name in NAMES:
            cells = [f"check-{name}", f"fresh-{name}"]
            mark = marks[f"wrong-{k}"]
            assert sum(mark.points[cell] for cell in cells) < sum(mark.at_most[cell] for cell in cells), (k, name)


def test_the_table_has_a_row_for_everybody(marks):
    table = {row["student"]: row for row in mark_rows(list(marks.values()))}
    assert table["solution"]["points"] == table["solution"]["of"] == 2 * len(NAMES)
    assert len(table) == ROUNDS + 4


def test_one_who_never_ends_or_hands_in_no_notebook_keeps_nobody_from_being_marked(marking, marks):
    assert marks["never-ending"].share == 0
    assert list(marking.refused) == ["broken, 00-group-1"]


def test_nobody_to_mark_is_told(course, tmp_path):
    with pytest.raises(InputError, match="STUDENT/ASSIGNMENT"):
        marked(tmp_path, "0")
    with pytest.raises(InputError, match="Nothing of nobody to mark"):
        marked(course, "0", ["nobody"])


def test_nbgraders_own_words_are_passed_on(course):
    (course / "source" / "00-group-1" / "empty.ipynb").write_text("no notebook")
    with pytest.raises(InputError, match="nbgrader failed at releasing"):
        from cxrtutor.classroom.nbgrader_course import released

        released(course, "00-group-1")
