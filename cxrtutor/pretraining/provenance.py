"""What a run was made with, beside its configuration: enough to make its numbers again.

Nothing here names a person, a machine or a folder, so that a run can be passed on.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from .. import __version__, store
from ..data.prepared import file_digest
from ..data.sets import open_studies
from ..methods.config import RunConfig

_PACKAGE = Path(__file__).parents[1]


def write_provenance(folder: Path, config: RunConfig, fabric: Fabric, step: int) -> None:
    """Write down what this start of a run is made with.

    `environment.json` is that of the first start, `starts.jsonl` has a line for each: when it was, from which step, how
    it computed, and what had `changed` in the environment since the first. `data.json` holds the data's card.

    Raises:
        InputError: the folder cannot be written, or the data is not there.
    """
    now, first = environment(fabric), folder / "environment.json"
    if not first.is_file():
        store.write_file(folder / "data.json", json.dumps(_data(config), indent=1))
        store.write_file(first, json.dumps(now, indent=1))  # last: where it lies, both do
    start = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "from_step": step,
        "compute": config.compute.model_dump(),
        "changed": changes(json.loads(first.read_text()), now),
    }
    with store.explained_write_errors(folder / "starts.jsonl"), (folder / "starts.jsonl").open("a") as file:
        file.write(json.dumps(start) + "\n")


def environment(fabric: Fabric) -> dict[str, Any]:
    """Versions of all that the package needs, its Git revision, and what it runs on."""
    device = fabric.device
    on_gpu = device.type == "cuda"
    return {
        "package": __version__,
        "revision": revision(_PACKAGE),
        "python": platform.python_version(),
        "versions": versions(),
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processes": fabric.world_size,
        "device": torch.cuda.get_device_name(device) if on_gpu else device.type,
        "cuda": torch.version.cuda if on_gpu else None,
    }


def versions() -> dict[str, str]:
    """Of the packages that this one requires, by name; the weights that come as packages are among them."""
    required = [line for line in importlib.metadata.requires("cxrtutor") or () if "extra ==" not in line]
    names = sorted(re.match(r"[\w.-]+", line).group() for line in required)
    return {name: found for name in names if (found := _version(name))}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def revision(package: Path) -> dict[str, Any] | None:
    """The Git commit of the checkout that holds `package`, and whether the package is as it has it (`clean`).

    None where there is no checkout: in an installed package, even if some other project's checkout lies around it, and
    where Git is not installed.
    """
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    return {"commit": _git(package, "rev-parse", "HEAD"), "clean": _git(package, "status", "--porcelain", ".") == ""}


def _git(folder: Path, *arguments: str) -> str | None:
    """What Git answers, or None where it cannot."""
    try:
        ended = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return ended.stdout.strip()


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """What of `now` was otherwise before, key by key, at any depth."""
    return {
        key: changes(before[key], value) if isinstance(value, dict) and isinstance(before.get(key), dict) else value
        for key, value in now.items()
        if before.get(key) != value
    }


def _data(config: RunConfig) -> dict[str, Any]:
    """The card of the set that is trained on, and the SHA-256 of its file; the card has those of the shards."""
    studies = open_studies(config.data.set, "train", config.data.edition)
    return {"sha256": file_digest(studies.folder / "card.json"), "card": studies.card}
