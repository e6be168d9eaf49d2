from __future__ import annotations

import json
import re

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.datadict import DicomDictionary, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless, generate_uid
from typer.testing import CliRunner

from cxrtutor.cli import app
from cxrtutor.data.deidentify import KEPT_NUMBERS, KEPT_WORDS, deidentify, write_dicom
from cxrtutor.data.dicom import read_dicom
from cxrtutor.data.images import NotFrontal
from cxrtutor.data.sources.pydicom_radiograph import radiograph_path
from cxrtutor.errors import InputError

SECRET = "ZQXDOE"
TEXT = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT")
TEXT_TAGS = [tag for tag, entry in DicomDictionary.items() if entry[0] in TEXT and tag >> 16 > 7]


def write(path, syntax=ExplicitVRLittleEndian, values=None, **tags):
    """A film with a name, a table and a window."""
    if values is None:
        values = np.linspace(0, 4095, 48 * 40).reshape(48, 40).astype(np.uint16)
    film = Dataset()
    film.file_meta = pydicom.dataset.FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID = generate_uid()
    film.SOPClassUID = film.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    film.StudyInstanceUID, film.SeriesInstanceUID = generate_uid(), generate_uid()
    film.PatientName, film.PatientID, film.StudyDate, film.Modality = f"{SECRET}^JANE", "4711", "20260304", "CR"
    film.Rows, film.Columns = values.shape
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME1"
    film.BitsAllocated, film.BitsStored, film.HighBit = 16, 12, 11
    film.PixelRepresentation = int(values.dtype.kind == "i")
    film.WindowCenter, film.WindowWidth, film.PixelSpacing = [2000, 10], [3000, 9], [0.2, 0.3]
    film.RescaleSlope, film.RescaleIntercept = 1.5, -20
    film.PatientOrientation, film.ViewPosition, film.PixelPaddingValue = ["F", "L"], "PA", 4095
    film.PixelData = values.tobytes()
    film["PixelData"].VR = "OW"
    for tag, value in tags.items():
        setattr(film, tag, value)
    if syntax != ExplicitVRLittleEndian:
        film.compress(syntax, generate_instance_uid=False)
    film.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless])
def test_the_film_looks_as_before(tmp_path, syntax):
    path = write(tmp_path / "film.dcm", syntax)
    write_dicom(tmp_path / "out.dcm", deidentify(path))
    before, after = read_dicom(path), read_dicom(tmp_path / "out.dcm")
    np.testing.assert_array_equal(after.pixels, before.pixels)
    assert (after.geometry, after.pixel_spacing, after.view) == (before.geometry, before.pixel_spacing, before.view)
    assert pydicom.dcmread(tmp_path / "out.dcm").PatientIdentityRemoved == "YES"


def test_a_look_up_table_is_kept_without_what_is_written_on_it(tmp_path):
    item = Dataset()
    item.LUTDescriptor = [100, 500, 12]
    item["LUTDescriptor"].VR = "US"
    item.LUTData = np.linspace(0, 4095, 100).astype(int).tolist()
    item["LUTData"].VR = "US"
    item.LUTExplanation = SECRET
    path = write(tmp_path / "film.dcm", VOILUTSequence=Sequence([item]))
    write_dicom(tmp_path / "out.dcm", deidentify(path))
    np.testing.assert_array_equal(read_dicom(tmp_path / "out.dcm").pixels, read_dicom(path).pixels)
    assert SECRET.encode() not in (tmp_path / "out.dcm").read_bytes()


@pytest.mark.parametrize(
    ("tag", "kind", "value"),
    [
        ("PixelSpacing", "LO", SECRET),
        ("WindowCenter", "LT", f"{SECRET} 1950"),
        ("WindowWidth", "UT", SECRET),
        ("PixelPaddingValue", "OB", SECRET.encode()),
        ("PixelPaddingRangeLimit", "SH", SECRET),
        ("RescaleSlope", "PN", SECRET),
        ("ImagerPixelSpacing", "LO", ["0.1", SECRET]),
    ],
)
def test_a_name_where_a_number_belongs_is_left_out(tmp_path, tag, kind, value):
    film = pydicom.dcmread(write(tmp_path / "film.dcm"))
    film.add_new(tag, kind, value)
    film.save_as(tmp_path / "film.dcm")
    assert SECRET.encode() in (tmp_path / "film.dcm").read_bytes()
    write_dicom(tmp_path / "out.dcm", deidentify(tmp_path / "film.dcm"))
    assert SECRET.encode() not in (tmp_path / "out.dcm").read_bytes()
    assert tag not in pydicom.dcmread(tmp_path / "out.dcm")


def test_a_number_of_another_kind_becomes_the_standards(tmp_path):
    film = pydicom.dcmread(write(tmp_path / "film.dcm"))
    film.add_new("WindowCenter", "LO", ["2000", "10"])
    film.save_as(tmp_path / "film.dcm")
    clean = deidentify(tmp_path / "film.dcm")
    assert clean["WindowCenter"].VR == "DS" and list(clean.WindowCenter) == [2000, 10]


@pytest.mark.parametrize("first", [500, -500])
def test_what_follows_a_tables_entries_is_left_out(tmp_path, first):
    entries = np.linspace(0, 4095, 100).astype("<u2")
    item = Dataset()
    item.add_new("LUTDescriptor", "SS", [100, first, 12])
    item.add_new("LUTData", "OW", entries.tobytes() + f"{SECRET}^JANE 1950".encode().ljust(18))
    path = write(tmp_path / "film.dcm", VOILUTSequence=Sequence([item]))
    write_dicom(tmp_path / "out.dcm", deidentify(path))
    assert SECRET.encode() not in (tmp_path / "out.dcm").read_bytes()
    np.testing.assert_array_equal(read_dicom(tmp_path / "out.dcm").pixels, read_dicom(path).pixels)


def test_a_tables_description_is_numbers(tmp_path):
    item = Dataset()
    item.add_new("LUTDescriptor", "LO", ["4", "0", SECRET])
    item.add_new("LUTData", "OW", np.arange(4, dtype="<u2").tobytes())
    with pytest.raises(InputError, match=r"film\.dcm is damaged"):
        deidentify(write(tmp_path / "film.dcm", VOILUTSequence=Sequence([item])))


@pytest.mark.parametrize("signed", [False, True])
def test_what_is_written_above_the_pixels_bits_is_cleared(tmp_path, signed):
    """Decoders of JPEG 2000 give all 16 bits, whatever the file says of 12."""
    from openjpeg.utils import encode_array

    values = np.full((48, 40), 100, np.uint16)
    values[20:] = 0xF80 if signed else 200  # -128 in 12 bits
    over = values.copy()
    over[10:20, 10:30] |= 0x7000
    plain = pydicom.dcmread(write(tmp_path / "film.dcm", values=values, PixelRepresentation=int(signed)))
    plain.file_meta.TransferSyntaxUID = JPEG2000Lossless
    plain.PixelData = encapsulate([bytes(encode_array(over, photometric_interpretation=2, use_mct=False))])
    plain["PixelData"].VR = "OB"
    plain.save_as(tmp_path / "film.dcm")
    clean = deidentify(tmp_path / "film.dcm")
    expected = np.where(np.arange(48)[:, None] < 20, 100, -128 if signed else 200) * np.ones((1, 40))
    got = np.frombuffer(clean.PixelData, "<i2" if signed else "<u2").reshape(48, 40)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("position", "code", "kept"),
    [
        ("PA", "", "PA"),
        ("", "postero-anterior", "PA"),
        ("AP LLD", "", "AP LLD"),
        ("", "left lateral", "LATERAL"),
        ("AP", "left anterior oblique", "AP OBLIQUE"),
        (SECRET, SECRET, None),
        ("PA", "left lateral decubitus LAT XTABLE", "PA LATERAL"),
    ],
)
def test_a_view_stays_what_it_was(tmp_path, position, code, kept):
    item = Dataset()
    item.CodeMeaning = code
    film = write(tmp_path / "film.dcm", ViewPosition=position, ViewCodeSequence=[item], PatientOrientation=["L", "F"])
    clean = deidentify(film)
    assert clean.get("ViewPosition") == kept
    write_dicom(tmp_path / "out.dcm", clean)
    outcomes = []
    for path in (film, tmp_path / "out.dcm"):
        try:
            outcomes.append(read_dicom(path).view)
        except NotFrontal:
            outcomes.append("not frontal")
    assert outcomes[0] == outcomes[1]


@given(st.lists(st.sampled_from([*TEXT_TAGS, *KEPT_WORDS, "ViewPosition"]), max_size=40, unique=True), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_but_the_standards_own_words_comes_through(tmp_path, tags, data):
    """A secret in any tag that takes text, in those of a maker, in a sequence and in an overlay."""
    film = pydicom.dcmread(write(tmp_path / "film.dcm"))
    for tag in tags:
        if tag not in ("Modality", "PhotometricInterpretation"):
            film.add_new(tag, dictionary_VR(tag), SECRET)
    block = film.private_block(0x0029, SECRET, create=True)
    block.add_new(1, "LO", SECRET)
    inner = Dataset()
    inner.CodeMeaning = SECRET
    film.ViewCodeSequence = [inner]
    film.add_new(0x60003000, "OW", f"{SECRET}{SECRET}".encode())
    film.preamble = SECRET.encode().ljust(128, b"\0")
    film.save_as(tmp_path / "film.dcm")
    write_dicom(tmp_path / "out.dcm", deidentify(tmp_path / "film.dcm"))
    written = (tmp_path / "out.dcm").read_bytes()
    assert SECRET.encode() in (tmp_path / "film.dcm").read_bytes()
    assert SECRET.encode() not in written and b"4711" not in written and b"20260304" not in written
    kept = {element.keyword for element in pydicom.dcmread(tmp_path / "out.dcm") if not element.is_empty}
    added = {"SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PixelData"}
    assert kept <= {
        *KEPT_NUMBERS,
        *KEPT_WORDS,
        *added,
        "ViewPosition",
        "PatientIdentityRemoved",
        "DeidentificationMethod",
    }


def test_uids_depend_on_what_is_kept_alone(tmp_path):
    first = deidentify(write(tmp_path / "a.dcm"))
    second = deidentify(write(tmp_path / "b.dcm", PatientName="SOMEBODY^ELSE"))
    assert first == second, "new UIDs and another name in the original, and nothing of them here"
    original = pydicom.dcmread(tmp_path / "a.dcm")
    other = deidentify(write(tmp_path / "c.dcm", WindowWidth=[2999, 9]))
    for name in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        assert first[name].value not in (original[name].value, other[name].value)
        assert re.fullmatch(r"2\.25\.[1-9]\d{20,38}", first[name].value)
    assert len({first.SOPInstanceUID, first.SeriesInstanceUID, first.StudyInstanceUID}) == 3


def test_burned_in_text_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"film\.dcm says that text is burned into"):
        deidentify(write(tmp_path / "film.dcm", BurnedInAnnotation="YES"))
    assert "BurnedInAnnotation" not in deidentify(write(tmp_path / "film.dcm", BurnedInAnnotation="NO"))


@pytest.mark.parametrize("kind", [np.uint16, np.int16])
def test_what_is_written_into_the_spare_bits_does_not_come_through(tmp_path, kind):
    values = np.zeros((48, 40), kind)
    clean = deidentify(write(tmp_path / "film.dcm", values=values))
    values[3, 4:9] = 1 << 12
    assert deidentify(write(tmp_path / "film.dcm", values=values)) == clean


def test_a_data_set_in_memory_and_a_genuine_film(tmp_path):
    film = pydicom.dcmread(radiograph_path())
    assert deidentify(film) == deidentify(radiograph_path())
    write_dicom(tmp_path / "out.dcm", deidentify(film))
    np.testing.assert_array_equal(read_dicom(tmp_path / "out.dcm").pixels, read_dicom(radiograph_path()).pixels)


def test_what_is_no_film_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("FINDINGS: none")
    for path in (tmp_path / "notes.txt", tmp_path / "absent.dcm", write(tmp_path / "ct.dcm", Modality="CT")):
        with pytest.raises(InputError, match=re.escape(str(path))):
            deidentify(path)


def test_the_command_copies_a_file_or_a_folder(tmp_path):
    folder = tmp_path / f"{SECRET} 2026"
    (folder / "inner").mkdir(parents=True)
    write(folder / f"{SECRET}.dcm")
    write(folder / "inner" / "b.dcm", WindowWidth=[100, 9])
    assert CliRunner().invoke(app, ["data", "deidentify", str(folder / "inner"), str(tmp_path / "in")]).exit_code == 0
    write(folder / "burned.dcm", BurnedInAnnotation="YES")
    result = CliRunner().invoke(app, ["data", "deidentify", str(folder), str(tmp_path / "out"), "--json"])
    said = json.loads(result.stdout)
    assert result.exit_code == 2 and len(said["written"]) == 2 and "burned" in said["refused"][0]
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == sorted(
        f"{deidentify(path).SOPInstanceUID}.dcm" for path in [*folder.glob("Z*"), *folder.glob("i*/*")]
    )
    result = CliRunner().invoke(app, ["data", "deidentify", str(folder / "inner" / "b.dcm"), str(tmp_path / "one.dcm")])
    assert result.exit_code == 0 and (tmp_path / "one.dcm").is_file() and "1 written" in result.stdout


def test_copies_are_never_mixed_with_originals(tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    original = write(folder / "a.dcm")
    before = original.read_bytes()
    (tmp_path / "link").symlink_to(folder)
    for out in (folder, folder / "out", tmp_path, tmp_path / "link" / "out"):
        result = CliRunner().invoke(app, ["data", "deidentify", str(folder), str(out)])
        assert isinstance(result.exception, InputError) and "mixed with originals" in str(result.exception)
    assert [*folder.iterdir()] == [original] and original.read_bytes() == before


def test_nothing_is_overwritten_but_the_same_copy_is_no_matter(tmp_path):
    original, other = write(tmp_path / "a.dcm"), write(tmp_path / "b.dcm", WindowWidth=[100, 9])
    for taken in (original, other, tmp_path):
        before = other.read_bytes()
        result = CliRunner().invoke(app, ["data", "deidentify", str(original), str(taken)])
        assert isinstance(result.exception, InputError) and "nothing is overwritten" in str(result.exception)
        assert other.read_bytes() == before
    for _ in range(2):
        assert CliRunner().invoke(app, ["data", "deidentify", str(original), str(tmp_path / "c.dcm")]).exit_code == 0
