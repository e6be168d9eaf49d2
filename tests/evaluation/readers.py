"""A few small films to read, and readers whose marks are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cxrtutor.evaluation.reader_study import FORMAT
from cxrtutor.evaluation.reading_set import Film, ReadingSet, coded

HEIGHT, WIDTH = 30, 40

Marks = Callable[[Film, int, str], dict[str, float] | None]
"""What a reader marks of a film in a round under a map."""


def film(number: int) -> Film:
    """A lesion in the left half of the picture, or in the right; its map is hot there and a little beyond."""
    rng = np.random.default_rng(number)
    x, y = 9.5 + 21 * (number % 2), 8.5 + rng.integers(12)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    squared = (columns - x) ** 2 + (rows - y) ** 2
    heat = 2 * np.exp(-squared / 60) - 1
    heat[:2] = np.nan
    image = rng.integers(40, 90, (HEIGHT, WIDTH), np.uint8)
    category = ("nodule", "mass")[number % 3 == 0]
    return Film(f"study {number}", f"patient {7 * number % 10}", category, "left", image, coded(heat), squared < 20)


FILMS = ReadingSet(tuple(map(film, range(8))), film(9))


def around(mask: np.ndarray) -> dict[str, float]:
    """The ellipse in the box around a mask."""
    rows, columns = np.nonzero(mask)
    (top, bottom), (left, right) = ((int(line.min()), int(line.max()) + 1) for line in (rows, columns))
    return {"x": (left + right) / 2, "y": (top + bottom) / 2, "rx": (right - left) / 2, "ry": (bottom - top) / 2}


def truthful(film: Film, round: int, kind: str) -> dict[str, float]:
    """Marks the truth, whatever lies over it."""
    return around(film.truth)


def follower(film: Film, round: int, kind: str) -> dict[str, float]:
    """Marks the truth, until there is a map: then what is hot."""
    return around(film.truth if kind == "none" else film.hot(kind))


def blind(film: Film, round: int, kind: str) -> None:
    """Marks nothing."""


def guesser(seed: int) -> Marks:
    """Marks somewhere, and now and then nowhere."""
    rng = np.random.default_rng(seed)

    def mark(film: Film, round: int, kind: str) -> dict[str, float] | None:
        if rng.random() < 0.15:
            return None
        near = around(film.truth) if rng.random() < 0.6 else around(film.hot("wrong"))
        moved = {name: value + rng.integers(-6, 7) / 2 for name, value in near.items()}
        return {"x": max(moved["x"], 0.0), "y": max(moved["y"], 0.0), "rx": moved["rx"] + 2.5, "ry": moved["ry"] + 2.5}

    return mark


def answered(marks: Marks, seed: int = 1, films: ReadingSet = FILMS, **changes: Any) -> dict[str, Any]:
    """What the page would write for such a reader."""
    by_id = {film.id: film for film in films.films}
    readings = [
        {**shown._asdict(), "mark": marks(by_id[shown.film], shown.round, shown.map), "seconds": 3.0 * shown.round}
        for shown in films.plan(seed)
    ]
    about = {"format": FORMAT, "set": films.key, "seed": seed, "reader": "", "finished": "2025-03-01T10:00:00.000Z"}
    return {**about, "readings": readings, **changes}


def file_of(folder: Path, name: str, content: object) -> Path:
    """The file of such a reader."""
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path
