"""COVID Rural's folder of masks: 0 and 1, the image's size, the patient in the name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data.truth_layouts import COVID, covid_rural, rectangle
from PIL import Image

from cxrtutor.data.sources.covid_rural import read_masks
from cxrtutor.errors import InputError

MASK = rectangle((5, 6, 10, 8), (40, 30))


@pytest.mark.parametrize("inside", ["", "pngs_masks"])
@pytest.mark.parametrize("white", [1, 255])
def test_masks_are_read_as_they_lie(inside: str, white: int, tmp_path: Path) -> None:
    folder = covid_rural(tmp_path / "covid_rural_annot", {COVID: MASK * np.uint8(white), "b_2": MASK[:20] * 0})
    first, second = read_masks(folder / inside).findings
    assert (first.image, first.patient, first.name, first.size) == (
        COVID,
        "COVID-19-AR-16406488",
        "pneumonia",
        (40, 30),
    )
    assert np.array_equal(first.finding().mask, MASK)
    assert second.image == "b_2" and not second.present


def test_a_file_that_is_no_mask_is_named(tmp_path: Path) -> None:
    folder = covid_rural(tmp_path, {COVID: MASK, "grey_1": MASK * 7}) / "pngs_masks"
    (folder / "torn_1.png").write_bytes((folder / f"{COVID}.png").read_bytes()[:60])
    Image.new("RGB", (30, 40)).save(folder / "colour_1.png")
    found = read_masks(tmp_path)
    assert [one.image for one in found.findings] == [COVID]
    for problem, name in zip(found.problems, ["colour_1", "grey_1", "torn_1"], strict=True):
        assert f"pngs_masks, {name}.png, pixels: " in problem


def test_a_folder_without_masks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no PNG"):
        read_masks(tmp_path)
