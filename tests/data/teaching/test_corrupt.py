"""Wrong reports, wrong in the way that was asked for and in no other."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from patients import patients

from cxrtutor.data.reports import parse_report, split_sentences
from cxrtutor.data.study import Report, Sentence
from cxrtutor.data.teaching.corrupt import corrupt
from cxrtutor.data.teaching.grammar import write_report
from cxrtutor.data.teaching.lesion import FINDINGS, Lesion

seeds = st.integers(0, 2**32 - 1)
rates = st.floats(0.0, 1.0)


def report_of(lesions: tuple[Lesion, ...], seed: int) -> Report:
    return write_report(lesions, np.random.default_rng(seed)).report


def linked(report: Report) -> set[int]:
    return {index for sentence in report.sentences for index in sentence.findings}


@given(patients(), seeds)
def test_nothing_asked_nothing_changed(lesions: tuple[Lesion, ...], seed: int) -> None:
    report = report_of(lesions, seed)
    assert corrupt(report, np.random.default_rng(seed)) is report


@given(patients(), seeds)
def test_swapping_every_side_twice_gives_the_report_back(lesions: tuple[Lesion, ...], seed: int) -> None:
    report = report_of(lesions, seed)
    once = corrupt(report, np.random.default_rng(seed), swap_side=1.0)
    assert corrupt(once, np.random.default_rng(seed), swap_side=1.0) == report
    for before, after in zip(report.sentences, once.sentences, strict=True):
        assert before.findings == after.findings
        has_side = re.search(r"\b(left|right|lingular?)\b", before.text, re.IGNORECASE)
        assert (before.text != after.text) == bool(before.findings and has_side)
        assert not re.search("left middle lobe", after.text, re.IGNORECASE)


def test_a_swap_says_left_for_right_and_keeps_everything_else() -> None:
    report = Report(
        {"findings": "Right nodule in the lingula. The left lung is clear.", "comparison": "Left."},
        (Sentence("Right nodule in the lingula.", (0,)), Sentence("The left lung is clear.")),
    )
    swapped = corrupt(report, np.random.default_rng(0), swap_side=1.0)
    assert [s.text for s in swapped.sentences] == ["Left nodule in the right middle lobe.", "The left lung is clear."]
    assert swapped.sections == {
        "comparison": "Left.",
        "findings": "Left nodule in the right middle lobe. The left lung is clear.",
    }


@given(patients(), seeds)
def test_dropping_all_leaves_what_speaks_of_nothing(lesions: tuple[Lesion, ...], seed: int) -> None:
    report = report_of(lesions, seed)
    silent = corrupt(report, np.random.default_rng(seed), drop=1.0)
    assert silent.sentences == tuple(sentence for sentence in report.sentences if not sentence.findings)


@given(patients(), seeds, rates)
def test_a_dropped_finding_is_dropped_everywhere(lesions: tuple[Lesion, ...], seed: int, rate: float) -> None:
    report = report_of(lesions, seed)
    thinned = corrupt(report, np.random.default_rng(seed), drop=rate)
    kept = linked(thinned)
    assert [s for s in report.sentences if kept.issuperset(s.findings)] == list(thinned.sentences)


@given(patients(), seeds, rates, rates)
def test_a_higher_rate_drops_the_same_and_more(
    lesions: tuple[Lesion, ...], seed: int, one: float, other: float
) -> None:
    report, (low, high) = report_of(lesions, seed), sorted((one, other))
    drop = [linked(corrupt(report, np.random.default_rng(seed), drop=rate)) for rate in (low, high)]
    assert drop[1] <= drop[0]


def test_the_rates_are_per_finding() -> None:
    lesions = (
        Lesion("pleural effusion", "left", "basal", "small", group=0),
        Lesion("mass", "right", "upper", "small", group=1),
    )
    reports = [report_of(lesions, seed) for seed in range(400)]
    apart = [report for report in reports if not any(len(s.findings) > 1 for s in report.sentences)]
    rng = np.random.default_rng(1)
    dropped = [2 - len(linked(corrupt(report, rng, drop=0.3))) for report in apart]
    assert abs(np.mean(dropped) / 2 - 0.3) < 4 * np.sqrt(0.3 * 0.7 / (2 * len(apart)))


@given(patients(), seeds)
def test_an_invention_is_one_more_sentence_that_links_to_nothing(lesions: tuple[Lesion, ...], seed: int) -> None:
    report = report_of(lesions, seed)
    richer = corrupt(report, np.random.default_rng(seed), invent=1.0)
    assume(richer is not report)  # a report that mentions every finding gains none
    new = [sentence for sentence in richer.sentences if sentence not in report.sentences]
    assert len(richer.sentences) == len(report.sentences) + 1 and len(new) == 1
    assert new[0].findings == () and linked(richer) == linked(report)
    assert new[0].text in richer.sections["findings"]
    assert richer.sections.get("impression") == report.sections.get("impression")


def test_an_invention_is_no_truth() -> None:
    names = {"nodule": "nodule", "mass": "mass", "pleural effusion": "effusion", "pneumothorax": "pneumothora"}
    names |= {"atelectasis": "atelectasis", "edema": "edema", "cardiomegaly": "enlarge|cardiomegaly"}
    names |= {"consolidation": "consolidat", "ground-glass opacity": "ground-glass"}
    invented = 0
    for seed in range(400):
        finding = FINDINGS[seed % len(FINDINGS)]
        side = {"cardiomegaly": "middle", "edema": "both"}.get(finding, "left")
        report = report_of((Lesion(finding, side, "lower", "moderate"),), seed)
        richer = corrupt(report, np.random.default_rng(seed), invent=1.0)
        for sentence in set(richer.sentences) - set(report.sentences):
            invented += 1
            assert not re.search(names[finding], sentence.text.lower()), sentence.text
    assert invented > 300


@given(patients(), seeds, rates, rates, rates)
def test_sections_and_sentences_stay_in_step(
    lesions: tuple[Lesion, ...], seed: int, swap: float, drop: float, invent: float
) -> None:
    report = corrupt(report_of(lesions, seed), np.random.default_rng(seed), swap_side=swap, drop=drop, invent=invent)
    texts = [text for name in ("findings", "impression") for text in split_sentences(report.sections.get(name, ""))]
    assert texts == [sentence.text for sentence in report.sentences]


@given(patients(), seeds)
def test_same_seed_same_corruption(lesions: tuple[Lesion, ...], seed: int) -> None:
    report = report_of(lesions, seed)
    one, other = (corrupt(report, np.random.default_rng(seed), swap_side=0.5, drop=0.5, invent=0.5) for _ in range(2))
    assert one == other


def test_a_real_report_has_no_links_so_only_gains() -> None:
    report = parse_report("FINDINGS: Small left effusion.\nIMPRESSION: Left effusion.")
    assert corrupt(report, np.random.default_rng(0), swap_side=1.0, drop=1.0) is report
    assert len(corrupt(report, np.random.default_rng(0), invent=1.0).sentences) == 3
