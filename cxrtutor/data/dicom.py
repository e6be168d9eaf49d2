"""DICOM, the format that radiographs leave the hospital in: what must be undone before the pixels mean anything."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Integer, Num
from scipy.special import expit

from ..errors import InputError
from .geometry import Geometry, resized
from .images import ImageFile, NotFrontal, fitted_size, percentile_window, shown_by_value

if TYPE_CHECKING:
    from pydicom import Dataset

LATERAL = ("LATERAL", "LAT", "LL", "RL", "LLD", "RLD", "DECUBITUS")
OBLIQUE = ("OBLIQUE", "LLO", "RLO", "LPO", "RPO", "LAO", "RAO")
"""The words by which files say that a film is no frontal view."""
_JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
RADIOGRAPHY = ("CR", "DX", "RG", "RF", "OT", "")
"""The modalities under which films are filed; many archives leave it out."""
MOST_PIXELS = 100_000_000
"""The largest detectors have a fifth of it. A damaged header may ask for more than there is memory."""


def read_dicom(path: str | Path, longest_side: int | None = None) -> ImageFile:
    """Read a frontal chest radiograph from a DICOM file.

    In this order: the pixels are decompressed; rescaled (modality look-up table, or slope and intercept); windowed by
    the file's VOI look-up table, else its first window, else between percentiles; inverted where MONOCHROME1 says that
    low values are bright; padding is set to black; and the image is turned until the patient's right is on the left and
    the head is up, as PatientOrientation tells (where absent: it is so already). A pixel spacing of zero is none.
    Only pixels, spacing and view are kept: no name, number or date of the patient leaves this function.

    Source: DICOM PS3.3 sections C.11.1 (modality LUT), C.11.2 (VOI LUT), C.7.6.1.1.1 (patient orientation).

    Args:
        path: of the file; its name does not matter.
        longest_side: shrinks a larger image, aspect kept, until its longer side has this many pixels.

    Raises:
        NotFrontal: the file says that it is a view from the side or oblique.
        InputError: the file is cut short, cannot be decompressed, or is not one monochrome radiograph.
    """
    path = Path(path)
    with explained(path):
        dataset = read_dataset(path)
        refuse_what_is_no_film(dataset, path)
        _refuse_other_views(dataset, path)
        turns = _turns(dataset, path)
        stored = stored_values(dataset, path)
        turned = stored.shape[::-1] if turns[0] else stored.shape
        geometry = Geometry(stored.shape, fitted_size(*turned, longest_side), *turns)
        pixels = resized(geometry.turned(displayed(stored, dataset)), geometry.size)
        return ImageFile(pixels, geometry, _spacing_of_pixels(dataset, geometry), frontal_view(dataset))


def stored_size_of_dicom(path: Path) -> tuple[int, int]:
    """Rows and columns, from the header alone.

    Raises:
        InputError: the file is missing, or has no such header.
    """
    with explained(path):
        dataset = read_dataset(path, stop_before_pixels=True)
        size = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
        if not min(size) > 0:
            raise InputError(f"{path} does not say how many rows and columns it has. Export it again.")
        return size


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn whatever damaged headers lead to into a message that names the file."""
    import pydicom

    try:
        with warnings.catch_warnings():
            # pydicom warns of what it repairs; what it cannot repair is an exception and reported below.
            warnings.simplefilter("ignore")
            yield
    except InputError as error:
        raise error if str(path) in str(error) else type(error)(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}. Check the path.") from error
    except pydicom.errors.InvalidDicomError as error:
        raise InputError(f"{path} is no DICOM file, whatever its name says. Export it again.") from error
    except Exception as error:  # pydicom raises nearly every type there is at damaged headers
        raise InputError(f"{path} is damaged or cut short ({error}). Copy or export it again.") from error


def read_dataset(path: Path, stop_before_pixels: bool = False) -> Dataset:
    import pydicom

    return pydicom.dcmread(path, stop_before_pixels=stop_before_pixels)


def refuse_what_is_no_film(dataset: Dataset, path: Path) -> None:
    """Raise `InputError` if it does not hold one monochrome radiograph."""
    modality = str(dataset.get("Modality") or "").upper()[:16]  # a code; more than that is damage
    if modality not in RADIOGRAPHY:
        raise InputError(f"{path} is of modality {modality}, not a radiograph. Give a chest film (CR, DX or RG).")
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        raise InputError(f"{path} holds {frames} frames, and which one is meant is unclear. Export a single frame.")
    photometric = dataset.get("PhotometricInterpretation")
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise InputError(f"{path} is {photometric or 'without photometric interpretation'}. Give a MONOCHROME film.")
    pixels = int(dataset.get("Rows") or 0) * int(dataset.get("Columns") or 0)
    if pixels > MOST_PIXELS:
        raise InputError(f"{path} has {pixels} pixels, more than any radiograph. Export it again.")


def _refuse_other_views(dataset: Dataset, path: Path) -> None:
    words = view_words(dataset)
    if not {*LATERAL, *OBLIQUE}.isdisjoint(words):
        raise NotFrontal(
            f"{path} is no frontal view ({' '.join(words)}), and cxrtutor reads frontal films. Give the PA or AP film."
        )


def stored_values(dataset: Dataset, path: Path) -> Num[np.ndarray, "rows columns"]:
    """The pixels, decompressed and as they are otherwise; bits beyond the stated number, which are none of a pixel's,
    are cleared (or repeat the sign).

    Raises:
        InputError: there are none, no decoder for them, or they do not begin at the lowest bit.
    """
    if "PixelData" not in dataset:
        raise InputError(f"{path} holds no pixels. Export the image itself, not a report or a presentation state.")
    bits = int(dataset.BitsStored)
    if int(dataset.get("HighBit", bits - 1)) != bits - 1:
        raise InputError(
            f"{path} keeps {bits} bits of a pixel below bit {dataset.HighBit}, not at the lower end. Export it again."
        )
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax == _JPEG_BASELINE:
        dataset.pixel_array_options(decoding_plugin="pillow")  # several times as fast as the one that knows every JPEG
    try:
        stored = dataset.pixel_array
    except RuntimeError as error:
        if "missing dependencies" not in str(error):
            raise
        raise InputError(
            f"{path} is compressed as {syntax.name}, for which a decoder is missing. "
            "Run: pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg"
        ) from error
    except NotImplementedError as error:
        raise InputError(f"{path} is compressed as {syntax.name}. Export it uncompressed.") from error
    if stored.ndim != 2 or not stored.size:
        raise InputError(f"{path} holds pixels of shape {stored.shape}, which is no grey picture. Export it again.")
    beyond = max(8 * stored.itemsize - bits, 0)  # decoders of JPEG 2000 leave what is written there
    return (stored << beyond) >> beyond


def displayed(stored: Num[np.ndarray, "height width"], dataset: Dataset) -> Float[np.ndarray, "height width"]:
    """Stored values as intensities in [0, 1], bone bright, as the file's header asks for.

    Raises:
        InputError: the header leads to values that are not numbers, or to one value everywhere.
    """

    def show(values: Num[np.ndarray, " n"], counts: Integer[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        padding = _padding(dataset, values)
        rescaled = _finite(_rescaled(values, dataset))
        if dataset.get("VOILUTSequence"):
            shown = _voi_lut(rescaled, dataset.VOILUTSequence[0])
        elif (asked := _window(dataset)) is not None:
            shown = window(rescaled, *asked)
        else:
            shown = percentile_window(rescaled, np.where(padding, 0, counts))
        if dataset.PhotometricInterpretation == "MONOCHROME1":
            shown = 1 - shown
        return np.where(padding, 0, _finite(shown))

    return shown_by_value(stored, show)


def _finite(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    if not np.isfinite(values).all():
        raise InputError("Its rescaling or its window has values that are not numbers. Export it again.")
    return values


def window(
    values: Num[np.ndarray, "*shape"], centre: float | int, width: float | int, function: str = "LINEAR"
) -> Float[np.ndarray, "*shape"]:
    """Values around `centre` as intensities in [0, 1]; what lies further away than half the `width` is black or white.

    Source: DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3.

    Args:
        values: rescaled values.
        centre: the value that becomes middle grey.
        width: of the range that is told apart.
        function: "LINEAR", whose centre and width are those of whole numbers (the standard's default), "LINEAR_EXACT",
            or "SIGMOID", which clips nothing.

    Raises:
        InputError: there is no such function.
    """
    centre = float(centre)  # a whole number below the film's unsigned values would wrap around
    match function:
        case "SIGMOID":
            return expit(4 * (values - centre) / width)
        case "LINEAR":
            centre, width = centre - 0.5, max(width - 1, np.finfo(float).tiny)
        case "LINEAR_EXACT":
            pass
        case _:
            raise InputError(f"There is no window function {function!r}. There are LINEAR, LINEAR_EXACT and SIGMOID.")
    return np.clip((values - centre) / width + 0.5, 0, 1)


def look_up(values: Num[np.ndarray, "*shape"], first: int, table: Num[np.ndarray, " n"]) -> Num[np.ndarray, "*shape"]:
    """The entry of a look-up table for each value; entry 0 is for `first` and all below, the last for all above."""
    places = np.rint(np.clip(values, first, first + len(table) - 1)).astype(np.int64) - first
    return table[places]


def _rescaled(values: Num[np.ndarray, " n"], dataset: Dataset) -> Float[np.ndarray, " n"]:
    """Stored values in the units that the window is meant for."""
    if dataset.get("ModalityLUTSequence"):
        return look_up(values, *table_of(dataset.ModalityLUTSequence[0]))
    slope, intercept = (_numbers(dataset.get(name)) for name in ("RescaleSlope", "RescaleIntercept"))
    return values * (slope or (1.0,))[0] + (intercept or (0.0,))[0]


def _voi_lut(values: Float[np.ndarray, " n"], item: Dataset) -> Float[np.ndarray, " n"]:
    """Look-up table over its own range (the stated bit depth is often wrong).

    Not pydicom's: that one overflows where a table of 8-bit entries is longer than 256.
    """
    first, table = table_of(item)
    return look_up(values, first, (table - table.min()) / max(np.ptp(table), 1))


def table_of(item: Dataset) -> tuple[int, Float[np.ndarray, " n"]]:
    """A look-up table: the value of its first entry, and as many entries as it says that it has.

    Source: DICOM PS3.3 C.11.1.1.1: 0 entries are 65,536, and entries of 8 bits may be packed two to a word.
    """
    stated, first = (int(number) for number in item.LUTDescriptor[:2])
    count = stated % 65536 or 65536
    entries = item.LUTData
    if isinstance(entries, bytes):
        packed = len(entries) == count + count % 2 < 2 * count
        entries = np.frombuffer(entries, "u1" if packed else "<u2")
    return first, np.atleast_1d(np.asarray(entries, np.float64))[:count]


def _window(dataset: Dataset) -> tuple[float, float, str] | None:
    """Centre, width and function of the first window; None where there is none that can be used."""
    centres, widths = (_numbers(dataset.get(name)) for name in ("WindowCenter", "WindowWidth"))
    function = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    if not centres or not widths or widths[0] <= 0 or (function == "LINEAR" and widths[0] < 1):
        return None
    return centres[0], widths[0], function


def _padding(dataset: Dataset, stored: Num[np.ndarray, "*shape"]) -> Bool[np.ndarray, "*shape"]:
    """Pixels that were added around the exposed field, which hold no intensity."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, bool)
    limit = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((int(value), int(value if limit is None else limit)))
    return (stored >= low) & (stored <= high)


def _turns(dataset: Dataset, path: Path) -> tuple[bool, bool, bool]:
    """What is done to hang the stored film: transposed, mirrored, upside down (see `Geometry`)."""
    rows, columns = _orientation(dataset, path)
    transposed = rows in "HF"  # stored lying on its side
    if transposed:
        rows, columns = columns, rows
    return transposed, rows == "R", columns == "H"


def _orientation(dataset: Dataset, path: Path) -> tuple[str, str]:
    """Towards which side of the patient columns and rows count: ("L", "F") is how films are hung, and the default."""
    orientation = dataset.get("PatientOrientation")
    if not orientation or len(orientation) != 2 or not all(orientation):
        return "L", "F"
    rows, columns = (str(direction)[0].upper() for direction in orientation)
    if {rows, columns} & set("AP") or (rows in "LR") == (columns in "LR"):
        raise NotFrontal(
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


def _spacing_of_pixels(dataset: Dataset, geometry: Geometry) -> tuple[float, float] | None:
    """Millimetres between the image's own rows and columns, which may be fewer than are stored, and exchanged."""
    spacing = _pixel_spacing(dataset)
    if spacing is None:
        return None
    shape = geometry.stored
    if geometry.transposed:
        spacing, shape = spacing[::-1], shape[::-1]
    return spacing[0] * (shape[0] / geometry.size[0]), spacing[1] * (shape[1] / geometry.size[1])


def view_words(dataset: Dataset) -> list[str]:
    """All that the header says about the view, in capitals, word by word."""
    codes = dataset.get("ViewCodeSequence") or []
    names = [dataset.get("ViewPosition"), *(code.get("CodeMeaning") for code in codes)]
    return " ".join(str(name).upper() for name in names if name).replace("-", " ").split()


def frontal_view(dataset: Dataset) -> str | None:
    """ "PA" or "AP", or None where the header says neither."""
    words = view_words(dataset)
    text = " ".join(words).replace("POSTERO ANTERIOR", "PA").replace("ANTERO POSTERIOR", "AP").split()
    return next((view for view in ("PA", "AP") if view in text), None)


def _numbers(value: object) -> Sequence[float]:
    """A DICOM element of one, several or no numbers as a sequence."""
    if value is None or value == "":
        return ()
    return tuple(float(number) for number in (value if isinstance(value, Sequence) else (value,)))
