"""An assignment holds the exercises, what they need, and tests that the solution passes and wrong answers do not."""

from __future__ import annotations

import nbformat
import pytest
from classroom.conftest import NOTEBOOKS, answers_of, notebook_of, read, small_chapter

from cxrtutor.classroom.assignments import assignment_notebook, groups_named, setup_code
from cxrtutor.classroom.exercises import exercises
from cxrtutor.errors import InputError

SOLVABLE = [path for path in NOTEBOOKS if any(one.answers() for one in exercises(read(path)))]


def source_of(notebook, cell_id):
    return next(cell.source for cell in notebook.cells if cell.id == cell_id)


@pytest.fixture(scope="module", params=SOLVABLE, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture(scope="module")
def assignment(path):
    return assignment_notebook(read(path), "06-group-2", (0, 2))


@pytest.fixture(scope="module")
def solved(assignment):
    """What is defined once all its cells are run; a test cell that fails would raise here."""
    names = {}
    for cell in assignment.cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
    return names


def test_the_solution_gets_every_point(assignment, solved):
    nbformat.validate(assignment)
    points = [cell.metadata.nbgrader.get("points", 0) for cell in assignment.cells if "nbgrader" in cell.metadata]
    assert sum(points) == 2 * sum(cell.id.startswith("answer-") for cell in assignment.cells) > 0


def test_every_wrong_answer_loses_a_point(path, assignment, solved):
    for exercise in exercises(read(path)):
        for answer in exercise.answers():
            for wrong, _ in answers_of(path).WRONG[answer.check]:
                with pytest.raises(AssertionError):
                    exec(source_of(assignment, f"check-{answer.name}"), solved | {answer.name: wrong})


def test_an_assignment_runs_no_chapter(assignment):
    assert sum(len(cell.source) for cell in assignment.cells if cell.cell_type == "code") < 10_000
    assert not any(word in source_of(assignment, "setup") for word in ("open_studies", "shipped", "Path("))


def test_what_the_solution_reads_is_brought_along_and_nothing_else():
    setup = setup_code(small_chapter())
    assert setup == (
        "import numpy as np\nfrom cxrtutor import checks as check\n\n\nTWO = 2\n\n\n"
        "def length(vector):\n    return np.sqrt(vector @ vector)"
    )


def test_what_stands_around_a_solution_moves_into_it_and_what_it_does_later_stays_away():
    solution = source_of(assignment_notebook(small_chapter(), "06", (0, 0)), "answer-cosine_similarity")
    assert solution == (
        "def cosine_similarity(a, b=None):\n    ### BEGIN SOLUTION\n    ONE = TWO - 1\n\n    # both lengths\n"
        "    return ONE * (a @ b) / (length(a) * length(b))\n    ### END SOLUTION"
    )


def test_an_exercise_in_words_has_room_for_them():
    texts = [c.source for c in assignment_notebook(small_chapter(), "06", (0, 0)).cells if c.cell_type == "markdown"]
    assert texts[-2:] == ["## 2. In words\n\nWhy?", "*Your answer, which no machine marks:*"]
    assert not any("lengths" in text for text in texts)


def computed_on_the_way(line):
    notebook = small_chapter()
    notebook.cells[1].source = notebook.cells[1].source.replace("TWO = 2", line)
    return notebook


@pytest.mark.parametrize("line", ["TWO = max(lengths)", "pass"])
def test_a_solution_that_needs_the_chapter_is_refused(line):
    with pytest.raises(InputError, match="'The cosine' reads TWO"):
        assignment_notebook(computed_on_the_way(line), "06", (0, 0))


def test_constants_may_be_made_of_constants():
    assert "lengths = [1.0, 2.0]\n\n\nTWO = lengths[1]" in setup_code(computed_on_the_way("TWO = lengths[1]"))


def test_a_chapter_without_exercises_in_code_is_refused():
    with pytest.raises(InputError, match="no exercise that asks for a function"):
        assignment_notebook(notebook_of("# A page"), "06", (0, 0))


@pytest.mark.parametrize(("text", "groups"), [("3", [3]), ("1-4", [1, 2, 3, 4]), ("1-2,7", [1, 2, 7])])
def test_groups(text, groups):
    assert groups_named(text) == groups


@pytest.mark.parametrize("text", ["", "a", "4-1", "1-2-3", "1,"])
def test_no_groups(text):
    with pytest.raises(InputError, match="names no groups"):
        groups_named(text)
