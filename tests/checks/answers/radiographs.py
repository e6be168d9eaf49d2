"""Answers to the exercises of `cxrtutor/checks/radiographs.py`."""

from __future__ import annotations

import numpy as np


def square_of(height, width, size):
    """What lies left of and above a film in its square, and how many of its pixels one of the square's covers."""
    inner = [round(length * size / max(height, width)) for length in (width, height)]
    return [(size - length) // 2 for length in inner], [width / inner[0], height / inner[1]]


def out_of_square(box, height, width, size, shifted=lambda place, padding, ratio: (place - padding) * ratio):
    """The box on the film; `shifted` makes a place on it of a place in the square."""
    padding, ratio = square_of(height, width, size)
    return (*(shifted(box[k], padding[k], ratio[k]) for k in (0, 1)), box[2] * ratio[0], box[3] * ratio[1])


def padding_exchanged(box, height, width, size):
    (left, top), (across, down) = square_of(height, width, size)
    return (box[0] - top) * across, (box[1] - left) * down, box[2] * across, box[3] * down


def lengths_shifted(box, height, width, size):
    (left, top), (across, down) = square_of(height, width, size)
    return (*out_of_square(box, height, width, size)[:2], (box[2] - left) * across, (box[3] - top) * down)


def scaled_down(box, height, width, size):
    (left, top), (across, down) = square_of(height, width, size)
    return (box[0] - left) / across, (box[1] - top) / down, box[2] / across, box[3] / down


def scaled(box, across, down):
    return box[0] * across, box[1] * down, box[2] * across, box[3] * down


def half_a_pixel_of_padding(box, height, width, size):
    scale = size / max(height, width)
    left, top = (size - width * scale) / 2, (size - height * scale) / 2
    return scaled((box[0] - left, box[1] - top, *box[2:]), 1 / scale, 1 / scale)


def by_the_scale(box, height, width, size):
    (left, top), _ = square_of(height, width, size)
    scale = size / max(height, width)
    return scaled((box[0] - left, box[1] - top, *box[2:]), 1 / scale, 1 / scale)


def millimetres(box, spacing, unknown=min, nobody=np.nan):
    """Height and width; `unknown` of both spacings is 0 where nobody knows."""
    if spacing is None or unknown(spacing) <= 0:
        return nobody, nobody
    return box.height * spacing[0], box.width * spacing[1]


WRONG = {
    "window_limits": [
        (lambda c, w: (c - w / 2, c + w / 2), "LINEAR_EXACT"),
        (lambda c, w: (c - (w - 1) / 2, c + (w - 1) / 2), "*below* the centre"),
        (lambda c, w: (c - 0.5 - w / 2, c - 0.5 + w / 2), "one shorter than the width"),
        (lambda c, w: (c - 0.5 - (w - 1), c - 0.5 + (w - 1)), "half of it lies on each side"),
        (lambda c, w: (c - 0.5 + (w - 1) / 2, c - 0.5 - (w - 1) / 2), "Black first"),
        (lambda c, w: (c - w // 2, c + w // 2 - 1), "where the width is odd"),
    ],
    "to_bytes": [
        (lambda shown: shown.astype(np.uint8), "changed before the scale"),
        (lambda shown: shown.astype(np.uint8) * 255, "changed before the scale"),
        (lambda shown: np.clip(shown * 256, 0, 255).astype(np.uint8), "the highest is 255"),
        (lambda shown: (shown * 256).astype(np.uint16).astype(np.uint8), "White has become black"),
        (lambda shown: (shown * 255).astype(np.uint8), "Round first"),
        (lambda shown: shown * 255, "now round"),
        (lambda shown: np.rint(shown * 100).astype(np.uint8), "per cent"),
    ],
    "box_back": [
        (lambda *box: out_of_square(*box, lambda place, padding, ratio: place * ratio), "padding is still in it"),
        (lambda *box: out_of_square(*box, lambda place, padding, ratio: place * ratio - padding), "Shift first"),
        (lengths_shifted, "does not change a length"),
        (lambda box, *shape: (*out_of_square(box, *shape)[:2], *box[2:]), "have to be scaled, too"),
        (padding_exchanged, "you took it from `y`"),
        (scaled_down, "once more"),
        (lambda b, height, width, size: scaled(b, width / size, height / size), "undid a *stretch*"),
        (lambda *box: tuple(out_of_square(*box)[k] for k in (1, 0, 3, 2)), "the order is not"),
        (half_a_pixel_of_padding, "Padding is whole pixels"),
        (by_the_scale, "inside the square a length was rounded"),
    ],
    "size_in_mm": [
        (lambda box, spacing: (box[3] * spacing[1], box[2] * spacing[0]), "*rows* first"),
        (lambda box, spacing: (box[2] * spacing[1], box[3] * spacing[0]), "height first"),
        (lambda box, spacing: (box[1] * spacing[0], box[0] * spacing[1]), "where the box lies"),
        (lambda box, spacing: (box[3] / spacing[0], box[2] / spacing[1]), "multiply"),
        (lambda box, spacing: (box[3] * spacing[0], box[2] * spacing[1]), "means *unknown*"),
        (lambda box, spacing: millimetres(box, spacing, unknown=max), "One zero is enough"),
        (lambda box, spacing: millimetres(box, spacing, nobody=None), "give `nan`"),
    ],
}


def by_matrix(box, height, width, size):
    """Both corners, taken back by the inverse of the way into the square."""
    inner = np.array([round(length * size / max(height, width)) for length in (width, height)])
    into = np.diag([*inner / (width, height), 1.0])
    into[:2, 2] = (size - inner) // 2
    corners = np.array([[box.x, box.x + box.width], [box.y, box.y + box.height], [1, 1]])
    (left, right), (top, bottom), _ = np.linalg.inv(into) @ corners
    return left, top, right - left, bottom - top


def where_known(box, spacing):
    known = all(one > 0 for one in spacing or [0])
    return (box.height * spacing[0], box.width * spacing[1]) if known else (float("nan"),) * 2


ALSO_RIGHT = {
    "window_limits": lambda centre, width: (centre - width / 2, centre + width / 2 - 1),
    "to_bytes": lambda shown: np.digitize(shown, (np.arange(255) + 0.5) / 255).astype(np.uint8),
    "box_back": by_matrix,
    "size_in_mm": where_known,
}
