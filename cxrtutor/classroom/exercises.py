"""Where a notebook's exercises are, and what of it is their solution.

The book writes an exercise as a directive `{exercise}` in a text cell. Its solution begins with `{solution-start}`,
ends with `{solution-end}`, and may span cells; one without code is a single `{solution}`. A solution's code hands a
function to a check, `assert check.image_to_text(image_to_text)`; that function is the answer.
"""

from __future__ import annotations

import ast
import builtins
import re
import symtable
import textwrap
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field

from nbformat import NotebookNode

from ..errors import InputError

_FENCE = r"^(?P<fence>`{3,})"
_MARK = re.compile(
    _FENCE + r"\{(?P<kind>solution-start|solution-end|solution)\}[ ]*(?P<label>\S*)[^\n]*\n"
    r".*?^(?P=fence)[ ]*(?:\n|\Z)",
    re.MULTILINE | re.DOTALL,
)
_EXERCISE = re.compile(
    _FENCE + r"\{exercise\} (?P<title>[^\n]+)\n:label: (?P<label>\S+)\n(?P<text>.*?)^(?P=fence)[ ]*(?:\n|\Z)",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Piece:
    """A cell, or the part of a text cell that lies on one side of a solution's mark.

    `solution_of` is the exercise's label where the piece belongs to a solution; a mark itself does.
    """

    cell: NotebookNode
    solution_of: str | None


@dataclass(frozen=True)
class Answer:
    """A function that a solution hands to a check: what the reader is asked to write."""

    check: str
    checks_as: str
    function: ast.FunctionDef
    body: str

    @property
    def name(self) -> str:
        return self.function.name

    @property
    def signature(self) -> str:
        return f"def {self.name}({ast.unparse(self.function.args)}):"


@dataclass
class Exercise:
    """An exercise and the code of its solution, as a notebook has them."""

    label: str
    title: str
    text: str
    code: list[str] = field(default_factory=list)

    def answers(self) -> list[Answer]:
        """What its solution hands to a check, in this order.

        Raises:
            InputError: something other than a function of the solution is handed over.
        """
        return answers("\n".join(self.code), f"exercise {self.title!r}")


def pieces(notebook: NotebookNode) -> Iterator[Piece]:
    """A notebook in order, cut where solutions begin and end; cells that are not cut are handed on as they are.

    Raises:
        InputError: a solution begins within another, or is not ended.
    """
    inside: str | None = None
    for cell in notebook.cells:
        marks = list(_MARK.finditer(cell.source)) if cell.cell_type == "markdown" else []
        if not marks:
            yield Piece(cell, inside)
            continue
        cut, start = [], 0
        for mark in marks:
            cut.append((cell.source[start : mark.start()], inside))
            if mark["kind"] != "solution-end" and inside is not None:
                raise InputError(f"The solution of {mark['label']!r} begins within that of {inside!r}.")
            cut.append((mark[0], inside or mark["label"]))
            inside = mark["label"] if mark["kind"] == "solution-start" else None
            start = mark.end()
        cut.append((cell.source[start:], inside))
        for number, (text, solution_of) in enumerate(((t, s) for t, s in cut if t.strip()), start=1):
            part = deepcopy(cell)
            part.source = text.strip("\n")
            part.id = cell.id if number == 1 else f"{cell.id}-{number}"
            yield Piece(part, solution_of)
    if inside is not None:
        raise InputError(f"The solution of {inside!r} is not ended: a line ```{{solution-end}} is missing.")


def exercises(notebook: NotebookNode) -> list[Exercise]:
    """The exercises of a notebook in their order, each with its solution.

    Raises:
        InputError: a solution without an exercise; see also `pieces`.
    """
    found: dict[str, Exercise] = {}
    for piece in pieces(notebook):
        if piece.solution_of is None:
            if piece.cell.cell_type == "markdown":
                for match in _EXERCISE.finditer(piece.cell.source):
                    found[match["label"]] = Exercise(match["label"], match["title"], match["text"].strip())
            continue
        if piece.solution_of not in found:
            raise InputError(f"There is a solution of {piece.solution_of!r}, but no exercise above it has this label.")
        if piece.cell.cell_type == "code":
            found[piece.solution_of].code.append(piece.cell.source)
    return list(found.values())


def answers(code: str, where: str) -> list[Answer]:
    """The functions of `code` that it hands to a check.

    Raises:
        InputError: something else is handed over.
    """
    tree, lines = ast.parse(code), code.split("\n")
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    found: dict[str, Answer] = {}
    for call in ast.walk(tree):
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="check" | "checks" as checks_as), attr=check), args=[given]
            ):
                if not isinstance(given, ast.Name) or given.id not in functions:
                    raise InputError(
                        f"The solution of {where} hands {ast.unparse(given)!r} to check.{check}; write the answer as a "
                        "function of the same solution."
                    )
                node = functions[given.id]
                found[given.id] = Answer(check, checks_as, node, _body(node, lines))
    return sorted(found.values(), key=lambda answer: answer.function.lineno)


def _body(function: ast.FunctionDef, lines: list[str]) -> str:
    first = function.body[0]
    if first.lineno == function.lineno:
        return "\n".join(ast.unparse(statement) for statement in function.body)
    start = min(node.lineno for node in (first, *getattr(first, "decorator_list", [])))
    while lines[start - 2].lstrip().startswith("#"):
        start -= 1
    return textwrap.dedent("\n".join(lines[start - 1 : function.end_lineno]))


def names_bound(code: str) -> set[str]:
    """The names that code gives a value at its top level."""
    symbols = symtable.symtable(code, "cell", "exec").get_symbols()
    return {s.get_name() for s in symbols if s.is_assigned() or s.is_imported() or s.is_namespace()}


def names_read(code: str) -> set[str]:
    """The names that code takes from outside itself, Python's own not counted."""
    top = symtable.symtable(code, "cell", "exec")
    read = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_referenced()}
    scopes = list(top.get_children())
    while scopes:
        scope = scopes.pop()
        scopes.extend(scope.get_children())
        read |= {s.get_name() for s in scope.get_symbols() if s.is_global() and s.is_referenced()}
    return read - names_bound(code) - set(dir(builtins))
