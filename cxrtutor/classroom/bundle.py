"""All that a class needs beside PyTorch and the packages of `wheels.txt`, in one file that unpacks and checks itself.

In it are the book as Git has it (its records and the list of packages among it), a copy of its chapters from which they
are reset, the teaching set, and the features of its films and reports that the chapters use, each under the name by
which the package finds it. Nothing else of a cache folder goes in: what was computed of real patients cannot.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tqdm import tqdm

from .. import __version__, store
from ..data.dataset import StudyDataset
from ..data.prepared import file_digest
from ..data.teaching.make import SIZE, make_teaching_set
from ..encoders.caching import image_folder, text_folder
from ..encoders.encoder import Encoder
from ..encoders.image import ImageEncoder
from ..errors import InputError
from ..methods.config import load_config
from ..methods.registry import method
from . import unpack
from .chapters import check_is_book
from .reset import ORIGINALS

LARGEST = 500_000_000
"""Bytes; what a class can fetch over one room's network, or carry on a stick."""

FILMS = {
    "full": ("train", "validation", "test", "unseen", "shifted"),
    "quick": ("train", "validation", "test"),
}
"""The editions of the teaching set that chapters open, and the splits whose films an encoder sees there."""

REPORTS = {"full": ("train", "validation"), "quick": ("train", "validation", "test")}
"""The same for reports."""

_THE_SAME_DAY = (1980, 1, 1, 0, 0, 0)
"""The date of every file in a bundle, so that the same content gives the same bytes."""


class Bundle(NamedTuple):
    """A bundle that was made.

    Attributes:
        file: it.
        sha256: of it.
        size: bytes.
        files: how many are in it.
        commit: of the book in it.
    """

    file: Path
    sha256: str
    size: int
    files: int
    commit: str


def make_bundle(repository: Path, folder: Path) -> Bundle:
    """Write `cxrtutor-VERSION.pyz`, and make what is missing of its content on the way (which a stop leaves as it is).

    Args:
        repository: the checkout whose last commit goes in.
        folder: for the bundle.

    Raises:
        InputError: this is no checkout of the book, the disk refuses, or the bundle came to more than `LARGEST`.
    """
    commit, book = book_files(repository)
    check_is_book(repository, "--repository")
    folders = class_folders(repository / "configs" / "teaching")
    kept = [path for place in folders for path in sorted(place.iterdir()) if path.is_file()]
    target = folder / f"cxrtutor-{__version__}.pyz"
    with store.new_file(target) as partial:
        files = _write(partial, _contents(book, kept))
        if (size := partial.stat().st_size) > LARGEST:
            raise InputError(f"The bundle has {size / 1e6:.0f} MB, more than {LARGEST / 1e6:.0f}. Nothing was kept.")
        digest = file_digest(partial)
    return Bundle(target, digest, size, files, commit)


def book_files(repository: Path) -> tuple[str, dict[str, bytes]]:
    """The last commit of a checkout, and the files that it holds.

    Raises:
        InputError: it is no checkout.
    """
    try:
        commit = subprocess.run(["git", "-C", repository, "rev-parse", "HEAD"], capture_output=True, check=True).stdout
        archive = subprocess.run(["git", "-C", repository, "archive", "HEAD"], capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError(
            f"{repository} is no Git checkout, and a bundle holds the book as Git has it. Clone the book, or name the "
            "checkout: --repository."
        ) from error
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        return commit.decode().strip(), {
            member.name: files.extractfile(member).read() for member in files if member.isfile()
        }


def class_folders(recipes: Path) -> Iterator[Path]:
    """The folders of a cache that a class needs, each made where it is not there yet: the teaching set, and what the
    frozen encoders of some recipes make of it.

    Args:
        recipes: the folder of the recipes.
    """
    frozen: dict[str, Encoder] = {}
    for recipe in sorted(recipes.glob("*.yaml")):
        config = load_config(recipe)
        model = method(config.method).model(config)
        encoders = (model.image_encoder, model.text_encoder)
        frozen |= {store.content_key(each.identity()): each for each in encoders if not each.trainable}
    for edition in FILMS:
        yield (made := make_teaching_set(edition))
        for encoder in frozen.values():
            images = isinstance(encoder, ImageEncoder)
            for split in (FILMS if images else REPORTS)[edition]:
                studies = StudyDataset(made, split)
                yield image_folder(encoder, studies, SIZE) if images else text_folder(encoder, studies)


def _contents(book: dict[str, bytes], kept: list[Path]) -> Iterator[tuple[str, bytes]]:
    for path, content in book.items():
        yield f"book/{path}", content
        if PurePosixPath(path).parent.name == "chapters" and path.endswith(".ipynb"):
            yield f"book/{ORIGINALS}/{PurePosixPath(path).name}", content
    for path in tqdm(kept, desc="packing", unit="file", disable=None, delay=5):
        yield f"home/{'/'.join(path.parts[-3:])}", path.read_bytes()


def _write(target: Path, contents: Iterator[tuple[str, bytes]]) -> int:
    """Write a zip archive that Python can run, and that unpacks itself; the number of its files."""
    listed: dict[str, tuple[str, int]] = {}
    with zipfile.ZipFile(target, "w") as bundle:
        for path, content in contents:
            listed[path] = hashlib.sha256(content).hexdigest(), len(content)
            _add(bundle, path, content)
        manifest = {"name": f"cxrtutor-{__version__}", "files": listed}
        _add(bundle, unpack.MANIFEST, json.dumps(manifest, indent=1).encode())
        _add(bundle, "__main__.py", Path(unpack.__file__).read_bytes())
    return len(listed)


def _add(bundle: zipfile.ZipFile, path: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(path, _THE_SAME_DAY)
    # Features are noise to a compressor: 8 % saved, in minutes.
    entry.compress_type = zipfile.ZIP_STORED if path.startswith("home/") else zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    bundle.writestr(entry, content)
