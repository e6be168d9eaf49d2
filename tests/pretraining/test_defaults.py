"""A run's key leaves out what is at its default, so a default may not change unseen.

Where this fails: raise `loop.VERSION`, run this file as a program, which writes the defaults of the new version, and
then `make experiments` and `data_scripts/build_shipped.py`. A key that is new may join at any time, if its default
leaves training as it was.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cxrtutor.methods.config import PoolingConfig, RunConfig
from cxrtutor.methods.registry import METHODS
from cxrtutor.pretraining import loop

FILE = Path(__file__).with_name("defaults.json")


def defaults() -> dict[str, Any]:
    """Every default of a run, by dotted key."""
    settings = {name: entry.settings().model_dump(mode="json") for name, entry in METHODS.items()}
    run = RunConfig(method="").model_dump(mode="json", exclude={"method", "alignment"})
    return dict(_leaves({"run": run, "pooling": PoolingConfig().model_dump(mode="json"), **settings}))


def _leaves(values: dict[str, Any], path: str = ""):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def test_defaults_are_those_of_this_version() -> None:
    kept = json.loads(FILE.read_text())
    assert kept["version"] == loop.VERSION
    today = defaults()
    assert {key: today.get(key, "gone") for key in kept["defaults"]} == kept["defaults"]


def test_new_defaults_are_written_down_too() -> None:
    assert set(defaults()) == set(json.loads(FILE.read_text())["defaults"])


if __name__ == "__main__":
    FILE.write_text(json.dumps({"version": loop.VERSION, "defaults": defaults()}, indent=1) + "\n")
