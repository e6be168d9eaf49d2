from __future__ import annotations

import dataclasses
import io
import warnings
from importlib.metadata import distribution

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_windowing
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
    generate_uid,
)

from cxrtutor.data.dicom import read_dicom, window
from cxrtutor.data.geometry import Geometry, resized
from cxrtutor.data.images import NotFrontal, percentile_window, read_image, stored_size
from cxrtutor.errors import InputError

NAME = "Doe^Jane"


def film(bits, rows=48, columns=40, signed=False):
    """A ramp that uses the whole range: dark left upper corner, bright right lower one."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    kind = np.dtype(f"{'int' if signed else 'uint'}{8 if bits == 8 else 16}")
    return np.linspace(low, high, rows * columns).reshape(rows, columns).astype(kind)


def write(path, values, bits, photometric="MONOCHROME2", syntax=ExplicitVRLittleEndian, **tags):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset(path, {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.PatientID, dataset.Modality = NAME, "4711", "CR"
    dataset.Rows, dataset.Columns = values.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, photometric
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = values.itemsize * 8, bits, bits - 1
    dataset.PixelRepresentation = int(values.dtype.kind == "i")
    dataset.PixelData = values.tobytes()
    dataset["PixelData"].VR = "OB" if values.itemsize == 1 else "OW"
    for tag, value in tags.items():
        setattr(dataset, tag, value)
    if syntax != ExplicitVRLittleEndian:
        dataset.compress(syntax, generate_instance_uid=False)
    dataset.save_as(path)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "film.dcm"


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [8, 12, 15, 16])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_every_depth_spans_black_to_white(path, bits, signed, photometric):
    values = film(bits, signed=signed)
    image = read_dicom(write(path, values, bits, photometric)).pixels
    expected = percentile_window(values)
    np.testing.assert_allclose(image, 1 - expected if photometric == "MONOCHROME1" else expected, atol=1e-6)
    assert image.dtype == np.float32 and image.min() == 0 and image.max() == 1


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_window_and_rescale_are_those_of_the_standard(path, function):
    values = film(12)
    tags = {"RescaleSlope": 2, "RescaleIntercept": -1000, "VOILUTFunction": function}
    write(path, values, 12, WindowCenter=[3000, 1], WindowWidth=[1500, 9], **tags)
    low, high = -1000, 4095 * 2 - 1000
    expected = (apply_windowing(values * 2.0 - 1000, pydicom.dcmread(path)) - low) / (high - low)
    np.testing.assert_allclose(read_dicom(path).pixels, expected, atol=1e-6)


def test_a_window_without_width_is_none(path):
    values = film(12)
    image = read_dicom(write(path, values, 12, WindowCenter=100, WindowWidth=0)).pixels
    np.testing.assert_allclose(image, percentile_window(values), atol=1e-6)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_unsigned_values_do_not_wrap_around(function):
    values = np.array([0, 5, 10], np.uint8)
    np.testing.assert_array_equal(window(values, 6, 8, function), window(values.astype(float), 6.0, 8.0, function))


@pytest.mark.parametrize("entry_bits", [8, 12])
def test_look_up_table_goes_before_window(path, entry_bits):
    values = film(12)
    table = np.linspace(0, 2**entry_bits - 1, 1000).astype(np.uint16)[::-1]  # falling: the film is a negative
    item = Dataset()
    item.LUTDescriptor = [len(table), 1500, entry_bits]
    item["LUTDescriptor"].VR = "US"
    item.LUTData = table.tolist()
    item["LUTData"].VR = "US"
    write(path, values, 12, WindowCenter=10, WindowWidth=20, VOILUTSequence=Sequence([item]))
    image = read_dicom(path).pixels
    assert (image[values <= 1500] == 1).all() and (image[values >= 2500] == 0).all()
    middle = np.abs(values.astype(int) - 2000).argmin()
    assert image.flat[middle] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("count", [255, 256])
def test_a_table_of_bytes_may_be_packed_into_words(path, count):
    values = film(8)
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [count, 0, 8])
    item.add_new("LUTData", "OW", np.arange(count, dtype=np.uint8).tobytes() + b"\0" * (count % 2))
    image = read_dicom(write(path, values, 8, VOILUTSequence=Sequence([item]))).pixels
    np.testing.assert_allclose(image, np.minimum(values, count - 1) / (count - 1), atol=1e-6)


def test_pixels_at_the_upper_end_of_their_words_are_refused(path):
    with pytest.raises(InputError, match=r"film\.dcm keeps 12 bits of a pixel below bit 15"):
        read_dicom(write(path, film(12) << 4, 12, HighBit=15))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_out_of_the_window(path, photometric):
    values = film(12)
    values[:, :10] = 4095
    tags = (
        {"PixelPaddingValue": 4095}
        if photometric == "MONOCHROME2"
        else {"PixelPaddingValue": 4090, "PixelPaddingRangeLimit": 4095}
    )
    image = read_dicom(write(path, values, 12, photometric, **tags)).pixels
    assert (image[:, :10] == 0).all()
    seen = image[:, 10:] if photometric == "MONOCHROME2" else 1 - image[:, 10:]
    assert seen[-2, -1] > 0.9 and seen[0, 0] == 0


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_lossless_compression_changes_nothing(tmp_path, syntax, bits):
    values = film(bits)
    plain = read_dicom(write(tmp_path / "plain.dcm", values, bits)).pixels
    packed = read_dicom(write(tmp_path / "packed.dcm", values, bits, syntax=syntax)).pixels
    np.testing.assert_array_equal(packed, plain)


@pytest.mark.parametrize(
    ("packed", "plain"),
    [
        ("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm"),
        ("MR_small_RLE.dcm", "MR_small.dcm"),
        ("MR_small_jp2klossless.dcm", "MR_small.dcm"),
        ("MR_small_bigendian.dcm", "MR_small.dcm"),
        ("MR_small_implicit.dcm", "MR_small.dcm"),
    ],
)
def test_every_packing_of_one_image_reads_alike(tmp_path, packed, plain):
    """The same pixels, written by other people's software; only the modality is changed."""

    def as_film(name):
        dataset = pydicom.dcmread(get_testdata_file(name))
        dataset.Modality, dataset.PatientOrientation = "DX", ["L", "F"]
        dataset.save_as(tmp_path / name)
        return read_dicom(tmp_path / name).pixels

    np.testing.assert_array_equal(as_film(packed), as_film(plain))


@pytest.mark.parametrize("name", ["JPEG-LL.dcm", "bad_sequence.dcm", "RG3_J2KI.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm"])
def test_classic_jpeg_is_decoded(tmp_path, name):
    files = {file.name: file.locate() for file in distribution("pydicom-data").files}
    dataset = pydicom.dcmread(files[name])
    dataset.Modality, dataset.PatientOrientation = "DX", None
    dataset.save_as(tmp_path / name)
    image = read_dicom(tmp_path / name)
    assert image.pixels.shape == (dataset.Rows, dataset.Columns)
    assert np.ptp(image.pixels) > 0.5


def test_a_missing_decoder_is_told_with_its_remedy(path, monkeypatch):
    write(path, film(12), 12, syntax=JPEG2000Lossless)
    from pydicom.pixels.decoders import JPEG2000LosslessDecoder

    monkeypatch.setattr(JPEG2000LosslessDecoder, "_available", {})
    monkeypatch.setattr(JPEG2000LosslessDecoder, "_unavailable", {"pylibjpeg": ("pylibjpeg>=2.0",)})
    with pytest.raises(InputError, match=r"JPEG 2000.*pip install pylibjpeg") as error:
        read_dicom(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("tags", "spacing"),
    [
        ({}, None),
        ({"PixelSpacing": [0, 0]}, None),
        ({"PixelSpacing": [0.2, 0.1]}, (0.2, 0.1)),
        ({"ImagerPixelSpacing": [0.143, 0.143]}, (0.143, 0.143)),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.3, 0.4]}, (0.3, 0.4)),
        ({"PixelSpacing": [0.2, 0.1], "PatientOrientation": ["F", "L"]}, (0.1, 0.2)),
    ],
)
def test_pixel_spacing(path, tags, spacing):
    assert read_dicom(write(path, film(12), 12, **tags)).pixel_spacing == spacing


@pytest.mark.parametrize(
    ("tags", "view"),
    [
        ({}, None),
        ({"ViewPosition": ""}, None),
        ({"ViewPosition": "PA"}, "PA"),
        ({"ViewPosition": "AP"}, "AP"),
        ({"ViewPosition": "AP AXIAL"}, "AP"),
        ({"ViewCode": "postero-anterior"}, "PA"),
        ({"ViewCode": "antero-posterior"}, "AP"),
        ({"ViewPosition": "LORDOTIC"}, None),
    ],
)
def test_view(path, tags, view):
    assert read_dicom(write(path, film(12), 12, **with_view_code(tags))).view == view


def with_view_code(tags):
    tags = dict(tags)
    if meaning := tags.pop("ViewCode", None):
        code = Dataset()
        code.CodeMeaning = meaning
        tags["ViewCodeSequence"] = Sequence([code])
    return tags


@pytest.mark.parametrize(
    "tags",
    [
        {"ViewPosition": "LL"},
        {"ViewPosition": "RL"},
        {"ViewPosition": "LATERAL"},
        {"ViewPosition": "LAT"},
        {"ViewPosition": "XTABLE LATERAL"},
        {"ViewPosition": "AP LLD"},
        {"ViewPosition": "RAO"},
        {"ViewCode": "left lateral"},
        {"ViewCode": "left anterior oblique"},
        {"PatientOrientation": ["A", "F"]},
        {"PatientOrientation": ["P", "FL"]},
    ],
)
def test_views_from_the_side_are_refused(path, tags):
    write(path, film(12), 12, **with_view_code(tags))
    with pytest.raises(NotFrontal, match=r"reads frontal films\. Give the PA or AP film") as error:
        read_dicom(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    "orientation", [["L", "F"], ["R", "F"], ["L", "H"], ["R", "H"], ["F", "L"], ["H", "R"], ["LF", "F"]]
)
def test_the_patients_right_comes_to_lie_on_the_left(path, orientation):
    """A film with a bright patient's upper left corner, stored in every way a detector may lie."""
    hung = np.zeros((48, 40), np.uint16)
    hung[:12, 28:] = 4095  # up and, on a hung film, to the right: the patient's left
    hung[40:, :] = 1000  # the abdomen
    rows, columns = (direction[0] for direction in orientation)
    stored = hung.T if rows in "HF" else hung
    if rows in "RH":
        stored = stored[:, ::-1]
    if columns in "RH":
        stored = stored[::-1]
    write(path, np.ascontiguousarray(stored), 12, PatientOrientation=orientation)
    read = read_dicom(path)
    np.testing.assert_allclose(read.pixels, hung / 4095, atol=1e-6)
    np.testing.assert_array_equal(read.geometry.turned(stored), hung)
    assert read.geometry.stored == stored_size(path) == stored.shape and read.geometry.size == hung.shape


def test_a_film_is_shrunk_with_its_spacing(path):
    write(path, film(12), 12, PatientOrientation=["F", "L"], PixelSpacing=[0.1, 0.2])
    read = read_dicom(path, 24)
    np.testing.assert_allclose(read.pixels, resized(read_dicom(path).pixels, (20, 24)), atol=1e-6)
    assert read.geometry == Geometry((48, 40), (20, 24), transposed=True)
    assert read.pixel_spacing == pytest.approx((0.4, 0.2))


def test_the_stored_size_needs_no_pixels(path):
    write(path, film(12), 12)
    path.write_bytes(path.read_bytes()[:-2000])
    assert stored_size(path) == (48, 40)
    write(path, film(12), 12, Rows=0)
    with pytest.raises(InputError, match="how many rows"):
        stored_size(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"NumberOfFrames": 2}, "2 frames"),
        ({"Modality": "CT"}, "modality CT"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR"),
    ],
)
def test_what_is_no_single_film_is_refused(path, change, words):
    values = np.stack([film(12)] * change.get("NumberOfFrames", 1)).squeeze()
    write(path, values, 12, **change)
    with pytest.raises(InputError, match=words):
        read_dicom(path)


def test_a_file_without_pixels_is_refused(path):
    write(path, film(12), 12)
    dataset = pydicom.dcmread(path)
    del dataset.PixelData
    dataset.save_as(path)
    with pytest.raises(InputError, match="no pixels"):
        read_dicom(path)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.97])
def test_a_file_cut_short_is_refused(path, syntax, kept):
    noise = np.random.default_rng(0).integers(0, 4096, (48, 40)).astype(np.uint16)
    write(path, noise, 12, syntax=syntax)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(InputError) as error:
        read_image(path)
    assert str(path) in str(error.value)


def test_content_decides_and_not_the_name(tmp_path):
    misnamed = write(tmp_path / "film.png", film(12), 12, ViewPosition="PA")
    assert read_image(misnamed).view == "PA"
    (tmp_path / "text.dcm").write_text("FINDINGS: none")
    with pytest.raises(InputError, match="no DICOM file"):
        read_image(tmp_path / "text.dcm")
    with pytest.raises(InputError, match="no file"):
        read_dicom(tmp_path / "absent.dcm")


def test_a_broken_header_value_is_told(path):
    write(path, film(12), 12, WindowCenter="1234567", WindowWidth="1000000")
    path.write_bytes(path.read_bytes().replace(b"1234567", b"many?  "))
    with pytest.raises(InputError, match="damaged"):
        read_dicom(path)


def test_nothing_that_names_the_patient_is_kept(path):
    image = read_dicom(write(path, film(12), 12))
    assert {field.name for field in dataclasses.fields(image)} == {"pixels", "geometry", "pixel_spacing", "view"}
    assert NAME not in repr(image)


NUMBERS = st.one_of(
    st.integers(-70000, 70000), st.floats(-1e6, 1e6), st.sampled_from([0, 1, -1, 8, 12, 16, 32, 65535, 1e300, 1e-300])
)
TEXTS = st.one_of(
    st.text(max_size=12), st.sampled_from(["", "LINEAR", "SIGMOID", "PA", "nan", "inf", "1\\2", "Infinity"])
)
READ_TAGS = [
    *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel"),
    *("PhotometricInterpretation", "NumberOfFrames", "PlanarConfiguration", "RescaleSlope", "RescaleIntercept"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "PixelPaddingValue", "PixelPaddingRangeLimit", "PixelSpacing"),
    *("ImagerPixelSpacing", "PatientOrientation", "ViewPosition", "Modality", "VOILUTSequence", "ModalityLUTSequence"),
    *("ViewCodeSequence", "PixelData", "SpecificCharacterSet"),
]


def is_read_or_refused(path):
    """Whether a file is a picture or an `InputError` that names it; anything else is raised."""
    try:
        read = read_dicom(path)
    except InputError as error:
        assert str(path) in str(error)
        return False
    assert np.isfinite(read.pixels).all() and read.pixels.min() >= 0 and read.pixels.max() <= 1
    assert read.pixels.shape == read.geometry.size
    assert read.pixel_spacing is None or min(read.pixel_spacing) > 0
    return True


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_header_that_says_anything_is_read_or_refused(tmp_path, data):
    """Values go into the file as bytes: pydicom itself would refuse to set many of them."""
    path = write(
        tmp_path / "film.dcm", film(12), 12, RescaleSlope=1, RescaleIntercept=0, WindowCenter=2000, WindowWidth=4000
    )
    dataset = pydicom.dcmread(path)
    for name in data.draw(st.lists(st.sampled_from(READ_TAGS), min_size=1, max_size=3, unique=True)):
        tag, vr = tag_for_keyword(name), dictionary_VR(name)
        raw = data.draw(raw_value(vr), label=name)
        kind = "SS" if vr == "US or SS" else "OW" if " " in vr else vr
        dataset[tag] = RawDataElement(Tag(tag), kind, len(raw), raw, 0, False, True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset.save_as(path)
        except Exception:  # pydicom will not write it; a header that it cannot write is fuzzed as bytes below
            assume(False)
    is_read_or_refused(path)


def raw_value(vr):
    """Bytes that may stand in an element of this kind."""
    if vr == "SQ":
        return st.binary(max_size=30)
    if vr.startswith(("US", "SS")):
        return st.lists(st.integers(0, 65535), max_size=3).map(lambda numbers: np.array(numbers, "<u2").tobytes())
    if vr.startswith("O"):
        return st.binary(max_size=60)
    if vr in ("DS", "IS"):
        pieces = st.lists(st.one_of(NUMBERS.map(lambda number: f"{number:.8g}"), TEXTS), max_size=3)
        return pieces.map("\\".join).map(lambda text: text.encode("utf-8", "replace"))
    return TEXTS.map(lambda text: text.encode("utf-8", "replace"))


def packed(path, packing):
    """A small film, plain or compressed, with every tag that is read."""
    tags = {"WindowCenter": 2000, "WindowWidth": 4000, "PixelSpacing": [0.2, 0.2], "PatientOrientation": ["L", "F"]}
    if packing != "JPEG":
        return write(path, film(12), 12, syntax=packing, ViewPosition="PA", **tags)
    write(path, film(8), 8, **tags)
    dataset = pydicom.dcmread(path)
    stream = io.BytesIO()
    Image.fromarray(dataset.pixel_array).save(stream, "JPEG")
    dataset.PixelData = encapsulate([stream.getvalue()])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("packing", [ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless, "JPEG"])
def test_damaged_bytes_are_read_or_refused(tmp_path, packing):
    whole = packed(tmp_path / "film.dcm", packing).read_bytes()
    assert is_read_or_refused(tmp_path / "film.dcm")

    @given(
        st.lists(st.tuples(st.integers(132, len(whole) - 1), st.integers(0, 255)), max_size=6),
        st.one_of(st.none(), st.integers(0, len(whole))),
    )
    @settings(max_examples=60, deadline=None)
    def damaged(flips, end):
        content = bytearray(whole)
        for place, value in flips:
            content[place] = value
        path = tmp_path / "damaged.dcm"
        path.write_bytes(content[:end])
        is_read_or_refused(path)

    damaged()
