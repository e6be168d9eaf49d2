"""Which part of a set a row belongs to, where its owner does not say."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

from ..errors import InputError
from .annotations import table_rows
from .source import Entry, split_name

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
OURS = "ours: 70/15/15 by a hash of the patient"
"""What a source that splits by `hashed_split` and `SHARES` gives as "splits" in what it is `asked_for`."""
OURS_BY_IMAGE = "ours: 70/15/15 by a hash of the image's name; one patient may be on both sides"
"""The same of a source that cannot tell whom its images show."""
OWNERS = "the owner's"
READERS = "a list of the reader's"


def hashed_split(patient: str, shares: Mapping[str, float] = SHARES) -> str:
    """The split of a patient, by a hash of the name: the same on every machine, whoever else is in the set.

    Args:
        patient: whose images must stay together.
        shares: of the splits, which sum to 1.
    """
    place = int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8]) / 2**64
    ends = zip(shares, accumulate(shares.values()), strict=True)
    return next((split for split, end in ends if place < end), list(shares)[-1])  # rounding may leave the sum below 1


def held_out_patients(patients: Iterable[str], number: int) -> frozenset[str]:
    """Whole patients with at least `number` images together, or all: the first by a hash of their names.

    Args:
        patients: of every image.
        number: of images that are wanted.
    """
    images = Counter(patients)
    ordered = sorted(images, key=lambda name: hashlib.sha256(name.encode()).digest())
    before = accumulate((images[name] for name in ordered), initial=0)
    return frozenset(name for name, reached in zip(ordered, before, strict=False) if reached < number)


def with_validation(entries: Iterable[Entry], number: int) -> tuple[Entry, ...]:
    """The entries of a set without images for validation: at least `number` of its training images become that.

    They are all training images of `held_out_patients`, so that no patient is on both sides.
    """
    entries = tuple(entries)
    held_out = held_out_patients((one.patient for one in entries if one.split == "train"), number)
    return tuple(
        replace(one, split="validation") if one.split == "train" and one.patient in held_out else one for one in entries
    )


def read_splits(path: Path) -> dict[str, str]:
    """A reader's list of splits: a CSV file with the columns `id` (of the image) and `split`.

    Returns:
        The split of every image that the list names.

    Raises:
        InputError: it is missing, lacks a column or a value, or gives an image two splits.
    """
    splits: dict[str, str] = {}
    for place, row in table_rows(path, ("id", "split")):
        image, split = row.get("id", ""), split_name(row.get("split", ""))
        if not image or not split:
            raise InputError(f"{path}, {place}: {'split' if image else 'id'} is blank. Give every image a split.")
        if splits.setdefault(image, split) != split:
            raise InputError(f"{path}, {place}: {image} is in {split!r} here and in {splits[image]!r} above. Keep one.")
    return splits
