"""A folder of heat maps that somebody's model made, measured against a truth file, one file a question.

A map's file is named by its image and what was asked for, or listed in a manifest. Its geometry says which part of the
image it covers. Files are `.npy` (never pickled) or grey `.png`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from ..data.annotations import Annotations, table_rows
from ..errors import InputError
from ..localization.heatmap import upsample
from ..localization.protocols import Protocol, protocol_named
from .evaluate import measure_heat
from .measurements import Measurements
from .questions import Question, questions_of, unit_of

Geometry = Literal["letterbox", "stretch", "image"]
"""Which part of its image a map covers.

- "letterbox": the smallest square around the image, which lies in its centre, as a model gives it whose input was
  padded to a square. The map is square.
- "stretch": the image, whatever its shape, as a model gives it whose input was stretched to a square.
- "image": the image, pixel by pixel.
"""

GRID_LIMIT = 64
"""The longest side of a map that is still a patch grid; a longer one has pixels."""

SLUG_LIMIT = 120
SUFFIXES = (".npy", ".png")
_NAMED = 5


@dataclass(frozen=True, eq=False)
class MapsMeasured:
    """What a folder of maps is worth.

    Attributes:
        measurements: a row a question.
        unit: what intervals are drawn over.
        troubles: what was not as it should be, and every file, question or row of which that is true.
    """

    measurements: Measurements
    unit: str
    troubles: Mapping[str, Sequence[str]]

    @property
    def notes(self) -> list[str]:
        """A sentence for each trouble that there was, with the first few names."""
        return [f"{len(names)} {what}: {_some(names)}." for what, names in self.troubles.items() if names]


def slug(words: str) -> str:
    """Words as part of a file name: lower case, every run of characters but a-z and 0-9 a `-`, none at the ends.

    Of longer words the first 120 characters count.
    """
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:SLUG_LIMIT].rstrip("-")


def evaluate_maps(
    folder: Path,
    truth: Annotations,
    protocol: str | Protocol = "afloc",
    *,
    prompts: str = "precise",
    geometry: str = "letterbox",
    manifest: Path | None = None,
    allow_missing: bool = False,
    side: int | None = None,
) -> MapsMeasured:
    """Measure the heat maps of a folder, by default at the very pixels of the images that they are of.

    A map whose sides are at most 64 is a patch grid, and the whole protocol applies to it, smoothing included. A larger
    one has pixels: whatever made it has smoothed it already, so that the protocol's steps on the grid are left out, and
    margin, stretching and thresholds alone apply. For `medklip` such a map has to hold shares of attention times the
    number of cells. Greys of a `.png` have lost the unit of a similarity, so that protocols that do not stretch maps
    refuse them.

    NaN in a map of pixels marks what it does not judge. A map that is constant, holds infinity, is all NaN, or is a
    patch grid that holds NaN, is an empty prediction.

    Findings that the truth says are not there are asked for by protocols over all pairs alone.

    Args:
        folder: the maps; `<image id>__<slug>.npy` or `.png`, the slug being that of the phrase (`precise`) or the
            category (`simple`), or `<image id>.npy` or `.png` where there is one question to the image.
        truth: what `read_truth` read.
        protocol: the name of a protocol, or a protocol.
        prompts: "precise" or "simple"; see `questions_of`.
        geometry: which part of its image a map covers.
        manifest: a CSV file with the columns `file` (relative to the folder), `image` and `prompt` (the phrase or
            category as the truth file has it) in place of names.
        allow_missing: leave out questions without a map, and say so, where this is an error otherwise.
        side: shrink larger images to this longer side, in pixels, and their truth with them: a pixel is true where half
            of it is. AFLoc's figures were measured at 224; whole images take about a second each.

    Raises:
        InputError: there is no such folder, protocol, prompt or geometry, the truth asks nothing, names are ambiguous,
            a map is missing, cannot be read, does not have the geometry's shape, or has no unit where one is needed.
    """
    protocol = protocol_named(protocol)
    if geometry not in get_args(Geometry):
        raise InputError(f"There is no geometry {geometry!r}. Choose one of: {', '.join(get_args(Geometry))}.")
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}. Give the folder that holds the maps.")
    asked = questions_of(truth, prompts)
    names = _names(asked)
    answers, extra = _listed(folder, manifest, asked) if manifest else _named(folder, names)
    measured = asked if protocol.over == "all" else [one for one in asked if one.present]
    if not measured:
        raise InputError("The truth file shows no finding, so there is nothing to measure.")
    missing = [f"{one.image}, {one.words!r}: {names[one][0]}.npy" for one in measured if one not in answers]
    if missing and (not allow_missing or len(missing) == len(measured)):
        raise InputError(
            f"{len(missing)} of {len(measured)} questions have no map in {folder}: {_some(missing)}. "
            "Add them, or say --allow-missing to leave them out."
        )
    answered = [one for one in measured if one in answers]
    _check_shapes(answered, answers, geometry)
    _check_units([answers[one] for one in answered], protocol)

    rows, silent, unjudged, of_pixels = [], [], [], []
    for question in tqdm(answered, desc="measuring", unit="map", disable=None, delay=5):
        path = answers[question]
        values = read_map(path)
        if _is_silent(values, geometry):
            silent.append(path.name)
            values = np.zeros_like(values)
        else:
            if np.isnan(values).any():
                unjudged.append(path.name)
            if protocol.on_grid and not _is_grid(values.shape, geometry):
                of_pixels.append(path.name)
        size = shrunk(question.size, side)
        heat = heat_of(values, size, protocol, geometry)
        marked = _area(torch.from_numpy(question.truth())[None].float(), size) >= 0.5
        scores = measure_heat(heat, protocol.cuts(heat, [question.name]), marked, protocol)
        rows.append(question.described() | {name: value.item() for name, value in scores.items()})

    troubles: dict[str, Sequence[str]] = {
        "unreadable rows of the truth, whose findings are left out": truth.problems,
        "questions without a map, left out": missing,
        "maps that no question asks for, not used": extra,
        "maps that are constant, infinite or NaN, taken as empty predictions": silent,
        "maps with pixels that are NaN and so not judged": unjudged,
        f"maps that are no patch grid, so that {protocol.name}'s steps on the grid were not applied": of_pixels,
    }
    measurements = Measurements(pd.DataFrame(rows), protocol.name, prompts)
    return MapsMeasured(measurements, unit_of(answered), troubles)


def _check_units(paths: Sequence[Path], protocol: Protocol) -> None:
    greys = [path.name for path in paths if path.suffix.lower() == ".png"]
    if greys and not protocol.stretches:
        raise InputError(
            f"The protocol {protocol.name!r} cuts similarities in their own unit; greys have lost it: {_some(greys)}. "
            "Save the maps as .npy, or choose a protocol that stretches them, such as afloc."
        )


def heat_of(
    values: Float[np.ndarray, "rows columns"], size: tuple[int, int], protocol: Protocol, geometry: str
) -> Float[Tensor, "1 height width"]:
    """A saved map as the protocol's heat map on the pixels of its image, of `size` (height, width)."""
    maps = torch.from_numpy(values)[None]
    if _is_grid(values.shape, geometry):
        for step in protocol.on_grid:
            maps = step(maps)
    unjudged = maps.isnan()
    heat = _placed(maps.nan_to_num(0.0), size, geometry, protocol)
    if unjudged.any():
        # A pixel is judged where all values are that it lies between.
        share = _placed(unjudged.to(maps), size, geometry, protocol)
        heat = heat.masked_fill(share > 1e-6, torch.nan)
    for step in protocol.on_pixels:
        heat = step(heat)
    return heat


def _placed(
    maps: Float[Tensor, "1 rows columns"], size: tuple[int, int], geometry: str, protocol: Protocol
) -> Float[Tensor, "1 height width"]:
    if geometry == "image":
        return _area(maps, size)
    if geometry == "letterbox":
        return upsample(maps, size, protocol.upsampling)
    corners = {} if protocol.upsampling == "nearest" else {"align_corners": False}
    return F.interpolate(maps[:, None], size, mode=protocol.upsampling, **corners)[:, 0]


def shrunk(size: tuple[int, int], side: int | None) -> tuple[int, int]:
    """Height and width of an image whose longer side is no more than `side`."""
    scale = 1.0 if side is None else min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _area(maps: Float[Tensor, "1 rows columns"], size: tuple[int, int]) -> Float[Tensor, "1 height width"]:
    """Means over the area of every pixel of a smaller image."""
    return maps if maps.shape[1:] == size else F.interpolate(maps[:, None], size, mode="area")[:, 0]


def _is_grid(shape: tuple[int, ...], geometry: str) -> bool:
    return geometry != "image" and max(shape) <= GRID_LIMIT


def _is_silent(values: Float[np.ndarray, "rows columns"], geometry: str) -> bool:
    """Whether a map says nothing that could be used, so that it counts as an empty prediction."""
    unjudged = np.isnan(values)
    if np.isinf(values).any() or unjudged.all() or (unjudged.any() and _is_grid(values.shape, geometry)):
        return True
    return bool(np.nanmin(values) == np.nanmax(values))


def read_map(path: Path) -> Float[np.ndarray, "rows columns"]:
    """The values of a map.

    Raises:
        InputError: the file cannot be read, or holds no map.
    """
    return np.array(_opened(path), dtype=np.float32)


def _opened(path: Path) -> Shaped[np.ndarray, "rows columns"]:
    """The values as they lie in the file; of a `.npy` file, only those that are used are read."""
    try:
        if path.suffix == ".npy":
            values = np.load(path, mmap_mode="r", allow_pickle=False)
        else:
            with Image.open(path, formats=["PNG"]) as picture:
                if picture.mode not in ("1", "L", "I", "I;16"):
                    raise ValueError(f"a picture of mode {picture.mode}; give one channel of grey")
                values = np.asarray(picture)
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        raise InputError(
            f"{path} cannot be read as a map ({error}). Save it with numpy.save or as a grey PNG."
        ) from error
    if not isinstance(values, np.ndarray):
        raise InputError(f"{path} holds several arrays. Save the map alone, with numpy.save.")
    while values.ndim > 2 and len(values) == 1:
        values = values[0]
    if values.dtype.kind not in "fiub" or values.ndim != 2 or not values.size:
        raise InputError(
            f"{path} holds {values.dtype} of shape {values.shape}; a map is rows x columns of real numbers."
        )
    return values


def _check_shapes(questions: Sequence[Question], answers: Mapping[Question, Path], geometry: str) -> None:
    """Before hours are spent on measuring: every map can be opened and has a shape that its geometry allows."""
    wrong = []
    for question in questions:
        try:
            shape = _opened(answers[question]).shape
        except InputError as error:
            wrong.append(str(error))
            continue
        name = answers[question].name
        if geometry == "letterbox" and shape[0] != shape[1]:
            wrong.append(f"{name} is {shape[0]} x {shape[1]}, and a map of the letterboxed square is square.")
        if geometry == "image" and shape != question.size:
            height, width = question.size
            wrong.append(f"{name} is {shape[0]} x {shape[1]}, its image {height} x {width}.")
    if wrong:
        raise InputError(f"{len(wrong)} of {len(questions)} maps do not fit (--geometry {geometry}). {_some(wrong)}")


def _names(asked: Sequence[Question]) -> dict[Question, list[str]]:
    """The names without suffix that the map of every question may have."""
    numbers = Counter(question.image for question in asked)
    return {
        question: [f"{question.image}__{slug(question.words)}"]
        + ([question.image] if numbers[question.image] == 1 else [])
        for question in asked
    }


def _named(folder: Path, names: Mapping[Question, Sequence[str]]) -> tuple[dict[Question, Path], list[str]]:
    """The map of every question that has one, by the files' names, and the maps of none."""
    owners: dict[str, Question] = {}
    for question, stems in names.items():
        for stem in stems:
            if stem in owners:
                raise InputError(
                    f"{owners[stem].words!r} and {question.words!r} of image {question.image} make one file name, "
                    f"{stem}. List the maps in a file and give it as --manifest."
                )
            owners[stem] = question
    answers: dict[Question, Path] = {}
    extra = []
    for path in sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES):
        question = owners.get(path.stem)
        if question is None:
            extra.append(path.name)
        elif question in answers:
            raise InputError(f"{answers[question].name} and {path.name} in {folder} answer one question. Keep one.")
        else:
            answers[question] = path
    return answers, extra


def _listed(folder: Path, manifest: Path, asked: Sequence[Question]) -> tuple[dict[Question, Path], list[str]]:
    """The map of every question that has one, by the rows of a manifest, and the maps of none."""
    questions = {(question.image, question.words): question for question in asked}
    answers: dict[Question, Path] = {}
    extra = []
    for place, row in table_rows(manifest, ("file", "image", "prompt")):
        image, words, path = row.get("image", ""), row.get("prompt", ""), folder / row["file"]
        if path.suffix not in SUFFIXES or not path.is_file():
            raise InputError(f"{manifest}, {place}: there is no map {path}. Maps are .npy and .png files.")
        question = questions.get((image, words))
        if question is None:
            extra.append(f"{row['file']} ({image}, {words!r})")
        elif question in answers:
            raise InputError(f"{manifest}, {place}: {image}, {words!r} has a map already. Keep one.")
        else:
            answers[question] = path
    return answers, extra


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return "; ".join(names[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
