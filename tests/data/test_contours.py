"""Contours as masks, against a way of drawing them that knows nothing of Pillow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrtutor.data.annotations import UnreadableRow
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


@pytest.mark.parametrize("far", [3e9, -3e9, 1e300, float("inf"), float("nan"), 10**400, "x", None])
@pytest.mark.parametrize("place", [0, 1])
def test_a_coordinate_that_cannot_be_drawn_is_refused(far: object, place: int) -> None:
    points = [[1, 1], [2, 30], [40, 5]]
    points[1][place] = far
    with pytest.raises(UnreadableRow, match="contour 1 ") as error:
        contour_runs([[[1, 1], [2, 2]], points], (50, 60), "polygons")
    assert error.value.key == "polygons"


def test_what_reaches_beyond_the_border_is_cut_off() -> None:
    mask = contour_runs([[[-1000, -1000], [1000, -1000], [1000, 2], [-1000, 2]]], (5, 6), "key").mask()
    assert mask[:3].all() and not mask[3:].any()
