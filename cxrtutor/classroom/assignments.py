"""A chapter's exercises as an nbgrader assignment: written by students, marked by a machine.

`make_assignment` writes a course folder for nbgrader: `source` with the solutions, and from it `release`, which goes to
the students. What they hand in goes to `submitted/STUDENT/ASSIGNMENT/`, and `nbgrader_course` marks it.

The notebook is light: the exercises' texts, and of the chapter only what their solutions need to run. For each answer,
nbgrader's cells are:

- the function, its body between `### BEGIN SOLUTION` and `### END SOLUTION`. Imports and helpers that the solution's
  cell has around it move into the body; what it computes after its check stays in the chapter;
- the self-check, as in the book: one point, its hint shown to the student;
- the same answer on fresh inputs (see `fresh_inputs`), hidden: one more point. Who has only learnt the check's inputs
  by heart misses this one.

What else the solutions read is looked up in the chapter: its imports, its functions and its constants, and what these
read in turn. A value that was computed on the way (a model, a table of cosines) cannot be had lightly, and a solution
that reads one is refused.

Groups: each group's inputs are drawn by a seed of its own, so that groups can compare their work and not the numbers.
The right answers are a part of the installed package, as for every self-check; a mark is worth what your trust in its
owner is. Marking runs the students' code with your rights: do it in a container, or read the code first.
"""

from __future__ import annotations

import ast
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from ..errors import InputError
from ..store import write_file
from .chapters import find_chapter
from .exercises import Answer, Exercise, exercises, names_bound, names_read, pieces

CONFIG = """c = get_config()
c.CourseDirectory.course_id = "cxrtutor-{number}"
c.ExecutePreprocessor.timeout = 60  # seconds for a cell, which then counts as failed
c.ExecutePreprocessor.interrupt_on_timeout = True
"""
"""The course folder's `nbgrader_config.py`; yours if you change it, since it is written only where it is missing."""

OPENING = """# Assignment {name}: {title}

Each exercise asks for a function. Write it in place of `raise NotImplementedError`, and run the cell below: it is
silent if the answer is right, and gives a hint if it is not. That is one point. A second one is for inputs that you do
not see. Where a text says *above*, it means the chapter.

Before you hand in, choose *Restart kernel and run all cells*. Change no other cell: they are set back for the marking.
"""


@dataclass(frozen=True)
class Statement:
    """A top-level statement of a chapter, by the names it binds and reads."""

    node: ast.stmt
    code: str
    bound: frozenset[str]
    read: frozenset[str]


def assignment_name(number: str, group: int | None) -> str:
    """What nbgrader calls it: "06", or "06-group-3"."""
    return number.zfill(2) if group is None else f"{number.zfill(2)}-group-{group}"


def groups_named(text: str) -> list[int]:
    """The groups that "3", "1-10" or "1-4,7" names.

    Raises:
        InputError: it names none.
    """
    try:
        parts = [[int(end) for end in part.split("-")] for part in text.split(",")]
        groups = [group for first, *last in parts for group in range(first, (last or [first])[0] + 1)]
        if not groups or any(len(part) > 2 for part in parts):
            raise ValueError
    except ValueError as error:
        raise InputError(f"--group {text!r} names no groups. Write 3, 1-10 or 1-4,7.") from error
    return groups


def make_assignment(
    source: Path, number: str, course: Path, groups: Sequence[int | None] = (None,), seed: int = 0
) -> list[Path]:
    """Write chapter `number` of the book in `source` as an assignment into nbgrader's folder `course`.

    What was handed in and marked there stays. Returns the folders to give to students, one for each group.

    Raises:
        InputError: no such chapter, one without an exercise in code, or one whose solutions need what this module does
            not provide; nbgrader refuses.
    """
    from .nbgrader_course import released

    chapter = find_chapter(source, number)
    notebook = nbformat.read(chapter, as_version=4)
    folders = []
    for group in groups:
        name = assignment_name(number, group)
        written = nbformat.writes(assignment_notebook(notebook, name, (seed, group or 0)))
        shutil.rmtree(course / "source" / name, ignore_errors=True)
        write_file(course / "source" / name / chapter.name, written + "\n")
        if not (course / "nbgrader_config.py").exists():
            write_file(course / "nbgrader_config.py", CONFIG.format(number=number.zfill(2)))
        folders.append(released(course, name))
    return folders


def assignment_notebook(notebook: NotebookNode, name: str, seed: tuple[int, int]) -> NotebookNode:
    """A chapter's exercises with nbgrader's marks, solved.

    Raises:
        InputError: no exercise of the chapter asks for a function, or a solution reads what is computed on the way.
    """
    asked = [(exercise, exercise.answers()) for exercise in exercises(notebook)]
    if not any(found for _, found in asked):
        raise InputError(f"Chapter {name[:2]} has no exercise that asks for a function.")
    title = notebook.cells[0].source.split("\n")[0].removeprefix("# ")
    cells = [new_markdown_cell(OPENING.format(name=name, title=title).strip(), id="opening")]
    cells.append(_marked(new_code_cell(setup_code(notebook), id="setup"), locked=True))
    for position, (exercise, found) in enumerate(asked, start=1):
        cells.append(new_markdown_cell(f"## {position}. {exercise.title}\n\n{exercise.text}", id=f"text-{position}"))
        if not found:
            cells.append(new_markdown_cell("*Your answer, which no machine marks:*", id=f"words-{position}"))
        for answer in found:
            cells.extend(_cells_of(exercise, answer, seed))
    return new_notebook(cells=cells, metadata=dict(notebook.metadata))


def setup_code(notebook: NotebookNode) -> str:
    """What of a chapter the solutions of its exercises read: imports first, then functions and constants in order.

    Raises:
        InputError: a solution reads what is computed on the way.
    """
    chapter = [
        statement
        for piece in pieces(notebook)
        if piece.cell.cell_type == "code" and piece.solution_of is None
        for statement in statements(piece.cell.source)
    ]
    needed: dict[str, Statement] = {}
    for exercise in exercises(notebook):
        for answer in exercise.answers():
            found, missing = _needed(names_read(answered(exercise, answer)), chapter)
            refused = missing | {name for name, statement in found.items() if not _is_light(statement.node)}
            if refused:
                raise InputError(
                    f"The solution of exercise {exercise.title!r} reads {', '.join(sorted(refused))}, which its "
                    "chapter neither imports, nor defines as a function, nor writes down as a constant. An assignment "
                    "cannot run the chapter for it."
                )
            needed |= found
    taken = [statement for statement in chapter if statement in needed.values()]
    imports = {line for s in taken if _is_import(s.node) for line in _imports(s.node, set(needed))}
    imports.add("from cxrtutor import checks as check")
    others = [statement.code for statement in taken if not _is_import(statement.node)]
    return "\n\n\n".join(["\n".join(sorted(imports, key=lambda line: (line.startswith("from"), line))), *others])


def answered(exercise: Exercise, answer: Answer) -> str:
    """An answer as one function: what its solution has around it and the function reads stands in the body."""
    around = [s for s in statements("\n".join(exercise.code)) if answer.name not in s.bound]
    found, _ = _needed(names_read(_function(answer, answer.body)), around)
    helpers = [statement.code for statement in around if statement in found.values()]
    body = "\n".join([*helpers, *([""] if helpers else []), answer.body])
    return _function(answer, f"### BEGIN SOLUTION\n{body}\n### END SOLUTION")


def statements(code: str) -> list[Statement]:
    """The top-level statements of a cell."""
    found = []
    for node in ast.parse(code).body:
        text = ast.get_source_segment(code, node) or ""
        decorators = [f"@{ast.unparse(one)}\n" for one in getattr(node, "decorator_list", [])]
        text = "".join(decorators) + text
        found.append(Statement(node, text, frozenset(names_bound(text)), frozenset(names_read(text))))
    return found


def _needed(wanted: set[str], among: list[Statement]) -> tuple[dict[str, Statement], set[str]]:
    """For each wanted name the last statement that binds it, and so for what these read; and the names nobody binds."""
    found: dict[str, Statement] = {}
    missing: set[str] = set()
    open_names = set(wanted)
    while open_names:
        name = open_names.pop()
        binding = [statement for statement in among if name in statement.bound]
        if binding:
            found[name] = binding[-1]
            open_names |= binding[-1].read - found.keys() - missing
        else:
            missing.add(name)
    return found, missing


def _is_light(node: ast.stmt) -> bool:
    constant = isinstance(node, ast.Assign) and not any(isinstance(part, ast.Call) for part in ast.walk(node))
    return constant or _is_import(node) or isinstance(node, ast.FunctionDef | ast.ClassDef)


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _imports(node: ast.stmt, wanted: set[str]) -> list[str]:
    """An import statement, cut to the wanted names: one line for each."""
    assert isinstance(node, ast.Import | ast.ImportFrom)
    kept = [alias for alias in node.names if (alias.asname or alias.name.split(".")[0]) in wanted]
    if isinstance(node, ast.ImportFrom):
        return [ast.unparse(ast.ImportFrom(node.module, [alias], node.level)) for alias in kept]
    return [ast.unparse(ast.Import([alias])) for alias in kept]


def _function(answer: Answer, body: str) -> str:
    return f"{answer.signature}\n{textwrap.indent(body, '    ')}"


def _cells_of(exercise: Exercise, answer: Answer, seed: tuple[int, int]) -> list[NotebookNode]:
    """The function, its self-check, and the hidden test, as nbgrader marks them."""
    solved = new_code_cell(answered(exercise, answer), id=f"answer-{answer.name}")
    shown = new_code_cell(
        f"verdict = check.{answer.check}({answer.name})\nassert verdict, verdict.message", id=f"check-{answer.name}"
    )
    hidden = new_code_cell(
        f"# One more point: {answer.name} on other inputs.\n"
        "### BEGIN HIDDEN TESTS\n"
        "from cxrtutor.classroom.fresh_inputs import assert_agrees\n\n"
        f'assert_agrees("{answer.check}", {answer.name}, seed={seed})\n'
        "### END HIDDEN TESTS",
        id=f"fresh-{answer.name}",
    )
    return [_marked(solved, solution=True), _marked(shown, points=1), _marked(hidden, points=1)]


def _marked(
    cell: NotebookNode, solution: bool = False, locked: bool = False, points: int | None = None
) -> NotebookNode:
    cell.metadata["nbgrader"] = {
        "schema_version": 3,
        "grade_id": cell.id,
        "cell_type": "code",
        "task": False,
        "solution": solution,
        "grade": points is not None,
        "locked": locked or points is not None,
        **({} if points is None else {"points": points}),
    }
    return cell
