"""Findings in sentences: named, denied, doubted, with their side; sentences are ours."""

from __future__ import annotations

import csv
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from cxrtutor.data.mentions import TERMS, Mention, mentions
from cxrtutor.data.sources.open_i import READ_BY_HAND, read_reports
from cxrtutor.data.teaching.grammar import write_report
from cxrtutor.data.teaching.lesion import FINDINGS, UNSEEN_FINDINGS, Lesion
from cxrtutor.data.teaching.lexicon import ABSENT, LEXICON
from cxrtutor.data.teaching.patient import sample_lesions


def said(sentence: str) -> str:
    """ "effusion- left" for a denied one on the left, "?" for a doubted one, "+" for what is affirmed."""
    return ", ".join(map(_short, mentions(sentence)))


def _short(mention: Mention) -> str:
    sign = ("-" if mention.negated else "") + ("?" if mention.uncertain else "") or "+"
    return f"{mention.finding.removeprefix('pleural ')}{sign}{' ' + mention.side if mention.side else ''}"


@pytest.mark.parametrize(
    ("sentence", "wanted"),
    [
        ("A small pleural effusion is seen.", "effusion+"),
        ("No effusion or pneumothorax.", "effusion-, pneumothorax-"),
        ("There is no consolidation, pneumothorax, or large effusion.", "consolidation-, pneumothorax-, effusion-"),
        ("No edema, effusion, mass.", "edema-, effusion-, mass-"),
        ("No displaced, acute rib fracture.", "fracture-"),
        ("No effusion, the heart is enlarged.", "effusion-, cardiomegaly+"),
        ("No pneumothorax, small effusion.", "pneumothorax-, effusion+"),
        ("No pneumothorax, but a nodule is seen.", "pneumothorax-, nodule+"),
        ("No pneumothorax; nodule as before.", "pneumothorax-, nodule+"),
        ("A nodule is seen, and there is no effusion.", "nodule+, effusion-"),
        ("Large effusion without consolidation.", "effusion+, consolidation-"),
        ("Effusion and consolidation are not seen.", "effusion-, consolidation-"),
        ("Cardiomegaly, effusion or consolidation is not seen.", "cardiomegaly-, effusion-, consolidation-"),
        ("The heart is enlarged, effusion is not seen.", "cardiomegaly+, effusion-"),
        ("The heart is not enlarged.", "cardiomegaly-"),
        ("The effusion has resolved.", "effusion-"),
        ("The effusion has partially resolved.", "effusion+"),
        ("Resolution of the edema.", "edema-"),
        ("The pneumothorax is no longer seen.", "pneumothorax-"),
        ("The lungs do not demonstrate an infiltrate.", "opacity-"),
        ("Negative for pneumonia.", "pneumonia-"),
        ("Cannot exclude pneumonia or mass, no effusion.", "pneumonia?, mass?, effusion-"),
        ("Possible effusion, without edema or mass.", "effusion?, edema-, mass-"),
    ],
)
def test_denials(sentence: str, wanted: str) -> None:
    assert said(sentence) == wanted


@pytest.mark.parametrize(
    ("sentence", "wanted"),
    [
        ("No change in the effusion.", "effusion+"),
        ("No significant interval change in the nodule.", "nodule+"),
        ("The nodule is not increased.", "nodule+"),
        ("There is a nodule, not seen on the prior film.", "nodule+"),
        ("Without change since the mass was found.", "mass+"),
    ],
)
def test_what_looks_like_a_denial_and_is_none(sentence: str, wanted: str) -> None:
    assert said(sentence) == wanted


@pytest.mark.parametrize(
    ("sentence", "wanted"),
    [
        ("Probable pneumonia.", "pneumonia?"),
        ("Opacity, which may represent atelectasis.", "opacity+, atelectasis?"),
        ("Cannot exclude a small effusion.", "effusion?"),
        ("A nodule cannot be entirely excluded.", "nodule?"),
        ("Edema difficult to exclude.", "edema?"),
        ("Question pneumothorax.", "pneumothorax?"),
        ("Atelectasis versus consolidation.", "atelectasis?, consolidation?"),
        ("Pneumonia is unlikely.", "pneumonia-?"),
        ("Effusion is also possible.", "effusion?"),
        ("There is pneumonia.", "pneumonia+"),
        ("Probable edema secondary to cardiomegaly.", "edema?, cardiomegaly+"),
        ("Edema is likely.", "edema?"),
        ("Atelectasis likely, and a nodule.", "atelectasis?, nodule+"),
        ("Opacity (pneumonia suspected).", "opacity?, pneumonia?"),
        ("Opacity is likely atelectasis.", "opacity+, atelectasis?"),
        ("Opacity, possibly atelectasis.", "opacity+, atelectasis?"),
        ("Pneumonia vs. atelectasis.", "pneumonia?, atelectasis?"),
        ("Pneumonia vs. atelectasis. A nodule.", "pneumonia?, atelectasis?, nodule+"),
    ],
)
def test_doubts(sentence: str, wanted: str) -> None:
    assert said(sentence) == wanted


@pytest.mark.parametrize(
    ("sentence", "wanted"),
    [
        ("Left pleural effusion and right basal atelectasis.", "effusion+ left, atelectasis+ right"),
        ("Effusion on the left and atelectasis at the right base.", "effusion+ left, atelectasis+ right"),
        ("Left effusion with associated atelectasis.", "effusion+ left, atelectasis+ left"),
        ("Left effusion, no pneumothorax.", "effusion+ left, pneumothorax-"),
        ("Right upper and middle lobe consolidation.", "consolidation+ right"),
        ("Consolidation in the left and right lung.", "consolidation+ both"),
        ("Bibasilar atelectasis.", "atelectasis+ both"),
        ("Bilateral effusions, larger on the right.", "effusion+ both"),
        ("The effusion is larger on the right.", "effusion+"),
        ("Nodule in the lingula.", "nodule+ left"),
        ("RML nodule.", "nodule+ right"),
        ("Left-sided pneumothorax.", "pneumothorax+ left"),
        ("Right internal jugular line, with a nodule.", "nodule+"),
        ("Cardiomegaly with a left effusion.", "cardiomegaly+, effusion+ left"),
        ("Nodule.", "nodule+"),
    ],
)
def test_sides(sentence: str, wanted: str) -> None:
    assert said(sentence) == wanted


@pytest.mark.parametrize(
    ("sentence", "finding"),
    [
        ("Patchy ground-glass opacities.", "ground-glass opacity"),
        ("Airspace disease.", "opacity"),
        ("Air-space disease.", "opacity"),
        ("Enlarged cardiac silhouette.", "cardiomegaly"),
        ("Heart size is mildly enlarged.", "cardiomegaly"),
        ("Pulmonary venous congestion.", "edema"),
        ("Viral pneumonia.", "viral pneumonia"),
        ("Hydropneumothorax.", "pneumothorax"),
        ("Cavitary lesion.", "cavity"),
    ],
)
def test_names(sentence: str, finding: str) -> None:
    assert [mention.finding for mention in mentions(sentence)] == [finding]


@pytest.mark.parametrize(
    "sentence", ["", "Normal chest.", "Pericardial effusion.", "Mass effect.", "Massive.", "XXXX."]
)
def test_what_names_nothing(sentence: str) -> None:
    assert mentions(sentence) == ()


def test_the_span_is_where_the_words_are() -> None:
    sentence = "No small Pleural Effusion."
    (mention,) = mentions(sentence)
    assert sentence[slice(*mention.span)] == "Pleural Effusion"


def test_a_mention_in_words() -> None:
    told = ["pleural effusion (denied, left)", "nodule (doubted, right)", "edema"]
    for sentence, words in zip(("No left effusion.", "Possible right nodule.", "Edema."), told, strict=True):
        assert [str(mention) for mention in mentions(sentence)] == [words]


def test_every_finding_of_the_teaching_set_has_words() -> None:
    assert {*LEXICON} <= {*TERMS}
    for finding in TERMS:
        assert finding in [mention.finding for mention in mentions(f"There is {finding}.")]


CUES = ["no", "not", "no change in", "has resolved", "cannot be excluded", "may", "vs", "is unlikely", "difficult to"]
words = st.sampled_from([*CUES, "effusion", "nodule", "heart", "enlarged", ",", ".", ";", "or", "and", "left", "the"])


@settings(max_examples=150)
@given(st.lists(words, max_size=30).map(" ".join) | st.text(max_size=80))
def test_any_text_is_read(text: str) -> None:
    found = mentions(text)
    starts = [mention.span[0] for mention in found]
    assert starts == sorted(starts)
    assert all(0 <= start < end <= len(text.lower()) for start, end in (mention.span for mention in found))


@pytest.mark.parametrize(
    "piece", ["no effusion, ", "not ", "heart ", "no ", ", ", "is ", "left nodule and ", "no change"]
)
def test_time_grows_with_the_length_alone(piece: str) -> None:
    seconds = []
    for repeats in (500, 4000):
        start = time.perf_counter()
        mentions(piece * repeats)
        seconds.append(time.perf_counter() - start)
    assert seconds[1] < 4 * 8 * seconds[0] + 0.2  # quadratic time would be 64 times as long


@pytest.fixture(scope="module")
def counts() -> Counter[tuple[str, bool, bool]]:
    """Of 600 simulated reports: what was asked, whether it is true, and whether it was told."""
    rng = np.random.default_rng(0)
    counts: Counter[tuple[str, bool, bool]] = Counter()
    for _ in range(600):
        lesions = sample_lesions(rng)
        for sentence in write_report(lesions, rng).report.sentences:
            counts.update(compared(sentence.text, [lesions[index] for index in sentence.findings]))
    return counts


def compared(sentence: str, lesions: list[Lesion]) -> Iterator[tuple[str, bool, bool]]:
    """The truth of a sentence beside what is told of it, finding by finding."""
    found = mentions(sentence)
    affirmed = {mention.finding: mention for mention in found if not mention.negated}
    denied = {mention.finding for mention in found if mention.negated}
    present = {lesion.finding for lesion in lesions}
    for finding in FINDINGS:
        names = [name for name, means in ABSENT.items() if means - {*UNSEEN_FINDINGS} == {finding} or finding in name]
        is_denied = finding not in present and any(re.search(rf"\b{name}\b", sentence) for name in names)
        yield "affirmed", finding in present, finding in affirmed
        yield "denied", is_denied or (finding == "cardiomegaly" and "not enlarged" in sentence), finding in denied
        sides = {lesion.side for lesion in lesions if lesion.finding == finding}
        side = "both" if len(sides) > 1 else next(iter(sides), None)
        if finding in affirmed and side in ("left", "right", "both") and finding != "edema":
            yield "side", affirmed[finding].side is not None, affirmed[finding].side == side


def limits(counts: Counter[tuple[str, bool, bool]], what: str) -> tuple[float, float]:
    """The lower 95 % limits of precision and of recall."""
    hits, false, missed = counts[what, True, True], counts[what, False, True], counts[what, True, False]
    assert hits > 500
    return tuple(binomtest(hits, hits + other).proportion_ci(method="wilson").low for other in (false, missed))


def test_what_simulated_reports_affirm(counts: Counter[tuple[str, bool, bool]]) -> None:
    precision, recall = limits(counts, "affirmed")
    assert precision > 0.99
    assert 0.8 < recall < 0.9  # the others are described and not named: "The hilar vessels are distended."


def test_what_simulated_reports_deny(counts: Counter[tuple[str, bool, bool]]) -> None:
    precision, recall = limits(counts, "denied")
    assert precision > 0.99
    assert recall > 0.95  # "vascular congestion" denies edema in words of its own


def test_the_sides_of_simulated_lesions(counts: Counter[tuple[str, bool, bool]]) -> None:
    told_rightly, told = counts["side", True, True], counts["side", True, True] + counts["side", True, False]
    assert told > 500
    assert binomtest(told_rightly, told).proportion_ci(method="wilson").low > 0.99
    assert counts["side", False, False] < told / 50  # a sentence that names a finding names its side


def test_real_sentences_that_were_read_by_hand() -> None:
    reports, told = dict(read_reports()), Counter()
    with READ_BY_HAND.open(newline="") as file:
        rows = list(csv.DictReader(file))
    by_sentence = defaultdict(list)
    for row in rows:
        by_sentence[row["report"], int(row["sentence"])].append((row["finding"], row["said"], row["side"]))
    for (report, number), read in by_sentence.items():
        found = mentions(reports[report].sentences[number].text)
        assert [one.finding for one in found] == [finding for finding, _, _ in read]
        for one, (_, said, side) in zip(found, read, strict=True):
            told["said"] += said == ("denied" if one.negated else "doubted" if one.uncertain else "affirmed")
            told["side"] += side == (one.side or "")
    assert len(by_sentence) == 150 and len(rows) > 200
    for what in ("said", "side"):
        assert binomtest(told[what], len(rows)).proportion_ci(method="wilson").low > 0.95, what
