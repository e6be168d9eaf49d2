import numpy as np
import pytest
import torch
from small_sets import Knows, Positions, random_studies, study

from cxrtutor.errors import InputError
from cxrtutor.evaluation.controls import Chance, LocationPrior, category, shuffled_prompts
from cxrtutor.evaluation.evaluate import evaluate


def test_chance_finds_nothing_and_repeats_itself():
    studies = random_studies(120)
    measured = evaluate(Chance(), Positions(), studies)
    assert abs(measured.macro()["cnr"]) < 0.15
    area = 12 * 12 / 56**2  # a box's share of what the margin leaves
    assert measured.macro()["pointing"] == pytest.approx(area, abs=0.06)
    assert evaluate(Chance(), Positions(), studies).rows.equals(measured.rows)
    assert not evaluate(Chance(seed=1), Positions(), studies).rows.equals(measured.rows)


def test_the_prior_is_the_mean_mask_of_the_category():
    training = [
        study(0, [("mass", "m", (0, 0, 32, 32))]),
        study(1, [("mass", "m", (0, 0, 32, 64)), ("edema", "e", (32, 0, 64, 64))]),
        study(2, []),
    ]
    prior = LocationPrior(training, grid=4)
    mass, edema, unseen = prior.similarity_maps(Positions().batch([0, 0, 0]), ["mass", "edema", "cavity"])
    assert mass.tolist() == [[1, 1, 0.5, 0.5]] * 2 + [[0] * 4] * 2
    assert edema.tolist() == [[0] * 4] * 2 + [[1] * 4] * 2
    torch.testing.assert_close(unseen, (mass + edema) / 2)
    with pytest.raises(InputError, match="hold none"):
        LocationPrior([study(0, [])])


def test_the_prior_of_a_tall_image_lies_in_its_letterbox():
    prior = LocationPrior([study(0, [("mass", "m", (0, 0, 64, 32))], shape=(64, 32))], grid=4)
    np.testing.assert_array_equal(prior.maps["mass"], [[0, 1, 1, 0]] * 4)


def test_a_prior_beats_chance_where_findings_have_their_place():
    def at_its_place(number):
        return study(number, [("edema", "edema", (20, 20, 32, 32)), ("mass", "mass", (40, 30, 50, 44))])

    studies = [at_its_place(i) for i in range(5)]
    prior = evaluate(LocationPrior(studies), Positions(), studies, prompts=category)
    assert prior.macro()["pointing"] == 1 and prior.macro()["cnr"] > 2


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_prompts_ask_for_another_category_and_stay_apart(seed):
    studies = random_studies(60)
    ask = shuffled_prompts(studies, seed=seed)
    findings = [finding for one in studies for finding in one.findings]
    names = {finding.phrase: finding.name for finding in findings}
    swapped = {finding.phrase: ask(finding) for finding in findings}
    assert sorted(swapped.values()) == sorted(names)
    assert all(names[other] != names[phrase] for phrase, other in swapped.items())


def test_shuffled_prompts_are_measured_on_the_same_samples_and_fail():
    studies = random_studies(30)
    right = evaluate(Knows(studies), Positions(), studies)
    wrong = evaluate(Knows(studies), Positions(), studies, prompts=shuffled_prompts(studies))
    assert wrong.rows[["study", "lesions"]].equals(right.rows[["study", "lesions"]])
    assert wrong.macro()["iou"] < 0.1 < right.macro()["iou"]


def test_prompts_of_one_category_cannot_be_shuffled():
    with pytest.raises(InputError, match="one category"):
        shuffled_prompts([study(0, [("mass", "big mass", (0, 0, 9, 9)), ("mass", "small mass", (9, 9, 12, 12))])])
