"""SIIM-ACR: relative run lengths, several rows an image, -1 for nothing, and spaces where none belong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data.real_layouts import SIIM_IMAGES, dicom, siim
from data.truth_layouts import rectangle, siim_csv
from hypothesis import given
from hypothesis import strategies as st

from cxrtutor.data.run_lengths import RunLengths
from cxrtutor.data.sources.open_i import installed_archive
from cxrtutor.data.sources.siim import Siim, read_csv
from cxrtutor.data.splits import hashed_split
from cxrtutor.errors import InputError

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


@given(st.text(st.sampled_from("0123456789 -x.e,\t\u0663"), max_size=40))
def test_any_text_is_read_or_refused(shared_home: Path, text: str) -> None:
    path = siim_csv(shared_home / "fuzzed-rle.csv", [(B, "-1"), (A, text)])
    try:
        found = read_csv(path)
    except InputError:
        return
    assert {one.image for one in found.findings} | {image for image, _ in found.left_out} == {A, B}


def test_the_real_table_is_read() -> None:
    found = read_csv(installed_archive().with_name("siim-pneumothorax-train-rle.csv.gz"))
    assert found.problems == () and len(found.findings) == 12047
    assert sum(one.present for one in found.findings) == 2669


def test_every_image_is_listed_once_wherever_it_lies(tmp_path: Path) -> None:
    shipped = siim(tmp_path)
    listing = Siim(*map(Path, shipped.arguments)).listing()
    assert [entry.id for entry in listing.entries] == list(SIIM_IMAGES) and listing.problems == listing.skipped == ()
    assert {entry.image for entry in listing.entries} == set(shipped.images)
    assert all(entry.split == hashed_split(entry.id) and entry.patient == entry.id for entry in listing.entries)
    assert all(entry.annotated for entry in listing.entries)
    assert [entry.truth[0].present for entry in listing.entries] == [False, True, False, True, False, False]
    assert "one patient may be on both sides" in Siim(*map(Path, shipped.arguments)).asked_for()["splits"]
    assert listing.entries[1].truth[0].runs.area == 1300 and listing.entries[1].place == "train-rle.csv, line 3"
    other = dicom(tmp_path / "flat" / f"{A}.dcm", 1)
    assert Siim(Path(shipped.arguments[0]), other.parent).listing().entries[0].image == other


def test_an_image_that_is_said_to_show_it_and_not_to_is_skipped(tmp_path: Path) -> None:
    siim_csv(tmp_path / "a.csv", [(A, text(FIRST)), (B, "-1"), (A, "-1"), (B, "-1")])
    listing = Siim(tmp_path / "a.csv", tmp_path).listing()
    assert [(one.id, one.reason) for one in listing.skipped] == [(A, "truth cannot be read")]
    assert [entry.id for entry in listing.entries] == [B]
    assert "line 4, finding: is said both" in listing.problems[0] and "line 5: " in listing.problems[1]
