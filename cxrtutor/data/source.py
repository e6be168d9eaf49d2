"""What a set of real data is before any of its images is opened: what it is called, and where the parts of a row lie.

A source lists its rows from the tables that its owner ships, which takes seconds. `preparation` then reads what each
row names, a shard at a time, and the rules for what cannot be read are the same for every set.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from .annotations import Annotated
from .study import Report

HELD_OUT = "held-out"
"""The split of images that pre-training must not see, since a model is measured on them. No list of a reader's own
takes an image out of it."""


@dataclass(frozen=True)
class About:
    """What a set's owner says about it.

    Attributes:
        name: of the set.
        version: the release that the layout was written for.
        licence: its name.
        redistribution: whether images and reports, in our form too, may be passed on or published.
        access: how a reader obtains it: where, what has to be signed, how large it is.
    """

    name: str
    version: str
    licence: str
    redistribution: bool
    access: str


@dataclass(frozen=True, eq=False)
class Entry:
    """One row to prepare: one image, with what belongs to it.

    Attributes:
        id: of the image, unique within the set.
        patient: whom it shows; the image's id where nobody is known.
        split: in our words: "train", "validation", "test" or a name of the set's own (see `split_name`).
        image: its file.
        place: the table and row that named it, for messages: "metadata.csv.gz, line 17".
        study: the owner's id of the study; several images of one study share it and its report.
        report: a text file, or a report that was read already; None where there is none.
        truth: what was looked for in it, present or not, in pixels of the image as it is stored.
        annotated: whether somebody looked, and all that is there of what the set marks has a place; without truth that
            is present, nothing is there then. An image that shows something without a place is not annotated, whatever
            else has one: whoever asks it for that would be told that it is not there.
        labels: categories of the whole image or study: 1 present, 0 absent, -1 uncertain; not mentioned is left out.
        view: "PA", "AP", or None where the owner's tables do not tell (the image's file may).
    """

    id: str
    patient: str
    split: str
    image: Path
    place: str
    study: str | None = None
    report: Path | Report | None = None
    truth: tuple[Annotated, ...] = ()
    annotated: bool = False
    labels: Mapping[str, int] = field(default_factory=dict)
    view: str | None = None


@dataclass(frozen=True)
class Skipped:
    """One image that does not become a row.

    Attributes:
        id: of the image.
        reason: a few words that are the same for all such images ("lateral view"), to be counted.
        detail: where (file, row) and what exactly.
    """

    id: str
    reason: str
    detail: str


@dataclass(frozen=True, eq=False)
class Listing:
    """All that a set's tables say.

    Attributes:
        entries: the rows to prepare, in the order of the tables, each image once.
        skipped: images that stand in the tables and are not prepared.
        problems: a sentence for every row of a table that could not be read, with file, row and key.
    """

    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...] = ()
    problems: tuple[str, ...] = ()


class Source(ABC):
    """A set as its owner ships it. Subclasses are frozen dataclasses: their fields are paths and options."""

    about: ClassVar[About]

    @abstractmethod
    def asked_for(self) -> dict[str, Any]:
        """The options that decide what is listed, as JSON can hold them; no paths.

        What stands under "splits" and "held out by" also tells readers where the splits come from.
        """

    @abstractmethod
    def tables(self) -> Mapping[str, Path]:
        """The files and folders that must be there before anything starts, by what they are.

        `preparation` names all that are missing in one message, and files among them become part of the set's key.
        """

    @abstractmethod
    def listing(self) -> Listing:
        """Read the tables.

        Raises:
            InputError: a table is missing, lacks a column, or nothing in it can be read.
        """


def split_name(owners: str) -> str:
    """The owner's name of a split in our words: "validate", "val", "valid" and "dev" mean "validation"."""
    name = owners.strip().lower()
    return {"validate": "validation", "val": "validation", "valid": "validation", "dev": "validation"}.get(name, name)
