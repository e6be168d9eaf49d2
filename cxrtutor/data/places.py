"""Words that say where: left exchanged for right, or all of them taken out.

Both look at words alone and so work on any report, as far as their lists go.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .reports import split_sentences
from .study import Report, Sentence

_PAIRS = {
    "left": "right",
    "leftward": "rightward",
    "leftwards": "rightwards",
    "levoscoliosis": "dextroscoliosis",
    "lul": "rul",
    "lll": "rll",
    "the lingula": "the right middle lobe",  # a left lung has no middle lobe; the lingula is in its place
    "lingular": "right middle lobe",
}
_OTHER_SIDE = {
    **_PAIRS,
    **{right: left for left, right in _PAIRS.items()},
    "lingula": "right middle lobe",
    "left lingula": "right middle lobe",
    "the left lingula": "the right middle lobe",
    "left lingular": "right middle lobe",
    "rml": "lingula",
}
_SIDE = re.compile(rf"\b(?:{'|'.join(sorted(_OTHER_SIDE, key=len, reverse=True))})\b", re.IGNORECASE)

_OTHER_HEIGHT = {
    "upper": "lower",
    "lower": "upper",
    "apical": "basal",
    "basal": "apical",
    "basilar": "apical",
    "biapical": "bibasal",
    "bibasal": "biapical",
    "bibasilar": "biapical",
    "apex": "base",
    "base": "apex",
    "apices": "bases",
    "bases": "apices",
}
_HEIGHT = re.compile(rf"\b(?:{'|'.join(_OTHER_HEIGHT)})\b", re.IGNORECASE)

_WHERE = (
    r"(?:left|right)(?:wards?)?|both|bilateral(?:ly)?|unilateral(?:ly)?|upper(?! limit)|lower|mid|middle|lingular"
    r"|(?:bi)?(?:apical|basal|basilar)|(?:peri|para|infra|supra)-?hilar|retrocardiac|paracardiac|subpleural"
    r"|peripheral(?:ly)?|central(?:ly)?(?! (?:venous|line|catheter))|medial(?:ly)?|anterior(?:ly)?|posterior(?:ly)?"
    r"|lateral(?:ly)?(?! (?:chest )?(?:view|radiograph|projection|film|image))|(?:superior|inferior)(?:ly)?(?! vena)"
)
_ADJECTIVE = rf"\b(?:{_WHERE})(?:-sided)?\b"
_ADJECTIVES = rf"{_ADJECTIVE}(?:(?:\s*[,/-]\s*|\s+(?:and|or|to)\s+|\s+){_ADJECTIVE})*"
_PARTS = r"(?:lung (?:lobe|zone|base|field|region)s|lung apices|mid-?lungs|lobes|zones|bases|(?<!cardiac )apices)\b"
_PART = (
    r"(?:lung (?:lobe|zone|base|apex|field|region)|mid-?lung|(?<!azygos )lobe|zone|base|(?<!cardiac )apex|lingula"
    r"|[RL][UML]L)\b"
)
_SPACE = r"(?:lungs?|sides?|hemithorax|hemithoraces|chest|thorax|regions?|areas?|aspects?|portions?)\b"
_PLACE = rf"(?:(?:the|each) )?(?:{_ADJECTIVES}(?: (?:{_PARTS}|{_PART}|{_SPACE}))?|{_PARTS}|{_PART})"
_PREPOSITION = r"(?:in|at|on|within|throughout|over|overlying|along|near|around|across|involving|of|to|from)"
_NO_NOUN = (  # what follows a place that was not said of a noun, as in "of left lower lobe collapse"
    r"(?=\s*(?:[.,;:()]|$)|\s+(?:and|or|but|with|without|is|are|was|were|has|have|may|which|that|than|as|due|since|in|on"
    r"|at|for|likely|measur\w+|represent\w+|suggest\w+|suspicious|concerning|compatible|consistent|seen|noted)\b)"
)
_COMPARISON = (
    rf",?\s*\(?\b(?:left|right)(?: side)?\s+(?:(?:\w+ )?\w+ than|[<>])\s+(?:the )?(?:left|right)\b\)?{_NO_NOUN}"
)
_PHRASE = rf"\s*\b{_PREPOSITION} {_PLACE}(?:(?:,|,? and|,? or) (?:{_PREPOSITION} )?{_PLACE})*{_NO_NOUN}"
_LOOSE = re.compile(
    rf"\s*\b(?:the|an?|and|or|than|{_PREPOSITION})\s*(?=[.,;]|$)|^\s*[,;]|[,;](?=\s*[.,;])", re.IGNORECASE
)
_REMOVALS = [
    (re.compile(pattern, re.IGNORECASE), kept)
    for pattern, kept in (
        (_COMPARISON, ""),
        (_PHRASE, ""),
        (rf"\b{_PARTS}", "lungs"),
        (rf"\b{_PART}", "lung"),
        (_ADJECTIVES, ""),
        (r"\b(lungs?) lungs?\b", r"\1"),
    )
]


def exchange_sides(text: str) -> str:
    """The text with left and right exchanged, the lingula standing opposite the right middle lobe.

    Exchanged twice, every text says what it said.
    """
    return _SIDE.sub(lambda match: _in_case_of(match[0], _OTHER_SIDE[match[0].lower()]), text)


def exchange_heights(text: str) -> str:
    """The text with upper and lower, apical and basal exchanged; the middle stays where it is.

    Exchanged twice, every text says what it said, "basilar" then being "basal".
    """
    return _HEIGHT.sub(lambda match: _in_case_of(match[0], _OTHER_HEIGHT[match[0].lower()]), text)


def remove_places(sentence: str) -> str:
    """The sentence without the words that say where in the chest: sides, heights, parts of a lung.

    A part of a lung that the sentence is about becomes "lung" ("The left base is clear."). Names of other structures
    stay ("costophrenic angle"). A sentence that was nothing but a place becomes empty.
    """
    bare = sentence
    for pattern, kept in _REMOVALS:
        bare = pattern.sub(kept, bare)
    return bare if bare == sentence else _mended(bare, capital=sentence[:1].isupper())


def reworded(report: Report, change: Callable[[str], str]) -> Report:
    """The report with every sentence changed; each still speaks of the findings that it spoke of."""
    sections = {name: " ".join(map(change, split_sentences(body))) for name, body in report.sections.items()}
    return Report(sections, tuple(Sentence(change(each.text), each.findings) for each in report.sentences))


def _in_case_of(model: str, word: str) -> str:
    if model.isupper():
        return word.upper()
    return word[0].upper() + word[1:] if model[0].isupper() else word


def _mended(text: str, capital: bool) -> str:
    """What is left of a sentence, without loose ends."""
    before = None
    while text != before:
        before, text = text, _LOOSE.sub("", text)
    text = re.sub(r"\s+([.,;:)])", r"\1", " ".join(text.split()))
    text = re.sub(r"\b([Aa])n (?=[b-df-gj-np-tv-z])", r"\1 ", text)
    text = re.sub(r"\b([Aa]) (?=(?!uni|eu|one)[aeiou])", r"\1n ", text)
    if not re.search(r"[^\W_]", text):
        return ""
    return text[0].upper() + text[1:] if capital else text
