import numpy as np
import pytest
import torch
from small_runs import small_config, use_small_text_encoder
from small_sets import Knows, Positions, random_studies, study

from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.study import Finding
from cxrtutor.errors import InputError
from cxrtutor.evaluation.bootstrap import paired_difference
from cxrtutor.evaluation.controls import CONTROLS, Chance, LocationPrior, category, control_rows, shuffled_prompts
from cxrtutor.evaluation.evaluate import evaluate
from cxrtutor.evaluation.tables import ResultTable
from cxrtutor.evaluation.tuning import tune
from cxrtutor.methods.registry import method


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


def test_what_is_absent_can_be_shuffled_too():
    studies = random_studies(30)
    ask = shuffled_prompts(studies, absent=["mass", "edema"])
    phrases = {finding.phrase for one in studies for finding in one.findings}
    swapped = {name: ask(Finding(name, name)) for name in ("mass", "edema")}
    assert all(other in phrases | {"mass", "edema"} and not other.startswith(name) for name, other in swapped.items())


@pytest.fixture(scope="module")
def setting(data):
    """An untrained model with a small set: model, images of the test split, the splits."""
    with pytest.MonkeyPatch.context() as patch:
        use_small_text_encoder(patch)
        config = small_config(data)
        model = method(config.method).model(config)
        splits = {split: StudyDataset(data, split) for split in ("train", "validation", "test")}
        yield model.eval(), model.image_source(splits["test"]), splits


class TestControlRows:
    def test_every_row_is_measured_as_the_model_was(self, setting, home):
        model, images, splits = setting
        rows = control_rows(model, images, splits["test"], splits["train"], prompts="simple")
        own = evaluate(model, images, splits["test"], prompts="simple")
        assert tuple(rows) == CONTROLS
        for row in rows.values():
            assert not paired_difference(row, own, "iou").value > 1  # the samples and the protocol are the same
        assert {tuple(row.rows.prompt) for row in rows.values()} >= {tuple(own.rows.prompt), tuple(own.rows.finding)}
        assert len(str(ResultTable({"model": own, **rows}, ("iou",), reference="model")).splitlines()) == 11
        [prior] = control_rows(model, images, splits["test"], splits["train"], names=["location prior"]).values()
        expected = evaluate(LocationPrior(splits["train"], 8), images, splits["test"], prompts=category)
        assert prior.rows.equals(expected.rows)  # on the grid of the model's deep map: 64 pixels at stride 8
        assert prior.rows.equals(rows["location prior"].rows)

    def test_each_row_is_tuned_for_itself(self, setting, home):
        model, images, splits = setting
        names = ["location prior", "shuffled prompt"]
        given = model, images, splits["test"], splits["train"], "chexlocalize-tuned", "simple"
        rows = control_rows(*given, validation=splits["validation"], names=names)
        prior = LocationPrior(splits["train"], 8)
        tuned = tune(prior, model.image_source(splits["validation"]), splits["validation"], prompts=category)
        assert rows["location prior"].rows.equals(evaluate(prior, images, splits["test"], tuned, category).rows)
        with pytest.raises(InputError, match="fit one model alone; give the validation split"):
            control_rows(*given, names=names)

    def test_what_cannot_be_had(self, setting, home):
        model, images, splits = setting
        with pytest.raises(InputError, match="one prompt for all findings"):
            control_rows(model, images, splits["test"], splits["train"], prompts="report", names=["shuffled prompt"])
        with pytest.raises(InputError, match=r"no control 'noise'\. Choose of: location prior"):
            control_rows(model, images, splits["test"], splits["train"], names=["noise"])
