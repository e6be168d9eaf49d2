from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cxrtutor.data.geometry import Box, Geometry, resized

TURNS = [(a, b, c) for a in (False, True) for b in (False, True) for c in (False, True)]
every_turn = pytest.mark.parametrize("turns", TURNS)
sides = st.integers(1, 300)
shares = st.floats(-0.25, 1.25)


@st.composite
def geometries(draw):
    return Geometry((draw(sides), draw(sides)), (draw(sides), draw(sides)), *draw(st.sampled_from(TURNS)))


def unscaled(stored, turns):
    return Geometry(stored, stored[::-1] if turns[0] else stored, *turns)


@given(geometries(), shares, shares)
def test_a_point_comes_back(geometry, down, right):
    point = down * geometry.stored[0], right * geometry.stored[1]
    there = geometry.point(*point)
    assert geometry.point_back(*there) == pytest.approx(point, abs=1e-9 * 300)
    inside = 0 <= down <= 1 and 0 <= right <= 1
    slack = 1e-6
    if inside:
        assert -slack <= there[0] <= geometry.size[0] + slack and -slack <= there[1] <= geometry.size[1] + slack


@given(geometries(), shares, shares, st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_box_comes_back_and_keeps_its_share_of_the_image(geometry, x, y, width, height):
    rows, columns = geometry.stored
    box = Box(x * columns, y * rows, width * columns, height * rows)
    moved = geometry.box(box)
    assert geometry.box_back(moved) == pytest.approx(box, abs=1e-6)
    share = moved.width * moved.height / (geometry.size[0] * geometry.size[1])
    assert share == pytest.approx(width * height) and moved.width > 0 and moved.height > 0


@given(hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))), st.sampled_from(TURNS))
def test_a_mask_that_is_only_turned_comes_back_to_the_pixel(mask, turns):
    geometry = unscaled(mask.shape, turns)
    np.testing.assert_array_equal(geometry.mask_back(geometry.mask(mask)), mask)
    np.testing.assert_array_equal(geometry.mask(mask), geometry.turned(mask))


@given(hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))), st.sampled_from(TURNS), st.integers(2, 4))
def test_a_mask_that_is_enlarged_comes_back_to_the_pixel(mask, turns, factor):
    geometry = unscaled(mask.shape, turns)
    geometry = replace(geometry, size=(geometry.size[0] * factor, geometry.size[1] * factor))
    there = geometry.mask(mask)
    assert there.shape == geometry.size and there.sum() == mask.sum() * factor**2
    back = Geometry(geometry.size, geometry.stored[::-1] if turns[0] else geometry.stored).mask(there)
    np.testing.assert_array_equal(unscaled(mask.shape, turns).mask_back(back), mask)


@given(geometries(), st.data())
def test_what_is_there_does_not_vanish(geometry, data):
    mask = np.zeros(geometry.stored, bool)
    assert not geometry.mask(mask).any()
    row = data.draw(st.integers(0, geometry.stored[0] - 1))
    column = data.draw(st.integers(0, geometry.stored[1] - 1))
    mask[row, column] = True
    there = geometry.mask(mask)
    assert there.any()
    down, right = geometry.point(row + 0.5, column + 0.5)
    found = np.argwhere(there) + 0.5
    reach = np.array(geometry.size) / np.array(geometry.stored[::-1] if geometry.transposed else geometry.stored) + 1
    assert (np.abs(found - (down, right)) <= reach).all()


@every_turn
def test_image_mask_box_and_point_turn_alike(turns):
    stored = np.zeros((40, 24), np.float32)
    stored[6:14, 3:9] = 1
    geometry = unscaled(stored.shape, turns)
    image = geometry.turned(stored)
    np.testing.assert_array_equal(geometry.mask(stored > 0), image > 0)
    box = geometry.box(Box(3.0, 6.0, 6.0, 8.0))
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    assert box == pytest.approx((columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1))
    down, right = geometry.point(6.5, 3.5)  # the centre of a corner of it
    assert image[int(down), int(right)] == 1
    half = replace(geometry, size=(geometry.size[0] // 2, geometry.size[1] // 2))
    assert half.box(Box(3.0, 6.0, 6.0, 8.0)) == pytest.approx(tuple(side / 2 for side in box))


def test_the_eight_turns_differ():
    stored = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    assert len({unscaled(stored.shape, turns).turned(stored).tobytes() for turns in TURNS}) == 8
    np.testing.assert_array_equal(unscaled((2, 3), (True, True, False)).turned(stored), np.rot90(stored, -1))
    np.testing.assert_array_equal(unscaled((2, 3), (False, True, True)).turned(stored), np.rot90(stored, 2))


def test_a_pixel_belongs_to_a_mask_where_half_of_it_is_covered():
    mask = np.zeros((4, 6), bool)
    mask[:2, :3] = True  # one column of two, half of the second
    there = Geometry((4, 6), (2, 3)).mask(mask)
    np.testing.assert_array_equal(there, [[True, True, False], [False, False, False]])
    mask[1, 2] = False
    np.testing.assert_array_equal(Geometry((4, 6), (2, 3)).mask(mask), [[True, False, False], [False, False, False]])


def test_shrinking_averages_and_keeps_what_has_its_size():
    values = np.tile(np.array([[0.0, 1.0]], np.float32), (8, 8))
    np.testing.assert_allclose(resized(values, (4, 4))[1:-1, 1:-1], 0.5, atol=0.02)
    np.testing.assert_array_equal(resized(values, values.shape), values)


def test_a_box_is_cut_at_the_border():
    assert Box(2, 3, 4, 5).cut((10, 10)) == Box(2, 3, 4, 5)
    assert Box(-2, 3, 40, 5).cut((6, 10)) == Box(0, 3, 10, 3)
    assert Box(2, 3, 4, 5).cut((10, 10)).has_area
    for outside in (Box(10, 0, 5, 5), Box(0, 6, 5, 5), Box(-9, 0, 5, 5), Box(1, 1, 0, 5), Box(1, 1, 5, -1)):
        assert not outside.cut((6, 10)).has_area
