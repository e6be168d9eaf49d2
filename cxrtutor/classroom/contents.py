"""The cards of all pages, and what is written from them: the table of contents, and the goals and times for a teacher.

Both are files of the repository, since JupyterLab, a browser on GitHub and the site all show them; a test holds them to
the cards.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import yaml

from .. import store
from ..errors import InputError
from .chapters import check_is_book

CONTENTS = "CONTENTS.md"
GOALS = "book/teaching/goals-and-times.md"

WRITTEN = "<!-- Written by `cxrtutor class contents` from the pages themselves. -->"

_CARD = re.compile(
    r"```\{admonition\} After this (?:page|chapter|section) you can\n(?P<goals>.+?)\n\n(?P<rest>.+?)\n```", re.S
)
_COSTS = re.compile(r"\*(?P<read>\d+) minutes to read[,;] (?P<run>[^.*]+?)(?:\.[^*]*)?\*")


class Card(NamedTuple):
    """What a notebook says of itself at its top.

    Attributes:
        page: its path in the book.
        title: of the page.
        goals: what one can do after it, each as the end of "After this page you can".
        needs: what one has to know or to have.
        minutes: to read it.
        run: what it says of the time to run it.
        exercises: how many it sets.
    """

    page: str
    title: str
    goals: tuple[str, ...]
    needs: str
    minutes: int
    run: str
    exercises: int


def card(book: Path, page: str) -> Card:
    """The card of one notebook.

    Raises:
        InputError: it has none, or one that is not written like the others.
    """
    cells = json.loads((book / page).read_text(encoding="utf-8"))["cells"]
    prose = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    found = _CARD.search(prose)
    costs = _COSTS.search(found["rest"]) if found else None
    if costs is None:
        raise InputError(
            f"{page} has no card from which its goals and times could be read. It begins with 'After this page you "
            "can', goals as a list, and '*You need:* ... *5 minutes to read, 5 seconds to run.*'"
        )
    goals = re.split(r"\n- ", "\n" + found["goals"])[1:]
    needs = found["rest"][: costs.start()].removeprefix("*You need:*").strip().rstrip(".")
    return Card(
        page,
        _title(prose),
        tuple(re.sub(r"(?:, and|,|\.)$", "", " ".join(goal.split())) for goal in goals),
        needs,
        int(costs["read"]),
        re.sub(r" to run\b", "", costs["run"]),
        len(re.findall(r"\{exercise\}", prose)),
    )


def _title(text: str) -> str:
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else "?"


def parts(book: Path) -> Iterator[tuple[str, list[str]]]:
    """The parts of the book in their order, each with the paths of its pages."""
    toc = yaml.safe_load((book / "_toc.yml").read_text(encoding="utf-8"))
    for part in toc["parts"]:
        pages = []
        for entry in part["chapters"]:
            pattern = entry.get("glob") or entry["file"]
            pages += sorted(
                path.relative_to(book).as_posix()
                for path in (book / pattern).parent.glob("*")
                if path.suffix in (".ipynb", ".md") and fnmatch(path.stem, Path(pattern).name)
            )
        yield part["caption"], pages


def contents_page(book: Path) -> str:
    """The table of contents, with links that JupyterLab and GitHub follow and what every page costs."""
    lines = [
        "# Finding disease without being shown where",
        "",
        "Click a title to open the page. Begin with [How to use this book](chapters/00-how-to-use-this-book.ipynb), "
        "or with [Check my setup](book/check-my-setup.ipynb) if this machine is new.",
        "",
        WRITTEN,
    ]
    for caption, pages in parts(book):
        lines += ["", f"## {caption}", ""]
        for page in pages:
            lines.append(f"- {_number(page)}[{_title_of(book, page)}]({page}){_costs_of(book, page)}")
    return "\n".join(lines) + "\n"


def _number(page: str) -> str:
    return f"{Path(page).name[:2]} " if page.startswith("chapters/") else ""


def _title_of(book: Path, page: str) -> str:
    if page.endswith(".md"):
        return _title((book / page).read_text(encoding="utf-8"))
    cells = json.loads((book / page).read_text(encoding="utf-8"))["cells"]
    return _title("\n".join("".join(cell["source"]) for cell in cells))


def _costs_of(book: Path, page: str) -> str:
    if not page.startswith("chapters/"):
        return ""
    read = card(book, page)
    return f" ({read.minutes} minutes to read; to run: {read.run})"


def goals_page(book: Path) -> str:
    """What students can do after every chapter, and what it costs: a page for teachers."""
    cards = [card(book, page) for _, pages in parts(book) for page in pages if page.startswith("chapters/")]
    lines = [
        "# Learning goals and times",
        "",
        "What a chapter promises, word for word from its card. Running times are those of a laptop with two cores; "
        "multiply them by the slowness factor that [Check my setup](../check-my-setup.ipynb) prints. "
        "[What every page costs to run](../execution.md) has seconds and memory, measured at the last build. "
        "The time for exercises is not in these minutes: ten for each is a start (our estimate, not measured).",
        "",
        WRITTEN,
        "",
        "| chapter | minutes to read | to run | exercises |",
        "|---|---|---|---|",
        *(
            f"| {_number(one.page)}[{one.title}](../../{one.page}) | {one.minutes} | {one.run} | {one.exercises} |"
            for one in cards
        ),
        f"| all | {sum(one.minutes for one in cards)} | | {sum(one.exercises for one in cards)} |",
    ]
    for one in cards:
        needs = one.needs.replace("](../book/", "](../")
        lines += ["", f"## {_number(one.page)}{one.title}", "", "Students can", ""]
        lines += [f"- {goal}" for goal in one.goals]
        lines += ["", f"*They need:* {needs}."]
    return "\n".join(lines) + "\n"


def write_pages(book: Path) -> list[Path]:
    """Write both pages anew.

    Raises:
        InputError: there is no book here, a card is missing, or the disk refuses.
    """
    check_is_book(book)
    texts = {CONTENTS: contents_page(book), GOALS: goals_page(book)}
    for path, text in texts.items():
        store.write_file(book / path, text)
    return [book / path for path in texts]
