"""From an entry of a listing to a study, or why there is none: the one place where images and reports are opened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..errors import InputError
from .annotations import Annotated
from .geometry import Geometry
from .image_folder import UNREADABLE_IMAGE
from .images import NotFrontal, read_image
from .reports import parse_report
from .source import Entry, Skipped
from .study import Finding, Report, Study

MISSING = "image missing"

SMALLEST_DRAWN = 20
"""Truth on fewer pixels a side fits no other size: a pixel of rounding would make it fit nearly any."""


def read_entry(entry: Entry, side: int | None = None) -> Study | Skipped:
    """The study that an entry names, or why there is none.

    Args:
        entry: of a source's listing.
        side: the longer side of the image; a larger one is shrunk, with its truth.

    Raises:
        InputError: the report is there and may not be read.
    """

    def skipped(reason: str, detail: str) -> Skipped:
        return Skipped(entry.id, reason, f"{entry.place}: {detail}")

    if not entry.image.is_file():
        return skipped(MISSING, f"there is no file {entry.image}")
    try:
        image = read_image(entry.image, longest_side=side)
    except NotFrontal as error:
        return skipped("no frontal view", str(error))
    except InputError as error:
        return skipped(UNREADABLE_IMAGE, str(error))
    stored = image.geometry.stored
    for one in entry.truth:
        if not _same_shape(one.size, stored):
            detail = f"{one.phrase!r} was drawn on {one.size} pixels (height, width), and {entry.image} has {stored}"
            return skipped("truth does not fit the image", detail)
    findings = tuple(_moved(one, image.geometry) for one in entry.truth if one.present)
    for one in findings:
        if one.mask is None and not any(box.cut(image.pixels.shape).has_area for box in one.boxes):
            return skipped("truth does not fit the image", f"no box of {one.phrase!r} lies in {entry.image}")
    looked_for: dict[str, int] = {}
    for one in entry.truth:
        looked_for[one.name] = max(looked_for.get(one.name, 0), int(one.present))
    return Study(
        id=entry.id,
        patient=entry.patient,
        image=image.pixels,
        report=_report(entry.report),
        findings=findings,
        annotated=entry.annotated,
        pixel_spacing=image.pixel_spacing,
        view=entry.view or image.view,
        split=entry.split,
        study=entry.study,
        labels=looked_for | dict(entry.labels),
        geometry=image.geometry,
    )


def _same_shape(drawn: tuple[int, int], stored: tuple[int, int]) -> bool:
    """Whether one size is the other, scaled and rounded; to which of the two the rounding was done is not known."""

    if drawn != stored and min(*drawn, *stored) < SMALLEST_DRAWN:
        return False

    def scaled(a: tuple[int, int], b: tuple[int, int]) -> bool:
        return abs(a[1] - b[1] * a[0] / b[0]) <= 1 or abs(a[0] - b[0] * a[1] / b[1]) <= 1

    return scaled(drawn, stored) or scaled(stored, drawn)


def _moved(truth: Annotated, geometry: Geometry) -> Finding:
    """A finding of the stored image, in pixels of the study's image."""
    geometry = replace(geometry, stored=truth.size)
    found = truth.finding()
    mask = None if found.mask is None else geometry.mask(found.mask)
    return replace(found, mask=mask, boxes=tuple(map(geometry.box, found.boxes)))


def _report(report: Path | Report | None) -> Report:
    if isinstance(report, Report):
        return report
    if report is None or not report.is_file():
        return Report({}, ())
    try:
        return parse_report(report.read_text(encoding="utf-8-sig", errors="replace"))
    except OSError as error:
        raise InputError(f"Cannot read the report {report}: {error.strerror}. Check its permissions.") from error


def report_lacking(entry: Entry) -> Skipped:
    """Why a study has an empty report."""
    if isinstance(entry.report, Path) and not entry.report.is_file():
        return Skipped(entry.id, "report missing", f"{entry.place}: there is no file {entry.report}")
    where = f" in {entry.report}" if isinstance(entry.report, Path) else ""
    return Skipped(entry.id, "report without sentences", f"{entry.place}: no sentence of FINDINGS or IMPRESSION{where}")
