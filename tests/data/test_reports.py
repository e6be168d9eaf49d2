"""Sections and sentences of reports as they are typed."""

from __future__ import annotations

import re
import textwrap
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrtutor.data.reports import compose_report, main_section, parse_report, split_sentences
from cxrtutor.data.study import Report, Sentence

MIMIC = """\
                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)
 
 INDICATION:  ___ year old woman with cough  // eval for pneumonia
 
 TECHNIQUE:  Chest PA and lateral
 
 COMPARISON:  ___
 
 FINDINGS: 
 
 There is a 1.5 cm nodule in the right upper lung, as seen by Dr. ___ on the
 prior study.  No pleural effusion or pneumothorax.
 
 IMPRESSION: 
 
 1. Right upper lung nodule.
 2. No acute cardiopulmonary process.
"""


def texts(report: Report) -> list[str]:
    return [sentence.text for sentence in report.sentences]


def test_a_mimic_report() -> None:
    report = parse_report(MIMIC)
    assert list(report.sections) == ["examination", "indication", "technique", "comparison", "findings", "impression"]
    assert report.sections["examination"] == "CHEST (PA AND LAT)"
    assert texts(report) == [
        "There is a 1.5 cm nodule in the right upper lung, as seen by Dr. ___ on the prior study.",
        "No pleural effusion or pneumothorax.",
        "Right upper lung nodule.",
        "No acute cardiopulmonary process.",
    ]
    assert all(sentence.findings == () for sentence in report.sentences)


def test_an_addendum_comes_first_and_loses() -> None:
    addendum = " ADDENDUM: The tip has moved.\n IMPRESSION: Withdrawn.\n ______________________________________\n"
    report = parse_report(addendum + MIMIC)
    assert report.sections["addendum"] == "The tip has moved."
    assert texts(report) == texts(parse_report(MIMIC))


def test_a_blank_section_does_not_win_and_does_not_count() -> None:
    report = parse_report(" FINDINGS: Clear lungs.\n FINDINGS:  \n IMPRESSION:\n")
    assert report.sections == {"findings": "Clear lungs."}


@pytest.mark.parametrize("header", ["CONCLUSION", "IMPRESSON", "IMPRESSIONS", "Impression", "impression"])
def test_other_names_of_the_impression(header: str) -> None:
    assert parse_report(f"{header}: Normal chest.").sections == {"impression": "Normal chest."}


@pytest.mark.parametrize(
    ("section", "headers"),
    [  # as MIMIC-CXR's own parser mends and names them
        (
            "impression",
            "IMPRESSON IMPRRESSION IMORESSION IMPRESSOIN IMPRSSION IMPRESION IMPERSSION MPRESSION IMPESSION",
        ),
        ("findings", "FINDING FINDINS FINDINDGS FINDGINGS FINDNGS FINDNNINGS FINIDNGS"),
        ("comparison", "COMPARISIONS COMPARISION COMPARSION COMPARRISON COMPARISONS"),
        ("indication", "IDICATION"),
    ],
)
def test_misspelt_headers(section: str, headers: str) -> None:
    for header in headers.split():
        assert parse_report(f"\n {header}: Text.\n").sections == {section: "Text."}, header


@pytest.mark.parametrize(
    ("header", "section"),
    [
        ("FINDINGS/ IMPRESSION", "impression"),
        ("PROVISIONAL FINDINGS IMPRESSION (PFI)", "impression"),
        ("CHEST, TWO VIEWS", "findings"),
        ("PA AND LATERAL VIEWS OF THE CHEST", "findings"),
        ("PORTABLE CHEST", "findings"),
        ("REASON FOR EXAMINATION", "indication"),
        ("CLINICAL HISTORY", "history"),
        ("COMPARISON FILM", "comparison"),
        ("RECOMMENDATION(S)", "recommendations"),
        ("EXAMINATION", "examination"),
        ("NOTIFICATION", "notification"),
    ],
)
def test_names_that_mean_the_usual_sections(header: str, section: str) -> None:
    assert parse_report(f"\n {header}: Text.\n").sections == {section: "Text."}


def test_the_section_that_says_most() -> None:
    sections = dict.fromkeys(["comparison", "indication", "last_paragraph", "findings", "impression"], "Text.")
    chosen = []
    while (name := main_section(sections)) is not None:
        chosen.append(name)
        del sections[name]
    assert chosen == ["impression", "findings", "last_paragraph", "comparison"]


def test_headers_inside_a_line() -> None:
    report = parse_report("FINDINGS: Clear lungs. CHEST: no effusion. IMPRESSION: Normal chest.")
    assert report.sections == {"findings": "Clear lungs. CHEST: no effusion.", "impression": "Normal chest."}


def test_without_findings_and_impression_the_last_paragraph_speaks() -> None:
    report = parse_report(" INDICATION:  Fever.\n \n COMPARISON:  ___.\n \n The lungs are clear.\n \n No effusion.\n")
    assert report.sections["comparison"] == "___."
    assert texts(report) == ["The lungs are clear.", "No effusion."]
    assert parse_report("INDICATION: Fever.").sentences == ()


def test_without_headers_everything_is_findings() -> None:
    report = parse_report("Lungs clear.\nHeart size normal.")
    assert report.sections == {"findings": "Lungs clear.\nHeart size normal."}
    assert texts(report) == ["Lungs clear.", "Heart size normal."]
    assert texts(parse_report(f"Addendum text.\n{'_' * 30}\n   FINAL REPORT\n Clear lungs.")) == ["Clear lungs."]


@pytest.mark.parametrize("empty", ["", "  \n ", "FINDINGS:", "FINDINGS:\nIMPRESSION:\n", "   FINAL REPORT\n"])
def test_an_empty_report_has_no_sentences(empty: str) -> None:
    report = parse_report(empty)
    assert report.sentences == () and dict(report.sections) == {} and report.text == ""


def test_line_ends_of_windows() -> None:
    assert parse_report(MIMIC.replace("\n", "\r\n")) == parse_report(MIMIC)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("A 1.5 cm nodule. No mass.", ["A 1.5 cm nodule.", "No mass."]),
        ("Seen by Dr. Smith. No mass.", ["Seen by Dr. Smith.", "No mass."]),
        ("Devices, e.g. a line, approx. 4 cm above.", ["Devices, e.g. a line, approx. 4 cm above."]),
        ("Called at 3 p.m. by telephone.", ["Called at 3 p.m. by telephone."]),
        ("Called at 3 p.m. No mass.", ["Called at 3 p.m.", "No mass."]),
        ("Mass vs. atelectasis? Clear otherwise!", ["Mass vs. atelectasis?", "Clear otherwise!"]),
        ("1. Nodule. 2. No effusion. 10. Clear.", ["Nodule.", "No effusion.", "Clear."]),
        ("1. Cardiomegaly 2. Effusion", ["Cardiomegaly", "Effusion"]),
        ("1) Nodule\n2) Effusion", ["Nodule", "Effusion"]),
        ("Fracture of rib 4. No effusion.", ["Fracture of rib 4.", "No effusion."]),
        ("Lungs clear.No effusion. heart normal.", ["Lungs clear.", "No effusion.", "heart normal."]),
        ("Wrapped\n line of text.\n\nNew paragraph", ["Wrapped line of text.", "New paragraph"]),
        ("Tip at ___. XXXX unchanged. XXXX. . ___.", ["Tip at ___.", "XXXX unchanged."]),
        ("Atelectasis.. Clear...", ["Atelectasis..", "Clear..."]),
        ("Clear lung XXXX.In the left lung is a mass.", ["Clear lung XXXX.", "In the left lung is a mass."]),
        ("Normal. , Mild scoliosis.", ["Normal.", "Mild scoliosis."]),
        ("Unchanged from 2012. No mass", ["Unchanged from 2012.", "No mass"]),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert list(split_sentences(text)) == sentences


@given(st.text(alphabet="aB1. ?\n_X)(:", max_size=60))
def test_sentences_keep_every_letter_and_are_split_for_good(text: str) -> None:
    sentences = split_sentences(text)
    assert [c for s in sentences for c in s if c in "aB"] == [c for c in text if c in "aB"]
    for sentence in sentences:
        assert sentence == sentence.strip() and "\n" not in sentence and "  " not in sentence


lines = st.sampled_from(
    [
        " FINDINGS:",
        " IMPRESSION:  ",
        " ADDENDUM:",
        "                                 FINAL REPORT",
        "_" * 60,
        " ",
        "",
        " 1. There is a 1.5 cm nodule, as Dr. ___ noted.",
        "2) No pleural effusion or pneu-",
        "The heart is not enlarged, e.g. compared with XXXX.",
        "Clear.No mass. ... ?",
        " Findings: none",
    ]
)


@settings(max_examples=150)
@given(st.lists(lines | st.text(max_size=20), max_size=14).map("\n".join))
def test_whatever_is_typed_is_read_in_its_order(text: str) -> None:
    report = parse_report(text)
    assert all(body == body.strip() and body for body in report.sections.values())
    read = ("findings" if "findings" in report.sections else "last_paragraph", "impression")
    typed = iter(words_of(" ".join(report.sections.get(name, "") for name in read)))
    for sentence in report.sentences:
        assert sentence.text.strip() == sentence.text and re.search("[A-Za-z]", sentence.text)
        assert all(word in typed for word in words_of(sentence.text))  # `in` goes on where it stopped


def words_of(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text)


@pytest.mark.parametrize("piece", [" ", "A ", ".", "Dr. ", "a. ", "\n \n", "_", "1. ", "FINDINGS: ", "Findings:\n"])
def test_long_texts_take_no_longer_than_they_are(piece: str) -> None:
    start = time.process_time()
    parse_report("A" + piece * 20_000)
    assert time.process_time() - start < 3


def layout(sections: dict[str, str]) -> str:
    """A report as MIMIC-CXR types it: a title, headers behind a space, lines of at most 79 letters."""
    typed = [f"{'FINAL REPORT':>45}"]
    for name, body in sections.items():
        wrapped = textwrap.fill(body, 78, break_long_words=False, break_on_hyphens=False)
        typed.append(f" {name.upper()}: \n \n{textwrap.indent(wrapped, ' ')}\n ")
    return "\n".join(typed)


def by_the_official_rule(text: str) -> dict[str, str]:
    """Sections by the header of MIMIC-CXR's parser alone: the last of a name wins, blank ones are left out."""
    parts = re.split(r"\n ([A-Z ()/,-]+):\s", text)
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return {name.lower(): " ".join(body.split()) for name, body in pairs if body.strip()}


words = st.lists(
    st.sampled_from(["small", "left", "effusion", "1.5", "cm", "Dr.", "___", "XXXX"]), min_size=1, max_size=6
)
sentences_of_a_section = st.lists(words.map(lambda w: f"The {' '.join(w)} is seen."), max_size=4)


@given(sentences_of_a_section, sentences_of_a_section)
def test_composing_is_the_inverse_of_parsing(findings: list[str], impression: list[str]) -> None:
    report = compose_report([*map(Sentence, findings)], [*map(Sentence, impression)], {"comparison": "None."})
    assert parse_report("\n".join(f" {name.upper()}: {text}" for name, text in report.sections.items())) == report
    typed = layout(dict(report.sections))
    assert max(map(len, typed.splitlines())) <= 79
    if report.sentences:  # without, the last paragraph would speak
        read = parse_report(typed)
        assert read.sentences == report.sentences
        assert {name: " ".join(body.split()) for name, body in read.sections.items()} == by_the_official_rule(typed)
