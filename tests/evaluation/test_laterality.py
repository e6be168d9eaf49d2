"""Left or right: models that look at a known side, and models that know their side by a known thing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_sets import Positions, study

from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.prepared import shard_path, write_card, write_shard
from cxrtutor.data.study import Box, Finding
from cxrtutor.data.views import View
from cxrtutor.errors import InputError
from cxrtutor.evaluation.laterality import (
    half_of_image,
    measure_laterality,
    mirror_test,
    mirrored_truth,
    one_side,
    own_words_win,
    peaks_within,
)
from cxrtutor.evaluation.tables import ResultTable
from cxrtutor.localization.protocols import Protocol

PLAIN = Protocol("plain", (), "nearest", (), (0.5,))


def lungs(left=(10, 54, 40, 60), right=(10, 54, 4, 24), shape=(64, 64)):
    """Masks of two boxes (top, bottom, first column, last); the patient's left is on the image's right."""
    masks = {}
    for side, (top, bottom, start, stop) in (("left", left), ("right", right)):
        masks[f"{side} lung"] = np.zeros(shape, bool)
        masks[f"{side} lung"][top:bottom, start:stop] = True
    return masks


def studies():
    """Two patients with a mass on each side and words for one of them, one without a side, one without lungs."""
    left, right = (16, 44, 28, 56), (16, 8, 28, 20)
    return [
        replace(study(0, [("mass", "left mass", left), ("nodule", "nodule", right)]), anatomy=lungs()),
        replace(study(1, [("mass", "right-sided mass", right)]), anatomy=lungs()),
        replace(study(2, [("edema", "mild edema", left)]), anatomy=lungs()),
        study(3, [("mass", "left mass", left)]),
    ]


class Looks:
    """Hot in columns of a 16 x 16 grid that `where` chooses by position and prompt."""

    def __init__(self, where):
        self.where = where

    def similarity_maps(self, features, prompts):
        maps = torch.zeros(len(prompts), 16, 16)
        for number, prompt in enumerate(prompts):
            maps[number, 6, list(self.where(int(features.pooled[number, 0]), prompt))] = 1.0
        return maps


@pytest.mark.parametrize(
    ("phrase", "side"),
    [("Small left-sided effusion", "left"), ("RIGHT mass", "right"), ("edema", None), ("left and right masses", None)],
)
def test_the_side_of_a_phrase(phrase, side):
    assert one_side(phrase) == side


def test_the_border_lies_between_the_lungs_and_leans_with_them():
    upright = replace(study(0, []), anatomy=lungs())
    left = half_of_image(upright, "left")
    assert left[:, 32:].all() and not left[:, :32].any()
    np.testing.assert_array_equal(left, ~half_of_image(upright, "right"))
    leaning = replace(study(0, []), anatomy=lungs(left=(0, 44, 40, 60)))  # the left lung is higher by 10
    left = half_of_image(leaning, "left")
    assert left[0].sum() > 32 > left[-1].sum()
    assert half_of_image(study(0, []), "left") is None
    half_known = {"left lung": lungs()["left lung"], "right lung": np.zeros((64, 64), bool)}
    assert half_of_image(replace(study(0, []), anatomy=half_known), "left") is None


def measured(where):
    return measure_laterality(Looks(where), Positions(), studies(), PLAIN)


def test_who_looks_where_the_words_say_makes_no_error():
    found = measured(lambda place, prompt: [12] if "left" in prompt else [3])
    assert found.rows.study.tolist() == ["s0", "s1"] and found.rows.lesions.tolist() == ["0", "0"]
    assert (found.rows[["peak on the wrong side", "mask on the wrong side"]] == 0).all(axis=None)
    wrong = measured(lambda place, prompt: [3] if "left" in prompt else [12])
    assert (wrong.rows[["peak on the wrong side", "mask on the wrong side"]] == 1).all(axis=None)


def test_who_looks_to_both_sides_is_half_wrong():
    found = measured(lambda place, prompt: [2, 3, 12])
    assert found.rows["mask on the wrong side"].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert found.rows["peak on the wrong side"].tolist() == pytest.approx([2 / 3, 1 / 3])
    silent = measured(lambda place, prompt: [])
    assert silent.rows["mask on the wrong side"].isna().all()


def test_pixels_that_are_not_judged_are_no_peak():
    heat = torch.tensor([[[torch.nan, 1.0], [3.0, 3.0]]])
    assert peaks_within(heat, torch.tensor([[[True, True], [True, False]]])).item() == 0.5


def test_where_nobody_knows_the_sides():
    with pytest.raises(InputError, match="masks of both lungs"):
        measure_laterality(Looks(lambda place, prompt: [1]), Positions(), studies()[3:], PLAIN)
    with pytest.raises(InputError, match="nothing to measure"):
        measure_laterality(Looks(lambda place, prompt: [1]), Positions(), studies()[2:3], PLAIN)


class Mirrored(Positions):
    """Positions below zero, so that a model can tell a mirrored film."""

    def batch(self, indices):
        return super().batch([-1 - index for index in indices])


class Asked(Looks):
    """Looks at the side of the *picture* that `side_of` names, told whether the film is mirrored and what was said."""

    def __init__(self, side_of):
        def where(place, prompt):
            return [12] if side_of(place < 0, "left" if "left" in prompt else "right") == "picture's right" else [3]

        super().__init__(where)

    def image_source(self, shown):
        return Mirrored() if isinstance(shown, View) else Positions()


@pytest.fixture
def shown(tmp_path):
    shard = shard_path(tmp_path, "test", 0)
    write_shard(shard, [replace(each, split="test") for each in studies()])
    write_card(tmp_path, [shard], {}, name="sides", version="1", licence="CC0-1.0", redistribution=True)
    return StudyDataset(tmp_path, "test")


def by_place(is_mirrored, said):
    return "picture's right" if said == "left" else "picture's left"


def by_anatomy(is_mirrored, said):
    return "picture's right" if (said == "left") != is_mirrored else "picture's left"


@pytest.mark.parametrize(
    ("side_of", "gains"),
    [(by_place, (1.0, -1.0)), (by_anatomy, (1.0, 1.0)), (lambda is_mirrored, said: "picture's left", (0.0, 0.0))],
)
def test_the_mirror_tells_place_from_anatomy(shown, side_of, gains):
    tested = mirror_test(Asked(side_of), shown, PLAIN)
    found = own_words_win(tested, "pointing")
    assert (found["film as it is"].value, found["mirrored"].value) == gains
    assert set(tested["mirrored, own words"].rows.prompt) == {"left mass", "right-sided mass"}
    assert "mirrored, other side" in str(ResultTable(tested, metrics=("pointing",)))


def test_boxes_are_mirrored_with_their_film():
    box = Box(10.0, 5.0, 8.0, 4.0)
    boxed = replace(study(0, []), findings=(Finding("mass", "left mass", boxes=(box,)),))
    assert mirrored_truth(boxed).findings[0].boxes == (Box(46.0, 5.0, 8.0, 4.0),)
    assert mirrored_truth(mirrored_truth(boxed)).findings[0].boxes == (box,)
