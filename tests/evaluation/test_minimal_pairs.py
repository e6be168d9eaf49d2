"""Pairs that differ in one fact: which are made, and who passes them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_sets import Positions

from cxrtutor.data.study import Finding, Report, Study
from cxrtutor.evaluation.bootstrap import interval
from cxrtutor.evaluation.minimal_pairs import FACTS, MinimalPairs, find_pairs, measure_pairs, minimal_pairs
from cxrtutor.evaluation.tables import ResultTable


@pytest.fixture(scope="module")
def quick(shared_home: Path) -> MinimalPairs:
    return minimal_pairs("quick")


@pytest.fixture(scope="module")
def studies(quick: MinimalPairs) -> list[Study]:
    return [quick.studies[position] for position in range(len(quick.studies))]


def lesion(name: str, phrase: str, side: str = "left", zone: str = "upper", severity: str = "small", **more) -> Finding:
    return Finding(name, phrase, attributes={"side": side, "zone": zone, "severity": severity} | more)


def with_findings(*findings: Finding) -> Study:
    return Study("s", "p", np.zeros((8, 8), np.float32), Report({}, ()), findings, annotated=True)


def facts_of(*findings: Finding, finding: str | None = None) -> dict[str, tuple[str, str, str]]:
    """The pairs on one category of a lone patient, before those that have no counterpart are left out."""
    from cxrtutor.evaluation.minimal_pairs import _offered

    name = finding or findings[0].name
    found = [pair for pair in _offered(0, with_findings(*findings)) if pair.finding == name]
    return {pair.fact: (pair.stated, pair.true, pair.false) for pair in found}


class TestWhichPairsAreMade:
    def test_members_differ_in_their_fact_alone(self, studies: list[Study]) -> None:
        changed = {
            "side": "the right middle lobe|right middle lobe|the lingula|lingular?|left|right",
            "zone": "upper|lower",
            "negation": "a|no|",
        }
        pairs = find_pairs(studies)
        assert {pair.fact for pair in pairs} == set(FACTS)
        for pair in pairs:
            if pair.fact == "presence":
                assert pair.true == pair.false and pair.lacking is not None
                continue
            assert pair.true != pair.false and pair.lacking is None
            if pair.fact in changed:
                bare = [re.sub(rf"\b({changed[pair.fact]})\b ?", "", text.lower()) for text in (pair.true, pair.false)]
                assert bare[0] == bare[1], pair
            else:
                assert pair.true.split()[1:] == pair.false.split()[1:] or "mm" in pair.true, pair

    def test_truth_is_in_the_study(self, studies: list[Study]) -> None:
        for pair in find_pairs(studies):
            study = studies[pair.position]
            assert (study.id, study.patient) == (pair.study, pair.patient)
            meant = [number for number, each in enumerate(study.findings) if each.name == pair.finding]
            assert pair.lesions == tuple(meant)
            lesions = [study.findings[number] for number in meant]
            if pair.fact == "negation":
                assert (pair.stated == "affirmed") == bool(meant) and (" no " in pair.true) == (not meant)
            elif pair.fact == "presence":
                assert meant == [pair.lacking] and pair.true.lower() == f"{lesions[0].phrase}.".lower()
            elif pair.finding not in ("nodule", "mass") or pair.fact != "size":
                assert pair.true.lower() == f"{lesions[0].phrase}.".lower()
                attribute = {"side": "side", "zone": "zone", "size": "severity"}[pair.fact]
                assert {each.attributes[attribute] for each in lesions} == {pair.stated}

    def test_a_patient_comes_once_and_both_sides_of_a_fact_come_alike(self, studies: list[Study]) -> None:
        by_fact = defaultdict(list)
        for pair in find_pairs(studies, per_fact=14):
            by_fact[pair.fact].append(pair)
        for fact, pairs in by_fact.items():
            assert len({pair.patient for pair in pairs}) == len(pairs) <= 14
            stated = Counter(pair.stated for pair in pairs)
            if fact in ("side", "negation"):
                assert len(pairs) == 14 and max(stated.values()) == 7
        assert len({pair.finding for pair in by_fact["presence"]}) >= 6

    def test_a_category_with_one_side_only_is_left_out(self) -> None:
        left = lesion("mass", "left mass", "left")
        right = lesion("nodule", "right nodule", "right")
        both = [with_findings(left), with_findings(right)]
        assert not [pair for pair in find_pairs(both) if pair.fact == "side"]

    def test_side(self) -> None:
        assert facts_of(lesion("mass", "left upper zone mass"))["side"] == (
            "left",
            "Left upper zone mass.",
            "Right upper zone mass.",
        )
        two = (lesion("pleural effusion", "small left effusion"), lesion("pleural effusion", "right effusion", "right"))
        assert "side" not in facts_of(*two)
        assert "side" not in facts_of(lesion("edema", "mild edema", "both"))

    def test_zone(self) -> None:
        assert facts_of(lesion("mass", "left upper zone mass"))["zone"][2] == "Left lower zone mass."
        assert "zone" not in facts_of(lesion("mass", "left mass"))
        assert "zone" not in facts_of(lesion("mass", "left mid zone mass", zone="middle"))
        two = [lesion("nodule", "two left nodules", zone=zone) for zone in ("upper", "lower")]
        assert "zone" not in facts_of(*two)

    def test_size(self) -> None:
        found = facts_of(lesion("nodule", "left nodule", size_mm=24.0))["size"]
        assert found == ("small", "24 mm left lung nodule.", "60 mm left lung mass.")
        found = facts_of(lesion("mass", "left mass", size_mm=50.0))["size"]
        assert found == ("large", "50 mm left lung mass.", "20 mm left lung nodule.")
        assert "size" not in facts_of(lesion("mass", "left mass", size_mm=40.0))
        found = facts_of(lesion("pleural effusion", "trace left pleural effusion"))["size"]
        assert found[2] == "Large left pleural effusion."

    def test_negation(self) -> None:
        found = facts_of(lesion("mass", "left mass"))["negation"]
        assert found == ("affirmed", "There is a mass.", "There is no mass.")
        found = facts_of(lesion("mass", "left mass"), finding="edema")["negation"]
        assert found == ("denied", "There is no edema.", "There is edema.")
        assert "negation" not in facts_of(lesion("mass", "left mass"), finding="nodule")

    def test_presence_needs_a_lesion_that_can_be_taken_out(self) -> None:
        assert "presence" in facts_of(lesion("mass", "left mass"))
        assert "presence" not in facts_of(lesion("cardiomegaly", "cardiomegaly", "middle", "whole"))
        assert "presence" not in facts_of(lesion("nodule", "two nodules"), lesion("nodule", "two nodules"))


class Hears:
    """Answers a prompt with a plateau as high as `height` says, of position and prompt."""

    def __init__(self, height) -> None:
        self.height = height

    def similarity_maps(self, features, prompts):
        heights = [
            float(self.height(int(place), prompt)) for place, prompt in zip(features.pooled[:, 0], prompts, strict=True)
        ]
        return torch.tensor(heights)[:, None, None].expand(-1, 8, 8).clone()


class Twins(Positions):
    """Positions below zero, so that a model can tell a twin from its study."""

    def batch(self, indices):
        return super().batch([-1 - index for index in indices])


class TestWhoPasses:
    @pytest.fixture
    def pairs(self, quick: MinimalPairs, studies: list[Study]) -> MinimalPairs:
        return replace(quick, pairs=find_pairs(studies, per_fact=14))

    def accuracy(self, pairs: MinimalPairs, height) -> dict[str, float]:
        measured = measure_pairs(Hears(height), pairs, Positions(), Twins())
        return {fact: float(each.macro()["accuracy"]) for fact, each in measured.items()}

    def test_who_knows_the_truth_passes_and_who_believes_the_opposite_fails(self, pairs: MinimalPairs) -> None:
        true = {(pair.position, pair.true) for pair in pairs.pairs}
        assert self.accuracy(pairs, lambda place, prompt: (place, prompt) in true) == dict.fromkeys(FACTS, 1.0)
        assert self.accuracy(pairs, lambda place, prompt: (place, prompt) not in true) == dict.fromkeys(FACTS, 0.0)

    def test_who_says_always_the_same_is_at_chance(self, pairs: MinimalPairs) -> None:
        assert self.accuracy(pairs, lambda place, prompt: 1.0) == dict.fromkeys(FACTS, 0.5)

    @pytest.mark.parametrize("word", ["no", "left", "upper", "large"])
    def test_who_prefers_a_word_is_at_chance(self, pairs: MinimalPairs, word: str) -> None:
        found = self.accuracy(pairs, lambda place, prompt: word in prompt.lower().split())
        fact = {"no": "negation", "left": "side", "upper": "zone", "large": "size"}[word]
        if fact in ("negation", "side", "zone"):
            assert found[fact] == pytest.approx(0.5, abs=0.08)  # "lingular" says left in another word
        assert found["presence"] == 0.5

    def test_measurements_are_those_of_tables(self, pairs: MinimalPairs) -> None:
        rng = np.random.default_rng(0)
        measured = measure_pairs(Hears(lambda place, prompt: rng.normal()), pairs, Positions(), Twins())
        assert set(measured["negation"].rows.finding) == {"affirmed", "denied"}
        cell = interval(measured["side"], "accuracy")
        assert cell.low <= cell.value <= cell.high
        assert "negation" in str(ResultTable(measured, metrics=("accuracy", "margin")))


def test_the_pairs_have_their_films(quick: MinimalPairs) -> None:
    found = quick
    count = Counter(pair.fact for pair in found.pairs)
    assert count["side"] == count["negation"] == count["presence"] == 40 and min(count.values()) >= 25
    lacking = [pair for pair in found.pairs if pair.lacking is not None]
    assert [twin.id for twin in found.twins] == [f"{pair.study}-without-{pair.lacking}" for pair in lacking]
    assert [found.studies[pair.position].id for pair in found.pairs] == [pair.study for pair in found.pairs]
