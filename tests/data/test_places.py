"""Sides are exchanged and places taken out of any report; nothing else is touched."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from teaching.patients import patients

from cxrtutor.data.places import exchange_heights, exchange_sides, remove_places, reworded
from cxrtutor.data.reports import parse_report
from cxrtutor.data.study import Report
from cxrtutor.data.teaching.grammar import write_report
from cxrtutor.data.teaching.lesion import Lesion

seeds = st.integers(0, 2**32 - 1)
WORDS = ["left", "Right", "LEFT", "the lingula", "the right middle lobe", "lingular", "RUL", "LLL", "left-sided"]
WORDS += ["rightward", "effusion", "upright", "leftover", "and", "no", "lobe.", "3 cm,"]


@given(st.lists(st.sampled_from(WORDS), max_size=8))
def test_sides_exchanged_twice_are_the_sides_they_were(words: list[str]) -> None:
    text = " or ".join(words)
    assert exchange_sides(exchange_sides(text)) == text


def test_heights_are_exchanged_and_the_middle_stays() -> None:
    text = "Upper zone mass, nodules at both lung bases, basal haze in the right lower lobe, and a midlung nodule."
    other = "Lower zone mass, nodules at both lung apices, apical haze in the right upper lobe, and a midlung nodule."
    assert exchange_heights(text) == other
    assert exchange_heights(other) == text
    assert exchange_heights("Bibasilar atelectasis.") == "Biapical atelectasis."
    assert exchange_heights("The uppermost database.") == "The uppermost database."


@given(patients(), seeds)
def test_a_report_of_the_teaching_set_exchanged_twice_is_itself(lesions: tuple[Lesion, ...], seed: int) -> None:
    report = write_report(lesions, np.random.default_rng(seed)).report
    once = reworded(report, exchange_sides)
    assert reworded(once, exchange_sides).sentences == report.sentences
    for before, after in zip(report.sentences, once.sentences, strict=True):
        assert (before == after) == (not re.search(r"\b(left|right|lingula)", before.text, re.IGNORECASE))


@pytest.mark.parametrize(
    ("text", "exchanged"),
    [
        ("Left effusion, right-sided pacemaker.", "Right effusion, left-sided pacemaker."),
        ("RIGHT lung. Upright film.", "LEFT lung. Upright film."),
        ("Opacity in the right middle lobe.", "Opacity in the lingula."),
        ("Left lingular opacity.", "Right middle lobe opacity."),
        ("The lingula is clear, as is the RUL.", "The right middle lobe is clear, as is the LUL."),
        ("Both lungs are clear.", "Both lungs are clear."),
    ],
)
def test_sides_are_exchanged_in_the_case_they_stand_in(text: str, exchanged: str) -> None:
    assert exchange_sides(text) == exchanged


@pytest.mark.parametrize(
    ("sentence", "bare"),
    [
        ("The left lung is clear.", "The lung is clear."),
        ("The lung bases are clear.", "The lungs are clear."),
        ("There is a left apical opacity.", "There is an opacity."),
        ("There is an upper zone nodule measuring 24 mm.", "There is a lung nodule measuring 24 mm."),
        ("Small left-sided pleural effusion.", "Small pleural effusion."),
        ("Bilateral pleural effusions, right greater than left.", "Pleural effusions."),
        ("Both costophrenic angles are blunted.", "Costophrenic angles are blunted."),
        ("Findings suggestive of left lower lobe collapse.", "Findings suggestive of lung collapse."),
        ("Consolidation in the right middle and lower lobes.", "Consolidation."),
        ("Opacities in the right upper lobe and at the left lung base, likely old.", "Opacities, likely old."),
        ("A 12 mm nodule in the left mid lung zone is unchanged.", "A 12 mm nodule is unchanged."),
        ("RLL pneumonia.", "Lung pneumonia."),
        ("BIBASILAR ATELECTASIS.", "ATELECTASIS."),
        ("Atelectasis, left.", "Atelectasis."),
        ("There is mediastinal shift to the right.", "There is mediastinal shift."),
        ("There is an old healed fracture of the left sixth rib.", "There is an old healed fracture of the sixth rib."),
        ("On the left.", ""),
        ("Bilateral.", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_a_place_is_taken_out_and_the_finding_stays(sentence: str, bare: str) -> None:
    assert remove_places(sentence) == bare


@pytest.mark.parametrize(
    "sentence",
    [
        "There is no pleural effusion or pneumothorax.",
        "Heart size is at the upper limits of normal.",
        "A central venous catheter ends in the superior vena cava.",
        "The lateral view was not obtained.",
        "No pneumothorax , as before",
        "An MRI, a unilocular cyst and an 8 mm nodule .",
    ],
)
def test_what_names_no_place_is_not_touched(sentence: str) -> None:
    assert remove_places(sentence) == sentence


PLACES = (
    "left|right|bilateral|bilaterally|both|upper|lower|mid|middle|apical|basal|basilar|bibasal|bibasilar|biapical"
    "|perihilar|lobes?|zones?|bases?|apex|apices|lingular?|midlungs?"
)
"""All words of the grammar that say where."""


@given(patients(), seeds)
def test_no_report_of_the_teaching_set_still_says_where(lesions: tuple[Lesion, ...], seed: int) -> None:
    report = write_report(lesions, np.random.default_rng(seed)).report
    bare = reworded(report, remove_places)
    assert not re.search(rf"\b({PLACES})\b", bare.text, re.IGNORECASE)
    assert reworded(bare, remove_places).sentences == bare.sentences
    assert [each.findings for each in bare.sentences] == [each.findings for each in report.sentences]
    for before, after in zip(report.sentences, bare.sentences, strict=True):
        words = re.findall(r"[a-z]+", after.text.lower())
        assert set(words) <= {*re.findall(r"[a-z]+", before.text.lower()), "lung", "lungs", "a", "an"}
        assert not re.search(r"  | [.,]|\b(the|in|at|on|of|and)[.,]", after.text)
        lost = set(re.findall(r"[a-z]+", before.text.lower())) - set(words)
        assert not lost & {
            "effusion",
            "nodule",
            "mass",
            "pneumothorax",
            "atelectasis",
            "edema",
            "opacity",
            "no",
            "clear",
        }


def test_sections_are_reworded_with_the_sentences() -> None:
    report = parse_report("FINDINGS: Left effusion. Nodule in the right\nupper lobe.\nIMPRESSION: Left effusion.")
    bare = reworded(report, remove_places)
    assert bare.sections == {"findings": "Effusion. Nodule.", "impression": "Effusion."}
    assert bare.text == "Effusion. Nodule. Effusion."
    assert reworded(Report({}, ()), remove_places) == Report({}, ())
