"""COVID Rural's folder of masks: 0 and 1, the image's size, the patient in the name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data import real_layouts
from data.real_layouts import COVID_RURAL_IMAGES as IMAGES
from data.truth_layouts import COVID, covid_rural, rectangle, written
from PIL import Image

from cxrtutor.data.sources.covid_rural import CovidRural, read_masks
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


def test_images_are_listed_with_their_masks(tmp_path: Path) -> None:
    shipped = real_layouts.covid_rural(tmp_path)
    found = CovidRural(Path(*shipped.arguments)).listing()
    assert [one.image for one in found.entries] == list(shipped.images) and found.problems == ()
    assert [(one.patient, one.split) for one in found.entries][:2] == [("COVID-19-AR-16406488", "test")] * 2
    assert [one.truth[0].present for one in found.entries] == [True, False, True, True]
    assert all(one.annotated and one.report is None for one in found.entries)
    assert [(one.id, one.reason) for one in found.skipped] == [("COVID-19-AR-16406502_01-08-2012-XR", "truth missing")]


def test_masks_that_cannot_be_read_and_masks_without_images(tmp_path: Path) -> None:
    folder = Path(*real_layouts.covid_rural(tmp_path).arguments)
    (folder / "pngs_masks" / f"{IMAGES[0]}.png").write_bytes(b"\x89PNG")
    (folder / "jpgs" / f"{IMAGES[1]}.jpg").unlink()
    found = CovidRural(folder).listing()
    assert (IMAGES[0], "truth cannot be read") in {(one.id, one.reason) for one in found.skipped}
    assert found.entries[0].image == folder / "jpgs" / f"{IMAGES[1]}.jpg", "which is told to be missing when it is read"
    assert len(found.problems) == 1


def test_lists_give_the_splits(tmp_path: Path) -> None:
    folder = Path(*real_layouts.covid_rural(tmp_path).arguments)
    lists = {
        "train": written(tmp_path / "train.csv", f"ID\n{IMAGES[0]}\n{IMAGES[2]}.jpg\nnobody\n{IMAGES[0]}\n"),
        "test": written(tmp_path / "test.csv", f"ID\n{IMAGES[1]}.png\n{IMAGES[2]}\n"),
    }
    source = CovidRural(folder, lists)
    found = source.listing()
    assert {one.id: one.split for one in found.entries} == {IMAGES[0]: "train", IMAGES[1]: "test"}
    assert {one.id: one.reason for one in found.skipped if one.id in IMAGES} == {
        IMAGES[2]: "contradicting rows",
        IMAGES[3]: "in none of the lists",
    }
    assert found.problems == ("train.csv: there is no image 'nobody'.",)
    assert set(lists.values()) < set(source.tables().values()) and source.asked_for() == {"splits": "the given lists"}


def test_notes_become_reports_where_it_is_clear_how(tmp_path: Path) -> None:
    folder = Path(*real_layouts.covid_rural(tmp_path).arguments)
    notes = folder / "covid_rural_radiologist_notes.csv"
    rows = "".join(f'{name}.jpg,M,"FINDINGS: No effusion. Opacity {name[-4:]}."\n' for name in IMAGES[:3])
    written(notes, f"XR,Sex,Radiologist note\n{rows}")
    source = CovidRural(folder)
    assert source.tables()["notes"] == notes
    reports = [one.report for one in source.listing().entries]
    assert [line.text for line in reports[0].sentences] == ["No effusion.", "Opacity 2-XR."] and reports[3] is None
    unclear = (
        f"XR,Sex,Note,Comment\n{rows.replace('M,', 'M,?,')}",  # two columns of notes
        f"XR,Sex,Radiologist note\n{rows}{rows}",  # an image twice
        f"XR,Sex,Radiologist note\n{rows}nobody,M,x\n",
        "XR,Sex,Note\n",
    )
    for text in unclear:
        written(notes, text)
        found = source.listing()
        assert all(one.report is None for one in found.entries) and len(found.entries) == 4
        assert "which column names the image and which is its note is not clear" in found.problems[0]
    notes.write_bytes(b"\xff\xfe")
    assert "No report is taken" in source.listing().problems[0]
