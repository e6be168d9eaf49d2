"""The same patient without one lesion: what is gone is gone, and nothing else has changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from cxrtutor.data.study import Study
from cxrtutor.data.teaching.make import make_study
from cxrtutor.data.teaching.patient import draw_radiograph, sample_lesions
from cxrtutor.data.teaching.twins import twins_without

GREY_LEVEL = 1 / 255


@pytest.fixture(scope="module")
def pairs() -> list[tuple[Study, Study, int]]:
    """Studies, each with its twin, and the finding that the twin lacks."""
    found = []
    for index in range(7):
        study = make_study("test", index)
        for finding in range(len(study.findings)):
            if study.findings[finding].name != "cardiomegaly":
                found.append((study, make_study("test", index, without=finding), finding))
    assert len({study.findings[finding].name for study, _, finding in found}) >= 6
    return found


def test_the_lesion_is_gone_and_the_picture_elsewhere_is_the_same(pairs: list[tuple[Study, Study, int]]) -> None:
    for study, twin, finding in pairs:
        mask = study.findings[finding].mask
        change = np.abs(study.image - twin.image)
        beyond = ~ndimage.binary_dilation(mask, iterations=round(15 / study.pixel_spacing[0]))
        assert change[mask].mean() > 4 * GREY_LEVEL, study.findings[finding].name
        # Scatter, and the display's evening out, carry a lesion's brightness over its edge; but not one speck of noise
        # is another.
        assert change[beyond].mean() < 1.5 * GREY_LEVEL, study.findings[finding].name
        specks = np.abs(change - ndimage.gaussian_filter(change, 3))[beyond]
        assert np.median(specks) < 0.05 * GREY_LEVEL, study.findings[finding].name


def test_everything_else_that_is_known_is_the_same(pairs: list[tuple[Study, Study, int]]) -> None:
    for study, twin, finding in pairs:
        others = [each for number, each in enumerate(study.findings) if number != finding]
        assert [each.name for each in twin.findings] == [each.name for each in others]
        for mine, other in zip(twin.findings, others, strict=True):
            np.testing.assert_array_equal(mine.mask, other.mask)
        for name, mask in study.anatomy.items():
            np.testing.assert_array_equal(mask, twin.anatomy[name])
        assert twin.patient == study.patient and twin.id == f"{study.id}-without-{finding}"


def test_what_cannot_be_taken_out() -> None:
    enlarged = next(
        (index, place)
        for index in range(40)
        for place, finding in enumerate(make_study("test", index).findings)
        if finding.name == "cardiomegaly"
    )
    with pytest.raises(ValueError, match="no such lesion"):
        make_study("test", enlarged[0], without=enlarged[1])
    with pytest.raises(ValueError, match="no such lesion"):
        draw_radiograph(sample_lesions, np.random.default_rng(0), size=96, outlines="train", without=9)


def test_a_set_of_twins_is_drawn_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lesions = [
        (index, 0)
        for index in range(6)
        if (study := make_study("test", index)).findings and study.findings[0].name != "cardiomegaly"
    ]
    twins = twins_without("test", lesions)
    assert [twin.id for twin in twins] == [f"teaching-test-{index:05d}-without-0" for index, _ in lesions]
    with monkeypatch.context() as patch:
        patch.setattr("cxrtutor.data.teaching.twins.make_study", None)
        assert twins_without("test", lesions).key == twins.key
    assert twins_without("test", lesions[:1]).key != twins.key
