"""A chapter as it was, after the reader's version is put aside.

The original is the copy under `.originals` that whoever made the folder put there (`keep_originals`), or, where there
is none, what git holds of the last commit. The reader's version goes to `kept`, under a name that no other has.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..store import explained_write_errors, write_file
from .chapters import find_chapter

ORIGINALS = ".originals"
KEPT = "kept"


@dataclass(frozen=True)
class Reset:
    """What a reset did: the chapter, and where the reader's version is; `kept` is None where nothing was changed."""

    chapter: Path
    kept: Path | None


def reset_chapter(source: Path, number: str) -> Reset:
    """Put chapter `number` of the book in `source` back to its original, and the reader's version aside.

    Raises:
        InputError: no book or no such chapter, no original of it, or a folder that cannot be written.
    """
    chapter = find_chapter(source, number)
    original, mine = _original(source, chapter), chapter.read_bytes()
    if original.splitlines() == mine.splitlines():  # git on Windows may end lines otherwise
        return Reset(chapter, None)
    kept = _free_name(source / KEPT, chapter)
    write_file(kept, mine)
    write_file(chapter, original)
    return Reset(chapter, kept)


def keep_originals(source: Path) -> None:
    """Keep a copy of every chapter of the book in `source`, so that it can be reset where there is no git.

    Raises:
        InputError: `source` cannot be written.
    """
    target = source / ORIGINALS
    with explained_write_errors(target):
        target.mkdir(exist_ok=True)
        for chapter in sorted((source / "chapters").glob("*.ipynb")):
            shutil.copyfile(chapter, target / chapter.name)


def _original(source: Path, chapter: Path) -> bytes:
    copy = source / ORIGINALS / chapter.name
    if copy.is_file():
        return copy.read_bytes()
    asked = ["git", "show", f"HEAD:./{chapter.relative_to(source).as_posix()}"]
    try:
        return subprocess.run(asked, cwd=source, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        reason = error.stderr.decode().strip() if isinstance(error, subprocess.CalledProcessError) else error
        raise InputError(
            f"There is no original of {chapter.name} to go back to: no copy in {copy.parent}, and git says: {reason}. "
            "Fetch the book anew, and take the chapter from there."
        ) from error


def _free_name(folder: Path, chapter: Path) -> Path:
    number = 1
    while (kept := folder / f"{chapter.stem}-{number}.ipynb").exists():
        number += 1
    return kept
