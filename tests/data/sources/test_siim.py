"""SIIM-ACR: relative run lengths, several rows an image, -1 for nothing, and spaces where none belong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data.truth_layouts import rectangle, siim_csv

from cxrtutor.data.run_lengths import RunLengths
from cxrtutor.data.sources.siim import read_csv

A = "1.2.276.0.7230010.3.1.4.8323329.6904.1517875201.850819"
B = "1.2.276.0.7230010.3.1.4.8323329.13666.1517875247.117800"
FIRST, SECOND = rectangle((5, 6, 10, 8), (1024, 1024)), rectangle((700, 900, 100, 124), (1024, 1024))


def text(mask: np.ndarray) -> str:
    return " ".join(map(str, RunLengths.of(mask).gaps()))


@pytest.mark.parametrize("nothing", ["-1", " -1"])
def test_rows_of_one_image_are_united(nothing: str, tmp_path: Path) -> None:
    path = siim_csv(tmp_path / "train-rle.csv", [(A, text(FIRST)), (B, nothing), (A, " " + text(SECOND))])
    positive, negative = read_csv(path).findings
    assert (positive.image, positive.name, negative.image, negative.present) == (A, "pneumothorax", B, False)
    assert np.array_equal(positive.finding().mask, FIRST | SECOND)


def test_the_first_gap_counts_from_the_left_upper_corner_down(tmp_path: Path) -> None:
    [one] = read_csv(siim_csv(tmp_path / "a.csv", [(A, "1025 2 1022 3")])).findings
    mask = one.finding().mask
    assert set(zip(*map(np.ndarray.tolist, np.nonzero(mask)), strict=True)) == {(1, 1), (2, 1), (1, 2), (2, 2), (3, 2)}


@pytest.mark.parametrize("broken", ["", "5", "5 x", "5 -3", "5 99999999", "0 0"])
def test_broken_run_lengths_are_named(broken: str, tmp_path: Path) -> None:
    found = read_csv(siim_csv(tmp_path / "a.csv", [(A, "1025 2"), (B, broken)]))
    assert len(found.findings) == 1 and "a.csv, line 3, EncodedPixels: " in found.problems[0]
