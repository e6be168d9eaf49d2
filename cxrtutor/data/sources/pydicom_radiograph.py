"""A genuine radiograph that needs no network: the PA chest film RG1 of the package `pydicom-data`.

It is a computed radiograph of 1995 (MONOCHROME1, 15 bits, pixel spacing 0) with several rounded opacities. The file
carries no report and no truth, and the patient's name in it is made up.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from ...errors import InputError
from ..files import read_study
from ..study import Study

_FILE = "RG1_UNCR.dcm"  # uncompressed, so that no decoder is needed


def radiograph_path() -> Path:
    """Where the installed package keeps the DICOM file.

    Raises:
        InputError: `pydicom-data` is not installed.
    """
    try:
        files = distribution("pydicom-data").files or []
    except PackageNotFoundError as error:
        raise InputError("The package pydicom-data is missing. Run: pip install pydicom-data") from error
    found = [Path(str(file.locate())) for file in files if file.name == _FILE]
    if not found or not found[0].is_file():
        raise InputError(f"pydicom-data is installed without {_FILE}. Run: pip install --force-reinstall pydicom-data")
    return found[0]


def read_radiograph() -> Study:
    """The film as a study, with an empty report."""
    return read_study(radiograph_path())
