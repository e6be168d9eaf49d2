"""Views of a set: the same studies, seen or described otherwise. A view is a set again, and keeps the set's order.

No view ever mirrors an image without its report: left and right are the patient's, and half of all reports say which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from .. import store
from .masks import blank, patch_grid, patch_mask
from .places import exchange_sides, remove_places, reworded
from .study import Report
from .teaching.corrupt import corrupt

VERSION = 1
"""Part of every view's key: raised when a view comes to show or say something else."""

_ERRORS = 1
"""Of the draws of errors. The first moved copy draws from the same numbers: reports and images of one study, of which
neither can be told from the other."""
_EXCHANGE = 2
"""Of the draw of studies whose reports are exchanged."""

ROTATION, SHIFT, ZOOM = 5.0, 0.04, 0.05
"""The most that a moved image is turned (degrees), shifted (share of its sides) and enlarged or reduced."""
BRIGHTNESS, CONTRAST = 0.15, 0.2
"""The most that its intensities, and their distances from the mean, are multiplied by more or less than one."""


@runtime_checkable
class Studies(Protocol):
    """What sets and their views have in common; `data.dataset.StudyDataset` is one.

    Attributes:
        key: stands for all its content.
    """

    key: str

    def __len__(self) -> int: ...

    def images(self, indices: Sequence[int], size: int | None = None) -> UInt8[np.ndarray, "n height width"]: ...

    def reports(self) -> list[Report]: ...


@dataclass(frozen=True, eq=False)
class View:
    """The studies of a set, each image and each report changed.

    Attributes:
        key: stands for the set's content and for what the view does.
        studies: the set.
        image: changes an image, given the study's index.
        report: changes a report, given the study's index.
        reports_of: whose report each study is given, by position; its own by default.
    """

    key: str
    studies: Studies
    image: Callable[[int, UInt8[np.ndarray, "height width"]], UInt8[np.ndarray, "height width"]] | None = None
    report: Callable[[int, Report], Report] | None = None
    reports_of: Sequence[int] | None = None

    def __len__(self) -> int:
        return len(self.studies)

    def images(self, indices: Sequence[int], size: int | None = None) -> UInt8[np.ndarray, "n height width"]:
        """The images of some studies, in the order asked for, as `StudyDataset.images` gives them."""
        images = self.studies.images(indices, size)
        if self.image is None or not len(images):
            return images
        return np.stack([self.image(index, image) for index, image in zip(indices, images, strict=True)])

    def reports(self) -> list[Report]:
        """All reports, in order."""
        reports = self.studies.reports()
        if self.reports_of is not None:
            reports = [reports[position] for position in self.reports_of]
        return reports if self.report is None else [self.report(*numbered) for numbered in enumerate(reports)]


def mirrored(studies: Studies) -> View:
    """Every image flipped left to right, and its report with left and right exchanged.

    What is in the image is flipped with it: the heart lies on the right, and the letter on the film is in mirror
    writing, on the other side.
    """
    return View(_key(studies, "mirrored"), studies, _flipped, partial(_reworded, exchange_sides))


def moved(studies: Studies, number: int) -> View:
    """Every image slightly turned, shifted, enlarged and relit, never flipped; the reports stay.

    Args:
        studies: the set.
        number: of the view. Each moves every study in a way of its own, which is always the same.
    """
    return View(_key(studies, "moved", number), studies, partial(_moved, number))


def blanked(studies: Studies, number: int, patch: int, ratio: float) -> View:
    """Every image with some of its patches blanked, as `masks.patch_mask` draws them; the reports stay.

    Args:
        studies: the set.
        number: of the view. Each hides other patches of every study.
        patch: the side of a patch in pixels, of the image at whichever size it is asked for.
        ratio: the share of patches that are hidden.

    Raises:
        InputError: when images are asked for, of a size that the patches do not divide; or the ratio is not in [0, 1).
    """
    return View(_key(studies, "blanked", number, patch, ratio), studies, partial(_blanked, number, patch, ratio))


def without_places(studies: Studies) -> View:
    """The same images, and reports without the words that say where."""
    return View(_key(studies, "without places"), studies, report=partial(_reworded, remove_places))


def with_errors(
    studies: Studies, *, swap_side: float = 0.0, drop: float = 0.0, invent: float = 0.0, exchange: float = 0.0
) -> Studies:
    """The same images, and reports that say wrong things, each always the same ones.

    Args:
        studies: the set.
        swap_side: probability, for each finding, that left is said for right.
        drop: probability, for each finding, that the report is silent about it.
        invent: probability, for each report, that it gains a sentence on a finding that is not there.
        exchange: share of the studies whose reports are then passed around among them, so that none keeps its own.
    """
    rates = {"swap_side": swap_side, "drop": drop, "invent": invent}
    if any(rates.values()):
        studies = View(
            _key(studies, "with errors", *rates.values()),
            studies,
            report=partial(_with_errors, rates),
        )
    return _with_exchanged_reports(studies, exchange) if exchange else studies


def _with_exchanged_reports(studies: Studies, share: float) -> View:
    """The reports of some studies passed on in a ring. With a higher share the same studies are in it, and more."""
    number = len(studies)
    drawn = np.random.default_rng([_EXCHANGE]).permutation(number)[: round(share * number)]
    reports_of = np.arange(number)
    reports_of[drawn] = np.roll(drawn, 1)
    return View(_key(studies, "exchanged reports", share), studies, reports_of=reports_of.tolist())


def training_views(
    studies: Studies,
    moved_copies: int,
    mirror: bool,
    places: bool = True,
    errors: Mapping[str, float] = MappingProxyType({}),
) -> list[tuple[Studies, Studies]]:
    """The views of a set that training is shown: of each, whose images and whose reports.

    These are two, since to move an image changes no report: features of the reports are computed once for all moved
    copies.

    Args:
        studies: the set, which is the first view.
        moved_copies: how many moved copies there are beside it.
        mirror: whether there is a mirror image of all of these.
        places: False takes the words that say where out of all reports.
        errors: how often reports say something wrong, as `with_errors` takes it.
    """
    described = with_errors(studies, **errors)
    described = described if places else without_places(described)
    pairs = [(studies, described), *((moved(studies, n), described) for n in range(1, moved_copies + 1))]
    return pairs + [(mirrored(images), mirrored(reports)) for images, reports in pairs] if mirror else pairs


def _key(studies: Studies, *view: str | int | float) -> str:
    return store.content_key({"studies": studies.key, "view": view, "version": VERSION})


# What views do to one study. Functions of a module, since a loader's processes are sent their views.


def _flipped(index: int, image: UInt8[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
    return np.ascontiguousarray(image[:, ::-1])


def _reworded(change: Callable[[str], str], index: int, report: Report) -> Report:
    return reworded(report, change)


def _with_errors(rates: Mapping[str, float], index: int, report: Report) -> Report:
    return corrupt(report, np.random.default_rng([index, _ERRORS]), **rates)


def _blanked(
    number: int, patch: int, ratio: float, index: int, image: UInt8[np.ndarray, "height width"]
) -> UInt8[np.ndarray, "height width"]:
    [hidden] = patch_mask([index], number, patch_grid(image.shape, patch), ratio)
    return blank(image, hidden)


def _moved(number: int, index: int, image: UInt8[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
    turn, right, down, zoom, brightness, contrast = np.random.default_rng([index, number]).uniform(-1, 1, 6)
    values = _shifted(image.astype(np.float32), turn * ROTATION, (right * SHIFT, down * SHIFT), (1 + ZOOM) ** zoom)
    mean = values.mean()
    relit = (mean + (values - mean) * (1 + contrast * CONTRAST)) * (1 + brightness * BRIGHTNESS)
    return np.rint(relit.clip(0, 255)).astype(np.uint8)


def _shifted(
    image: Float[np.ndarray, "height width"], degrees: float, shift: tuple[float, float], zoom: float
) -> Float[np.ndarray, "height width"]:
    """The image turned about its centre, enlarged, and shifted by shares of its width and height; black around it."""
    size = np.array([image.shape[1], image.shape[0]])
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    # Pillow asks where in the old image a new pixel comes from.
    back = np.array([[cos, -sin], [sin, cos]]) / zoom
    start = size / 2 - back @ (size / 2 + shift * size)
    coefficients = [*back[0], start[0], *back[1], start[1]]
    picture = Image.fromarray(image)
    return np.asarray(picture.transform(picture.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR))
