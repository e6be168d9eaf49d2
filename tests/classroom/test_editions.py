"""The students' edition has nothing of a solution, and runs; the teachers' is the book with open solutions."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from classroom.conftest import NOTEBOOKS, ROOT, notebook_of, read, small_chapter
from nbclient import NotebookClient

from cxrtutor import checks
from cxrtutor.checks import EXERCISES
from cxrtutor.classroom.editions import (
    make_solutions_edition,
    make_student_edition,
    solutions_notebook,
    student_notebook,
)
from cxrtutor.classroom.exercises import exercises, names_bound, names_read, pieces
from cxrtutor.errors import InputError

FROM_JUPYTER = {"display", "get_ipython", "__file__"}


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture(scope="module")
def source(path):
    return read(path)


@pytest.fixture(scope="module")
def student(source):
    return student_notebook(source)


def lines_of(cells):
    return {line.strip() for cell in cells for line in cell.source.split("\n") if line.strip()}


def test_no_line_of_a_solution_is_left(source, student):
    found = list(pieces(source))
    solution = lines_of(piece.cell for piece in found if piece.solution_of)
    elsewhere = lines_of(piece.cell for piece in found if not piece.solution_of)
    signatures = {answer.signature for one in exercises(source) for answer in one.answers()}
    frame = {"from cxrtutor import checks as check"}
    assert not lines_of(student.cells) & (solution - elsewhere - signatures - frame)


def test_all_that_is_no_solution_is_left_and_every_exercise_has_its_stub(source, student):
    outside = [piece.cell.source for piece in pieces(source) if piece.solution_of is None]
    left = [cell.source for cell in student.cells]
    assert [text for text in left if text in outside] == outside
    stubs = [cell.source for cell in student.cells if "raise NotImplementedError" in cell.source]
    asked = [answer.name for one in exercises(source) for answer in one.answers()]
    assert [stub.removeprefix("def ").partition("(")[0] for stub in stubs] == asked
    nbformat.validate(student)


def test_a_stub_raises_and_its_check_says_so_without_raising(source, student):
    for cell in student.cells:
        if "raise NotImplementedError" in cell.source:
            names = {"np": __import__("numpy"), "torch": __import__("torch")}
            exec(cell.source, names)
            name = cell.source.removeprefix("def ").partition("(")[0]
            asked = next(a.check for one in exercises(source) for a in one.answers() if a.name == name)
            with pytest.raises(NotImplementedError, match=name):
                names[name](*EXERCISES[asked].inputs[0])
            verdict = getattr(checks, asked)(names[name])
            assert not verdict and "your turn" in verdict.message


def test_no_cell_reads_a_name_that_went_with_a_solution(student):
    """So that every cell runs: chapters are too long to run them all again here."""
    code = [cell.source for cell in student.cells if cell.cell_type == "code"]
    bound = FROM_JUPYTER.union(*map(names_bound, code))
    for source in code:
        assert names_read(source) <= bound, source


def test_the_students_edition_runs_and_says_what_is_not_written_yet(tmp_path):
    student = student_notebook(read(ROOT / "chapters" / "00-how-to-use-this-book.ipynb"))
    run = NotebookClient(student, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    said = "".join(str(output.get("data", "")) for cell in run.cells for output in cell.get("outputs", []))
    assert "NotImplementedError: your turn: cosine_similarity is not written yet" in said


def test_solved_stubs_pass_their_checks():
    student = student_notebook(small_chapter())
    code = [cell.source for cell in student.cells if cell.cell_type == "code"]
    stub = next(number for number, source in enumerate(code) if "NotImplementedError" in source)
    code[stub] = "def cosine_similarity(a, b):\n    return a @ b / length(a) / length(b)"
    names = {}
    exec("\n".join([*code[:-1], code[-1].replace("check.", "verdict = check.")]), names)
    assert names["verdict"]


def test_the_teachers_edition_is_the_book_with_open_solutions(source):
    opened = solutions_notebook(source)
    assert [c.source for c in opened.cells if c.cell_type == "code"] == [
        c.source for c in source.cells if c.cell_type == "code"
    ]
    for ours, theirs in zip(opened.cells, source.cells, strict=True):
        hidden = "} ", ":class: dropdown\n"
        assert ours.id == theirs.id and ours.metadata == theirs.metadata
        assert len(theirs.source) - len(ours.source) == theirs.source.count("{solution") * len(hidden[1]) - (
            theirs.source.count("{solution-end}") * len(hidden[1])
        )
    nbformat.validate(opened)


@pytest.mark.slow
def test_the_teachers_edition_passes_nbval(tmp_path):
    chapter = tmp_path / "00.ipynb"
    nbformat.write(solutions_notebook(read(ROOT / "chapters" / "00-how-to-use-this-book.ipynb")), chapter)
    options = ["--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider", "-q", "--rootdir", tmp_path]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", chapter, *options], capture_output=True, text=True, cwd=tmp_path
    )
    assert run.returncode == 0, run.stdout


def test_the_source_is_not_changed(source):
    before = nbformat.writes(source)
    student_notebook(source), solutions_notebook(source)
    assert nbformat.writes(source) == before


def files_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_for_students_has_what_they_need_and_nothing_for_teachers(small_book, tmp_path):
    made = make_student_edition(small_book, tmp_path / "student")
    assert files_in(made) == {
        ".originals/06-small.ipynb", "CONTENTS.md", "book/glossary.md", "book/lab/overrides.json",
        "chapters/06-small.ipynb", "chapters/records/one.json", "configs/teaching/small.yaml",
    }  # fmt: skip
    assert re.findall("^## (.+)", (made / "CONTENTS.md").read_text(), re.MULTILINE) == ["Chapters", "More"]
    assert "both lengths" not in (made / "chapters" / "06-small.ipynb").read_text()


def test_a_folder_for_teachers_has_their_pages_and_the_solutions(small_book, tmp_path):
    made = make_solutions_edition(small_book, tmp_path / "solutions")
    assert "book/teaching/marking.md" in files_in(made)
    text = (made / "chapters" / "06-small.ipynb").read_text()
    assert "both lengths" in text and "dropdown" not in text
    assert (made / "CONTENTS.md").read_text() == (small_book / "CONTENTS.md").read_text()


def test_every_link_of_the_students_edition_leads_to_a_file_of_it(tmp_path):
    made = make_student_edition(ROOT, tmp_path / "student")
    pages = {path: path.read_text() for path in made.rglob("*.md")}
    for path in [*(made / "chapters").glob("*.ipynb"), *(made / "book").glob("*.ipynb")]:
        pages[path] = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    links = [(path, link) for path, text in pages.items() for link in re.findall(r"\]\(([^)#\s]+)", text)]
    assert len({path for path, _ in links}) > 20
    assert [(path.name, link) for path, link in links if "://" not in link and not (path.parent / link).exists()] == []


def test_an_edition_takes_the_place_of_an_earlier_one_but_a_failed_one_does_not(small_book, tmp_path):
    made = make_student_edition(small_book, tmp_path / "student")
    (made / "old.txt").write_text("old")
    make_student_edition(small_book, made)
    assert "old.txt" not in files_in(made)
    nbformat.write(notebook_of("```{solution-start} x\n```"), small_book / "chapters" / "07-broken.ipynb")
    with pytest.raises(InputError, match=r"07-broken.ipynb: There is a solution of 'x'"):
        make_student_edition(small_book, made)
    assert "chapters/06-small.ipynb" in files_in(made)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("out", [".", "..", "chapters/made", "book", "_build", "_build/file", "bundle"])
def test_nothing_but_an_edition_or_an_empty_folder_is_replaced(out, small_book):
    """A whole book that was unpacked has `.originals` too."""
    for file in ("_build/file", "bundle/.originals/06-small.ipynb", "bundle/cxrtutor/__init__.py"):
        (small_book / file).parent.mkdir(parents=True, exist_ok=True)
        (small_book / file).write_text("mine")
    before = files_in(small_book.parent)
    with pytest.raises(InputError, match="--out FOLDER"):
        make_student_edition(small_book, small_book / out)
    assert files_in(small_book.parent) == before


def test_the_ground_is_not_taken_away_from_under_ones_feet(small_book, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(InputError, match="the folder that you are in"):
        make_student_edition(small_book, Path())
    monkeypatch.chdir(small_book)
    made = make_student_edition(Path(), Path("_build/student"))
    assert make_student_edition(Path(), made) == made and "CONTENTS.md" in files_in(made)


def test_a_book_without_its_table_of_contents_is_told(small_book, tmp_path):
    (small_book / "CONTENTS.md").unlink()
    with pytest.raises(InputError, match="cxrtutor class contents"):
        make_student_edition(small_book, tmp_path / "student")


def test_a_folder_without_the_book_is_told(tmp_path):
    with pytest.raises(InputError, match="No folder 'chapters'"):
        make_student_edition(tmp_path, tmp_path / "student")
