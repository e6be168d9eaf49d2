"""Exercises of `02-radiographs`."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence

import numpy as np

from cxrtutor.checks.comparing import same
from cxrtutor.checks.drawing import whole_numbers
from cxrtutor.checks.judging import exercise

_Box = namedtuple("Box", "x y width height")


@exercise(
    right=lambda centre, width: (centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2),
    inputs=[(2048, 4096), (5, 7), (-300, 1001)],
    fresh=lambda draws: whole_numbers(draws, [-1000, 2], [4000, 5000]),
)
def window_limits(answer):
    """Radiographs: the ends of a LINEAR window's ramp."""
    given = answer(2048, 4096)
    yield same(given, (0, 4096)), "Those are the ends of LINEAR_EXACT. LINEAR's ramp is one shorter, half a step lower."
    yield same(given, (0.5, 4095.5)), "The length is right. The middle of the ramp is half a step *below* the centre."
    yield same(given, (-0.5, 4095.5)), "The middle is right. The ramp is one shorter than the width."
    yield (
        same(given, (-2047.5, 6142.5)),
        "The width is the whole way from black to white: half of it lies on each side.",
    )
    yield same(given, (4095, 0)), "Black first, then white."
    yield same(answer(5, 7), (2, 7)), "`//` loses a half where the width is odd: the ends need not be whole. Use `/`."


@exercise(
    right=lambda shown: np.rint(shown * 255).astype(np.uint8),
    inputs=[(np.array([[0.0, 0.2, 0.5018], [0.99, 0.999, 1.0]]),), (np.array([[0.003, 0.996]]),)],
)
def to_bytes(answer):
    """Radiographs: greys in [0, 1] as 0 to 255."""
    (shown,) = to_bytes.inputs[0]
    given = answer(shown)
    white = (shown == 1).astype(int)
    yield same(given, white) or same(given, 255 * white), "All is 0 but white: the type was changed before the scale."
    yield same(given, (shown * 256).astype(int) % 256), "White has become black: 256 begins again at 0."
    yield (
        same(given, np.minimum(shown * 256, 255).astype(int)),
        "256 greys, but the highest is 255: times 255.",
    )
    yield same(given, (shown * 255).astype(int)), "A type change cuts off what is behind the point. Round first."
    yield same(given, shown * 255), "Scaled; now round, to whole numbers."
    yield same(given, np.rint(shown * 100)), "That is per cent. A byte goes to 255."


@exercise(
    right=lambda box, height, width, size: _out_of_the_square(box, height, width, size),
    inputs=[
        (_Box(22.0, 20.0, 5.0, 15.0), 200, 100, 50),
        (_Box(10.0, 30.0, 8.0, 4.0), 300, 400, 64),
        (_Box(11.0, 4.0, 5.0, 6.0), 97, 61, 32),
    ],
)
def box_back(answer):
    """Radiographs: a box in a letterboxed square, on the film."""
    given = answer(*box_back.inputs[0])
    yield same(given, (88, 80, 20, 60)), "The padding is still in it: `x` counts from the square's edge."
    yield same(given, (76, 80, 20, 60)), "Shift first, then scale: the padding is in pixels of the *square*."
    yield same(given, (40, 80, -28, 60)), "A shift does not change a length: the width is only scaled."
    yield same(given, (40, 80, 5, 15)), "The corner is right. Width and height have to be scaled, too."
    yield same(given, (88, 32, 20, 60)), "Here the padding is left and right, and you took it from `y`."
    yield same(given, (2.5, 5, 1.25, 3.75)), "You scaled down once more. The film is larger than the square."
    yield same(given, (44, 80, 10, 60)), "You undid a *stretch*. A letterbox has one scale, and padding."
    yield same(given, (80, 40, 60, 20)), "The numbers are right, the order is not: x, y, width, height."
    yield (
        same(given, (38, 80, 20, 60)),
        "Padding is whole pixels: of 25 columns, 12 go to the left, 13 to the right.",
    )
    rounded = 97 / 32 * np.array([11 - 6, 4, 5, 6])
    yield (
        same(answer(*box_back.inputs[2]), rounded),
        "Nearly: inside the square a length was rounded. Divide by what it is (`width / w`), not by the scale.",
    )


@exercise(
    right=lambda box, spacing: (
        (np.nan, np.nan) if spacing is None or min(spacing) <= 0 else (box[3] * spacing[0], box[2] * spacing[1])
    ),
    inputs=[(_Box(7, 9, 20, 30), spacing) for spacing in ((0.5, 0.2), None, (0.0, 0.0), (0.2, 0.0))],
)
def size_in_mm(answer):
    """Radiographs: height and width in millimetres, where anybody knows."""
    box, spacing = size_in_mm.inputs[0]
    given = answer(box, spacing)
    yield same(given, (6.0, 10.0)), "Spacing names *rows* first: its first number belongs to the height."
    yield same(given, (4.0, 15.0)), "The numbers are right. Asked for was the height first."
    yield same(given, (4.5, 1.4)), "That is where the box lies. Its size is in the last two numbers."
    yield same(given, (60.0, 100.0)), "Millimetres *per pixel*: multiply."
    yield same(answer(box, (0.0, 0.0)), (0.0, 0.0)), "Nothing is 0 mm large. Zero spacing means *unknown*."
    yield same(answer(box, (0.2, 0.0)), (6.0, 0.0)), "One zero is enough: who knows only one spacing knows no size."
    unknown = answer(box, None)
    yield isinstance(unknown, tuple) and None in unknown, "Where nobody knows give `nan`: a number that spoils a sum."


def _out_of_the_square(box: Sequence[float], height: int, width: int, size: int) -> tuple[float, ...]:
    """The box of a letterboxed square in pixels of the film."""
    scale = size / max(height, width)
    inner = [max(1, round(length * scale)) for length in (width, height)]
    starts = [(box[k] - (size - inner[k]) // 2) * (width, height)[k] / inner[k] for k in (0, 1)]
    return (*starts, box[2] * width / inner[0], box[3] * height / inner[1])
