"""Reports of the teaching set: true to the lesions, linked to them, free of contradictions, and good English."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from patients import SEVERITIES, patients

from cxrtutor.data.reports import parse_report
from cxrtutor.data.teaching.grammar import (
    WrittenReport,
    prompts_for_unseen,
    write_report,
    write_sentence,
)
from cxrtutor.data.teaching.lesion import FINDINGS, UNSEEN_FINDINGS, Lesion

EVERYTHING = FINDINGS + UNSEEN_FINDINGS
seeds = st.integers(0, 2**32 - 1)

# Written without a look at the lexicon's own table of what excludes what.
_OPACITY = r"infiltrate|airspace|lung opacity"
WORDS_THAT_NAME = {
    "consolidation": rf"consolidation|{_OPACITY}",
    "ground-glass opacity": rf"ground-glass|{_OPACITY}",
    "nodule": "nodule|mass|lung opacity",
    "mass": "nodule|mass|lung opacity",
    "pleural effusion": "effusion",
    "pneumothorax": "pneumothora",
    "atelectasis": rf"atelectasis|{_OPACITY}",
    "edema": "edema|congest",
    "cardiomegaly": "cardiomegaly|enlarged",
    "viral pneumonia": rf"consolidation|ground-glass|pneumonia|{_OPACITY}",
    "cavity": "nodule|mass|cavit|lung opacity",
}
_CLEAR = (
    r"^(the|both) lungs? (fields )?are (well expanded and )?clear|^lungs are clear"
    r"|^no acute (card|find)|^no active|no radiographic|no acute intra"
)
STATEMENTS_THAT_EXCLUDE = {
    "cardiomegaly": r"(heart|cardiac|cardiothoracic).*(normal|not enlarged)",
    "edema": r"(vascul|vessels).*(normal|not congested)",
    "pleural effusion": rf"angles are (sharp|clear)|pleural (spaces|surfaces) are|{_CLEAR}",
    "pneumothorax": rf"pleural (spaces|surfaces) are|{_CLEAR}",
}
NAME_IN_PHRASE = {
    "consolidation": "consolidat",
    "ground-glass opacity": "ground-glass",
    "nodule": "nodule",
    "mass": "mass",
    "pleural effusion": "effusion",
    "pneumothorax": "pneumothora",
    "atelectasis": "atelectasis",
    "edema": "edema",
    "cardiomegaly": "cardiomegaly|cardiac enlargement|enlarge.* (heart|silhouette)|enlarged heart",
    "viral pneumonia": "peripheral ground-glass opacities",
    "cavity": "cavit",
}
CUE = re.compile(r"\b(no|not|without|negative for|free of)\b(?P<scope>.*)", re.IGNORECASE)


def denies(sentence: str, finding: str) -> bool:
    cue = CUE.search(sentence)
    denied = cue and re.search(WORDS_THAT_NAME[finding], cue["scope"], re.IGNORECASE)
    excluded = re.search(STATEMENTS_THAT_EXCLUDE.get(finding, _CLEAR), sentence, re.IGNORECASE)
    return bool(denied or excluded)


def sides_named(text: str) -> set[str]:
    if re.search(r"\b(both (?!hila)|bilateral|bi(basal|basilar|apical))", text, re.IGNORECASE):
        return {"left", "right"}
    named = {side for side in ("left", "right") if re.search(rf"\b{side}\b", text, re.IGNORECASE)}
    return named | ({"left"} if "lingula" in text.lower() else set())


def sides_of(lesions: list[Lesion]) -> set[str]:
    return {side for lesion in lesions for side in (("left", "right") if lesion.side == "both" else (lesion.side,))}


def written(lesions: tuple[Lesion, ...], seed: int) -> WrittenReport:
    return write_report(lesions, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("sentence", "finding"),
    [
        ("No pneumothorax or pleural effusion.", "pleural effusion"),
        ("Cardiomegaly without pulmonary edema.", "edema"),
        ("The heart is not enlarged.", "cardiomegaly"),
        ("Both costophrenic angles are sharp.", "pleural effusion"),
        ("The lungs are well expanded and clear.", "nodule"),
    ],
)
def test_the_test_knows_a_denial(sentence: str, finding: str) -> None:
    assert denies(sentence, finding)
    assert not denies("There is a small left pleural effusion, but there is no vascular redistribution.", finding)


@given(patients(EVERYTHING), seeds)
def test_every_lesion_is_spoken_of_and_every_link_is_valid(lesions: tuple[Lesion, ...], seed: int) -> None:
    report = written(lesions, seed).report
    linked = [index for sentence in report.sentences for index in sentence.findings]
    assert set(linked) == set(range(len(lesions)))
    for sentence in report.sentences:
        assert list(sentence.findings) == sorted(set(sentence.findings))


@given(patients(EVERYTHING), seeds)
def test_a_linked_sentence_names_its_finding_or_follows_one_that_does(lesions: tuple[Lesion, ...], seed: int) -> None:
    """The lesions of one group are always linked together, and some sentence on them is the first."""
    groups = {(lesion.finding, lesion.group) for lesion in lesions}
    members = {key: {i for i, x in enumerate(lesions) if (x.finding, x.group) == key} for key in groups}
    for sentence in written(lesions, seed).report.sentences:
        for indices in members.values():
            assert not indices & set(sentence.findings) or indices <= set(sentence.findings)


@given(patients(EVERYTHING), seeds)
def test_nothing_present_is_denied(lesions: tuple[Lesion, ...], seed: int) -> None:
    for sentence in written(lesions, seed).report.sentences:
        for finding in {lesion.finding for lesion in lesions}:
            assert not denies(sentence.text, finding), (sentence.text, finding)


@given(patients(EVERYTHING), seeds)
def test_a_lung_that_is_called_clear_is_clear(lesions: tuple[Lesion, ...], seed: int) -> None:
    zones = {
        "apices": {"apical", "upper"},
        "upper": {"apical", "upper"},
        "bases": {"lower", "basal"},
        "lower": {"lower", "basal"},
    }
    for sentence in written(lesions, seed).report.sentences:
        if match := re.fullmatch(r"The (left|right) lung is clear\.", sentence.text):
            assert match[1] not in sides_of(list(lesions))
        if match := re.fullmatch(
            r"The (?:lung )?(apices|bases|upper|lower)(?: lung zones)? are clear\.", sentence.text
        ):
            assert not zones[match[1]] & {lesion.zone for lesion in lesions if lesion.side != "middle"}


@given(patients(EVERYTHING), seeds)
def test_sides_agree_with_the_lesions(lesions: tuple[Lesion, ...], seed: int) -> None:
    heard: dict[int, set[str]] = {index: set() for index in range(len(lesions))}
    for sentence in written(lesions, seed).report.sentences:
        if sentence.findings:
            named = sides_named(sentence.text)
            assert named <= sides_of([lesions[index] for index in sentence.findings]), sentence.text
            for index in sentence.findings:
                heard[index] |= named
    for index, lesion in enumerate(lesions):
        if lesion.finding not in ("edema", "cardiomegaly"):
            assert sides_of([lesion]) <= heard[index], lesion


@given(patients(EVERYTHING), seeds)
def test_the_english_is_well_formed(lesions: tuple[Lesion, ...], seed: int) -> None:
    result = written(lesions, seed)
    for text in (*(sentence.text for sentence in result.report.sentences), *result.phrases):
        assert "  " not in text and " ," not in text and " ." not in text and "{" not in text
        assert not re.search(r"\b(\w+) \1\b", text), text  # "lung lung mass"
        for article, word in re.findall(r"\b(an?) (\S+)", text, re.IGNORECASE):
            vowel = word[0] in "aeiou" or re.match(r"8|11\D|18\D", word + " ")
            assert (article.lower() == "an") == bool(vowel), text
    for sentence in result.report.sentences:
        assert re.fullmatch(r"[A-Z0-9].*[a-z0-9]\.", sentence.text), sentence.text
        assert not re.search(
            r"\bThere is (two|multiple|several)\b|\b\w+(ities|nodules|effusions|masses) is\b", sentence.text
        )
        assert not re.search(r"\b(Probable|Likely|Possible|Suspected) (an?|two|multiple|several)\b", sentence.text)


@given(patients(EVERYTHING), seeds)
def test_a_phrase_is_exact_bare_and_on_the_right_side(lesions: tuple[Lesion, ...], seed: int) -> None:
    for lesion, phrase in zip(lesions, written(lesions, seed).phrases, strict=True):
        assert re.search(NAME_IN_PHRASE[lesion.finding], phrase), phrase
        assert not re.match(r"an? |the |likely |probable |possible ", phrase)
        assert phrase[0] == phrase[0].lower() and not phrase.endswith(".")
        if lesion.finding not in ("edema", "cardiomegaly"):
            assert sides_of([lesion]) <= sides_named(phrase)


@given(patients(EVERYTHING), seeds)
def test_one_breath_one_phrase(lesions: tuple[Lesion, ...], seed: int) -> None:
    phrase_of: dict[tuple[str, int], str] = {}
    for lesion, phrase in zip(lesions, written(lesions, seed).phrases, strict=True):
        assert phrase_of.setdefault((lesion.finding, lesion.group), phrase) == phrase


@given(patients(EVERYTHING), seeds)
def test_a_severity_that_is_named_is_right(lesions: tuple[Lesion, ...], seed: int) -> None:
    words = {"small": "small|trace|mild|slight", "moderate": "moderate|medium", "large": "large|sizeable|severe|marked"}
    for lesion, phrase in zip(lesions, written(lesions, seed).phrases, strict=True):
        group = [other for other in lesions if (other.finding, other.group) == (lesion.finding, lesion.group)]
        for severity in SEVERITIES:
            if re.search(rf"\b({words[severity]})(ly|-sized)?\b", phrase):
                assert {other.severity for other in group} == {severity}


@given(st.floats(7.0, 120.0), seeds)
@example(8.2, 0)
@example(11.0, 1)
@example(18.0, 2)
def test_a_size_that_is_named_is_the_lesions(size: float, seed: int) -> None:
    lesion = Lesion("nodule", "left", "upper", "small", size_mm=size)
    for sentence in written((lesion,), seed).report.sentences:
        for value, unit in re.findall(r"([\d.]+) ([mc]m)", sentence.text) if sentence.findings else ():
            assert round(float(value) * (10 if unit == "cm" else 1)) == round(size)


@given(patients(), seeds)
def test_what_is_written_is_what_the_parser_reads(lesions: tuple[Lesion, ...], seed: int) -> None:
    report = written(lesions, seed).report
    text = "\n".join(f"{name.upper()}: {body}" for name, body in report.sections.items())
    parsed = parse_report(text)
    assert [s.text for s in parsed.sentences] == [s.text for s in report.sentences]
    assert dict(parsed.sections) == dict(report.sections)


@given(patients(EVERYTHING), seeds)
def test_same_seed_same_report(lesions: tuple[Lesion, ...], seed: int) -> None:
    assert written(lesions, seed) == written(lesions, seed)


def test_several_lesions_share_the_breath_of_a_radiologist() -> None:
    nodules = tuple(
        Lesion("nodule", "right", zone, "small", size_mm=12.0, group=1) for zone in ("upper", "middle", "lower")
    )
    effusions = tuple(Lesion("pleural effusion", side, "basal", "small", group=2) for side in ("left", "right"))
    nodule_phrases = {written(nodules + effusions, seed).phrases[0] for seed in range(60)}
    effusion_phrases = {written(nodules + effusions, seed).phrases[3] for seed in range(60)}
    assert "multiple nodules in the right lung" in nodule_phrases
    assert "small bilateral pleural effusions" in effusion_phrases


def _sides(finding: str, rng: np.random.Generator) -> tuple[str, ...]:
    if finding in ("cardiomegaly", "edema"):
        return ("middle",) if finding == "cardiomegaly" else ("both",)
    return (("left",), ("right",), ("left", "right"))[rng.choice(3, p=(0.4, 0.4, 0.2))]


@cache
def corpus() -> tuple[WrittenReport, ...]:
    """Three thousand reports of patients with up to three findings."""
    rng = np.random.default_rng(0)
    reports = []
    for _ in range(3000):
        findings = rng.choice(FINDINGS, size=rng.choice(4, p=(0.2, 0.35, 0.3, 0.15)), replace=False)
        lesions = [
            Lesion(
                str(finding),
                side,
                str(rng.choice(("upper", "middle", "lower", "basal"))),
                str(rng.choice(SEVERITIES)),
                size_mm=25.0 if finding in ("nodule", "mass") else None,
                group=group,
            )
            for group, finding in enumerate(findings)
            for side in _sides(str(finding), rng)
        ]
        reports.append(write_report(tuple(lesions), rng))
    return tuple(reports)


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z][a-z-]*", text.lower()))


def test_the_corpus_is_rich_and_of_a_radiologists_length() -> None:
    reports = [result.report for result in corpus()]
    lengths = Counter(len(report.sentences) for report in reports)
    assert len(set().union(*(words(report.text) for report in reports))) >= 300
    assert sum(count for length, count in lengths.items() if 3 <= length <= 9) > 0.85 * len(reports)
    assert 0.01 * len(reports) < lengths[1] < 0.05 * len(reports)
    assert lengths[0] == 0
    assert 0 < sum("impression" not in report.sections for report in reports) < 0.1 * len(reports)


def test_the_corpus_holds_all_that_makes_reports_hard() -> None:
    sentences = [sentence for result in corpus() for sentence in result.report.sentences]
    texts = " ".join(sentence.text for sentence in sentences)
    for example_of in (
        "likely",
        "No .* or ",
        "lobe|zone",
        "airspace disease",
        "prior study",
        "rotated",
        "pneumonia",
        "measures",
    ):
        assert re.search(example_of, texts), example_of
    assert any(len(sentence.findings) > 1 for sentence in sentences)
    linked = [[s.findings for s in result.report.sentences if s.findings] for result in corpus()]
    assert any(one == other for findings in linked for one, other in pairwise(findings))


def test_training_reports_never_name_an_unseen_finding() -> None:
    vocabulary = set().union(*(words(result.report.text) for result in corpus()))
    assert not [word for word in vocabulary if re.match("viral|covid|cavit", word)]
    for finding in UNSEEN_FINDINGS:
        prompts = prompts_for_unseen(finding)
        assert list(prompts) == ["name", "pneumonia", "description"]
        assert words(prompts["description"]) <= vocabulary
        assert not words(prompts["name"]) <= vocabulary
        assert prompts["pneumonia"] == "Findings suggesting pneumonia."


def test_a_healthy_patient_is_reported_as_healthy() -> None:
    for seed in range(200):
        report = written((), seed).report
        assert not any(sentence.findings for sentence in report.sentences)
        assert not re.search(r"There (is|are) (a|two|mild|moderate)\b(?!.*(spine|healed|scoliosis))", report.text)


@given(seeds)
def test_a_single_sentence_names_the_lesion(seed: int) -> None:
    text = write_sentence(Lesion("pneumothorax", "left", "apical", "small"), np.random.default_rng(seed))
    assert "neumothorax" in text and "left" in text.lower() and text.endswith(".")
