"""Single files as a study: what a reader has at hand, read by the code that reads every set."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
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
        report=parse_report(_read_text(report) if isinstance(report, Path) else report),
        pixel_spacing=radiograph.pixel_spacing,
        view=radiograph.view,
        geometry=radiograph.geometry,
    )


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8 ({error}). Save it as UTF-8.") from error
    except OSError as error:
        raise InputError(f"Cannot read the report {path}: {error.strerror}. Check the path.") from error
