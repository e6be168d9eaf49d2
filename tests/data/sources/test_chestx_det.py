"""ChestX-Det: parallel lists of names, boxes and contours, and normal films without any."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from data.real_layouts import chestx_det

from cxrtutor.data.geometry import Box
from cxrtutor.data.sources.chestx_det import FINDINGS, ChestXDet, read_list
from cxrtutor.errors import InputError


def test_each_finding_of_each_image_is_there_or_is_not(tmp_path: Path) -> None:
    shipped = chestx_det(tmp_path)
    listing = ChestXDet(tmp_path).listing()
    assert [entry.image for entry in listing.entries] == list(shipped.images) and listing.problems == ()
    assert [entry.split for entry in listing.entries] == ["train"] * 3 + ["test"] * 2
    assert all(tuple(one.name for one in entry.truth) == FINDINGS for entry in listing.entries)
    third = {one.name: one for one in listing.entries[2].truth if one.present}
    assert set(third) == {"Emphysema", "Mass"}
    assert third["Emphysema"].boxes == (Box(4, 6, 20, 44), Box(30, 6, 16, 44))
    mask = third["Mass"].finding().mask
    assert mask.shape == (60, 60) and mask[20:31, 30:41].all() and mask.sum() == 121
    emphysema = third["Emphysema"].finding().mask
    assert emphysema[8, 6] and emphysema[8, 44] and not emphysema[45, 25]
    assert not any(one.present for one in listing.entries[1].truth) and listing.entries[1].annotated


def test_the_list_alone_is_read_with_given_sizes(tmp_path: Path) -> None:
    chestx_det(tmp_path)
    found = read_list(tmp_path / "ChestX_Det_test.json", lambda image: (60, 60))
    assert [(one.image, one.name) for one in found.findings if one.present] == [("36302", "Diffuse Nodule")]
    assert len(found.findings) == 26 and np.array_equal(np.unique([one.size for one in found.findings]), [60])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"boxes": []}, "boxes: holds 0 of 1"),
        ({"polygons": [[], []]}, "polygons: holds 2 of 1"),
        ({"syms": None}, "syms: None is no list"),
        ({"boxes": [[1, 2, 3]]}, r"boxes: \[1, 2, 3\] is not"),
        ({"boxes": [[9, 9, 3, 3]]}, "boxes x2: is -6"),
        ({"polygons": [[[1, 2]]]}, "polygons: contour 0"),
        ({"polygons": [[["a", 2], [3, 4]]]}, "polygons: contour 0"),
    ],
)
def test_a_broken_entry_is_named_and_its_image_skipped(change: dict, said: str, tmp_path: Path) -> None:
    chestx_det(tmp_path)
    path = tmp_path / "ChestX_Det_test.json"
    content = json.loads(path.read_text())
    content[1] |= change
    path.write_text(json.dumps(content))
    listing = ChestXDet(tmp_path).listing()
    [skipped] = listing.skipped
    assert (skipped.id, skipped.reason) == ("36302", "truth cannot be read") and "entry 1: " in skipped.detail
    found = read_list(path, lambda image: (60, 60))
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(found.problems[0])
    assert "entry 1" in found.problems[0]


def test_a_name_that_is_none_of_the_thirteen_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    entry = {"file_name": "1.png", "syms": ["Scar"], "boxes": [[1, 2, 9, 9]], "polygons": [[[1, 2], [9, 2], [9, 9]]]}
    path.write_text(json.dumps([entry]))
    assert [one.name for one in read_list(path, lambda image: (60, 60)).findings if one.present] == ["Scar"]


@pytest.mark.parametrize("text", ["{}", "[1]", '[{"file_name": "a.png"}', "null"])
def test_another_file_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"a\.json"):
        read_list(path, lambda image: (60, 60))
