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


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(InputError, match=r"small mass.*\(4, 4\).*\(8, 8\)"):
        truth_mask([Finding("mass", "small mass", mask=np.zeros((4, 4), bool))], (8, 8))
