"""Unpack a class's bundle, and check every file of it: `python cxrtutor-2026.11.pyz [FOLDER]`.

This file is the bundle's `__main__`, so it needs nothing but Python. An older Python than the course's must be able to
read it, down to 3.8, to say so. Files that are there already and right are left, so a copy that was stopped goes on;
files that somebody has changed are left too, and named.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

MANIFEST = "manifest.json"
"""{"name": of the folder, "files": {path: [SHA-256, bytes]}}"""

OLDEST = (3, 11)
"""The Python that the package needs."""

OPEN = (
    "lab --notebook-dir=. --config=book/lab/jupyter_config.json --LabApp.app_settings_dir=book/lab "
    "--LabApp.default_url=/lab/tree/CONTENTS.md"
)
"""What Jupyter is told to open the book, as `make lab` does."""

_BLOCK = 1 << 20


class BundleError(Exception):
    """The bundle is damaged, or cannot be unpacked here; the message says what to do."""


def read_manifest(bundle: zipfile.ZipFile) -> dict[str, Any]:
    """The list of a bundle's files, each with its SHA-256 and size.

    Raises:
        BundleError: there is none, or a path in it leads out of the folder.
    """
    try:
        manifest = json.loads(bundle.read(MANIFEST))
        named = [manifest["name"], *manifest["files"]]
    except (KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise BundleError(f"{bundle.filename} is no whole bundle ({error!r}). Copy it again.") from error
    for path in named:
        if re.search(r"^/|\\|:|(^|/)\.\.(/|$)|^$", path):
            raise BundleError(f"{bundle.filename} names a file outside of its folder ({path}). Do not use it.")
    return manifest


def unpack(archive: Path, folder: Path | None = None) -> tuple[Path, list[str]]:
    """Unpack a bundle, or go on with it, and check every file.

    Args:
        archive: the bundle.
        folder: where to; by default a new one in the current folder, named after the bundle.

    Returns:
        The folder, and the paths in it that hold something else than the bundle: they were left as they are.

    Raises:
        BundleError: a file is not what the manifest says, or the disk refuses.
    """
    try:
        with zipfile.ZipFile(archive) as bundle:
            manifest = read_manifest(bundle)
            folder = folder or Path(manifest["name"])
            different = [
                path
                for number, (path, (digest, size)) in enumerate(manifest["files"].items(), start=1)
                if not _put(bundle, path, folder / path, digest, size, f"{number}/{len(manifest['files'])}")
            ]
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise BundleError(f"{archive} is damaged ({error}). Copy it again; what was unpacked is kept.") from error
    except OSError as error:
        raise BundleError(f"{error}. Make room or name another folder, and run this again: it goes on.") from error
    return folder, different


def _put(bundle: zipfile.ZipFile, path: str, target: Path, digest: str, size: int, count: str) -> bool:
    """Write one file if it is not there yet, and tell whether what is there is the bundle's."""
    if target.exists():
        return target.stat().st_size == size and _digest(target) == digest
    print(f"\r{count} files", end="", flush=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part")
    try:
        with bundle.open(path) as source, partial.open("wb") as copy:
            found = _copied(source, copy)
        if found != digest:
            raise zipfile.BadZipFile(f"{path} has another SHA-256 than the list says")
        os.replace(partial, target)
    except KeyError as error:
        raise zipfile.BadZipFile(f"{path} is missing") from error
    finally:
        partial.unlink(missing_ok=True)
    return True


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return _copied(file, None)


def _copied(source: Any, target: BinaryIO | None) -> str:
    """Copy a file to its end, or only read it; its SHA-256."""
    digest = hashlib.sha256()
    while block := source.read(_BLOCK):
        digest.update(block)
        if target is not None:
            target.write(block)
    return digest.hexdigest()


def next_steps(folder: Path, windows: bool) -> str:
    """The commands that install what lies in `folder` and open it, for this system's shell and the Python that runs."""
    folder = folder.resolve()
    book, python = folder / "book", ".venv\\Scripts\\python" if windows else ".venv/bin/python"
    pinned = (book / "requirements.txt").read_text(encoding="utf-8")
    pytorch = " ".join(re.findall(r"^(?:torch|torchvision)==[\w.]+", pinned, re.MULTILINE))
    home, call = folder / "home", "& " if windows else ""
    install = f"{python} -m pip install --no-deps"
    return "\n".join(
        [
            f'cd "{book}"',
            f'{call}"{sys.executable}" -m venv .venv',
            f"{install} {pytorch} --index-url https://download.pytorch.org/whl/cpu",
            f"{install} --require-hashes -r wheels.txt",
            f"{install} --no-build-isolation -e .",
            f'$env:CXRTUTOR_HOME = "{home}"' if windows else f'export CXRTUTOR_HOME="{home}"',
            f"{python} -m cxrtutor class check",
            f"{python} -m jupyter {OPEN}",
        ]
    )


def check_python() -> None:
    """Make sure that the package will run on the Python that runs this.

    Raises:
        BundleError: it is too old.
    """
    if sys.version_info < OLDEST:
        raise BundleError(
            f"The course needs Python {OLDEST[0]}.{OLDEST[1]} or newer, and this is {sys.version.split()[0]} "
            f"({sys.executable}). Install a newer one, and run this file with it."
        )


def main(arguments: Sequence[str] | None = None, archive: Path | None = None) -> int:
    """Unpack the bundle that this file lies in; the exit status is 0 if every file is the bundle's."""
    archive = archive or Path(__file__).parent
    parser = argparse.ArgumentParser(prog=f"python {archive.name}", description="Unpack this bundle and check it.")
    parser.add_argument("folder", nargs="?", type=Path, help="where to; a new folder here by default")
    try:
        chosen = parser.parse_args(arguments).folder
        check_python()
        folder, different = unpack(archive, chosen)
    except BundleError as error:
        print(f"\nError: {error}", file=sys.stderr)
        return 2
    print(f"\rEvery file of {archive.name} is in {folder}, and has the SHA-256 that the bundle's list gives.")
    if different:
        print("But these are not the bundle's, and were left. Rename them and run this again for the bundle's:")
        print("\n".join(f"  {path}" for path in different))
        return 1
    print("Then, to install and open it (book/teaching/class-of-forty.md says the same, with reasons):\n")
    print(next_steps(folder, os.name == "nt"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
