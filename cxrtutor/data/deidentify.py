"""A radiograph without the patient: what shows the film is kept, and everything else is left behind.

A list of what to remove is never complete: makers add tags of their own, and people type names wherever there is room.
So this is a list of what to keep, of which text is kept only if it is one of the standard's own words.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import MutableSequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import store
from ..errors import InputError
from .dicom import (
    LATERAL,
    OBLIQUE,
    RADIOGRAPHY,
    explained,
    frontal_view,
    read_dataset,
    refuse_what_is_no_film,
    stored_values,
    table_of,
    view_words,
)

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset

KEPT_NUMBERS = (
    *("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit", "PixelSpacing", "ImagerPixelSpacing"),
    *("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth"),
)
"""Tags whose numbers say how the pixels are stored, how large they are and how bright; other values are left out."""

KEPT_WORDS = {
    "Modality": RADIOGRAPHY,
    "PhotometricInterpretation": ("MONOCHROME1", "MONOCHROME2"),
    "PresentationLUTShape": ("IDENTITY", "INVERSE"),
    "VOILUTFunction": ("LINEAR", "LINEAR_EXACT", "SIGMOID"),
    "LossyImageCompression": ("00", "01"),
    "PatientOrientation": ("L", "R", "H", "F", "A", "P", "LF", "LH", "RF", "RH"),
}
"""Tags of text, and the words that may stand in them; any other word is somebody's own and is left out."""

KEPT_TABLES = ("ModalityLUTSequence", "VOILUTSequence")
"""Look-up tables, of which the numbers alone are kept."""

EMPTY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"),
    *("AccessionNumber", "ReferringPhysicianName", "SeriesNumber", "InstanceNumber"),
)
"""Tags that the standard wants in every file, with or without a value."""


def deidentify(source: str | Path | Dataset) -> Dataset:
    """A new data set that holds the film and nothing about the patient, the hospital or the day.

    Kept are the stored pixels, their scale, windows, spacing and modality (`KEPT_NUMBERS`, `KEPT_WORDS`, `KEPT_TABLES`)
    and which view it is, in those words that are views. The pixels are decompressed, since a compressed stream has room
    for comments, and bits beyond the stated number, where old machines put what is written over a film, are cleared.

    The new UIDs are made from a hash of what is kept, never from the old ones. So the same film always gets the same
    UIDs, and they say nothing that its pixels do not; but each film becomes a study of its own. A hash of the old UIDs
    would be no protection: whoever has a list of them can compute it for each.

    The pixels themselves stay as they are. Whoever has the original film can recognise it, and what is written *in* the
    picture and not declared is not found: look at every film before you pass it on.

    Raises:
        InputError: the file says that text is burned into its pixels, or it cannot be read as one monochrome film.
    """
    path = Path(source) if isinstance(source, (str, Path)) else Path("the data set")
    with explained(path):
        original = read_dataset(path) if isinstance(source, (str, Path)) else source
        refuse_what_is_no_film(original, path)
        if str(original.get("BurnedInAnnotation") or "").upper() == "YES":
            raise InputError(
                f"{path} says that text is burned into its pixels, which may name the patient. "
                "Blank the text in an image editor for DICOM, or leave the film out."
            )
        stored = stored_values(original, path)
        kept = _kept(original)
        kept.PixelData = np.ascontiguousarray(stored).astype(stored.dtype.newbyteorder("<")).tobytes()
        kept["PixelData"].VR = "OB" if stored.itemsize == 1 else "OW"
        _name(kept, original)
        return kept


def write_dicom(path: Path, dataset: Dataset) -> None:
    """Write a data set as a DICOM file, whole or not at all. Where this very file lies already, nothing is done.

    Raises:
        InputError: something else lies there, which might be an original, or the file cannot be written.
    """
    content = io.BytesIO()
    dataset.save_as(content, enforce_file_format=True)
    if path.is_file() and path.read_bytes() == content.getvalue():
        return
    if path.exists():
        raise InputError(f"{path} is there already, and nothing is overwritten. Choose another name, or move it away.")
    store.write_file(path, content.getvalue())


def check_apart(originals: Path, copies: Path) -> None:
    """Raise `InputError` if two folders are one, or one lies inside the other: copies would be mixed with originals."""
    first, second = originals.resolve(), copies.resolve()
    if first.is_relative_to(second) or second.is_relative_to(first):
        raise InputError(
            f"{copies} and {originals} are one folder, or one lies in the other, and copies would be mixed with "
            "originals. Choose a folder for the copies that lies elsewhere."
        )


def _kept(original: Dataset) -> Dataset:
    from pydicom.dataset import Dataset

    kept = Dataset()
    for name in KEPT_NUMBERS:
        if name in original and (element := _numbers(name, original[name])):
            kept.add(element)
    for name, known in KEPT_WORDS.items():
        value = original.get(name)
        words = [value] if isinstance(value, str) else list(value or ())
        if words and {word.upper() for word in words} <= set(known):
            setattr(kept, name, value)
    side = [word for word in view_words(original) if word in (*LATERAL, *OBLIQUE)][:1]
    if view := " ".join([word for word in (frontal_view(original), *side) if word]):
        kept.ViewPosition = view  # what is no frontal view stays none
    for name in KEPT_TABLES:
        if items := original.get(name):
            setattr(kept, name, [_table(items[0])])
    return kept


def _numbers(name: str, element: DataElement) -> DataElement | None:
    """The element as the standard has it, of numbers alone; None where a value is something else.

    Files state the kind of each value themselves, so that there may be a name where a number belongs.
    """
    from pydicom.datadict import dictionary_VR
    from pydicom.dataelem import DataElement
    from pydicom.valuerep import DSfloat

    values = element.value if isinstance(element.value, MutableSequence) else [element.value]
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        return None
    if not numbers or not np.isfinite(numbers).all():
        return None
    kinds = dictionary_VR(name).split(" or ")
    kind = element.VR if element.VR in kinds else kinds[0]
    if kind == "DS":
        return DataElement(name, kind, [DSfloat(number, auto_format=True) for number in numbers])
    limits = np.iinfo(np.int16 if kind == "SS" else np.uint16)
    fit = all(number.is_integer() and limits.min <= number <= limits.max for number in numbers)
    return DataElement(name, kind, [int(number) for number in numbers]) if fit else None


def _table(item: Dataset) -> Dataset:
    """The entries that a table says it has, as words of 16 bits."""
    from pydicom.dataset import Dataset

    first, entries = table_of(item)
    words = entries.astype("<u2")
    if not np.array_equal(words, entries):
        raise InputError("A look-up table has entries that are no numbers of 16 bits. Export the film again.")
    descriptor = np.array([len(words) % 65536, first % 65536, int(item.LUTDescriptor[2]) % 65536], np.uint16)
    table = Dataset()
    if first < 0:
        table.add_new("LUTDescriptor", "SS", descriptor.view(np.int16).tolist())
    else:
        table.add_new("LUTDescriptor", "US", descriptor.tolist())
    table.add_new("LUTData", "OW", words.tobytes())
    return table


def _name(kept: Dataset, original: Dataset) -> None:
    """Give the data set the names that every file must have: its own UIDs, and an empty patient."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    content = hashlib.sha256(kept.to_json(bulk_data_threshold=10**9).encode()).digest()
    kind = UID(str(original.get("SOPClassUID") or ""))
    kept.SOPClassUID = kind if kind.type == "SOP Class" else SecondaryCaptureImageStorage
    for name in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        digest = hashlib.sha256(name.encode() + content).digest()
        setattr(kept, name, f"2.25.{int.from_bytes(digest[:16], 'big')}")
    for name in EMPTY:
        setattr(kept, name, None if name.endswith("Number") and name != "AccessionNumber" else "")
    kept.PatientIdentityRemoved = "YES"
    kept.DeidentificationMethod = "Allow-list of tags; UIDs hashed from content; pixels unchanged"
    kept.file_meta = FileMetaDataset()
    kept.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    kept.file_meta.MediaStorageSOPClassUID = kept.SOPClassUID
    kept.file_meta.MediaStorageSOPInstanceUID = kept.SOPInstanceUID
