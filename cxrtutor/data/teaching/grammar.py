"""A small grammar: it writes a report of lesions that are known, and remembers which sentence speaks of which.

The lesions of one group are one *breath*: they are named together. A breath is worded as a noun phrase, noun phrases
are put into sentences, sentences into FINDINGS and IMPRESSION. Around them stand denials of what is absent, normal
statements, and asides on bones, devices and technique that the picture does not show. Every choice is a draw from the
generator that is passed in; the words are in `lexicon.py`.

Of the reports, 4 % have no IMPRESSION, and 3 % (of at most two breaths) consist of a single sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from ..prompts import DESCRIPTIONS, simple_prompt
from ..reports import compose_report
from ..study import Report, Sentence
from . import lexicon
from .lesion import UNSEEN_FINDINGS, Lesion
from .lexicon import LEXICON, Noun, Terms

T = TypeVar("T")
_SEVERITY = {"small": 0, "moderate": 1, "large": 2}


@dataclass(frozen=True)
class WrittenReport:
    """A report, and for each lesion the phrase that asks for it precisely.

    Attributes:
        report: its sentences hold the indices of the lesions they speak of.
        phrases: phrases[i] is a noun phrase for lesion i, such as "small left pleural effusion": without article,
            hedge or full stop, in exact (never broader) terms, as short training sentences have it. Lesions of one
            breath share it.
    """

    report: Report
    phrases: tuple[str, ...]


def write_report(lesions: tuple[Lesion, ...], rng: np.random.Generator) -> WrittenReport:
    """Write a report in which every lesion is spoken of in FINDINGS, and nothing present is denied.

    Args:
        lesions: may be empty (a healthy patient). Lesions of one finding and one group are one breath.
        rng: the source of every choice.
    """
    breaths = [Breath.of(lesions, indices) for indices in _groups(lesions)]
    phrases = [_noun_phrase(b, b.terms.exact, rng, degree=0.9, size=0.6) for b in breaths]
    writer = _Writer(lesions, breaths, phrases, rng)
    if len(breaths) <= 2 and _chance(rng, 0.03):
        report = compose_report(*writer.single_sentence())
    else:
        findings = writer.findings()
        impression = () if _chance(rng, 0.04) else writer.impression()
        report = compose_report(findings, impression, writer.other_sections())
    phrase_of = {index: phrase.text for b, phrase in zip(breaths, phrases, strict=True) for index in b.indices}
    return WrittenReport(report, tuple(phrase_of[index] for index in range(len(lesions))))


def write_sentence(lesion: Lesion, rng: np.random.Generator) -> str:
    """One plain sentence that names one lesion in exact terms."""
    breath = Breath.of((lesion,), (0,))
    phrase = _noun_phrase(breath, breath.terms.exact, rng)
    return _Writer((lesion,), [breath], [phrase], rng).plain_sentence(breath).text


def prompts_for_unseen(finding: str) -> dict[str, str]:
    """Three ways to ask for a finding that training never showed.

    Returns:
        "name" (a word that no training report holds), "pneumonia" (as is done for COVID-19), and "description" (in
        words that training reports hold).

    Raises:
        KeyError: `finding` is not one of `UNSEEN_FINDINGS`.
    """
    if finding not in UNSEEN_FINDINGS:
        raise KeyError(finding)
    return {
        "name": simple_prompt(finding),
        "pneumonia": simple_prompt("pneumonia"),
        "description": DESCRIPTIONS[finding],
    }


@dataclass(frozen=True)
class Breath:
    """Lesions that are reported in one breath: what is common to them.

    Attributes:
        indices: which of the patient's lesions they are.
        side: "left", "right", "both" or "middle".
        zone: their common zone, or None where they differ.
        lobe: their common lobe, or None.
        severity: their common severity, or None where they differ.
        size_mm: the longest diameter, or None where none is measured.
        larger_side: where there is more of it; empty where that is not known.
    """

    finding: str
    indices: tuple[int, ...]
    side: str
    zone: str | None
    lobe: str | None
    severity: str | None
    size_mm: int | None
    larger_side: str

    @classmethod
    def of(cls, lesions: Sequence[Lesion], indices: tuple[int, ...]) -> Breath:
        members = [lesions[index] for index in indices]
        sizes = [lesion.size_mm for lesion in members if lesion.size_mm is not None]
        return cls(
            finding=members[0].finding,
            indices=indices,
            side=_common([lesion.side for lesion in members]) or "both",
            zone=_common([lesion.zone for lesion in members]),
            lobe=_common([lesion.lobe for lesion in members]),
            severity=_common([lesion.severity for lesion in members]),
            size_mm=round(max(sizes)) if sizes else None,
            larger_side=_larger_side(members),
        )

    @property
    def is_several(self) -> bool:
        return self.side == "both" or (len(self.indices) > 1 and not LEXICON[self.finding].one_a_side)

    @property
    def terms(self) -> Terms:
        entry = LEXICON[self.finding]
        return entry.several if self.is_several else entry.one


class _Place(NamedTuple):
    """A location in its two forms: "left basal" before a noun, "at the left base" behind it."""

    adjective: str
    phrase: str


class _NounPhrase(NamedTuple):
    text: str
    number: lexicon.Number

    @property
    def with_article(self) -> str:
        return f"{_article(self.text)} {self.text}" if self.number == "count" else self.text

    @property
    def is_plural(self) -> bool:
        return self.number == "plural"


class _Writer:
    """Writes the parts of one patient's report."""

    def __init__(
        self, lesions: Sequence[Lesion], breaths: list[Breath], phrases: list[_NounPhrase], rng: np.random.Generator
    ) -> None:
        self.lesions, self.breaths, self.rng = lesions, breaths, rng
        self.phrase_of = dict(zip(breaths, phrases, strict=True))
        self.present = {lesion.finding for lesion in lesions}
        self.denied: set[str] = set()  # findings denied so far, so that a section denies each once
        self.has_prior = _chance(rng, 0.4)

    def findings(self) -> list[Sentence]:
        """Blocks of sentences: those on one matter stay together, the blocks are mostly shuffled."""
        rng = self.rng
        positive = self._positive_blocks()
        others = [[denial] for denial in self._denials(int(rng.integers(1, 4))) if _chance(rng, 0.85)]
        others += [[Sentence(text)] for text in self._normal_statements()]
        asides = [[Sentence(text)] for text in self._asides()]
        blocks = positive + others + asides
        if _chance(rng, 0.7):
            blocks = _shuffled(rng, blocks)
        if self.present & lexicon.LUNG - {"edema"} and _chance(rng, 0.15):
            blocks.append([Sentence(_pick(rng, lexicon.OTHERWISE))])  # last: "otherwise" looks back
        sentences = [sentence for block in blocks for sentence in block]
        return sentences or [Sentence(_pick(rng, lexicon.NORMAL["mediastinum"][1]))]

    def impression(self) -> list[Sentence]:
        rng = self.rng
        if not self.breaths:
            return [Sentence(_pick(rng, lexicon.ALL_CLEAR))]
        self.denied.clear()
        sentences = self._conclusions()
        if _chance(rng, 0.15):
            sentences += self._denials(1)
        if _chance(rng, 0.12):
            sentences.append(Sentence(_pick(rng, lexicon.ADVICE)))
        return sentences

    def single_sentence(self) -> tuple[list[Sentence], list[Sentence]]:
        """FINDINGS and IMPRESSION of a report that is one sentence."""
        if not self.breaths:
            return [], [Sentence(_pick(self.rng, lexicon.ALL_CLEAR))]
        if len(self.breaths) == 1:
            return [self.plain_sentence(self.breaths[0])], []
        return [self._joined_sentence(*self.breaths)], []

    def other_sections(self) -> dict[str, str]:
        prior = ("Prior chest radiograph.", "Chest radiograph of the previous year.") if self.has_prior else ("None.",)
        return {"indication": _pick(self.rng, lexicon.INDICATIONS), "comparison": _pick(self.rng, prior)}

    # What is there

    def _positive_blocks(self) -> list[list[Sentence]]:
        breaths = _shuffled(self.rng, self.breaths)
        blocks = []
        if len(breaths) >= 2 and _chance(self.rng, 0.3):
            blocks.append([self._joined_sentence(breaths.pop(), breaths.pop())])
        return blocks + [self._block(breath) for breath in breaths]

    def _block(self, breath: Breath) -> list[Sentence]:
        """One sentence on one breath, or a plain one with a second that elaborates it."""
        rng, terms, kind = self.rng, breath.terms, self.rng.random()
        if kind < 0.18 and terms.broader:
            noun_phrase = _noun_phrase(breath, terms.broader, rng)
            patterns = lexicon.READ if _chance(rng, 0.6) else lexicon.PLAIN
            return [self._sentence(patterns, breath, noun_phrase, reading=_pick(rng, terms.readings))]
        if 0.18 <= kind < 0.28 and terms.statements:
            return [self._sentence(terms.statements, breath, self._exact(breath))]
        if 0.28 <= kind < 0.37 and (companion := self._absent_companion(breath)):
            return [self._sentence(lexicon.EXCLUDING, breath, self._exact(breath), absent=companion)]
        if 0.37 <= kind < 0.49:
            return [self._sentence(lexicon.HEDGED, breath, self._exact(breath))]
        if 0.49 <= kind < 0.55 and self.has_prior:
            return [self._sentence(lexicon.COMPARED, breath, self._exact(breath))]
        plain = self.plain_sentence(breath)
        return [plain, *self._elaboration(breath, plain)] if _chance(rng, 0.4) else [plain]

    def plain_sentence(self, breath: Breath) -> Sentence:
        """A sentence that only names the breath, in exact terms."""
        return self._sentence(lexicon.PLAIN, breath, self._exact(breath))

    def _joined_sentence(self, first: Breath, second: Breath) -> Sentence:
        a, b = self._exact(first), self._exact(second)
        belong = (first.finding, second.finding) in lexicon.ASSOCIATES and (
            first.side == second.side or {first.side, second.side} == {"middle", "both"}
        )
        associated = belong and b.number == "mass" and _chance(self.rng, 0.5)
        pattern = _pick(self.rng, lexicon.ASSOCIATED if associated else lexicon.JOINED)
        text = _fill(pattern, **_agreement(a), b=b.with_article, other=b.text)
        return Sentence(_as_sentence(text), tuple(sorted(first.indices + second.indices)))

    def _elaboration(self, breath: Breath, first: Sentence) -> list[Sentence]:
        """A second sentence on the same matter, where the lexicon has one for which everything is known."""
        slots = _slots(breath, self.rng)
        if re.search(r"\d [cm]m", first.text):
            slots["size"] = ""  # it has been said
        fitting = [p for p in breath.terms.elaborations if all(slots[slot] for slot in re.findall(r"\{(\w+)\}", p))]
        if not fitting:
            return []
        return [Sentence(_as_sentence(_fill(_pick(self.rng, fitting), **slots)), breath.indices)]

    def _conclusions(self) -> list[Sentence]:
        """What IMPRESSION makes of the breaths; one or the other may be left out, never all of them."""
        rng = self.rng
        breaths = [b for b in _shuffled(rng, self.breaths) if _chance(rng, 0.85)] or [_pick(rng, self.breaths)]
        if len(breaths) == 2 and _chance(rng, 0.35):
            return [self._joined_sentence(*breaths)]
        return [self._conclusion(breath) for breath in breaths]

    def _conclusion(self, breath: Breath) -> Sentence:
        if breath.terms.inferences and _chance(self.rng, 0.3):
            noun_phrase = _noun_phrase(breath, breath.terms.inferences, self.rng)
        else:
            noun_phrase = _noun_phrase(breath, breath.terms.exact, self.rng, degree=0.6, size=0.3)
        return self._sentence(lexicon.IMPRESSED, breath, noun_phrase)

    def _exact(self, breath: Breath) -> _NounPhrase:
        """The breath's own phrase, or another that means the same."""
        if _chance(self.rng, 0.6):
            return self.phrase_of[breath]
        return _noun_phrase(breath, breath.terms.exact, self.rng)

    def _sentence(self, patterns: Sequence[str], breath: Breath, noun_phrase: _NounPhrase, **slots: str) -> Sentence:
        if re.match("two|multiple|several", noun_phrase.text):  # not "probable several nodules"
            patterns = [pattern for pattern in patterns if " {np}" not in pattern]
        filled = _fill(_pick(self.rng, patterns), **{**_slots(breath, self.rng), **_agreement(noun_phrase), **slots})
        return Sentence(_as_sentence(filled), breath.indices)

    # What is not there, and what is beside the matter

    def _absent(self, candidates: Sequence[str], count: int) -> list[str]:
        """Up to `count` of the candidates that may be denied and have not been; no two include the same finding."""
        chosen: list[str] = []
        for name in _shuffled(self.rng, candidates):
            if len(chosen) < count and not lexicon.ABSENT[name] & (self.present | self.denied):
                chosen.append(name)
                self.denied |= lexicon.ABSENT[name]
        return chosen

    def _absent_companion(self, breath: Breath) -> str | None:
        return next(iter(self._absent(lexicon.UNACCOMPANIED[breath.finding], 1)), None)

    def _denials(self, count: int) -> list[Sentence]:
        """One sentence that denies up to `count` things, or none where nothing is left to deny."""
        absent = self._absent(list(lexicon.ABSENT), count)
        return [Sentence(_as_sentence(_fill(_pick(self.rng, lexicon.DENIED), list=_or_list(absent))))] if absent else []

    def _normal_statements(self) -> list[str]:
        said = [forbidden and forbidden <= self.denied for forbidden, _ in lexicon.NORMAL.values()]
        topics = [
            texts
            for (forbidden, texts), is_said in zip(lexicon.NORMAL.values(), said, strict=True)
            if not (forbidden & self.present or is_said)
        ]
        regions = [text for text in (self._clear_side(), self._clear_height()) if text and _chance(self.rng, 0.3)]
        count = int(self.rng.integers(1, 4)) if not self.breaths else int(self.rng.integers(0, 3))
        return regions + [_pick(self.rng, texts) for texts in _shuffled(self.rng, topics)[:count]]

    def _clear_side(self) -> str | None:
        """ "The left lung is clear.", where everything there is lies on the right."""
        sides = {lesion.side for lesion in self.lesions} - {"middle"}
        if len(sides) != 1 or sides == {"both"}:
            return None
        return f"The {'right' if sides == {'left'} else 'left'} lung is clear."

    def _clear_height(self) -> str | None:
        zones = {lesion.zone for lesion in self.lesions if lesion.side != "middle"}
        if not zones or "whole" in zones or self.present & {"pleural effusion", "pneumothorax", "edema"}:
            return None
        if zones <= {"lower", "basal"}:
            return _pick(self.rng, ("The lung apices are clear.", "The upper lung zones are clear."))
        if zones <= {"apical", "upper"}:
            return _pick(self.rng, ("The lung bases are clear.", "The lower lung zones are clear."))
        return None

    def _asides(self) -> list[str]:
        topics = dict(lexicon.ASIDES, prior=lexicon.WITH_PRIOR if self.has_prior else lexicon.WITHOUT_PRIOR)
        count = int(self.rng.choice(3, p=(0.35, 0.45, 0.2)))
        return [_pick(self.rng, topics[topic]) for topic in _shuffled(self.rng, list(topics))[:count]]


def _groups(lesions: Sequence[Lesion]) -> list[tuple[int, ...]]:
    groups: dict[tuple[str, int], list[int]] = {}
    for index, lesion in enumerate(lesions):
        groups.setdefault((lesion.finding, lesion.group), []).append(index)
    return [tuple(indices) for indices in groups.values()]


def _noun_phrase(
    breath: Breath, nouns: Sequence[Noun], rng: np.random.Generator, degree: float = 0.75, size: float = 0.6
) -> _NounPhrase:
    """One of the nouns with its slots filled; degree and size are named with the given probabilities."""
    noun = nouns[0] if _chance(rng, 0.25) else _pick(rng, nouns)
    slots = _slots(breath, rng)
    if not _chance(rng, degree):
        slots |= {"degree": "", "adverb": "", "extent": ""}
    if not _chance(rng, size):
        slots |= {"size": "", "measuring": ""}
    return _NounPhrase(" ".join(_fill(noun.pattern, **slots).split()), noun.number)


def _slots(breath: Breath, rng: np.random.Generator) -> dict[str, str]:
    entry = LEXICON[breath.finding]
    severity = breath.severity or ""
    place = _place(breath, rng)
    size = _size(breath.size_mm, rng) if breath.size_mm is not None else ""
    count = len(breath.indices)
    return {
        "place": place.adjective,
        "where": place.phrase,
        "side": breath.side,
        "degree": _pick(rng, entry.degrees.get(severity, ("",))),
        "adverb": _pick(rng, lexicon.ADVERBS.get(severity, ("",))),
        "extent": lexicon.EXTENTS.get(severity, ("",))[0],
        "size": size,
        "measuring": size and (f"measuring up to {size}" if count > 1 else f"measuring {size}"),
        "count": "two" if count == 2 else _pick(rng, ("multiple", "multiple", "several")),
        "spread": "multifocal" if breath.zone is None else "",
        "larger": breath.larger_side,
    }


def _place(breath: Breath, rng: np.random.Generator) -> _Place:
    located = LEXICON[breath.finding].located
    if located == "heart":
        return _Place("", "")
    if located == "pleural":
        at_apex = breath.zone == "apical" and breath.severity != "large" and _chance(rng, 0.5)
        return _ends_of_the_lung(breath.side, "apical", rng) if at_apex else _whole_side(breath.side)
    if breath.lobe is not None and _chance(rng, 0.5):
        return _lobe(breath.side, breath.lobe)
    return _zone(breath, rng)


def _whole_side(side: str) -> _Place:
    return _Place("bilateral", "on both sides") if side == "both" else _Place(side, f"on the {side}")


def _lobe(side: str, lobe: str) -> _Place:
    if lobe == "lingula":
        return _Place("lingular", "in the lingula")
    if side == "both":
        return _Place(f"bilateral {lobe}", f"in both {lobe}s")
    return _Place(f"{side} {lobe}", f"in the {side} {lobe}")


def _zone(breath: Breath, rng: np.random.Generator) -> _Place:
    both, side = breath.side == "both", breath.side
    if breath.zone is None:
        return _Place("bilateral", "in both lungs") if both else _Place(f"{side} lung", f"in the {side} lung")
    if breath.zone == "whole":
        return (
            _Place("bilateral", "throughout both lungs")
            if both
            else _Place(f"{side} lung", f"throughout the {side} lung")
        )
    if breath.zone in ("apical", "basal"):
        return _ends_of_the_lung(side, breath.zone, rng)
    if breath.zone == "perihilar":
        regions = "in both perihilar regions" if both else f"in the {side} perihilar region"
        return _Place("bilateral perihilar" if both else f"{side} perihilar", regions)
    zone = {
        "upper": ("upper zone", "upper zone", "upper lung", "upper lung zone"),
        "middle": ("mid zone", "mid zone", "midlung", "mid lung zone"),
        "lower": ("lower zone", "lower zone", "lower lung", "lower lung zone"),
    }[breath.zone]
    name = _pick(rng, zone)
    return (
        _Place(f"bilateral {name}", f"in both {name}s") if both else _Place(f"{side} {name}", f"in the {side} {name}")
    )


def _ends_of_the_lung(side: str, zone: str, rng: np.random.Generator) -> _Place:
    adjectives = {"apical": ("apical",), "basal": ("basal", "basilar")}[zone]
    one, many = {"apical": ("apex", "apices"), "basal": ("base", "bases")}[zone]
    lung = _pick(rng, ("", "lung "))
    if side == "both":
        return _Place(f"bi{_pick(rng, adjectives)}", f"at both {lung}{many}")
    return _Place(f"{side} {_pick(rng, adjectives)}", f"at the {side} {lung}{one}")


def _size(millimetres: int, rng: np.random.Generator) -> str:
    return f"{millimetres} mm" if _chance(rng, 0.7) else f"{millimetres / 10:.1f} cm"


def _agreement(noun_phrase: _NounPhrase) -> dict[str, str]:
    verbs = {"is": "are", "has": "have"} if noun_phrase.is_plural else {"is": "is", "has": "has"}
    return {"a": noun_phrase.with_article, "np": noun_phrase.text, **verbs}


def _article(text: str) -> str:
    """ "an" before a vowel's sound, also of a number: an 8 mm, an 11 mm and an 18 mm nodule."""
    return "an" if re.match(r"(?!uni|one\b)[aeiou]|8|1[18](?!\d)", text) else "a"


def _or_list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _fill(pattern: str, **slots: str) -> str:
    return pattern.format(**slots)


def _as_sentence(text: str) -> str:
    text = " ".join(text.split())
    return text[0].upper() + text[1:]


def _larger_side(lesions: Sequence[Lesion]) -> str:
    largest = {
        side: max(_SEVERITY[lesion.severity] for lesion in lesions if lesion.side == side)
        for side in {lesion.side for lesion in lesions}
    }
    if set(largest) != {"left", "right"} or largest["left"] == largest["right"]:
        return ""
    return "left" if largest["left"] > largest["right"] else "right"


def _common(values: Sequence[T]) -> T | None:
    return values[0] if len(set(values)) == 1 else None


def _chance(rng: np.random.Generator, probability: float) -> bool:
    return bool(rng.random() < probability)


def _pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def _shuffled(rng: np.random.Generator, items: Sequence[T]) -> list[T]:
    return [items[int(index)] for index in rng.permutation(len(items))]
