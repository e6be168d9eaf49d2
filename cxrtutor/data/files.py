"""Single files as a study: what a reader has at hand, read by the code that reads every set."""

from __future__ import annotations

from pathlib import Path

from .annotations import read_text
from .images import read_image
from .reports import parse_report
from .study import Study


def read_study(image: str | Path, report: str | Path = "") -> Study:
    """Read a radiograph and its report.

    Args:
        image: a DICOM, PNG, JPEG or TIFF file; its name without suffix is the study's and the patient's id.
        report: the text itself (`str`) or the text file that holds it (`Path`).

    Raises:
        InputError: a file is missing or cannot be read, or the image is not one frontal radiograph.
    """
    radiograph = read_image(image)
    name = Path(image).stem
    return Study(
        id=name,
        patient=name,
        image=radiograph.pixels,
        report=parse_report(read_text(report) if isinstance(report, Path) else report),
        pixel_spacing=radiograph.pixel_spacing,
        view=radiograph.view,
        geometry=radiograph.geometry,
    )
