"""Statements of which it is known what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patients import patients

from cxrtutor.data.teaching.grammar import write_report
from cxrtutor.data.teaching.lesion import FINDINGS
from cxrtutor.data.teaching.statements import affirmed_and_denied, denied_in, may_be_denied, of_opposite_degree


@pytest.mark.parametrize("finding", FINDINGS)
def test_a_finding_and_its_denial_differ_in_one_word(finding: str) -> None:
    affirmed, denied = affirmed_and_denied(finding)
    assert affirmed.replace("There is a ", "There is ") == denied.replace("There is no ", "There is ")
    assert denied_in(denied) == ((finding,) if finding != "nodule" and finding != "mass" and finding != "edema" else ())


def test_articles_stand_where_one_can_count() -> None:
    assert affirmed_and_denied("mass")[0] == "There is a mass."
    assert affirmed_and_denied("edema")[0] == "There is edema."


@pytest.mark.parametrize(
    ("sentence", "findings"),
    [
        ("No pleural effusion, focal consolidation or infiltrate.", ("pleural effusion", "consolidation")),
        ("There is no evidence of pulmonary nodule or effusion.", ("nodule", "pleural effusion")),
        ("Negative for vascular congestion.", ("edema",)),
        ("No definite pulmonary mass.", ("mass",)),
        ("No focal airspace disease.", ()),
        ("No acute cardiopulmonary disease.", ()),
        ("There is a small pneumothorax without pleural effusion.", ()),
        ("Pneumothorax.", ()),
    ],
)
def test_what_a_sentence_denies(sentence: str, findings: tuple[str, ...]) -> None:
    assert denied_in(sentence) == findings


@settings(max_examples=20)
@given(patients(), st.integers(0, 2**32 - 1))
def test_no_report_denies_what_is_there(lesions, seed: int) -> None:
    report = write_report(lesions, np.random.default_rng(seed)).report
    present = {lesion.finding for lesion in lesions}
    for sentence in report.sentences:
        if not sentence.findings:
            assert not present & set(denied_in(sentence.text)), sentence.text
            assert all(may_be_denied(finding, present) for finding in denied_in(sentence.text)), sentence.text


def test_a_nodule_is_not_denied_beside_a_mass() -> None:
    assert not may_be_denied("nodule", {"mass"}) and not may_be_denied("mass", {"mass"})
    assert may_be_denied("nodule", {"edema"}) and may_be_denied("consolidation", {"ground-glass opacity"})


@pytest.mark.parametrize(
    ("phrase", "finding", "severity", "other"),
    [
        ("trace left pleural effusion", "pleural effusion", "small", "large left pleural effusion"),
        ("sizeable right effusion", "pleural effusion", "large", "small right effusion"),
        ("markedly enlarged heart", "cardiomegaly", "large", "mildly enlarged heart"),
        (
            "small area of consolidation in the left lung",
            "consolidation",
            "small",
            "large area of consolidation in the left lung",
        ),
        ("dense left consolidation", "consolidation", "large", "subtle left consolidation"),
        ("patchy left consolidation", "consolidation", "small", None),
        ("left pleural effusion", "pleural effusion", "small", None),
        ("moderate left pleural effusion", "pleural effusion", "moderate", None),
        ("large left pleural effusion", "pleural effusion", "small", None),
    ],
)
def test_the_opposite_degree(phrase: str, finding: str, severity: str, other: str | None) -> None:
    assert of_opposite_degree(phrase, finding, severity) == other
    if other and not phrase.startswith(("trace", "sizeable", "dense")):
        assert of_opposite_degree(other, finding, {"small": "large", "large": "small"}[severity]) == phrase
