"""The films of a reader study, and which reader sees which of them in what order and under what map.

Every film is read twice: first bare, then, in the second round, with the right map, with a wrong one, or bare again.
The wrong map is the right one mirrored: as sharp, as warm, at the same height, over the other lung. Films that are bare
twice tell what reading a film again does by itself.

What a reader sees is drawn by a seed of the reader's own, so that over many readers every film comes under every map.
The page draws by the same rule (`viewing/widgets/reader_study_rules.js`), so a file of answers can be checked by it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from .. import store
from ..errors import InputError

RIGHT, WRONG, NO_MAP = "right", "wrong", "none"

WRONG_SHARE = BARE_SHARE = 4
"""In the second round one film in so many comes with a wrong map, and one in so many without any."""

HOT = 0.3
"""Where a map is hot: above this, as the protocol `afloc` stretches maps to [-1, 1]; the middle of its thresholds."""

_Item = TypeVar("_Item")


@dataclass(frozen=True, eq=False)
class Film:
    """One film with one thing to find on it.

    Attributes:
        id: of the study.
        patient: whose film it is.
        finding: the category that readers are asked for. Nothing else on the film is of it.
        prompt: what the model was asked for; readers do not see it, since it tells the place.
        image: grey values, bone bright.
        heat: the model's map, as `coded`.
        truth: True inside the finding.
    """

    id: str
    patient: str
    finding: str
    prompt: str
    image: UInt8[np.ndarray, "height width"]
    heat: UInt8[np.ndarray, "height width"]
    truth: Bool[np.ndarray, "height width"]

    def hot(self, kind: str) -> Bool[np.ndarray, "height width"]:
        """Where the right or the wrong map is above `HOT`."""
        hot = self.heat > coded(np.array(HOT))
        return hot[:, ::-1] if kind == WRONG else hot

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON has it: pictures as PNG and the truth as bits, in base64."""
        about = {name: getattr(self, name) for name in ("id", "patient", "finding", "prompt")}
        height, width = self.image.shape
        pictures = {"image": _png(self.image), "heat": _png(self.heat), "truth": _text(np.packbits(self.truth))}
        return {**about, "height": height, "width": width, **pictures}

    def pixels_and_words(self) -> list[str]:
        """What a film is, whoever wrote its PNG."""
        arrays = [hashlib.sha256(array.tobytes()).hexdigest() for array in (self.image, self.heat, self.truth)]
        return [self.id, self.patient, self.finding, self.prompt, *map(str, self.image.shape), *arrays]

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Film:
        """What `to_json` gave."""
        shape = content["height"], content["width"]
        bits = np.unpackbits(np.frombuffer(base64.b64decode(content["truth"]), np.uint8), count=shape[0] * shape[1])
        about = [str(content[name]) for name in ("id", "patient", "finding", "prompt")]
        return cls(*about, _pixels(content["image"]), _pixels(content["heat"]), bits.reshape(shape).astype(bool))


def coded(heat: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """A map in [-1, 1] in eight bits: 1 to 255, and 0 where it is not judged (NaN)."""
    return np.where(np.isnan(heat), 0, 1 + np.rint(127 * (np.nan_to_num(heat) + 1))).astype(np.uint8)


class Shown(NamedTuple):
    """One film as a reader comes to it: in round 1 or 2, by its id, under which map."""

    round: int
    film: str
    map: str


@dataclass(frozen=True, eq=False)
class ReadingSet:
    """The films of one reader study.

    Attributes:
        films: an even number of them, each of another patient.
        practice: one more, on which readers try their hand. It does not count.

    Raises:
        InputError: the films are too few, not an even number, or share a patient or an id.
    """

    films: tuple[Film, ...]
    practice: Film

    def __post_init__(self) -> None:
        number = len(self.films)
        if number < WRONG_SHARE or number % 2:
            raise InputError(
                f"{number} films make no reader study: take an even number of them, and {WRONG_SHARE} or more, so that "
                "there is a wrong map among theirs."
            )
        for what in ("id", "patient"):
            again = number - len({getattr(film, what) for film in self.films})
            if again:
                raise InputError(f"{again} of {number} films have the {what} of another: take one film of a patient.")

    @cached_property
    def key(self) -> str:
        """Stands for everything in it: answers to another set are answers to other questions."""
        return store.content_key([film.pixels_and_words() for film in (*self.films, self.practice)])

    def plan(self, seed: int) -> list[Shown]:
        """What the reader with this seed sees, in order: every film in round 1, then every film in round 2.

        The films of round 1's first half come back in round 2's first half, so that at least half a round lies between
        the two readings of a film.
        """
        draw = iter(_uniforms(seed, 8 * len(self.films)))
        ids = [film.id for film in self.films]
        order, number = _shuffled(ids, draw), len(ids)
        wrong, bare = number // WRONG_SHARE, number // BARE_SHARE
        kinds = _shuffled([WRONG] * wrong + [NO_MAP] * bare + [RIGHT] * (number - wrong - bare), draw)
        under = dict(zip(ids, kinds, strict=True))
        again = _shuffled(order[: number // 2], draw) + _shuffled(order[number // 2 :], draw)
        return [Shown(1, one, NO_MAP) for one in order] + [Shown(2, one, under[one]) for one in again]

    def save(self, path: Path | str) -> None:
        """Write it into one JSON file, a film a line.

        Raises:
            InputError: the file cannot be written.
        """
        films = ",\n".join(json.dumps(film.to_json()) for film in self.films)
        practice = json.dumps(self.practice.to_json())
        store.write_file(Path(path), f'{{"films": [\n{films}\n],\n"practice": {practice}}}\n')

    @classmethod
    def load(cls, path: Path | str) -> ReadingSet:
        """Read what `save` wrote.

        Raises:
            InputError: there is no such file, or it holds something else.
        """
        path = Path(path)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(tuple(map(Film.from_json, content["films"])), Film.from_json(content["practice"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path} holds no films of a reader study ({error!r}). `ReadingSet.save` writes them."
            ) from error


def _uniforms(seed: int, number: int) -> Float[np.ndarray, " {number}"]:
    """Numbers in [0, 1) by mulberry32, a generator so small that a page can run it too (Tommy Ettinger, 2017)."""
    state = np.arange(1, number + 1, dtype=np.uint32) * np.uint32(0x6D2B79F5) + np.uint32(seed)
    mixed = (state ^ state >> 15) * (state | 1)
    mixed ^= mixed + (mixed ^ mixed >> 7) * (mixed | 61)
    return (mixed ^ mixed >> 14) / 2**32


def _shuffled(items: Sequence[_Item], draw: Iterator[float]) -> list[_Item]:
    """In an order that takes one number of `draw` for every item but one (Fisher and Yates, from the end)."""
    shuffled = list(items)
    for last in range(len(shuffled) - 1, 0, -1):
        other = int(next(draw) * (last + 1))
        shuffled[last], shuffled[other] = shuffled[other], shuffled[last]
    return shuffled


def _png(pixels: UInt8[np.ndarray, "height width"]) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")


def _pixels(png: str) -> UInt8[np.ndarray, "height width"]:
    return np.array(Image.open(io.BytesIO(base64.b64decode(png))))


def _text(array: UInt8[np.ndarray, " bytes"]) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")
