import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_sets import Positions, random_studies

from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.prepared import shard_path, write_card, write_shard
from cxrtutor.errors import InputError
from cxrtutor.evaluation.evaluate import evaluate, samples_of
from cxrtutor.evaluation.metrics import iou
from cxrtutor.evaluation.truth import truth_mask
from cxrtutor.evaluation.tuning import tune
from cxrtutor.localization.presence import gate_score, presence
from cxrtutor.localization.prompts import simple
from cxrtutor.localization.protocols import AFLOC, PROTOCOLS, PerFinding


class Blurs:
    """A model that finds every finding, too widely or too narrowly, and answers less where there is nothing."""

    def __init__(self, studies, seed=0):
        self.studies = studies
        self.noise = torch.Generator().manual_seed(seed)

    def similarity_maps(self, features, prompts):
        maps = []
        for position, prompt in zip(features.pooled[:, 0].long().tolist(), prompts, strict=True):
            study = self.studies[position]
            union = truth_mask([one for one in study.findings if simple(one) == prompt], study.image.shape)
            cells = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(union).float()[None], 16)
            power = 0.3 if "effusion" in prompt else 2.0
            maps.append(1.5 * cells[0] ** power + 0.2 * torch.rand(16, 16, generator=self.noise))
        return torch.stack(maps)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A prepared set of two splits, in which some studies show a finding and others do not."""
    folder, counts = tmp_path_factory.mktemp("set"), {"validation": 20, "test": 4}
    shards = [shard_path(folder, split, 0) for split in counts]
    for path, (split, count) in zip(shards, counts.items(), strict=True):
        write_shard(path, [replace(study, id=f"{split} {study.id}", split=split) for study in random_studies(count)])
    write_card(folder, shards, {"tuning": 1}, name="small", version="1", licence="CC0-1.0", redistribution=True)
    return folder


@pytest.fixture(scope="module")
def validation(folder):
    return StudyDataset(folder, "validation")


def answered(validation, protocol, absent):
    """By finding: heat, truth and gate score of every answer, one at a time."""
    model, found = Blurs(validation), {}
    for index in range(len(validation)):
        for sample in samples_of(index, validation[index], simple, absent):
            similarity = model.similarity_maps(Positions().batch([index]), [sample.prompt])
            truth = torch.from_numpy(sample.truth)
            heat = protocol.heat(similarity, tuple(truth.shape))[0]
            found.setdefault(sample.finding, []).append((heat, truth, gate_score(presence(similarity)).item()))
    return found


def test_thresholds_are_the_best_of_all_by_brute_force(validation):
    protocol = PROTOCOLS["chexlocalize-tuned"]
    tuned = tune(Blurs(validation), Positions(), validation)
    assert tuned.name == "chexlocalize-tuned" and not tuned.untuned and protocol.untuned
    for finding, rows in answered(validation, protocol, ()).items():
        means = {
            t: np.mean([iou(heat > t, truth).item() for heat, truth, _ in rows])
            for t in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
        }
        assert means[tuned.thresholds.thresholds[finding]] == pytest.approx(max(means.values()), abs=1e-6)
    assert len(set(tuned.thresholds.thresholds.values())) > 1 and tuned.thresholds.gates is None


def test_gates_are_the_best_of_all_by_brute_force(validation):
    names = sorted({finding.name for study in validation for finding in study.findings})
    protocol = PROTOCOLS["chexlocalize-gated"]
    tuned = tune(Blurs(validation), Positions(), validation, protocol)

    def score(rows, threshold, gate):
        kept = [(heat > threshold if s >= gate else torch.zeros_like(truth), truth) for heat, truth, s in rows]
        return np.nanmean([iou(mask, truth, over="all").item() for mask, truth in kept])

    for finding, rows in answered(validation, protocol, names).items():
        choice = tuned.thresholds.thresholds[finding], tuned.thresholds.gates[finding]
        gates = [-math.inf, *(s for *_, s in rows)]
        best = max(score(rows, t, gate) for t in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7) for gate in gates)
        assert score(rows, *choice) == pytest.approx(best, abs=1e-6)
    assert max(tuned.thresholds.gates.values()) > 0


def test_a_gate_silences_false_alarms(validation):
    names = sorted({finding.name for study in validation for finding in study.findings})
    gated = tune(Blurs(validation), Positions(), validation, "chexlocalize-gated")
    lets_all = replace(gated, thresholds=replace(gated.thresholds, gates=dict.fromkeys(names, -math.inf)))
    with_gate, without = (
        evaluate(Blurs(validation), Positions(), validation, protocol, "simple", names)
        for protocol in (gated, lets_all)
    )
    alarms = without.rows.lesions.str.startswith("no ")
    assert alarms.any() and (without.rows.iou[alarms] == 0).all()
    assert with_gate.rows.iou[alarms].isna().any()
    assert with_gate.macro().iou > without.macro().iou


def test_only_validation_tunes(folder):
    test = StudyDataset(folder, "test")
    with pytest.raises(InputError, match="Tuning takes the validation split; this is 'test'"):
        tune(Blurs(test), Positions(), test)
    everything = StudyDataset(folder)
    with pytest.raises(InputError, match="validation split; this is None"):
        tune(Blurs(everything), Positions(), everything)


def test_what_cannot_be_tuned_is_refused(validation):
    with pytest.raises(InputError, match="'afloc' has no thresholds of findings"):
        tune(Blurs(validation), Positions(), validation, "afloc")
    outside = replace(AFLOC, on_pixels=(lambda heat: heat * torch.nan,), thresholds=PerFinding((0.5,)))
    with pytest.raises(InputError, match="lies where the protocol judges"):
        tune(Blurs(validation), Positions(), validation, outside)


def test_measuring_with_what_was_not_tuned_says_what_to_do(validation):
    with pytest.raises(InputError, match=r"'chexlocalize-gated' has no thresholds yet.*validation"):
        evaluate(Blurs(validation), Positions(), validation, "chexlocalize-gated", "simple")
