"""One door to every set of studies: the teaching set by its name, a prepared set by its folder."""

from __future__ import annotations

from pathlib import Path

from .. import store
from ..errors import InputError
from .dataset import StudyDataset, split_key


def open_studies(name: str, split: str, edition: str = "full") -> StudyDataset:
    """The studies of one split.

    Args:
        name: "teaching", or the folder of a prepared set.
        split: "train", "validation", "test", and what else the set has.
        edition: of the teaching set, "full" or "quick"; the set is made where it is not there yet.

    Raises:
        InputError: there is no such set or split.
    """
    if name == "teaching":
        from .teaching.make import teaching_set

        return teaching_set(split, edition)
    if not (Path(name) / "card.json").is_file():
        raise InputError(f"There is no prepared set in {name} (no card.json). Name its folder, or 'teaching'.")
    return StudyDataset(Path(name), split)


def studies_are_made(name: str, edition: str = "full") -> bool:
    """Whether the set is on this machine, so that `open_studies` has nothing to make."""
    if name == "teaching":
        from .teaching.make import asked_for

        return (store.place("data", asked_for(edition)) / "card.json").is_file()
    return (Path(name) / "card.json").is_file()


def studies_key(name: str, split: str, edition: str = "full") -> str:
    """The key that `open_studies` would give its studies; the teaching set need not be made to be named.

    Raises:
        InputError: there is no such set or split.
    """
    if name == "teaching":
        from .teaching.make import asked_for

        return split_key(store.content_key(asked_for(edition)), split)
    return open_studies(name, split).key
