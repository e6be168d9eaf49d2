import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_sets import Knows, Positions, random_studies, study

from cxrtutor.errors import InputError
from cxrtutor.evaluation import evaluate as module
from cxrtutor.evaluation.evaluate import evaluate, measure
from cxrtutor.evaluation.metrics import cnr, dice, iou, pointing
from cxrtutor.localization.presence import presence
from cxrtutor.localization.protocols import AFLOC, PROTOCOLS, PerFinding


def test_every_finding_is_asked_of_its_own_image_and_measured():
    studies = random_studies(30)
    model = Knows(studies, noise=0.1)
    measured = evaluate(model, Positions(), studies)
    asked = [(index, f.phrase) for index, one in enumerate(studies) for f in one.findings]
    assert model.asked == asked
    assert measured.rows["study"].tolist() == [studies[index].id for index, _ in asked]
    assert measured.rows["patient"].tolist() == [studies[index].patient for index, _ in asked]
    assert measured.rows["prompt"].tolist() == [phrase for _, phrase in asked]
    assert (measured.protocol, measured.prompts) == ("afloc", "precise")
    assert measured.macro()["cnr"] > 1.5 and measured.macro()["pointing"] > 0.9


def test_a_row_is_what_the_metrics_say_of_that_sample():
    studies = random_studies(6, seed=3)
    rows = evaluate(Knows(studies, noise=0.3), Positions(), studies).rows
    model, number = Knows(studies, noise=0.3), 0
    for index, one in enumerate(studies):
        for finding in one.findings:
            similarity = model.similarity_maps(Positions().batch([index]), [finding.phrase])
            heat = AFLOC.heat(similarity, (64, 64))[0]
            truth, valid = torch.from_numpy(finding.mask), ~heat.isnan()
            masks = AFLOC.masks(heat[None])[0]
            expected = {
                "iou": iou(masks, truth[None], valid[None]).mean(),
                "dice": dice(masks, truth[None], valid[None]).mean(),
                "cnr": cnr(heat, truth),
                "pointing": pointing(heat, truth),
                "iou@0.2": iou(masks[1], truth, valid),
            }
            for name, value in expected.items():
                assert rows[name][number] == pytest.approx(value.item(), abs=1e-6), name
            number += 1
    assert number == len(rows)


def test_batches_change_nothing(monkeypatch):
    studies = random_studies(20)
    whole = evaluate(Knows(studies, noise=0.2), Positions(), studies).rows
    monkeypatch.setattr(module, "BATCH_SAMPLES", 3)
    parts = evaluate(Knows(studies, noise=0.2), Positions(), studies).rows
    monkeypatch.setattr(module, "BATCH_PIXELS", 1)
    ones = evaluate(Knows(studies, noise=0.2), Positions(), studies).rows
    for name in ("iou", "dice", "cnr", "pointing", "iou@0.5"):
        np.testing.assert_allclose(parts[name], whole[name], atol=1e-6)
        np.testing.assert_allclose(ones[name], whole[name], atol=1e-6)


def test_images_of_different_sizes_are_measured_at_their_own():
    shapes = [(64, 64), (64, 48), (64, 48), (40, 64), (64, 64)]
    studies = [study(i, [("mass", "mass", (20, 20, 32, 32))], shape) for i, shape in enumerate(shapes)]

    class Pools(Knows):
        def similarity_maps(self, features, prompts):
            maps = []
            for position in features.pooled[:, 0].long().tolist():
                mask = self.studies[position].findings[0].mask
                square = np.zeros((64, 64), np.float32)
                top, left = ((64 - length) // 2 for length in mask.shape)
                square[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
                maps.append(torch.nn.functional.avg_pool2d(torch.from_numpy(square)[None], 4)[0])
            return torch.stack(maps)

    rows = evaluate(Pools(studies), Positions(), studies).rows
    assert (rows.pointing == 1).all() and (rows.cnr > 2).all()
    assert rows.iou.max() - rows.iou.min() < 0.1


def test_findings_asked_for_in_the_same_words_are_one_sample():
    lesions = [
        ("nodule", "two nodules", (10, 10, 16, 16)),
        ("mass", "large mass", (40, 10, 56, 26)),
        ("nodule", "two nodules", (40, 40, 46, 46)),
        ("nodule", "tiny nodule", (10, 40, 14, 44)),
    ]
    studies = [study(0, lesions)]
    precise = evaluate(Knows(studies), Positions(), studies).rows
    assert precise["lesions"].tolist() == ["0+2", "1", "3"]
    assert precise["finding"].tolist() == ["nodule", "mass", "nodule"]
    assert precise["iou"][0] > 0.25  # both nodules are the truth
    simple = evaluate(Knows(studies), Positions(), studies, prompts="simple").rows
    assert simple["lesions"].tolist() == ["0+2+3", "1"]
    assert simple["prompt"].tolist() == ["Findings suggesting nodule.", "Findings suggesting mass."]
    whole = evaluate(Knows(studies), Positions(), studies, prompts="report").rows
    assert whole[["lesions", "prompt"]].values.tolist() == [["0+1+2+3", studies[0].report.text]]


def test_a_function_may_leave_findings_unasked():
    studies = random_studies(20)

    def only_masses(finding):
        return "a lump" if finding.name == "mass" else None

    measured = evaluate(Knows(studies), Positions(), studies, prompts=only_masses)
    assert set(measured.rows.finding) == {"mass"} and set(measured.rows.prompt) == {"a lump"}
    assert measured.prompts == "only_masses"
    with pytest.raises(InputError, match="nothing to measure"):
        evaluate(Knows(studies), Positions(), studies, prompts=lambda finding: None)


def test_truth_in_the_margin_is_undefined_and_counted():
    studies = [study(0, [("mass", "a", (0, 0, 3, 3))]), study(1, [("mass", "b", (20, 20, 40, 40))])]
    measured = evaluate(Knows(studies), Positions(), studies)
    assert measured.rows["iou"].isna().tolist() == [True, False]
    assert measured.undefined()[["iou", "dice", "cnr", "pointing"]].tolist() == [1, 1, 1, 1]
    assert measured.macro()["pointing"] == 1


@pytest.mark.parametrize("value", [math.nan, 0.5])
def test_a_model_that_says_nothing_scores_zero(value):
    class Silent:
        def similarity_maps(self, features, prompts):
            return torch.full((len(prompts), 16, 16), value)

    studies = random_studies(8)
    if math.isnan(value):
        with pytest.warns(UserWarning, match="NaN"):
            macro = evaluate(Silent(), Positions(), studies).macro()
    else:
        macro = evaluate(Silent(), Positions(), studies).macro()
    assert (macro == 0).all()


def test_skipping_empty_predictions_flatters():
    studies = random_studies(20)

    class SeldomAnswers(Knows):
        def similarity_maps(self, features, prompts):
            maps = super().similarity_maps(features, prompts)
            maps[features.pooled[:, 0] % 2 == 1] = 0.0
            return maps

    strict, lenient = (
        evaluate(SeldomAnswers(studies), Positions(), studies, name) for name in ("afloc", "afloc-skipping-empty")
    )
    silent = strict.rows.iou == 0
    assert 0 < silent.sum() == lenient.undefined()["iou"] == lenient.undefined()["dice"]
    assert lenient.macro()["iou"] > strict.macro()["iou"]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocols_numbers_are_those_of_its_masks_one_by_one(name):
    protocol, rng = PROTOCOLS[name], np.random.default_rng(0)
    if protocol.untuned:
        gates = None if protocol.thresholds.gates is None else {"mass": 0.7, "edema": -math.inf}
        protocol = replace(protocol, thresholds=PerFinding((), {"mass": 0.4, "edema": 0.6}, gates))
    similarity = torch.from_numpy(rng.normal(size=(8, 12, 12))).float() * 3
    similarity[0] = 0.0
    truth = torch.from_numpy(rng.random((8, 48, 48)) < 0.2)
    truth[:3] = False
    findings = ["mass", "edema"] * 4
    found = measure(similarity, truth, protocol, findings)
    heat = protocol.heat(similarity, (48, 48))
    masks = protocol.masks(heat, findings, presence(similarity))
    for metric in (iou, dice):
        each = metric(masks, truth[:, None], ~heat.isnan()[:, None], over=protocol.over).numpy()
        with warnings.catch_warnings(action="ignore"):  # means of nothing
            expected = (np.nanmax if protocol.upper_bound else np.nanmean)(each, axis=1)
        np.testing.assert_allclose(found[metric.__name__].numpy(), expected, atol=1e-6)
    assert (found["iou"].isnan() == (truth.sum((1, 2)) == 0))[1:].all() or protocol.over == "all"
    torch.testing.assert_close(found["cnr"], cnr(heat, truth), equal_nan=True)
    torch.testing.assert_close(found["pointing"], pointing(heat, truth), equal_nan=True)


def test_what_a_study_does_not_show_is_asked_for_too():
    studies = [
        study(0, [("mass", "large mass", (20, 20, 40, 40))]),
        replace(study(1, []), annotated=False),
        study(2, []),
        study(3, [("edema", "edema", (10, 10, 50, 50)), ("mass", "left mass", (20, 20, 40, 40))]),
    ]
    model = Knows(studies, noise=0.1)
    every_pair = replace(AFLOC, name="all pairs", over="all")
    rows = evaluate(model, Positions(), studies, every_pair, absent=("mass", "edema")).rows
    asked = [("s0", "mass", "0", "large mass"), ("s0", "edema", "no edema", "edema")]
    asked += [("s2", "mass", "no mass", "mass"), ("s2", "edema", "no edema", "edema")]
    asked += [("s3", "edema", "0", "edema"), ("s3", "mass", "1", "left mass")]
    assert list(rows[["study", "finding", "lesions", "prompt"]].itertuples(index=False, name=None)) == asked
    absent = rows.lesions.str.startswith("no ")
    assert (rows.iou[absent] == 0).all() and (rows.iou[~absent] > 0).all()
    assert rows.cnr[absent].isna().all() and rows.pointing[absent].isna().all()
    positives = evaluate(Knows(studies), Positions(), studies, absent=("mass", "edema"))
    assert positives.undefined()["iou"] == absent.sum() == 3
    by_report = evaluate(Knows(studies), Positions(), studies, prompts="report", absent=("mass", "edema")).rows
    assert by_report.groupby("study").size().to_dict() == {"s0": 1, "s2": 2, "s3": 1}


def test_the_best_threshold_bounds_every_other():
    studies = random_studies(4)
    similarity = Knows(studies, noise=0.5).similarity_maps(Positions().batch([0] * 4), ["none"] * 4)
    truth = torch.zeros(4, 64, 64, dtype=torch.bool)
    truth[:, 20:40, 30:40] = True
    best, otsu = (measure(similarity, truth, PROTOCOLS[name])["iou"] for name in ("best", "chexlocalize"))
    assert (best > otsu - 0.01).all()


def test_the_model_is_asked_without_gradients_and_in_evaluation_mode():
    class Learns(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(16, 16))

        def similarity_maps(self, features, prompts):
            assert not self.training and not torch.is_grad_enabled()
            return self.weight.expand(len(prompts), -1, -1)

    model, studies = Learns().train(), random_studies(5)
    evaluate(model, Positions(), studies)
    assert model.training
