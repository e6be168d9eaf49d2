"""What readers marked, with and without heat maps: their IoU, what right maps gave and what wrong maps took.

The rules, which the page works by too (`viewing/widgets/reader_study_rules.js`; tests compare the two):

- A mark is an ellipse. It covers the pixels whose centres it holds. Who marks nothing has an empty mark: IoU 0.
- Every film has an IoU in round 1 (bare) and one in round 2 (right map, wrong map, or bare again). What a map did to
  the reader is the difference of the two on the same film.
- A wrong map was followed where the mark covers more of the wrong hot place than of the truth. The mark of round 1 is
  asked the same, since a reader may look for a thing in that place without being told.
- Intervals are `bootstrap.interval`'s: over films, and for a class over films and readers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from ..errors import InputError
from ..localization.protocols import Protocol, protocol_named
from .bootstrap import Interval, interval
from .measurements import Measurements
from .metrics import dice, iou, points_hit
from .reading_set import NO_MAP, RIGHT, WRONG, Film, ReadingSet
from .results import Repeats

FORMAT = "cxrtutor reader study 1"
"""What a file of answers says it is."""

_HalfPixels = Annotated[float, Field(ge=0, le=10_000, multiple_of=0.5)]
_Radius = Annotated[float, Field(ge=1, le=10_000, multiple_of=0.5)]


class _FromFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Mark(_FromFile):
    """An upright ellipse in pixels, of which the first covers [0, 1): its centre and its two half axes."""

    x: _HalfPixels
    y: _HalfPixels
    rx: _Radius
    ry: _Radius

    def mask(self, shape: tuple[int, int]) -> Bool[np.ndarray, "height width"]:
        """The pixels whose centres it holds, worked out in whole numbers of half pixels: no rounding, anywhere."""
        x, y, rx, ry = (round(2 * value) for value in (self.x, self.y, self.rx, self.ry))
        down, across = (2 * np.arange(length, dtype=np.int64) + 1 for length in shape)
        return ((across - x) * ry) ** 2 + (((down - y) * rx) ** 2)[:, None] <= (rx * ry) ** 2


class Reading(_FromFile):
    """One film, read once.

    Attributes:
        round: 1 or 2.
        film: its id.
        map: what lay over it: "right", "wrong" or "none".
        mark: None where the reader saw nothing to mark.
        seconds: it took.
    """

    round: Literal[1, 2]
    film: str
    map: Literal["right", "wrong", "none"]
    mark: Mark | None
    seconds: Annotated[float, Field(ge=0)]


class Answers(_FromFile):
    """One reader's file, as the page writes it.

    Attributes:
        format: `FORMAT`.
        set: the key of the films that were read.
        seed: what the reader's order and maps were drawn by.
        reader: a nickname, or nothing.
        finished: when.
        readings: in the order in which they were made.
    """

    format: Literal["cxrtutor reader study 1"]
    set: str
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    reader: Annotated[str, Field(max_length=40)]
    finished: AwareDatetime
    readings: tuple[Reading, ...]

    @property
    def name(self) -> str:
        """The nickname or, without one, the seed."""
        return self.reader.strip() or f"reader {self.seed:08x}"

    def mask(self, film: Film, round: int) -> Bool[np.ndarray, "height width"]:
        """What the reader covered of a film."""
        mark = self._reading(film, round).mark
        return np.zeros(film.truth.shape, dtype=bool) if mark is None else mark.mask(film.truth.shape)

    def map_of(self, film: Film) -> str:
        """What lay over a film in round 2."""
        return self._reading(film, 2).map

    def _reading(self, film: Film, round: int) -> Reading:
        return next(one for one in self.readings if (one.round, one.film) == (round, film.id))


def read_answers(path: Path | str, films: ReadingSet) -> Answers:
    """Read one reader's file.

    Raises:
        InputError: it cannot be read, was not finished, is of other films, or was changed: what lay over the films is
            not what the reader's seed gives.
    """
    try:
        answers = Answers.model_validate_json(Path(path).read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(f"not the results of a reader study ({place}: {first['msg']})") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({error})") from error
    if answers.set != films.key:
        raise InputError(f"of other films than these ({answers.set}, not {films.key}): merge it with its own kind")
    planned = films.plan(answers.seed)
    if len(answers.readings) < len(planned):
        raise InputError(f"not finished: {len(answers.readings)} of {len(planned)} readings")
    if [(one.round, one.film, one.map) for one in answers.readings] != planned:
        raise InputError("changed by hand: its films are not in the order and under the maps that its seed gives")
    return answers


ESTIMATES: dict[str, str] = {
    "unaided": "IoU in round 1, all films bare",
    "right maps": "IoU in round 2 under right maps",
    "wrong maps": "IoU in round 2 under wrong maps",
    "bare again": "IoU in round 2 without a map",
    "benefit": "what right maps gave: IoU of round 2 less round 1, same films",
    "automation bias": "what wrong maps took: IoU of round 1 less round 2, same films",
    "second look": "what reading again did by itself: IoU of round 2 less round 1, bare films",
    "followed": "share of wrong maps that were followed",
    "there anyway": "share of the same films whose mark of round 1 lay in the wrong place too",
}
"""What is estimated, and what it is in words. Each is a mean over the films that it is defined for."""


def effects(answers: Answers, films: ReadingSet) -> Measurements:
    """One reader, film by film: the columns are `ESTIMATES`, NaN where a film is not of a kind.

    Every film counts alike, so all are of one category here.
    """
    return Measurements(pd.DataFrame([_effects(answers, film) for film in films.films]), "reader study", "finding")


def _effects(answers: Answers, film: Film) -> dict[str, str | float]:
    first, second = (answers.mask(film, round) for round in (1, 2))
    bare, aided = _iou(first, film.truth), _iou(second, film.truth)
    kind = answers.map_of(film)
    values = {"unaided": bare}
    if kind == RIGHT:
        values |= {"right maps": aided, "benefit": aided - bare}
    elif kind == NO_MAP:
        values |= {"bare again": aided, "second look": aided - bare}
    else:
        wrong = film.hot(WRONG)
        followed, anyway = (float((mark & wrong).sum() > (mark & film.truth).sum()) for mark in (second, first))
        values |= {"wrong maps": aided, "automation bias": bare - aided, "followed": followed, "there anyway": anyway}
    return _described(film, "all films") | dict.fromkeys(ESTIMATES, np.nan) | values


def intervals(effects: Measurements) -> dict[str, Interval]:
    """Every estimate of one reader with its 95 % interval over the films that it is defined for."""
    return {name: interval(_defined(effects, name), name) for name in ESTIMATES}


def _defined(effects: Measurements, name: str) -> Measurements:
    rows = effects.rows[effects.rows[name].notna()].reset_index(drop=True)
    return Measurements(rows, effects.protocol, effects.prompts)


def measured(answers: Answers, films: ReadingSet, protocol: str | Protocol = "afloc") -> Measurements:
    """A reader's first round as if the reader were a method, to stand beside methods on the same films.

    `pointing` is 1 where the centre of the mark lies in the truth; `cnr` is undefined, as nobody drew a heat map.

    Args:
        answers: the reader's.
        films: that were read.
        protocol: of the methods.

    Raises:
        InputError: there is no such protocol.
    """
    protocol = protocol_named(protocol)
    rows = []
    for film in films.films:
        mark, truth = answers.mask(film, 1), torch.from_numpy(film.truth)
        overlaps = {name: metric(torch.from_numpy(mark), truth).item() for name, metric in _OVERLAPS.items()}
        rows.append(_described(film, film.finding) | overlaps | {"cnr": np.nan, "pointing": _hit(answers, film)})
    return Measurements(pd.DataFrame(rows), protocol.name, "drawn by hand")


_OVERLAPS: dict[str, Callable] = {"iou": iou, "dice": dice}


def _described(film: Film, category: str) -> dict[str, str]:
    return {
        "study": film.id,
        "patient": film.patient,
        "finding": category,
        "lesions": film.finding,
        "prompt": film.finding,
    }


def _hit(answers: Answers, film: Film) -> float:
    mark = answers._reading(film, 1).mark
    centre = torch.tensor([[mark.x, mark.y]] if mark else [[torch.nan, torch.nan]], dtype=torch.float64)
    return points_hit(centre, torch.from_numpy(film.truth)).item()


def _iou(mask: Bool[np.ndarray, "height width"], truth: Bool[np.ndarray, "height width"]) -> float:
    return float((mask & truth).sum() / (mask | truth).sum())


@dataclass(frozen=True, eq=False)
class Class:
    """The readers of several files.

    Attributes:
        films: that they read.
        readers: by name, in the order in which they finished.
        skipped: every file that does not count, with the reason.
    """

    films: ReadingSet
    readers: dict[str, Answers]
    skipped: tuple[str, ...]

    def table(self) -> pd.DataFrame:
        """A row a reader: every estimate without its interval, and the median seconds a film took in either round."""
        rows = {}
        for name, answers in self.readers.items():
            means = effects(answers, self.films).rows[list(ESTIMATES)].mean().to_dict()
            seconds = pd.Series([one.seconds for one in answers.readings]).groupby(
                [one.round for one in answers.readings]
            )
            medians = seconds.median()
            rows[name] = means | {"seconds, round 1": medians[1], "seconds, round 2": medians[2]}
        return pd.DataFrame.from_dict(rows, orient="index")

    def intervals(self) -> dict[str, Interval]:
        """Every estimate as the mean over readers, with the interval that draws readers and films anew."""
        everyone = Repeats(tuple(effects(answers, self.films) for answers in self.readers.values()))
        return {name: interval(everyone, name) for name in ESTIMATES}

    def measured(self, protocol: str | Protocol = "afloc") -> Repeats:
        """The human benchmark: every reader's first round, as a row that may stand beside methods in a table."""
        return Repeats(tuple(measured(answers, self.films, protocol) for answers in self.readers.values()))


def merge(paths: Iterable[Path | str], films: ReadingSet) -> Class:
    """The readers of some files, or of all JSON files in some folders.

    Left out, with the reason: what `read_answers` refuses; a second file of one run; and of two runs under one nickname
    the one that was finished later, since its reader had seen the answers.

    Raises:
        InputError: a path is not there, or no file is left.
    """
    files = list(dict.fromkeys(file for path in paths for file in _files(Path(path))))
    read, skipped = [], []
    for file in files:
        try:
            read.append((file, read_answers(file, films)))
        except InputError as error:
            skipped.append(f"{file}: {error}")
    readers: dict[str, Answers] = {}
    seeds: dict[int, str] = {}
    for file, answers in sorted(read, key=lambda one: one[1].finished):
        known = {name.casefold(): name for name in readers}.get(answers.name.casefold())
        if answers.seed in seeds:
            skipped.append(f"{file}: the same run as that of {seeds[answers.seed]}")
        elif known is not None:
            skipped.append(
                f"{file}: a second run of {known}, who had seen the answers by then. If these are two people, give one "
                'of them another "reader" in the file'
            )
        else:
            readers[answers.name] = answers
            seeds[answers.seed] = answers.name
    if not readers:
        raise InputError("\n".join(["There is no file of a reader who finished.", *skipped]))
    return Class(films, readers, tuple(skipped))


def _files(path: Path) -> Sequence[Path]:
    if path.is_dir():
        return sorted(path.glob("*.json"))
    if not path.is_file():
        raise InputError(f"There is no file or folder {path}. Name the files that the page let its readers download.")
    return [path]
