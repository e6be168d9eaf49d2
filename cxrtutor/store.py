"""Where things that were computed once are kept, and how they get there whole or not at all.

Everything expensive (a data set, cached features, a trained model) lives in a folder whose name is a hash of *what was
asked for*, so asking again finds it, and asking for something else never overwrites it. A class may share one such
folder that its members can only read: what is in it is used, and what is not goes to each one's own.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from .errors import InputError

WRITTEN_LAST = {"data": "card.json", "runs": "result.json"}
"""The file that tells, of kinds that are made in place and go on where they were stopped, whether one is whole. Things
of all other kinds appear whole."""


def home() -> Path:
    """The folder that data sets, features and runs go to: `$CXRTUTOR_HOME`, or the user's cache folder where that is
    not set, or names a folder that can only be read."""
    return homes()[0]


def homes() -> tuple[Path, ...]:
    """The folders in which things are looked for: `home()`, and a `$CXRTUTOR_HOME` that can only be read."""
    chosen = os.environ.get("CXRTUTOR_HOME")
    shared = Path(chosen).expanduser() if chosen else None
    if shared and not _only_readable(shared):
        return (shared,)
    from platformdirs import user_cache_path

    own = user_cache_path("cxrtutor")
    return (own, shared) if shared else (own,)


@cache
def _only_readable(folder: Path) -> bool:
    """Whether a folder is there and takes no file of ours. Tried out, since neither the permissions of a network's
    folder nor those on Windows tell; a folder on a full disk is no such folder."""
    if not os.path.isdir(folder):  # unlike Path.is_dir, no error where a parent may not be entered
        return False
    trial = _partial(folder / "may-be-deleted")
    try:
        trial.touch()
    except OSError as error:
        return error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    trial.unlink()
    return False


def content_key(asked_for: object) -> str:
    """Sixteen hexadecimal digits that stand for `asked_for`, any value JSON can hold.

    Key order does not matter, tuples equal lists, and floats are written exactly.
    """
    text = json.dumps(asked_for, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def place(kind: str, asked_for: object) -> Path:
    """The folder for `asked_for` among the things of one `kind` ("data", "features", "runs"): the one of `homes()` that
    holds it whole, or else the one in `home()`, where it may not exist yet."""
    key = content_key(asked_for)
    places = [home / kind / key for home in homes()]
    return next((each for each in places if os.path.exists(each / WRITTEN_LAST.get(kind, ""))), places[0])


@contextmanager
def new_folder(target: Path, replace: bool = False) -> Iterator[Path]:
    """Yield an empty temporary folder that becomes `target` when the block ends well.

    An exception or a kill leaves `target` as it was. Where another process finished the same `target` first, its folder
    stays and ours is dropped, since both hold the same content; unless ours is to `replace` it.

    Raises:
        InputError: the folder cannot be written (full disk, read-only place).
    """
    with explained_write_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = _partial(target)
        partial.mkdir()
        try:
            yield partial
            if replace and target.exists():
                _replace(target, partial)
                return
            try:
                partial.rename(target)
            except OSError:
                if not target.is_dir():
                    raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _replace(old: Path, new: Path) -> None:
    """Put a folder in the place of another, which is deleted once the new one stands there."""
    aside = _partial(old)
    old.rename(aside)
    try:
        new.rename(old)
    except BaseException:
        aside.rename(old)
        raise
    shutil.rmtree(aside)


@contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """Yield a temporary name for a file that becomes `target` when the block ends well; no reader ever sees half of it.

    Raises:
        InputError: the file cannot be written (full disk, read-only place).
    """
    with explained_write_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = _partial(target)
        try:
            yield partial
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def write_file(target: Path, content: bytes | str) -> None:
    """Write `content` as `new_file` does.

    Raises:
        InputError: the file cannot be written (full disk, read-only place).
    """
    with new_file(target) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def held(folder: Path, doing: str) -> Iterator[None]:
    """Hold `folder` while something is made in place there; whoever wants to make the same waits, and then finds it.

    A process that dies lets go. On a file system that knows no locks nobody waits.

    Args:
        folder: of what is made; it is there afterwards.
        doing: what to say that the other does, to whoever waits at a terminal.

    Raises:
        InputError: the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    file = folder / ".held"
    lock = FileLock(file)
    with explained_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            if sys.stderr.isatty():
                print(f"Another process {doing}; waiting for it.", file=sys.stderr)
            lock.acquire(poll_interval=0.2)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):
                raise
    try:
        yield
    finally:
        with suppress(OSError):  # Windows keeps an open file
            file.unlink()  # while it is held: whoever gets hold of a file that is gone tries again with a new one
        lock.release()


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
