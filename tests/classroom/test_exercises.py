"""Finding exercises and their solutions in notebooks."""

from __future__ import annotations

import pytest
from classroom.conftest import NOTEBOOKS, notebook_of, read, small_chapter
from hypothesis import given
from hypothesis import strategies as st

from cxrtutor.checks import EXERCISES
from cxrtutor.classroom.exercises import answers, exercises, names_bound, names_read, pieces
from cxrtutor.errors import InputError

START, END = "```{solution-start} x\n:class: dropdown\n```", "```{solution-end}\n```"
EXERCISE = "````{exercise} X\n:label: x\nDo x.\n````"


def test_an_exercise_comes_with_the_code_of_its_solution():
    cosine, words = exercises(small_chapter())
    assert (cosine.label, cosine.title, cosine.text) == ("cosine", "The cosine", "Write `cosine_similarity(a, b)`.")
    assert len(cosine.code) == 1 and words.code == [] and words.answers() == []


def test_the_answer_is_what_the_check_is_handed():
    (answer,) = exercises(small_chapter())[0].answers()
    assert (answer.name, answer.check, answer.checks_as) == ("cosine_similarity", "cosine_similarity", "check")
    assert answer.signature == "def cosine_similarity(a, b=None):"
    assert answer.body == "# both lengths\nreturn ONE * (a @ b) / (length(a) * length(b))"


@pytest.mark.parametrize("definition", ["def f(x): return x", "def f(x):\n    return x"])
def test_a_body_may_stand_on_the_same_line(definition):
    (answer,) = answers(f"{definition}\n\nassert check.f(f)", "it")
    assert answer.body == "return x"


def test_something_else_than_a_function_of_the_solution_is_refused():
    with pytest.raises(InputError, match=r"'lambda x: x' to check\.f"):
        answers("check.f(lambda x: x)", "it")


text = st.text("ab \n#`", max_size=20).filter(lambda t: "```" not in t)


@given(outside=st.lists(text, min_size=2, max_size=2), inside=text, more=st.lists(text, max_size=3))
def test_every_text_lies_on_its_side_of_the_marks(outside, inside, more):
    notebook = notebook_of(
        f"{outside[0]}\n{EXERCISE}\n{START}\n{inside}", *(f"#py\n# {t!r}" for t in more), f"{END}\n{outside[1]}"
    )
    found = list(pieces(notebook))
    kept = "\n".join(p.cell.source for p in found if p.solution_of is None)
    gone = [p.cell.source for p in found if p.solution_of == "x"]
    assert kept.split() == f"{outside[0]}\n{EXERCISE}\n{outside[1]}".split()
    assert " ".join(gone).split() == " ".join([START, inside, *(f"# {t!r}" for t in more), END]).split()
    assert len({p.cell.id for p in found}) == len(found)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ([EXERCISE, START], "not ended"),
        ([EXERCISE, START, START], "begins within"),
        ([START, END], "no exercise above it"),
    ],
)
def test_marks_that_do_not_pair_are_told(cells, told):
    with pytest.raises(InputError, match=told):
        exercises(notebook_of(*cells))


def test_names_that_code_binds_and_reads():
    code = (
        "import a.b\nfrom c import d as e\nf = len(g)\ndef h(i, j=k):\n    global m\n    return i + l + f\nn: int = 1"
    )
    assert names_bound(code) == {"a", "e", "f", "h", "n"}
    assert names_read(code) == {"g", "k", "l"}


def test_every_answer_of_the_book_has_a_check_of_its_own():
    asked = [answer.check for path in NOTEBOOKS for one in exercises(read(path)) for answer in one.answers()]
    assert asked and set(asked) <= set(EXERCISES)
    assert len(asked) == len(set(asked))
