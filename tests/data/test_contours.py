"""Contours as masks, against a way of drawing them that knows nothing of Pillow."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cxrtutor.data.contours import contour_runs

corners = st.tuples(st.integers(-3, 12), st.integers(-3, 12), st.integers(1, 9), st.integers(1, 9))


@given(st.lists(corners, min_size=1, max_size=3))
def test_rectangles_with_their_outline(boxes: list[tuple[int, int, int, int]]) -> None:
    expected = np.zeros((10, 11), bool)
    contours = []
    for x, y, width, height in boxes:
        expected[max(y, 0) : max(y + height + 1, 0), max(x, 0) : max(x + width + 1, 0)] = True
        contours.append([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
    assert np.array_equal(contour_runs(contours, (10, 11), "key").mask(), expected)


def test_a_triangle_covers_the_centres_within_it() -> None:
    mask = contour_runs([[[10, 10], [90, 10], [10, 90]]], (100, 100), "key").mask()
    rows, columns = np.mgrid[:100, :100]
    inside = (rows >= 10) & (columns >= 10) & (rows + columns <= 100)
    assert (mask != inside).sum() <= 81  # the sloping edge alone


def test_no_contour_is_an_empty_mask() -> None:
    assert not contour_runs([], (3, 4), "key").mask().any()
