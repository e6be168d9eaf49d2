"""What all widgets that draw a radiograph share: their colours, two controls, and how arrays reach the browser."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Shaped
from PIL import Image

from cxrtutor.errors import InputError
from cxrtutor.viewing import colours
from cxrtutor.viewing.widgets.page_widget import PageWidget


class RadiographWidget(PageWidget):
    """A radiograph under a heat map, beside the outline of the ground truth.

    A subclass names its module by `module(...)`, which finds `radiograph_widget.js` already in place.
    """

    opacity = traitlets.Float(0.5, min=0, max=1).tag(sync=True)
    show_truth = traitlets.Bool(True).tag(sync=True)
    palette = traitlets.Unicode().tag(sync=True)
    colours = traitlets.Dict().tag(sync=True)

    def __init__(self, **values: Any) -> None:
        super().__init__(
            palette=_palette(colours.HEAT),
            colours={"truth": colours.TRUTH, "mask": colours.MASK, "casing": colours.CASING},
            **values,
        )


def module(*names: str) -> str:
    """The source of a widget's ES module: what all share, then its own files in order."""
    return "\n".join(Path(__file__).with_name(part).read_text(encoding="utf-8") for part in (_SHARED, *names))


def encoded(array: np.ndarray) -> str:
    """The bytes of an array in base64; 32-bit floats are little-endian, which is how browsers read them."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def in_range(image: Shaped[np.ndarray, "height width"]) -> bool:
    """Whether an image is uint8, or float in [0, 1] without NaN: what can be shown."""
    return image.dtype == np.uint8 or bool(image.min() >= 0 and image.max() <= 1)


def png(image: Shaped[np.ndarray, "height width"]) -> str:
    """A radiograph, uint8 or float in [0, 1], as PNG of 8 bits in base64. Raises InputError where it is neither."""
    if not in_range(image):
        raise InputError("The image must be uint8, or float in [0, 1] without NaN.")
    grey = image if image.dtype == np.uint8 else np.round(image * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(grey).save(file, format="PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")


def _palette(name: str) -> str:
    """The 256 colours of a matplotlib colour map as RGB bytes."""
    import matplotlib

    return encoded(matplotlib.colormaps[name](np.arange(256), bytes=True)[:, :3])


_SHARED = "radiograph_widget.js"
