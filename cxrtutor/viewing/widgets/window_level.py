"""A film's stored values through DICOM's window, with the window in the reader's hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Shaped
from PIL import Image

from cxrtutor.data.geometry import resized
from cxrtutor.errors import InputError
from cxrtutor.viewing import colours
from cxrtutor.viewing.widgets.page_widget import PageWidget
from cxrtutor.viewing.widgets.radiograph_widget import encoded, module

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
"""The standard's functions from a value to a grey (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""

MOST_VALUES = 65536
"""How many values a film may span: each is sent in 16 bits."""


@dataclass(frozen=True)
class Preset:
    """One window to try.

    Attributes:
        name: what stands on its button.
        centre: in stored values.
        width: in stored values, at least 1.
        function: one of `FUNCTIONS`.

    Raises:
        InputError: there is no such function, or the centre is not finite or the width below 1.
    """

    name: str
    centre: float | int
    width: float | int
    function: str = "LINEAR"

    def __post_init__(self) -> None:
        if self.function not in FUNCTIONS:
            raise InputError(
                f"The window {self.name!r} has the function {self.function!r}; DICOM knows {', '.join(FUNCTIONS)}."
            )
        if not (np.isfinite(self.centre) and np.isfinite(self.width) and self.width >= 1):
            raise InputError(
                f"The window {self.name!r} has centre {self.centre} and width {self.width}. "
                "Give a finite centre, and a width of at least 1."
            )


class WindowLevel(PageWidget):
    """A film, the histogram of its values, and the window that turns values into greys, drawn as a ramp above it.

    Sliders, or dragging the film with a mouse, move centre and width; the reader chooses the function, and whether low
    values are bright. Buttons set windows worth a try. Below stands what the window costs: the share of pixels that
    are quite black or quite white, and how many of the 256 greys are seen at all. The page works all of this out from
    the values themselves.

    Args:
        values: whole numbers as the file stores them (or after its rescale), the patient's right at the left.
        presets: windows to try, at least one; the first is there at first.
        inverted: whether low values are bright (MONOCHROME1).
        side: the film is brought to so many pixels along its longer side, each the rounded mean of those it covers.

    Raises:
        InputError: values are not whole numbers or span more than `MOST_VALUES`, or there is no preset.
    """

    _esm = module("windowing.js", "window_level.js")

    film = traitlets.Dict().tag(sync=True)
    presets = traitlets.List(traitlets.Dict()).tag(sync=True)
    centre = traitlets.Float().tag(sync=True)
    width = traitlets.Float(min=1).tag(sync=True)
    function = traitlets.Enum(FUNCTIONS).tag(sync=True)
    inverted = traitlets.Bool(False).tag(sync=True)
    colours = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        values: Shaped[np.ndarray, "height width"],
        presets: Sequence[Preset],
        *,
        inverted: bool = False,
        side: int = 384,
    ) -> None:
        if not presets:
            raise InputError("There is no window to begin with. Give at least one preset.")
        first = presets[0]
        super().__init__(
            film=_as_json(values, side),
            presets=[asdict(preset) for preset in presets],
            centre=first.centre,
            width=first.width,
            function=first.function,
            inverted=inverted,
            colours={"casing": colours.CASING},
        )


def _as_json(values: Shaped[np.ndarray, "height width"], side: int) -> dict[str, Any]:
    """The film, shrunk; `codes` are its values less the lowest, in 16 bits with the lower byte first."""
    if values.dtype.kind not in "iu":
        raise InputError(f"The values are of type {values.dtype}. Give whole numbers, as a DICOM file stores them.")
    shrink = min(1, side / max(values.shape))
    shape = tuple(max(1, round(length * shrink)) for length in values.shape)
    small = values
    if shrink < 1:
        small = np.rint(resized(values.astype(np.float32), shape, Image.Resampling.BOX)).astype(np.int64)
    lowest, highest = int(small.min()), int(small.max())
    if highest - lowest >= MOST_VALUES:
        raise InputError(f"The values span {highest - lowest + 1:,}, more than {MOST_VALUES:,}. Bring them to 16 bits.")
    return {
        "rows": shape[0],
        "columns": shape[1],
        "lowest": lowest,
        "highest": highest,
        "codes": encoded((small.astype(np.int64) - lowest).astype("<u2")),
    }
