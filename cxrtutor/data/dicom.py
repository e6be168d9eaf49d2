"""DICOM, the format that radiographs leave the hospital in: what must be undone before the pixels mean anything."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Num

from ..errors import InputError
from .images import ImageFile, percentile_window

if TYPE_CHECKING:
    from pydicom import Dataset

_LATERAL = ("LATERAL", "LAT", "LL", "RL", "LLD", "RLD", "DECUBITUS")
_OBLIQUE = ("OBLIQUE", "LLO", "RLO", "LPO", "RPO", "LAO", "RAO")
_RADIOGRAPHY = ("CR", "DX", "RG", "RF", "OT", "")


def read_dicom(path: str | Path) -> ImageFile:
    """Read a frontal chest radiograph from a DICOM file.

    In this order: the pixels are decompressed; rescaled (modality look-up table, or slope and intercept); windowed by
    the file's VOI look-up table, else its first window, else between percentiles; inverted where MONOCHROME1 says that
    low values are bright; padding is set to black; and the image is turned until the patient's right is on the left and
    the head is up, as PatientOrientation tells (where absent: it is so already). A pixel spacing of zero is none.
    Only pixels, spacing and view are kept: no name, number or date of the patient leaves this function.

    Source: DICOM PS3.3 sections C.11.1 (modality LUT), C.11.2 (VOI LUT), C.7.6.1.1.1 (patient orientation).

    Raises:
        InputError: the file is cut short, cannot be decompressed, or is not one frontal monochrome radiograph.
    """
    import pydicom

    path = Path(path)
    try:
        with warnings.catch_warnings():
            # pydicom warns of what it repairs; what it cannot repair is an exception and reported below.
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path)
            _refuse_what_is_no_frontal_film(dataset, path)
            stored = _stored_values(dataset, path)
            pixels = _display(dataset, stored)
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}. Check the path.") from error
    except pydicom.errors.InvalidDicomError as error:
        raise InputError(f"{path} is no DICOM file, whatever its name says. Export it again.") from error
    except Exception as error:  # pydicom raises nearly every type there is at damaged headers
        raise InputError(f"{path} is damaged or cut short ({error}). Copy or export it again.") from error

    rows, columns = _orientation(dataset, path)
    spacing = _pixel_spacing(dataset)
    if rows in "HF":  # stored lying on its side
        pixels, (rows, columns) = pixels.T, (columns, rows)
        spacing = spacing and spacing[::-1]
    if rows == "R":
        pixels = pixels[:, ::-1]
    if columns == "H":
        pixels = pixels[::-1]
    return ImageFile(np.ascontiguousarray(pixels), spacing, _view(dataset))


def _refuse_what_is_no_frontal_film(dataset: Dataset, path: Path) -> None:
    modality = str(dataset.get("Modality") or "").upper()
    if modality not in _RADIOGRAPHY:
        raise InputError(f"{path} is of modality {modality}, not a radiograph. Give a chest film (CR, DX or RG).")
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        raise InputError(f"{path} holds {frames} frames, and which one is meant is unclear. Export a single frame.")
    photometric = dataset.get("PhotometricInterpretation")
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise InputError(f"{path} is {photometric or 'without photometric interpretation'}. Give a MONOCHROME film.")
    words = _view_words(dataset)
    if not {*_LATERAL, *_OBLIQUE}.isdisjoint(words):
        raise InputError(
            f"{path} is no frontal view ({' '.join(words)}), and cxrtutor reads frontal films. Give the PA or AP film."
        )


def _stored_values(dataset: Dataset, path: Path) -> Num[np.ndarray, "height width"]:
    if "PixelData" not in dataset:
        raise InputError(f"{path} holds no pixels. Export the image itself, not a report or a presentation state.")
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        return dataset.pixel_array
    except RuntimeError as error:
        if "missing dependencies" not in str(error):
            raise
        raise InputError(
            f"{path} is compressed as {syntax.name}, for which a decoder is missing. "
            "Run: pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg"
        ) from error
    except NotImplementedError as error:
        raise InputError(f"{path} is compressed as {syntax.name}. Export it uncompressed.") from error


def _display(dataset: Dataset, stored: Num[np.ndarray, "height width"]) -> Float[np.ndarray, "height width"]:
    """Stored values to bone-bright intensities in [0, 1]."""
    from pydicom.pixels import apply_modality_lut

    padding = _padding(dataset, stored)
    values = apply_modality_lut(stored, dataset)
    if dataset.get("VOILUTSequence"):
        shown = _voi_lut(values, dataset.VOILUTSequence[0])
    elif (window := _window(dataset)) is not None:
        shown = _windowed(values, *window)
    else:
        shown = percentile_window(values, ~padding)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        shown = 1 - shown
    return np.where(padding, 0, shown).astype(np.float32)


def _voi_lut(values: Num[np.ndarray, "height width"], item: Dataset) -> Float[np.ndarray, "height width"]:
    """Look-up table over its own range (the stated bit depth is often wrong).

    Not pydicom's: that one overflows where a table of 8-bit entries is longer than 256.
    """
    first = int(item.LUTDescriptor[1])
    entries = item.LUTData
    table = (np.frombuffer(entries, "<u2") if isinstance(entries, bytes) else np.asarray(entries)).astype(np.float64)
    index = np.clip(np.rint(values).astype(np.int64) - first, 0, len(table) - 1)
    return ((table - table.min()) / max(np.ptp(table), 1))[index]


def _window(dataset: Dataset) -> tuple[float, float, str] | None:
    """Centre, width and function of the first window; None where there is none that can be used."""
    centres, widths = (_numbers(dataset.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if not centres or not widths or widths[0] < 1:
        return None
    return centres[0], widths[0], str(dataset.get("VOILUTFunction") or "LINEAR").upper()


def _windowed(
    values: Num[np.ndarray, "height width"], centre: float, width: float, function: str
) -> Float[np.ndarray, "height width"]:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3, with the output range [0, 1]."""
    if function == "SIGMOID":
        return 1 / (1 + np.exp(-4 * (values - centre) / width))
    if function == "LINEAR":  # the standard's pixel-centred form; LINEAR_EXACT does without
        centre, width = centre - 0.5, max(width - 1, np.finfo(float).tiny)
    return np.clip((values - centre) / width + 0.5, 0, 1)


def _padding(dataset: Dataset, stored: Num[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """Pixels that were added around the exposed field, which hold no intensity."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, bool)
    limit = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((int(value), int(value if limit is None else limit)))
    return (stored >= low) & (stored <= high)


def _orientation(dataset: Dataset, path: Path) -> tuple[str, str]:
    """Towards which side of the patient columns and rows count: ("L", "F") is how films are hung, and the default."""
    orientation = dataset.get("PatientOrientation")
    if not orientation or len(orientation) != 2 or not all(orientation):
        return "L", "F"
    rows, columns = (str(direction)[0].upper() for direction in orientation)
    if {rows, columns} & set("AP") or (rows in "LR") == (columns in "LR"):
        raise InputError(
            f"{path}: PatientOrientation {rows}\\{columns} is no frontal view, and cxrtutor reads frontal films. "
            "Give the PA or AP film."
        )
    return rows, columns


def _pixel_spacing(dataset: Dataset) -> tuple[float, float] | None:
    """In the patient where known, else on the detector (which magnifies by a few per cent); zero counts as unknown."""
    for name in ("PixelSpacing", "ImagerPixelSpacing"):
        spacing = _numbers(dataset.get(name))
        if len(spacing) == 2 and min(spacing) > 0:
            return spacing[0], spacing[1]
    return None


def _view_words(dataset: Dataset) -> list[str]:
    codes = dataset.get("ViewCodeSequence") or []
    names = [dataset.get("ViewPosition"), *(code.get("CodeMeaning") for code in codes)]
    return " ".join(str(name).upper() for name in names if name).replace("-", " ").split()


def _view(dataset: Dataset) -> str | None:
    words = _view_words(dataset)
    text = " ".join(words).replace("POSTERO ANTERIOR", "PA").replace("ANTERO POSTERIOR", "AP").split()
    return next((view for view in ("PA", "AP") if view in text), None)


def _numbers(value: object) -> Sequence[float]:
    """A DICOM element of one, several or no numbers as a sequence."""
    if value is None or value == "":
        return ()
    return tuple(float(number) for number in (value if isinstance(value, Sequence) else (value,)))
