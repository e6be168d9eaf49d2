"""One image file in, one radiograph out: bone bright, in [0, 1], the patient's right on the image's left."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Num, Shaped, UInt8
from PIL import Image, ImageOps

from ..errors import InputError
from .geometry import Box, resized

PERCENTILES = (0.5, 99.5)
"""The intensity window for files that carry none: what lies outside it (markers, collimator edges) is clipped."""

_PICTURES = ("PNG", "JPEG", "TIFF", "BMP", "JPEG2000")
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, what Pillow uses for "L"


@dataclass(frozen=True, eq=False)
class ImageFile:
    """What one file says about one radiograph; nothing that names the patient is ever read into it.

    Attributes:
        pixels: intensities in [0, 1], bone bright; row 0 is the top, and the patient's right is on the image's left.
        pixel_spacing: millimetres between (rows, columns), or None where the file does not say.
        view: "PA", "AP" or None where the file does not say.
    """

    pixels: Float[np.ndarray, "height width"]
    pixel_spacing: tuple[float, float] | None = None
    view: str | None = None


def read_image(path: str | Path) -> ImageFile:
    """Read a radiograph from DICOM, PNG, JPEG, TIFF, BMP or JPEG 2000; the content decides which, not the file's name.

    A picture of 8 bits or fewer was made for display, so its values are used as they are. A deeper one without a window
    of its own is seen through the window between its `PERCENTILES`. Pictures are taken as they would be shown: bone
    bright and the patient's right on the left (DICOM says so itself, and is turned where it says otherwise). Colour
    becomes grey, transparent becomes black.

    Raises:
        InputError: the file is missing, is no image, is cut short, or does not hold one frontal radiograph.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path}. Check the path.")
    with path.open("rb") as file:
        head = file.read(132)
    if head[128:] == b"DICM" or path.suffix.lower() in (".dcm", ".dicom"):
        from .dicom import read_dicom

        return read_dicom(path)
    return ImageFile(pixels=_read_picture(path, head))


def percentile_window(
    values: Num[np.ndarray, "height width"], valid: Bool[np.ndarray, "height width"] | None = None
) -> Float[np.ndarray, "height width"]:
    """Stretch what lies between the `PERCENTILES` of the `valid` pixels (default: all) to [0, 1] and clip the rest.

    Raises:
        InputError: all valid pixels have one value, so that there is no picture.
    """
    judged = values if valid is None else values[valid]
    if judged.size == 0 or judged.min() == judged.max():
        raise InputError("Every pixel has the same value, so there is nothing to see. Export the image again.")
    low, high = np.percentile(judged, PERCENTILES)
    if low == high:  # a few bright pixels on an even ground
        low, high = float(judged.min()), float(judged.max())
    return np.clip((values.astype(np.float64) - low) / (high - low), 0, 1).astype(np.float32)


def _read_picture(path: Path, head: bytes) -> Float[np.ndarray, "height width"]:
    try:
        with warnings.catch_warnings(), Image.open(path, formats=_PICTURES) as picture:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if getattr(picture, "n_frames", 1) > 1:
                raise InputError(f"{path} holds {picture.n_frames} pictures. Save the radiograph that you mean alone.")
            if picture.format == "PNG" and head[24] == 16 and head[25] != 0:  # bit depth and colour type of IHDR
                values = _read_deep_colour(path)
            else:
                values = _grey(ImageOps.exif_transpose(picture))
            if picture.format == "TIFF" and picture.tag_v2.get(262) == 0 and values.dtype != np.uint8:
                values = values.max() - values  # "white is zero", which Pillow undoes for 8 bits alone
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{path} has more pixels than any radiograph: {error}. Scale it down.") from error
    except Image.UnidentifiedImageError as error:
        raise InputError(f"{path} is no image that can be read here. Give a DICOM, PNG, JPEG or TIFF file.") from error
    except (OSError, SyntaxError, ValueError, RuntimeError) as error:  # how Pillow meets broken files
        raise InputError(f"{path} is damaged or cut short ({error}). Copy or download it again.") from error
    if values.dtype == np.uint8:
        return values.astype(np.float32) / np.float32(255)
    if not np.isfinite(values).all():
        raise InputError(f"{path} holds values that are not numbers (NaN or infinite). Export it again.")
    try:
        return percentile_window(values)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _grey(picture: Image.Image) -> Num[np.ndarray, "height width"]:
    """The values of a decoded picture: uint8 where it was made for display, its own type where it is deeper."""
    if picture.mode.startswith("I") or picture.mode == "F":
        return np.asarray(picture)
    if picture.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in picture.info:
        seen = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", seen.size, "black"), seen)
    return np.asarray(picture.convert("L"))


def _read_deep_colour(path: Path) -> Float[np.ndarray, "height width"]:
    """A PNG of 16 bits with colour or alpha, of which Pillow alone would keep the upper 8 bits.

    Its reader for big-endian data gives the upper byte of each value, the one for little-endian data the lower.
    """
    upper_byte, lower_byte = (_decoded(path, order) for order in ("16B", "16L"))
    channels = upper_byte * 256.0 + lower_byte
    alpha = channels[..., 3] / 65535 if channels.shape[-1] == 4 else 1.0
    return (channels[..., :3] @ _LUMA * alpha).astype(np.float32)


def _decoded(path: Path, order: str) -> UInt8[np.ndarray, "height width channels"]:
    with Image.open(path, formats=["PNG"]) as picture:
        if picture.tile[0].args == "LA;16B":
            raise InputError(f"{path} is 16-bit grey with an alpha channel. Save it without alpha.")
        picture.tile = [tile._replace(args=tile.args.replace("16B", order)) for tile in picture.tile]
        return np.asarray(picture)


@dataclass(frozen=True)
class Letterbox:
    """How an image of `height` x `width` was fitted into a square of `size`, and the way back.

    Coordinates are continuous: pixel (0, 0) covers rows 0 to 1 and columns 0 to 1.
    """

    height: int
    width: int
    size: int

    @property
    def inner(self) -> tuple[int, int]:
        """Height and width of the image inside the square."""
        scale = self.size / max(self.height, self.width)
        return max(1, round(self.height * scale)), max(1, round(self.width * scale))

    @property
    def corner(self) -> tuple[int, int]:
        """Row and column of the image's left upper corner inside the square."""
        height, width = self.inner
        return (self.size - height) // 2, (self.size - width) // 2

    def image(self, image: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "size size"]:
        """Scale (area-weighted bilinear, so that shrinking does not alias) and pad with 0."""
        return self._padded(resized(image, self.inner))

    def mask(self, mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "size size"]:
        """A pixel belongs to the fitted mask where at least half of it is covered."""
        return self._padded(resized(mask.astype(np.float32), self.inner, Image.Resampling.BOX)) >= 0.5

    def box(self, box: Box) -> Box:
        """A box of the image, in pixels of the square."""
        top, left = self.point(box.y, box.x)
        bottom, right = self.point(box.y + box.height, box.x + box.width)
        return Box(left, top, right - left, bottom - top)

    def point(self, row: float, column: float) -> tuple[float, float]:
        """A point (row, column) of the image, in the square."""
        (height, width), (top, left) = self.inner, self.corner
        return row * height / self.height + top, column * width / self.width + left

    def image_back(self, values: Float[np.ndarray, "size size"]) -> Float[np.ndarray, "height width"]:
        """Values on the square (an image, a heat map) on the image's own pixels; NaN does not spread."""
        values = self._cropped(values).astype(np.float32)
        known = np.isfinite(values)
        target = (self.height, self.width)
        weight = resized(known.astype(np.float32), target)
        total = resized(np.where(known, values, np.float32(0)), target)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(weight >= 0.5, total / weight, np.float32(np.nan))

    def mask_back(self, mask: Bool[np.ndarray, "size size"]) -> Bool[np.ndarray, "height width"]:
        """A mask on the square, on the image's own pixels."""
        return resized(self._cropped(mask).astype(np.float32), (self.height, self.width)) >= 0.5

    def box_back(self, box: Box) -> Box:
        """A box of the square, in pixels of the image."""
        top, left = self.point_back(box.y, box.x)
        bottom, right = self.point_back(box.y + box.height, box.x + box.width)
        return Box(left, top, right - left, bottom - top)

    def point_back(self, row: float, column: float) -> tuple[float, float]:
        """A point (row, column) of the square, in the image."""
        (height, width), (top, left) = self.inner, self.corner
        return (row - top) * self.height / height, (column - left) * self.width / width

    def _padded(self, inner: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "size size"]:
        square = np.zeros((self.size, self.size), inner.dtype)
        (height, width), (top, left) = self.inner, self.corner
        square[top : top + height, left : left + width] = inner
        return square

    def _cropped(self, square: Shaped[np.ndarray, "size size"]) -> Shaped[np.ndarray, "h w"]:
        (height, width), (top, left) = self.inner, self.corner
        return square[top : top + height, left : left + width]


def letterbox(image: Float[np.ndarray, "height width"], size: int) -> tuple[Float[np.ndarray, "size size"], Letterbox]:
    """Fit `image` into a square of `size` pixels: aspect kept, centred, padded with 0."""
    fitted = Letterbox(image.shape[0], image.shape[1], size)
    return fitted.image(image), fitted
