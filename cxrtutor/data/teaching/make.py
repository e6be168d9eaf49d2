"""The teaching set on disk: made once, by several processes, with the same bytes however the work was cut up.

Every study has a random generator of its own, seeded by its split and number. So which process draws it, in which
order, and whether the work was stopped in between and taken up again, changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Bool
from tqdm import tqdm

from ... import store
from ...errors import InputError
from ..dataset import StudyDataset
from ..prepared import shard_path, write_card, write_shard
from ..processes import in_processes
from ..study import Box, Finding, Study
from . import asset
from .grammar import write_report
from .lesion import FINDINGS, UNSEEN_FINDINGS, Lesion

if TYPE_CHECKING:
    from .patient import Radiograph

VERSION = 1
"""Raised whenever a picture or a report comes out differently, so that sets made before are not taken for new ones."""

LICENCE = "CC BY 4.0; anatomy after LIDC-IDRI-0001 (CC BY 3.0, doi 10.7937/K9/TCIA.2015.LO9QL9SX)"
SEED = 20_240_601
SIZE = 128
STUDIES_PER_SHARD = 50
"""What a killed run loses at most, per process."""

EDITIONS = {
    "full": {"train": 3000, "validation": 400, "test": 600, "unseen": 200, "shifted": 300},
    "quick": {"train": 360, "validation": 60, "test": 100, "unseen": 40, "shifted": 40},
    "other-room": {"train": 1500, "validation": 200},
}
"""Studies in each split. "quick" is the beginning of each split of "full". All films of "other-room" were taken where
those of the split "shifted" were: to train there, and to be asked here and there."""

SPLITS = tuple(EDITIONS["full"])
_OUTLINES: dict[str, asset.Outlines] = {"train": "train", "validation": "validation"}  # "test" for all others


class Shard(NamedTuple):
    """The studies `start` to `stop` of a split, which go into one file; all with films of the `other_room`, or not."""

    split: str
    number: int
    start: int
    stop: int
    other_room: bool = False

    @property
    def studies(self) -> int:
        """How many it holds."""
        return self.stop - self.start

    def path(self, folder: Path) -> Path:
        """Its file in the set's folder."""
        return shard_path(folder, self.split, self.number)


def teaching_set(split: str, edition: str = "full") -> StudyDataset:
    """One split of the teaching set, which is made first where it is not there yet.

    Args:
        split: "train", "validation", "test", "unseen" (findings that training never shows) or "shifted" (films from
            another room: bedside, less dose, another display).
        edition: "full", "quick" for a set of 600 studies, or "other-room" for one to train on that room's films; it has
            no splits but "train" and "validation".

    Raises:
        InputError: there is no such split or edition, or the set cannot be written.
    """
    if split not in (known := EDITIONS.get(edition, SPLITS)):
        raise InputError(f"The teaching set ({edition}) has no split {split!r}. It has: {', '.join(known)}.")
    return StudyDataset(make_teaching_set(edition), split)


def make_teaching_set(edition: str = "full", workers: int = 2) -> Path:
    """Make the teaching set where it is not there yet, and return its folder.

    A run that was stopped is taken up where it was. Where another program makes the same set already, as two notebooks
    may that are opened first of all, this one waits and finds it.

    Args:
        edition: "full" (about 4 minutes on two cores), "quick" (600 studies, about 40 seconds), or "other-room" (1,700
            studies, about 90 seconds).
        workers: processes that draw, each with about 0.9 GB of memory.

    Raises:
        InputError: there is no such edition, or the set cannot be written.
    """
    if edition not in EDITIONS:
        raise InputError(f"The teaching set has no edition {edition!r}. It has: {', '.join(EDITIONS)}.")
    folder = store.place("data", asked_for(edition))
    if not (folder / "card.json").is_file():
        with store.held(folder, "makes the same teaching set"):
            if not (folder / "card.json").is_file():
                _make(folder, edition, workers)
    return folder


def _make(folder: Path, edition: str, workers: int) -> None:
    shards = shards_of(EDITIONS[edition], other_room=edition == "other-room")
    _make_in_processes(folder, shards, workers)
    write_card(
        folder,
        [shard.path(folder) for shard in shards],
        asked_for(edition),
        name=f"teaching set, {edition} edition",
        version=str(VERSION),
        licence=LICENCE,
        redistribution=True,
    )


def asked_for(edition: str) -> dict[str, object]:
    """All that decides the content of an edition."""
    room = {"room": "other"} if edition == "other-room" else {}
    return {
        **room,
        "recipe": "teaching",
        "version": VERSION,
        "seed": SEED,
        "size": SIZE,
        "studies": EDITIONS[edition],
        "asset": hashlib.sha256(asset.FILE.read_bytes()).hexdigest(),
    }


def shards_of(studies: dict[str, int], *, other_room: bool = False) -> list[Shard]:
    """The files of a set with so many studies in each split, all with films of the `other_room`, or not."""
    return [
        Shard(split, number, start, min(start + STUDIES_PER_SHARD, count), other_room)
        for split, count in studies.items()
        for number, start in enumerate(range(0, count, STUDIES_PER_SHARD))
    ]


def make_study(split: str, index: int, without: int | None = None, *, other_room: bool = False) -> Study:
    """Draw one patient and write the report; equal arguments give equal studies.

    The view is AP, since the CT behind all patients was taken supine with the arms raised. A study of the split
    "unseen" has one finding, the unseen ones in turn.

    Args:
        split: of the study.
        index: its number in the split.
        without: the position of one of its findings, to draw and report the same patient without it.
        other_room: the film as another room takes it, as all of the split "shifted" are. The findings asked for are the
            same; where and how large they are drawn is not.
    """
    from .patient import draw_radiograph, sample_group, sample_lesions  # torch; who only waits does without

    rng = np.random.default_rng(np.random.SeedSequence((SEED, SPLITS.index(split), index)))
    draw = partial(
        draw_radiograph,
        rng=rng,
        size=SIZE,
        outlines=_OUTLINES.get(split, "test"),
        shifted=other_room or split == "shifted",
        without=without,
    )
    if split == "unseen":
        finding = UNSEEN_FINDINGS[index % len(UNSEEN_FINDINGS)]
        radiograph = _with_a_lesion(partial(draw, lambda rng: tuple(sample_group(rng, finding, 0, ()))))
    else:
        radiograph = draw(partial(sample_lesions, findings=FINDINGS))
    written = write_report(radiograph.lesions, rng)
    patient = f"teaching-{'other-room-' if other_room else ''}{split}-{index:05d}"
    return Study(
        id=patient if without is None else f"{patient}-without-{without}",
        patient=patient,
        image=radiograph.image,
        report=written.report,
        findings=tuple(map(_finding, radiograph.lesions, written.phrases, radiograph.masks, radiograph.visibility)),
        annotated=True,
        anatomy=radiograph.anatomy,
        pixel_spacing=radiograph.pixel_spacing,
        view="AP",
        split=split,
    )


def make_shards(folder: Path, shards: Sequence[Shard]) -> None:
    """Make those of the shards that are not there yet.

    Raises:
        InputError: a shard cannot be written.
    """
    for shard in shards:
        if not shard.path(folder).is_file():
            numbers = range(shard.start, shard.stop)
            made = (make_study(shard.split, number, other_room=shard.other_room) for number in numbers)
            write_shard(shard.path(folder), made)


def _with_a_lesion(draw: Callable[[], Radiograph]) -> Radiograph:
    """Patients in whom the lesion found no room or could not be seen are drawn again, as whole patients."""
    for _ in range(100):
        radiograph = draw()
        if radiograph.lesions:
            return radiograph
    raise RuntimeError("No visible lesion could be drawn in a hundred patients.")


def _finding(lesion: Lesion, phrase: str, mask: Bool[np.ndarray, "size size"], visibility: float) -> Finding:
    attributes: dict[str, str | float] = {
        "side": lesion.side,
        "zone": lesion.zone,
        "severity": lesion.severity,
        "group": float(lesion.group),
        "visibility": round(float(visibility), 3),
    }
    if lesion.lobe is not None:
        attributes["lobe"] = lesion.lobe
    if lesion.size_mm is not None:
        attributes["size_mm"] = float(lesion.size_mm)
    return Finding(lesion.finding, phrase, mask, _boxes_around(mask), attributes)


def _boxes_around(mask: Bool[np.ndarray, "size size"]) -> tuple[Box, ...]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return ()
    corner, far = (columns[0], rows[0]), (columns[-1] + 1, rows[-1] + 1)
    return (Box(*map(float, (*corner, *np.subtract(far, corner)))),)


def _make_in_processes(folder: Path, shards: Sequence[Shard], workers: int) -> None:
    """Share the missing shards out among processes, and wait for them."""
    missing = [shard for shard in shards if not shard.path(folder).is_file()]
    total = sum(shard.studies for shard in shards)
    made = total - sum(shard.studies for shard in missing)
    with tqdm(total=total, initial=made, desc="teaching set", unit="study", disable=None) as bar:
        for position in in_processes(make_shards, [(folder, [shard]) for shard in missing], workers):
            bar.update(missing[position].studies)
