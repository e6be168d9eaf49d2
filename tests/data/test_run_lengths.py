"""Run lengths: there and back, as pycocotools has them, and what is damaged is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco

from cxrtutor.data.run_lengths import RunLengths
from cxrtutor.errors import InputError

masks = arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


@given(masks)
def test_there_and_back(mask: np.ndarray) -> None:
    runs = RunLengths.of(mask)
    assert runs.size == mask.shape and runs.area == mask.sum()
    for same in (
        runs,
        RunLengths.from_compressed(runs.size, runs.compressed()),
        RunLengths.from_gaps(runs.size, runs.gaps()),
    ):
        assert np.array_equal(same.mask(), mask)


@pytest.mark.parametrize("share", [0.0, 0.002, 0.3, 0.998, 1.0])
def test_the_compressed_form_is_that_of_pycocotools(share: float) -> None:
    mask = np.random.default_rng(0).random((231, 283)) < share
    theirs = coco.encode(np.asfortranarray(mask, np.uint8))
    assert RunLengths.of(mask).compressed().encode() == theirs["counts"]
    assert np.array_equal(RunLengths.from_compressed((231, 283), theirs["counts"]).mask(), mask)


def test_long_runs_and_large_differences() -> None:
    mask = np.zeros((2320, 2828), bool)
    mask[100:103, 5] = mask[7, 5:2000] = mask[1000:2000, 900:1200] = True
    theirs = coco.encode(np.asfortranarray(mask, np.uint8))
    assert np.array_equal(RunLengths.from_compressed(mask.shape, theirs["counts"].decode()).mask(), mask)


def test_gaps_count_from_the_end_of_the_last_run_down_the_columns() -> None:
    mask = RunLengths.from_gaps((3, 4), [1, 2, 3, 2]).mask()
    assert mask.T.ravel().tolist() == [False] + [True] * 2 + [False] * 3 + [True] * 2 + [False] * 4


@pytest.mark.parametrize("counts", ["", "PPYo1" * 9, "0", "P", "\x10", "oooooooooooooo0", "é0"])
def test_damaged_text_is_refused(counts: str) -> None:
    with pytest.raises(InputError):
        RunLengths.from_compressed((10, 12), counts)


def test_text_that_was_cut_short_is_refused() -> None:
    whole = RunLengths.of(np.random.default_rng(1).random((20, 30)) < 0.5).compressed()
    for length in range(len(whole)):
        with pytest.raises(InputError):
            RunLengths.from_compressed((20, 30), whole[:length])


@pytest.mark.parametrize("gaps", [[1], [1, 200], [3, -2], [-1, 4]])
def test_impossible_gaps_are_refused(gaps: list[int]) -> None:
    with pytest.raises(InputError):
        RunLengths.from_gaps((10, 12), gaps)
