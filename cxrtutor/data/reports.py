"""From the text of a report to its sections, and from a section to its sentences.

The rules for sections are those of MIMIC-CXR's section parser (github.com/MIT-LCP/mimic-cxr, `txt/section_parser.py`),
whose header is a line's single space, capitals and a colon: a blank section is dropped, of sections with one name the
last wins (addenda come first in a file), other names mean the usual ones (CONCLUSION is IMPRESSION, CHEST, TWO VIEWS is
FINDINGS), and misspellings are mended.

Three things are wider here: a known header counts inside a line, at a line's start without the space, and with small
letters ("Findings:"); a header may follow on the very next line of another; and a misspelling need not be one of those
that MIMIC-CXR has.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from .study import Report, Sentence

_KNOWN = "FINDINGS?|IMPRESSIONS?|CONCLUSIONS?|INDICATIONS?|COMPARISONS?|TECHNIQUE|EXAMINATION|HISTORY|ADDENDUM"
_HEADER = re.compile(
    rf"^[ \t]*(?P<line>[A-Z](?:[A-Z ()/,-]*[A-Z()/,-])?|(?i:{_KNOWN}))[ \t]*:"  # any capitals at a line's start
    rf"|(?<!\w)(?P<inline>{_KNOWN}):",  # inside a line, only a known name in capitals: "CHEST: CLEAR" is no section
    re.MULTILINE,
)
_RULE = re.compile(r"^[ \t]*_{5,}[ \t]*$", re.MULTILINE)  # separates addenda; `___` alone hides a name or a date
_TITLE = re.compile(r"^[ \t]*FINAL REPORT[ \t]*$", re.MULTILINE)
_USUAL = ("impression", "findings", "comparison", "indication")
_SYNONYMS = {
    "conclusion": "impression",
    "conclusions": "impression",
    "findings/impression": "impression",
    "findings and impression": "impression",
    "reference exam": "comparison",
    "clinical information": "history",
    "clinical indication": "indication",
    "reason for exam": "indication",
    "reason for examination": "indication",
    "exam": "examination",
    "type of examination": "examination",
    "recommendation": "recommendations",
    "recommendation(s)": "recommendations",
    "wetread": "wet read",
}
_PART_OF_NAME = ("impression", "findings", "history", "comparison", "addendum")  # "clinical history" is history
_VIEWS = re.compile(  # "pa and lateral views of the chest:" opens what was found on them
    r"chest|portable|(?:pa|ap|lateral|frontal) (?:and|view|upright|semi)|two views|one view|bone window|ribs"
)
_ORDER = ("impression", "findings", "last_paragraph", "comparison")

_PARAGRAPH_OR_ITEM = re.compile(r"\n[ \t]*\n|\n(?=[ \t]*\d{1,2}[.)]\s)")
_LIST = re.compile(r"\s*\(?1[.)]\s")
_UNSTOPPED_ITEM = re.compile(r"(?<=\w)\s(?=[2-9][.)] [A-Z])")  # "1. Cardiomegaly 2. Effusion"; only in a list
_ITEM_NUMBER = re.compile(r"^\(?\d{1,2}[.)](?!\d)\s*")
_STOP = re.compile(r"(?<![.?!])[.?!]+(?=\s)|(?:(?<=[a-z])|(?<=XXXX)|(?<=___))\.(?=[A-Z])")
_NEVER_A_STOP = re.compile(r"\b(?:Dr|Drs|Mr|Mrs|Ms|Prof|St|vs|cf|ca|approx|e\.g|i\.e)\.$", re.IGNORECASE)
_LONGEST_ABBREVIATION = 12  # letters, with room for the one before it
_STOP_BEFORE_CAPITAL = re.compile(r"\b(?:a\.m|p\.m|etc|yrs?|cm|mm)\.$")


def parse_report(text: str) -> Report:
    """Read a free-text report.

    Sentences are those of FINDINGS, then of IMPRESSION. Where neither exists, they are those of the last section's text
    after its first blank line (kept as "last_paragraph", as MIMIC-CXR's parser does); a text without any header is
    FINDINGS as a whole. An empty text gives a report without sections and sentences.
    """
    sections = _split_sections(text)
    findings = sections.get("findings", sections.get("last_paragraph", ""))
    sentences = (*split_sentences(findings), *split_sentences(sections.get("impression", "")))
    return Report(sections, tuple(map(Sentence, sentences)))


def main_section(sections: Mapping[str, str]) -> str | None:
    """The name of the one section that says most, as MIMIC-CXR's labels choose what they are read from.

    IMPRESSION before FINDINGS before the last paragraph before COMPARISON; None where there is none of them.
    """
    return next((name for name in _ORDER if name in sections), None)


def compose_report(
    findings: Sequence[Sentence], impression: Sequence[Sentence], others: Mapping[str, str] | None = None
) -> Report:
    """The report that consists of these sentences; the inverse of `parse_report`.

    Args:
        findings: sentences of FINDINGS, in order.
        impression: sentences of IMPRESSION, in order.
        others: further sections, such as "comparison". A section without text is left out.
    """
    written = {
        name: " ".join(s.text for s in part) for name, part in (("findings", findings), ("impression", impression))
    }
    sections = {name: text for name, text in {**(others or {}), **written}.items() if text}
    return Report(sections, (*findings, *impression))


def split_sentences(text: str) -> tuple[str, ...]:
    """Cut the text of a section into sentences, wrapped lines joined and list numbers removed.

    A full stop ends a sentence when white space follows, or when it stands between a small and a capital letter
    ("clear.No"); never in a decimal, after a title or an abbreviation. A blank line and a numbered line also end one.
    De-identified words (`___`, `XXXX`) are words; what holds no other letters than theirs is no sentence.
    """
    sentences = []
    for paragraph in _PARAGRAPH_OR_ITEM.split(_UNSTOPPED_ITEM.sub("\n", text) if _LIST.match(text) else text):
        start, line = 0, " ".join(paragraph.split())
        stops = [stop.end() for stop in _STOP.finditer(line) if _ends_sentence(line, stop)]
        for end in (*stops, len(line)):
            words = line[start:end].strip().lstrip(",; ")
            if not _ITEM_NUMBER.fullmatch(words):  # "1." waits for the sentence it numbers
                sentences.append(_ITEM_NUMBER.sub("", words))
                start = end
    return tuple(sentence for sentence in sentences if re.search("[A-Za-z]", sentence.replace("XXXX", "")))


def _ends_sentence(line: str, stop: re.Match[str]) -> bool:
    before = line[max(0, stop.end() - _LONGEST_ABBREVIATION) : stop.end()]
    if _NEVER_A_STOP.search(before):
        return False
    return not (_STOP_BEFORE_CAPITAL.search(before) and line[stop.end() + 1 : stop.end() + 2].islower())


def _split_sections(text: str) -> dict[str, str]:
    text = _TITLE.sub("", text.replace("\r\n", "\n"))
    headers = list(_HEADER.finditer(text))
    if not headers:
        body = _RULE.split(text)[-1].strip()
        return {"findings": body} if body else {}
    ends = [header.start() for header in headers[1:]] + [len(text)]
    bodies = [_RULE.sub("", text[header.end() : end]) for header, end in zip(headers, ends, strict=True)]
    names = [_section_name(header) for header in headers]
    sections = {name: body.strip() for name, body in zip(names, bodies, strict=True) if body.strip()}
    if not sections.keys() & {"findings", "impression"}:
        first, _, last = re.sub(r"\n[ \t]+\n", "\n\n", bodies[-1].strip()).partition("\n\n")
        if last.strip():
            sections |= {names[-1]: first.strip(), "last_paragraph": last.strip()}
    return sections


def _section_name(header: re.Match[str]) -> str:
    name = re.sub(r"\s*/\s*", "/", (header["line"] or header["inline"]).strip().lower())
    if name in _SYNONYMS:
        return _SYNONYMS[name]
    close = difflib.get_close_matches(name, _USUAL, n=1, cutoff=0.85)
    if close:
        return close[0]
    part = next((part for part in _PART_OF_NAME if part in name), None)
    return part or ("findings" if _VIEWS.search(name) else name)
