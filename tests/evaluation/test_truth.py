import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrtutor.data.study import Box, Finding
from cxrtutor.errors import InputError
from cxrtutor.evaluation.truth import box_mask, truth_mask


@given(st.integers(-5, 15), st.integers(-5, 15), st.integers(0, 30), st.integers(0, 30))
def test_a_box_of_whole_pixels_is_a_slice_cut_at_the_border(x, y, width, height):
    expected = np.zeros((12, 9), bool)
    expected[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = True
    np.testing.assert_array_equal(box_mask(Box(x, y, width, height), (12, 9)), expected)


def test_a_pixel_is_in_a_box_when_its_centre_is():
    assert np.argwhere(box_mask(Box(0.6, 1.4, 1.0, 1.0), (4, 4))).tolist() == [[1, 1]]
    assert not box_mask(Box(0.6, 0.6, 0.3, 0.3), (4, 4)).any()


def test_the_same_truth_as_boxes_and_as_masks():
    boxes = (Box(1, 2, 3, 4), Box(2, 3, 6, 2))
    masks = [box_mask(box, (10, 10)) for box in boxes]
    united = truth_mask([Finding("mass", "mass", boxes=boxes)], (10, 10))
    np.testing.assert_array_equal(united, masks[0] | masks[1])
    apart = [Finding("mass", "mass", mask=masks[0]), Finding("mass", "mass", boxes=boxes[1:])]
    np.testing.assert_array_equal(truth_mask(apart, (10, 10)), united)
    assert not truth_mask([Finding("mass", "mass")], (10, 10)).any()


@given(st.lists(st.tuples(*[st.floats(-4, 12, width=16)] * 2, *[st.floats(0, 12, width=16)] * 2), max_size=5))
def test_boxes_that_overlap_or_touch_a_border_are_counted_once_pixel_by_pixel(corners):
    boxes = tuple(Box(*corner) for corner in corners)

    def covered(row, column):
        x, y = column + 0.5, row + 0.5
        return any(box.x <= x < box.x + box.width and box.y <= y < box.y + box.height for box in boxes)

    expected = [[covered(row, column) for column in range(7)] for row in range(9)]
    np.testing.assert_array_equal(truth_mask([Finding("mass", "mass", boxes=boxes)], (9, 7)), expected)
    apart = [Finding("mass", "mass", boxes=(box,)) for box in boxes]
    np.testing.assert_array_equal(truth_mask(apart, (9, 7)), expected)


def test_boxes_that_share_an_edge_share_no_pixel_and_leave_none_out():
    left, right = box_mask(Box(0, 0, 3.5, 6), (6, 8)), box_mask(Box(3.5, 0, 4.5, 6), (6, 8))
    assert not (left & right).any() and (left | right).all()


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(InputError, match=r"small mass.*\(4, 4\).*\(8, 8\)"):
        truth_mask([Finding("mass", "small mass", mask=np.zeros((4, 4), bool))], (8, 8))
