"""Where the book lies, and which of its files is chapter N."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError

PARTS = ("chapters", "book", "configs")
"""The folders that make the book's source."""


def check_is_book(source: Path, option: str = "--book") -> None:
    """Make sure that a folder holds the book; `option` is how a command line names it.

    Raises:
        InputError: it does not.
    """
    for part in PARTS:
        if not (source / part).is_dir():
            raise InputError(
                f"No folder {part!r} in {source.absolute()}. Run this in the book's folder, or name it: "
                f"{option} FOLDER."
            )


def find_chapter(source: Path, number: str) -> Path:
    """The notebook of a chapter by its number, such as "6" or "06".

    Raises:
        InputError: there is no book in `source`, or no such chapter in it.
    """
    check_is_book(source)
    found = sorted((source / "chapters").glob("[0-9][0-9]-*.ipynb"))
    for path in found:
        if path.name[:2] == number.zfill(2):
            return path
    numbers = ", ".join(path.name[:2] for path in found)
    raise InputError(f"There is no chapter {number!r} in {source / 'chapters'}. There are: {numbers}.")
