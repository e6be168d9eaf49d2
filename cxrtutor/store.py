"""Where things that were computed once are kept, and how they get there whole or not at all.

Everything expensive (a data set, cached features, a trained model) lives in a folder whose name is a hash of *what was
asked for*, so asking again finds it, and asking for something else never overwrites it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError


def home() -> Path:
    """The folder that holds data sets, features and runs: `$CXRTUTOR_HOME`, or the user's cache folder."""
    chosen = os.environ.get("CXRTUTOR_HOME")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("cxrtutor")


def content_key(asked_for: object) -> str:
    """Sixteen hexadecimal digits that stand for `asked_for`, any value JSON can hold.

    Key order does not matter, tuples equal lists, and floats are written exactly.
    """
    text = json.dumps(asked_for, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def place(kind: str, asked_for: object) -> Path:
    """The folder for `asked_for` among the things of one `kind` ("data", "features", "runs"); it may not exist yet."""
    return home() / kind / content_key(asked_for)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield an empty temporary folder that becomes `target` when the block ends well.

    An exception or a kill leaves `target` as it was. Where another process finished the same `target` first, its folder
    stays and ours is dropped: both hold the same content.

    Raises:
        InputError: the folder cannot be written (full disk, read-only place).
    """
    with explained_write_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = _partial(target)
        partial.mkdir()
        try:
            yield partial
            try:
                partial.rename(target)
            except OSError:
                if not target.is_dir():
                    raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def write_file(target: Path, content: bytes | str) -> None:
    """Write `content` under a temporary name and rename it, so that no reader ever sees half a file.

    Raises:
        InputError: the file cannot be written (full disk, read-only place).
    """
    data = content.encode() if isinstance(content, str) else content
    with explained_write_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = _partial(target)
        try:
            partial.write_bytes(data)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def clear_partial_files(folder: Path) -> None:
    """Remove what runs that were killed left of files in a folder, once nobody writes to it any more."""
    for path in folder.glob(".*-" + "[0-9a-f]" * 16):
        path.unlink(missing_ok=True)


def _partial(target: Path) -> Path:
    """A new hidden name beside `target`. Not `tempfile`'s: its files are readable by their owner alone, and a class may
    share one cache folder."""
    return target.with_name(f".{target.name}-{secrets.token_hex(8)}")


@contextmanager
def explained_write_errors(target: Path) -> Iterator[None]:
    """Turn an operating system's refusal to write `target` into a message that says where and what to do.

    An error that names a file elsewhere, such as a missing input that was read on the way, is not ours and passes.
    """
    try:
        yield
    except OSError as error:
        named = Path(error.filename) if isinstance(error.filename, str) else target
        if error.errno is None or not (target.is_relative_to(named) or named.is_relative_to(target.parent)):
            raise
        ours = target.absolute().is_relative_to(home().absolute())
        elsewhere = (
            "set CXRTUTOR_HOME to a folder that you may write to"
            if ours
            else "write to another place (another --output)"
        )
        raise InputError(
            f"Cannot write {target}: {os.strerror(error.errno)}. Free some space there, or {elsewhere}."
        ) from error
