"""One image file in, one radiograph out: bone bright, in [0, 1], the patient's right on the image's left."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Integer, Num, Shaped, UInt8
from PIL import Image

from ..errors import InputError
from .geometry import Box, Geometry, resized

PERCENTILES = (0.5, 99.5)
"""The intensity window for files that carry none: what lies outside it (markers, collimator edges) is clipped."""

_PICTURES = ("PNG", "JPEG", "TIFF", "BMP", "JPEG2000")
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, what Pillow uses for "L"

_ORIENTATION = 274
_TURNS = {
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}
"""By EXIF's orientation: what is undone to show the picture upright (`Geometry`: transposed, mirrored, upside_down)."""


class NotFrontal(InputError):
    """The file is a radiograph, and says itself that it was not taken from the front or the back."""


@dataclass(frozen=True, eq=False)
class ImageFile:
    """What one file says about one radiograph; nothing that names the patient is ever read into it.

    Attributes:
        pixels: intensities in [0, 1], bone bright; row 0 is the top, and the patient's right is on the image's left.
        geometry: how the pixels lay in the file, and the way back.
        pixel_spacing: millimetres between (rows, columns) of `pixels`, or None where the file does not say.
        view: "PA", "AP" or None where the file does not say.
    """

    pixels: Float[np.ndarray, "height width"]
    geometry: Geometry
    pixel_spacing: tuple[float, float] | None = None
    view: str | None = None


def read_image(path: str | Path, longest_side: int | None = None) -> ImageFile:
    """Read a radiograph from DICOM, PNG, JPEG, TIFF, BMP or JPEG 2000; the content decides which, not the file's name.

    A picture of 8 bits or fewer was made for display, so its values are used as they are. A deeper one without a window
    of its own is seen through the window between its `PERCENTILES`. Pictures are taken as they would be shown: bone
    bright and the patient's right on the left (DICOM says so itself, and is turned where it says otherwise). Colour
    becomes grey, transparent becomes black.

    Args:
        path: of the file.
        longest_side: shrinks a larger image, aspect kept, until its longer side has this many pixels; a smaller one is
            left as it is. It is what `resized` makes of the whole image, in less time: 8 bits stay 8 bits (within
            1/255), and a JPEG is decoded at the smallest scale that its format offers and that is still twice as large
            as what is asked for (within 0.05 at the sharpest edges; 0.0025 on average on a film, 0.006 on pure noise).

    Raises:
        NotFrontal: it is a DICOM file that says that it is no frontal view.
        InputError: the file is missing, is no image, is cut short, or does not hold one frontal radiograph.
    """
    path = Path(path)
    head = _head(path)
    if _is_dicom(path, head):
        from .dicom import read_dicom

        return read_dicom(path, longest_side)
    return _read_picture(path, head, longest_side)


def stored_size(path: str | Path) -> tuple[int, int]:
    """Height and width of an image as it lies in its file, from the header alone.

    Raises:
        InputError: the file is missing, is no image, or its header is damaged.
    """
    path = Path(path)
    head = _head(path)
    if _is_dicom(path, head):
        from .dicom import stored_size_of_dicom

        return stored_size_of_dicom(path)
    with _opened(path) as picture:
        return _stored_size(picture)


def fitted_size(height: int, width: int, longest_side: int | None) -> tuple[int, int]:
    """Height and width with at most `longest_side` pixels on the longer side, aspect kept; never larger than before."""
    if longest_side is None or max(height, width) <= longest_side:
        return height, width
    scale = longest_side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def percentile_window(
    values: Num[np.ndarray, "*shape"], counts: Shaped[np.ndarray, "*shape"] | None = None
) -> Float[np.ndarray, "*shape"]:
    """Stretch what lies between the `PERCENTILES` of the values to [0, 1] and clip the rest.

    Args:
        values: an image, or the different values in it.
        counts: how often each one counts, as a number or as a yes or no; by default once.

    Raises:
        InputError: all that counts has one value, so that there is no picture.
    """
    judged = values if counts is None else values[counts > 0]
    if judged.size == 0 or judged.min() == judged.max():
        raise InputError("Every pixel has the same value, so there is nothing to see. Export the image again.")
    low, high = np.percentile(judged, PERCENTILES) if counts is None else _percentiles(judged, counts[counts > 0])
    if low == high:  # a few bright pixels on an even ground
        low, high = float(judged.min()), float(judged.max())
    return np.clip((values.astype(np.float64) - low) / (high - low), 0, 1).astype(np.float32)


def shown_by_value(
    stored: Num[np.ndarray, "height width"],
    show: Callable[[Num[np.ndarray, " values"], Integer[np.ndarray, " values"]], Float[np.ndarray, " values"]],
) -> Float[np.ndarray, "height width"]:
    """An image in which each stored value is replaced by what is shown for it.

    A film has millions of pixels and at most 65,536 values, so it is cheaper to ask for each value once.

    Args:
        stored: the pixels.
        show: given values, and how many pixels have each, the intensities.
    """
    if stored.dtype.kind not in "iu" or stored.itemsize > 2:
        values, places, counts = np.unique(stored, return_inverse=True, return_counts=True)
        return show(values, counts).astype(np.float32)[places]
    lowest, highest = int(stored.min()), int(stored.max())
    strips = [slice(top, top + 64) for top in range(0, len(stored), 64)]  # small enough for the processor's cache
    places = (stored[strip].astype(np.intp) - lowest for strip in strips)
    counts = sum(np.bincount(place.ravel(), minlength=highest - lowest + 1) for place in places)
    table = show(np.arange(lowest, highest + 1), counts).astype(np.float32)
    shown = np.empty(stored.shape, np.float32)
    for strip in strips:
        shown[strip] = table[stored[strip].astype(np.intp) - lowest]
    return shown


def _percentiles(values: Num[np.ndarray, " n"], counts: Shaped[np.ndarray, " n"]) -> Float[np.ndarray, " ends"]:
    """The `PERCENTILES` of values that occur several times, interpolated as numpy does it."""
    order = np.argsort(values, kind="stable")
    up_to, ordered = np.cumsum(counts[order]), values[order].astype(np.float64)
    rank = np.array(PERCENTILES) / 100 * (up_to[-1] - 1)
    below, above = (ordered[np.searchsorted(up_to, whole(rank), side="right")] for whole in (np.floor, np.ceil))
    return below + (above - below) * (rank - np.floor(rank))


def _head(path: Path) -> bytes:
    if not path.is_file():
        raise InputError(f"There is no file {path}. Check the path.")
    try:
        with path.open("rb") as file:
            return file.read(132)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}. Check the disk and the file's permissions.") from error


def _is_dicom(path: Path, head: bytes) -> bool:
    return head[128:] == b"DICM" or path.suffix.lower() in (".dcm", ".dicom")


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """A picture, of which only the header has been read; what Pillow raises at files that are not as they should be
    becomes a message that says what to do.

    Pillow is given the open file, not its path: it would map a plain TIFF into memory then, and mix up the sides of one
    that lies on its side.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with path.open("rb") as file, Image.open(file, formats=_PICTURES) as picture:
                yield picture
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{path} has more pixels than any radiograph: {error}. Scale it down.") from error
    except Image.UnidentifiedImageError as error:
        raise InputError(f"{path} is no image that can be read here. Give a DICOM, PNG, JPEG or TIFF file.") from error
    except Exception as error:  # Pillow raises nearly every type there is at broken files
        raise InputError(f"{path} is damaged or cut short ({error}). Copy or download it again.") from error


def _read_picture(path: Path, head: bytes, longest_side: int | None) -> ImageFile:
    with _opened(path) as picture:
        if getattr(picture, "n_frames", 1) > 1:
            raise InputError(f"{path} holds {picture.n_frames} pictures. Save the radiograph that you mean alone.")
        geometry = _geometry(picture, longest_side)
        if picture.format == "PNG" and head[24] == 16 and head[25] != 0:  # bit depth and colour type of IHDR
            values = _read_deep_colour(path)
        else:
            if longest_side is not None:
                picture.draft("L", (2 * longest_side, 2 * longest_side))  # of effect on JPEG alone
            values = _grey(picture)
        if picture.format == "TIFF":  # which Pillow has turned already
            if picture.tag_v2.get(262) == 0 and values.dtype != np.uint8:
                values = values.max() - values  # "white is zero", which Pillow undoes for 8 bits alone
        else:
            values = geometry.turned(values)
    return ImageFile(_intensities(values, geometry.size, path), geometry)


def _stored_size(picture: Image.Image) -> tuple[int, int]:
    """Pillow turns a TIFF by itself, and says its size as it will be then."""
    turned = picture.format == "TIFF" and picture.getexif().get(_ORIENTATION, 1) >= 5
    return picture.size if turned else picture.size[::-1]


def _geometry(picture: Image.Image, longest_side: int | None) -> Geometry:
    stored = _stored_size(picture)
    turns = _TURNS.get(picture.getexif().get(_ORIENTATION, 1), (False, False, False))
    height, width = stored[::-1] if turns[0] else stored
    return Geometry(stored, fitted_size(height, width, longest_side), *turns)


def _intensities(
    values: Num[np.ndarray, "rows columns"], size: tuple[int, int], path: Path
) -> Float[np.ndarray, "height width"]:
    """Values of a picture as intensities on a grid of this size."""
    if values.dtype == np.uint8:
        if values.shape != size:  # a quarter of the memory that floats would take, and faster
            values = np.asarray(Image.fromarray(values).resize(size[::-1], Image.Resampling.BILINEAR))
        return values.astype(np.float32) / np.float32(255)
    if not np.isfinite(values).all():
        raise InputError(f"{path} holds values that are not numbers (NaN or infinite). Export it again.")
    try:
        return resized(shown_by_value(values, percentile_window), size)
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

    It is a `Geometry` that only scales, and an offset. Coordinates are continuous: pixel (0, 0) covers rows 0 to 1 and
    columns 0 to 1.
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

    @property
    def scaling(self) -> Geometry:
        """From the image to its pixels inside the square, counted from `corner`."""
        return Geometry((self.height, self.width), self.inner)

    def image(self, image: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "size size"]:
        """Scale (area-weighted bilinear, so that shrinking does not alias) and pad with 0."""
        return self._padded(resized(image, self.inner))

    def mask(self, mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "size size"]:
        """A mask of the image, on the square, by the rule of `Geometry.mask`."""
        return self._padded(self.scaling.mask(mask))

    def box(self, box: Box) -> Box:
        """A box of the image, in pixels of the square."""
        (top, left), inside = self.corner, self.scaling.box(box)
        return inside._replace(x=inside.x + left, y=inside.y + top)

    def point(self, row: float, column: float) -> tuple[float, float]:
        """A point (row, column) of the image, in the square."""
        (top, left), (down, right) = self.corner, self.scaling.point(row, column)
        return top + down, left + right

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
        return self.scaling.mask_back(self._cropped(mask))

    def box_back(self, box: Box) -> Box:
        """A box of the square, in pixels of the image."""
        top, left = self.corner
        return self.scaling.box_back(box._replace(x=box.x - left, y=box.y - top))

    def point_back(self, row: float, column: float) -> tuple[float, float]:
        """A point (row, column) of the square, in the image."""
        top, left = self.corner
        return self.scaling.point_back(row - top, column - left)

    def _padded(self, inner: Shaped[np.ndarray, "h w"]) -> Shaped[np.ndarray, "size size"]:
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
