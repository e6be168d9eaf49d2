from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from cxrtutor.data.geometry import Geometry, resized
from cxrtutor.data.images import (
    Letterbox,
    fitted_size,
    letterbox,
    percentile_window,
    read_image,
    shown_by_value,
    stored_size,
)
from cxrtutor.data.sources.pydicom_radiograph import radiograph_path
from cxrtutor.data.study import Box
from cxrtutor.errors import InputError

RAMP = np.linspace(0, 255, 40 * 30).reshape(40, 30).astype(np.uint8)


def write_png16(path, values, colour_type, exif=None):
    """PNG of 16 bits with any number of channels, which Pillow cannot write."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour_type, 0, 0, 0)
    turn = b""
    if exif:
        tags = Image.Exif()
        tags[274] = exif
        turn = chunk(b"eXIf", tags.tobytes()[6:])
    parts = chunk(b"IHDR", header) + turn + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
def test_eight_bits_are_taken_as_displayed(tmp_path, mode):
    path = tmp_path / "film.png"
    Image.fromarray(RAMP).convert(mode).save(path)
    image = read_image(path)
    assert image.pixels.dtype == np.float32
    np.testing.assert_allclose(image.pixels, RAMP / 255, atol=1 / 255 if mode == "P" else 1e-6)
    assert image.pixel_spacing is None and image.view is None


def test_low_contrast_display_values_are_not_stretched(tmp_path):
    path = tmp_path / "film.png"
    Image.fromarray(RAMP // 4 + 60).save(path)
    assert 0.2 < read_image(path).pixels.min() < read_image(path).pixels.max() < 0.5


def test_transparent_is_black(tmp_path):
    path = tmp_path / "film.png"
    pixels = np.full((8, 8, 4), 200, np.uint8)
    pixels[..., 3] = 255
    pixels[:4, :, 3] = 0
    Image.fromarray(pixels).save(path)
    image = read_image(path).pixels
    assert (image[:4] == 0).all() and np.allclose(image[4:], 200 / 255)


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (6, 4)])
def test_sixteen_bits_are_not_squashed(tmp_path, colour_type, channels):
    path = tmp_path / "film.png"
    grey = np.linspace(30000, 30800, 40 * 30).reshape(40, 30)  # four steps of the upper eight bits
    values = np.repeat(grey[..., None], channels, axis=2)
    if channels == 4:
        values[..., -1] = 65535
    write_png16(path, values, colour_type)
    image = read_image(path).pixels
    assert len(np.unique(image)) > 500
    np.testing.assert_allclose(image, percentile_window(grey), atol=0.01)


def test_sixteen_bit_tiff_with_white_as_zero_is_turned_bone_bright(tmp_path):
    path = tmp_path / "film.tif"
    values = (np.arange(1200).reshape(40, 30) * 50).astype(np.uint16)
    Image.fromarray(values).save(path, tiffinfo={262: 0})
    image = read_image(path).pixels
    assert image[0, 0] == 1 and image[-1, -1] == 0
    Image.fromarray(values).save(path)
    assert read_image(path).pixels[0, 0] == 0


def test_jpeg_is_turned_as_its_camera_says(tmp_path):
    path = tmp_path / "film.jpg"
    exif = Image.Exif()
    exif[274] = 3  # stored upside down
    Image.fromarray(RAMP).save(path, quality=95, exif=exif)
    np.testing.assert_allclose(read_image(path).pixels, RAMP[::-1, ::-1] / 255, atol=0.03)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_geometry_tells_how_a_picture_was_turned(tmp_path, suffix, orientation):
    path = tmp_path / f"film.{suffix}"
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(RAMP).save(path, quality=95, exif=exif)
    with path.open("rb") as file, Image.open(file) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture))
    read = read_image(path)
    np.testing.assert_allclose(read.pixels, expected / 255, atol=1e-6)
    assert read.geometry.stored == stored_size(path) == RAMP.shape
    assert read.geometry.size == expected.shape
    np.testing.assert_allclose(read.geometry.turned(RAMP), expected, atol=8)
    small = read_image(path, 20)
    assert small.pixels.shape == small.geometry.size == fitted_size(*expected.shape, 20)
    np.testing.assert_allclose(small.pixels, resized(read.pixels, small.geometry.size), atol=0.01)


def test_a_deep_coloured_picture_is_turned_too(tmp_path):
    path = tmp_path / "film.png"
    grey = np.linspace(0, 65535, 40 * 30).reshape(40, 30)
    write_png16(path, np.repeat(grey[..., None], 3, axis=2), 2, exif=6)
    read = read_image(path)
    np.testing.assert_allclose(read.pixels, percentile_window(grey).T[:, ::-1], atol=0.01)
    assert read.geometry == Geometry((40, 30), (30, 40), transposed=True, mirrored=True)


@pytest.fixture(scope="module")
def film():
    """A real radiograph of the size that hospitals store, with the noise of a detector."""
    pixels = np.rint(read_image(radiograph_path()).pixels * 255).astype(np.uint8)
    large = np.asarray(Image.fromarray(pixels).resize((1520, 1816), Image.Resampling.BICUBIC)).astype(np.float32)
    return np.rint(large + np.random.default_rng(0).normal(0, 4, large.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize(("suffix", "side", "most", "mean"), [("png", 300, 0.005, 0.0015), ("jpg", 200, 0.02, 0.0025)])
def test_a_film_that_is_shrunk_while_it_is_read_is_that_of_the_whole(tmp_path, film, mode, suffix, side, most, mean):
    path = tmp_path / f"film.{suffix}"
    Image.fromarray(film).convert(mode).save(path, quality=92)
    small = read_image(path, side)
    assert max(small.pixels.shape) == side
    assert small.geometry == Geometry(film.shape, small.pixels.shape)
    difference = np.abs(small.pixels - resized(read_image(path).pixels, small.pixels.shape))
    assert difference.max() < most and difference.mean() < mean


@pytest.mark.parametrize("side", [60, 100, 224])
def test_sharp_edges_in_a_jpeg_stay_within_what_is_promised(tmp_path, side):
    path = tmp_path / "board.jpg"
    Image.fromarray((np.indices((900, 700)).sum(0) // 11 % 2 * 255).astype(np.uint8)).save(path, quality=95)
    difference = np.abs(read_image(path, side).pixels - resized(read_image(path).pixels, fitted_size(900, 700, side)))
    assert difference.max() < 0.05 and difference.mean() < 0.005


@pytest.mark.parametrize("side", [60, 100, 224])
def test_noise_in_a_jpeg_stays_within_what_is_promised(tmp_path, side):
    path = tmp_path / "noise.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (900, 700), dtype=np.uint8)).save(path, quality=95)
    difference = np.abs(read_image(path, side).pixels - resized(read_image(path).pixels, fitted_size(900, 700, side)))
    assert difference.max() < 0.05 and difference.mean() < 0.006


def test_a_deep_picture_is_windowed_before_it_is_shrunk(tmp_path):
    path = tmp_path / "film.png"
    values = np.random.default_rng(0).integers(100, 60000, (80, 60)).astype(np.uint16)
    Image.fromarray(values).save(path)
    np.testing.assert_allclose(read_image(path, 40).pixels, resized(percentile_window(values), (40, 30)), atol=1e-6)


def test_a_small_image_is_never_enlarged(tmp_path):
    Image.fromarray(RAMP).save(tmp_path / "film.png")
    read = read_image(tmp_path / "film.png", 500)
    np.testing.assert_array_equal(read.pixels, read_image(tmp_path / "film.png").pixels)
    assert read.geometry.size == RAMP.shape


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(1, 600))
def test_the_fitted_size_keeps_the_aspect(height, width, side):
    fitted = fitted_size(height, width, side)
    assert max(fitted) == min(side, max(height, width)) and min(fitted) >= 1
    scale = max(fitted) / max(height, width)
    assert abs(fitted[0] - height * scale) <= 1 and abs(fitted[1] - width * scale) <= 1


def test_the_stored_size_is_read_without_the_pixels(tmp_path):
    path = tmp_path / "film.png"
    Image.fromarray(RAMP).save(path)
    path.write_bytes(path.read_bytes()[:60])
    assert stored_size(path) == RAMP.shape
    with pytest.raises(InputError, match="cut short"):
        read_image(path)
    path.write_bytes(b"FINDINGS: none")
    with pytest.raises(InputError, match="no image"):
        stored_size(path)


@given(st.lists(st.integers(0, 65535), min_size=2, max_size=60).filter(lambda values: len(set(values)) > 1), st.data())
def test_the_window_counts_each_value_as_often_as_it_occurs(values, data):
    counts = np.array(data.draw(st.lists(st.integers(1, 4), min_size=len(values), max_size=len(values))))
    values = np.array(values)
    whole = percentile_window(np.repeat(values, counts))
    np.testing.assert_allclose(np.repeat(percentile_window(values, counts), counts), whole, atol=1e-6)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.float32])
def test_a_picture_shown_value_by_value_is_the_same_picture(kind):
    values = np.random.default_rng(0).integers(3, 90, (30, 20)).astype(kind)
    shown = shown_by_value(values, percentile_window)
    np.testing.assert_allclose(shown, percentile_window(values), atol=1e-6)


def test_percentile_window_clips_markers_and_ignores_padding():
    values = np.tile(np.linspace(1000, 2000, 200), (200, 1))
    values[0, :5] = 60000  # a lead marker
    values[100:] = 0
    shown = percentile_window(values, values > 0)
    assert shown[0, 0] == 1
    assert shown[50, 100] == pytest.approx(0.5, abs=0.02)


def test_percentile_window_shows_a_few_pixels_on_an_even_ground():
    values = np.zeros((50, 50))
    values[3, 4] = 7
    assert percentile_window(values)[3, 4] == 1


def whole_png(tmp_path, mode="L"):
    path = tmp_path / "film.png"
    noise = np.random.default_rng(0).integers(0, 256, (90, 80), dtype=np.uint8)
    Image.fromarray(noise).convert(mode).save(path)
    return path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda whole: whole[: len(whole) // 2], "cut short"),
        (lambda whole: whole[:20], "cut short|no image"),
        (lambda whole: b"", "no image"),
        (lambda whole: b"FINDINGS: no effusion", "no image"),
        (lambda whole: whole[:60] + bytes(40) + whole[100:], "damaged"),
    ],
)
def test_broken_files_are_named(tmp_path, content, words):
    path = whole_png(tmp_path)
    path.write_bytes(content(path.read_bytes()))
    with pytest.raises(InputError, match=words) as error:
        read_image(path)
    assert str(path) in str(error.value)


def test_broken_sixteen_bit_colour_is_named(tmp_path):
    path = tmp_path / "film.png"
    write_png16(path, np.random.default_rng(0).integers(0, 65536, (40, 30, 3)), 2)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError, match="cut short"):
        read_image(path)


def test_sixteen_bit_grey_with_alpha_is_refused(tmp_path):
    write_png16(tmp_path / "film.png", np.ones((9, 9, 2)), 4)
    with pytest.raises(InputError, match="without alpha"):
        read_image(tmp_path / "film.png")


def test_missing_file_folder_and_several_pages(tmp_path):
    with pytest.raises(InputError, match="no file"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(InputError, match="no file"):
        read_image(tmp_path)
    pages = [Image.fromarray(RAMP), Image.fromarray(RAMP)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match="2 pictures"):
        read_image(tmp_path / "pages.tif")


def test_a_deep_image_without_content_is_refused(tmp_path):
    Image.fromarray(np.full((9, 9), 500, np.uint16)).save(tmp_path / "even.png")
    with pytest.raises(InputError, match=r"even\.png.*same value"):
        read_image(tmp_path / "even.png")
    Image.fromarray(np.full((9, 9), np.nan, np.float32)).save(tmp_path / "nan.tif")
    with pytest.raises(InputError, match="not numbers"):
        read_image(tmp_path / "nan.tif")


shapes = st.tuples(st.integers(1, 90), st.integers(1, 90), st.integers(1, 70))


@given(shapes, st.floats(0, 1), st.floats(0, 1))
def test_letterbox_points_and_boxes_come_back(shape, row, column):
    fitted = Letterbox(*shape)
    row, column = row * fitted.height, column * fitted.width
    inside = fitted.point(row, column)
    assert min(inside) >= -1e-9 and max(inside) <= fitted.size + 1e-9
    assert fitted.point_back(*inside) == pytest.approx((row, column), abs=1e-6)
    box = Box(column / 2, row / 3, fitted.width / 4, fitted.height / 5)
    assert fitted.box_back(fitted.box(box)) == pytest.approx(box, abs=1e-6)


@given(shapes)
def test_letterbox_keeps_aspect_and_fills_the_square(shape):
    fitted = Letterbox(*shape)
    height, width = fitted.inner
    assert max(height, width) == fitted.size
    scale = fitted.size / max(shape[:2])
    assert abs(height - shape[0] * scale) <= 1 and abs(width - shape[1] * scale) <= 1
    square = fitted.image(np.ones(shape[:2], np.float32))
    assert square.sum() == pytest.approx(height * width)


def test_letterbox_leaves_a_fitting_image_alone():
    image = np.random.default_rng(0).random((32, 32)).astype(np.float32)
    square, fitted = letterbox(image, 32)
    np.testing.assert_array_equal(square, image)
    np.testing.assert_array_equal(fitted.image_back(square), image)


def test_letterbox_pads_with_zero_and_centres():
    square, fitted = letterbox(np.ones((20, 10), np.float32), 40)
    assert fitted.corner == (0, 10)
    assert (square[:, 10:30] == 1).all() and (square[:, :10] == 0).all() and (square[:, 30:] == 0).all()


def test_letterbox_takes_a_mask_there_and_back():
    mask = np.zeros((300, 200), bool)
    mask[100:180, 40:90] = True
    fitted = Letterbox(300, 200, 128)
    back = fitted.mask_back(fitted.mask(mask))
    assert (back & mask).sum() / (back | mask).sum() > 0.93
    top, left = fitted.point(100.0, 40.0)
    assert fitted.mask(mask)[round(top) : round(top) + 5, round(left) : round(left) + 5].all()


@given(shapes, st.data())
def test_letterbox_has_the_rule_for_masks_of_geometry(shape, data):
    fitted = Letterbox(*shape)
    mask = np.zeros(shape[:2], bool)
    assert not fitted.mask(mask).any()
    row, column = (data.draw(st.integers(0, side - 1)) for side in mask.shape)
    mask[row, column] = True
    square = fitted.mask(mask)
    (height, width), (top, left) = fitted.inner, fitted.corner
    inside = Geometry(mask.shape, fitted.inner).mask(mask)
    assert inside.any(), "what is there does not vanish"
    np.testing.assert_array_equal(square[top : top + height, left : left + width], inside)
    assert square.sum() == inside.sum()


def test_heat_map_goes_back_without_spreading_nan():
    square = np.zeros((16, 16), np.float32)
    square[:, 8:] = 1
    square[:4] = np.nan
    back = Letterbox(64, 64, 16).image_back(square)
    assert np.isnan(back[:15]).all() and np.isfinite(back[17:]).all()
    np.testing.assert_allclose(back[17:, :28], 0)
    np.testing.assert_allclose(back[17:, 36:], 1)


def damaged_picture(suffix):
    """A whole picture as bytes."""
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (40, 30), dtype=np.uint8)
    kind = {"png": "PNG", "jpg": "JPEG", "tif": "TIFF", "bmp": "BMP", "jp2": "JPEG2000", "lzw.tif": "TIFF"}[suffix]
    exif = Image.Exif()
    exif[274] = 6
    options = {"compression": "tiff_lzw"} if suffix == "lzw.tif" else {}
    Image.fromarray(noise).save(stream, kind, **({"exif": exif} if suffix in ("png", "jpg", "tif") else {}), **options)
    return stream.getvalue()


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "lzw.tif", "bmp", "jp2"])
def test_damaged_bytes_are_read_or_refused(tmp_path, suffix):
    whole = damaged_picture(suffix)
    path = tmp_path / f"film.{suffix}"
    path.write_bytes(whole)
    assert read_image(path, 20).pixels.shape in ((20, 15), (15, 20))

    @given(
        st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=6),
        st.one_of(st.none(), st.integers(0, len(whole))),
        st.sampled_from([None, 20]),
    )
    @settings(max_examples=60, deadline=None)
    def damaged(flips, end, side):
        content = bytearray(whole)
        for place, value in flips:
            content[place] = value
        path.write_bytes(content[:end])
        for read in (lambda: read_image(path, side).pixels, lambda: stored_size(path)):
            try:
                read()
            except InputError as error:
                assert str(path) in str(error)

    damaged()
