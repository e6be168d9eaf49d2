"""Which findings a sentence names, and whether it affirms them, denies them or doubts, and on which side.

Rules in the manner of NegEx (Chapman et al., A simple algorithm for identifying negated findings and diseases in
discharge summaries, J Biomed Inform 2001): a *cue* ("no", "has resolved") has a *scope*, the findings after or before
it up to a word that ends it ("but"); a *pseudo-cue* ("no change in") looks like a cue and is none. Commas are read as
NegEx does not: the scope goes on through "no effusion, pneumothorax or mass" and ends in "no effusion, the heart is
enlarged".

Libraries with such rules (negspacy, medspaCy) need spaCy and all that it brings, for what is a page of words here. This
page can be read in one sitting, which is what it is for: it tells a reader what the sentences of reports say on the
whole. It is no labeller for research: for that see CheXpert's, NegBio or CheXbert.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Literal

Side = Literal["left", "right", "both"]


@dataclass(frozen=True)
class Mention:
    """One finding that a sentence names.

    Attributes:
        finding: what it is, in the words of the teaching set; "opacity" stands for all broader terms ("infiltrate").
        span: where its words begin and end in the sentence.
        negated: it is said not to be there (any more).
        uncertain: it is said to be possible only. A finding that is "unlikely" is both.
        side: the patient's, where the sentence tells; None for the heart.
    """

    finding: str
    span: tuple[int, int]
    negated: bool
    uncertain: bool
    side: Side | None

    def __str__(self) -> str:
        said = {"denied": self.negated, "doubted": self.uncertain, self.side or "": self.side is not None}
        told = ", ".join(word for word, is_said in said.items() if is_said)
        return f"{self.finding} ({told})" if told else self.finding


_pattern = partial(re.compile, flags=re.ASCII)  # a page's JavaScript knows no other words
_SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)  # `lower` makes two letters of some, and spans would be off

_HEART = r"(?:heart|cardiac (?:silhouette|size|contour)|cardiomediastinal silhouette|cardio-mediastinal silhouette)"
TERMS = {
    "viral pneumonia": r"(?:viral|covid(?:-19)?) pneumonia",
    "pneumonia": r"pneumonias?",
    "pleural effusion": r"(?<!pericardial )(?<!joint )(?:pleural )?effusions?|pleural fluid|h(?:ydro|emo)thorax",
    "pneumothorax": r"(?:hydro|hemo)?pneumothora(?:x|ces)",
    "ground-glass opacity": r"ground[- ]glass(?: opacit(?:y|ies)| opacification| densit(?:y|ies))?",
    "consolidation": r"consolidations?|consolidative (?:changes?|opacit(?:y|ies))",
    "opacity": r"opacit(?:y|ies)|opacifications?|infiltrates?|air[- ]?space disease",
    "nodule": r"nodules?",
    "mass": r"mass(?:es)?(?!-| effect| like)",
    "cavity": r"cavit(?:y|ies|ation|ary lesions?)",
    "atelectasis": r"atelecta(?:sis|ses|tic changes?)",
    "edema": r"(?<!subcutaneous )o?edema|(?:vascular|venous|pulmonary) congestion",
    "cardiomegaly": (
        rf"cardiomegaly|cardiac enlargement|enlargement of the {_HEART}|enlarged {_HEART}"
        rf"|(?:enlarged|increased) heart size|{_HEART}(?: \w+){{0,4}}? (?:enlarged|increased)"
    ),
    "fracture": r"fractures?",
}
"""What names a finding. What merely describes one ("blunted costophrenic angle") does not."""

_SEEN = r"(?:seen|identified|visuali[sz]ed|noted|demonstrated|present|evident|appreciated|detected|visible|found)"
_BE = r"(?:is|are|was|were|has been|have been)"
_HOW_MUCH = r"(?:significant(?:ly)?|interval|definite(?:ly)?|appreciable|substantial(?:ly)?|relevant|further|xxxx)"
_ENDS = r"(?! *[^ .,;)])"  # "Edema is likely." looks back, "opacity is likely edema" does not
_PRIOR = r"(?:prior|previous|comparison|lateral|frontal|ct|recent)"
CUES = {
    "neither": (  # looks like a denial of what is there, and is none
        rf"(?:no|without|not)(?: {_HOW_MUCH}){{0,2}}"
        r" (?:change[sd]?|increase[sd]?|decrease[sd]?|different|progression|worsening)"
        rf"|not (?:\w+ )?{_SEEN} (?:on|in|at) (?:the |this )?{_PRIOR}|not only|no prior|no comparison"
    ),
    "doubted before": (  # doubts what comes before it
        r"(?:cannot|can not|not)(?: \w+)?(?: be)?(?: \w+)? (?:excluded|ruled out)"
        rf"|difficult to (?:\w+ )?(?:exclude|rule out){_ENDS}|(?:likely|probabl[ey]|possibl[ey]|suspected){_ENDS}"
        rf"|{_BE} (?:also )?(?:suspected|possible|questioned|questionable)|versus|vs"
    ),
    "doubted after": (
        r"cannot (?:entirely |completely )?(?:exclude|rule out)|difficult to (?:\w+ )?(?:exclude|rule out)"
        r"|likely|probabl[ey]|possibl[ey]|possibility of|may|might|could|suspected|suspicious for|suspicion of"
        r"|suggest(?:s|ed|ing|ive)?|question(?:able)?|concern(?:ing)? for|worrisome for|versus|vs"
        r"|(?:to )?(?:rule out|exclude|evaluate for)|evaluation for"
    ),
    "denied after": (
        r"no longer|no|without|negative for|free of|clear of|(?:absence|resolution|clearing) of|absent"
        r"|(?<!partially )(?<!nearly )(?<!almost completely )resolved|not|nor|neither|rather than"
    ),
    "denied before": (
        rf"(?:{_BE}|do|does) (?:not|no longer) (?:\w+ )?{_SEEN}|not {_SEEN}|no longer {_SEEN}"
        r"|(?:has|have) (?:now |since |completely )?(?:resolved|cleared|disappeared)"
        rf"|{_BE} (?:absent|excluded|ruled out|resolved)"
    ),
    "unlikely before": rf"{_BE} (?:\w+ )?unlikely|unlikely",
}
"""Words that govern the findings before or after them."""

_FIRST = ("neither", "unlikely before", "denied before", "doubted before", "doubted after", "denied after")
_CUE = _pattern("|".join(rf"(?P<c{k}>\b(?:{CUES[name]})\b)" for k, name in enumerate(_FIRST)))
_TERM = _pattern("|".join(rf"(?P<t{k}>\b(?:{pattern})\b)" for k, pattern in enumerate(TERMS.values())))
_NAMES = tuple(TERMS)
_STOP = _pattern(
    r"[;:]|\b(?:but|however|although|though|except|otherwise|apart from|aside from|other than|which|whereas|while"
    r"|secondary to|due to|with (?=no |an? |stable|small|mild)|and (?=there|the |an? |no )|there (?:is|are))\b"
    r"|(?<!\bvs)[.] "
)
_VERB = _pattern(rf"\b(?:{_BE}|appears?|remains?|has|have|there|shows?|demonstrates?|represents?|normal|clear)\b")
_NEW_THOUGHT = _pattern(r" ?(?:and )?(?:an?|the|small|mild|minimal|moderate|large|trace|stable|unchanged|left|right)\b")
_ADJECTIVE = _pattern(r"\b(?:displaced|acute|focal|large|definite|visible|discrete|suspicious|obvious)$")
_LIST = _pattern(r"\b(?:n?or|and/or)\b")
_JOINED = _pattern(r"\b(?:n?or|and)\b")

_LEFT = r"left(?:-sided)?|lingular?|l[ul]l"
_RIGHT = r"right(?:-sided)?|r[uml]l"
_BOTH = r"bilateral(?:ly)?|both|bi-?(?:apical|basilar|basal)"
_ELSEWHERE = r"(?! (?:heart|atri|ventric|jugular|internal|subclavian|picc|central|port|chest port|chest tube|arm))"
_SIDE = _pattern(rf"\b(?:(?P<left>{_LEFT})|(?P<right>{_RIGHT})|(?P<both>{_BOTH}))\b{_ELSEWHERE}")
_LARGER = _pattern(r"\b(?:larger|greater|worse|more(?: \w+)?) (?:on|in|at) the (?:left|right)\b")
_PART = _pattern(r",|;|\b(?:and|with|or|but|without|as well as|together with)\b(?! (?:left|right)\b)")
_FARTHEST = 300
"""Letters that a scope spans at most; hardly a sentence of a report has more."""
_SIDELESS = ("cardiomegaly", "edema")


def mentions(sentence: str) -> tuple[Mention, ...]:
    """The findings that a sentence names, in its order.

    A side that is not said of the finding itself is the sentence's, unless the finding is denied. The time it takes
    grows in proportion to the length of the text, whatever the text.
    """
    text = sentence.translate(_SMALL)
    terms = [(_NAMES[int(match.lastgroup[1:])], match.span()) for match in _TERM.finditer(text)]
    if not terms:
        return ()
    spans = [span for _, span in terms]
    whole = _sides(text)
    found = []
    for k, ((finding, span), governing) in enumerate(zip(terms, _governing(text, spans), strict=True)):
        negated = bool(governing & {"denied", "unlikely"})
        uncertain = bool(governing & {"doubted", "unlikely"})
        near = None if finding in _SIDELESS else _near_side(text, spans, k)
        far = None if finding in _SIDELESS or negated else whole
        found.append(Mention(finding, span, negated, uncertain, near or far))
    return tuple(found)


def rules() -> dict[str, Any]:
    """All that the rules are made of, as JSON can hold it, for a page that has no Python (`sentence_rules.js`)."""
    patterns = {
        "term": _TERM,
        "cue": _CUE,
        "stop": _STOP,
        "verb": _VERB,
        "newThought": _NEW_THOUGHT,
        "adjective": _ADJECTIVE,
        "list": _LIST,
        "joined": _JOINED,
        "side": _SIDE,
        "larger": _LARGER,
        "part": _PART,
    }
    return {
        "patterns": {name: pattern.pattern.replace("(?P<", "(?<") for name, pattern in patterns.items()},
        "findings": list(_NAMES),
        "cues": list(_FIRST),
        "farthest": _FARTHEST,
        "sideless": list(_SIDELESS),
    }


def _governing(text: str, spans: Sequence[tuple[int, int]]) -> list[set[str]]:
    """For each span what is said of it. A span that a cue parts ("heart is not enlarged") counts by its end."""
    ends = [end for _, end in spans]
    said: list[set[str]] = [set() for _ in spans]
    for kind, start, end in _scopes(text):
        for k in range(bisect_right(ends, start), bisect_right(ends, end)):
            said[k].add(kind)
    return said


def _scopes(text: str) -> Iterator[tuple[str, int, int]]:
    """What each cue says ("denied", "doubted", "unlikely"), and from where to where it says it."""
    for cue in _CUE.finditer(text):
        kind, _, where = _FIRST[int(cue.lastgroup[1:])].partition(" ")
        if where == "after":
            yield kind, cue.start(), _reach(text, cue.end())
        elif where == "before":
            yield kind, _reach_back(text, cue.start()), cue.end()
        if cue[0] in ("versus", "vs"):
            yield kind, _reach_back(text, cue.start()), _reach(text, cue.end())


def _reach(text: str, start: int) -> int:
    """Where the scope that begins at `start` ends: at a word that ends it, or a comma behind which no list goes on."""
    limit = min(len(text), start + _FARTHEST)
    stop = _STOP.search(text, start, limit)
    end = stop.start() if stop else limit
    comma = text.find(",", start, end)
    while comma >= 0:
        after = text.find(",", comma + 1, end)
        item = text[comma + 1 : end if after < 0 else after]
        if not (_ADJECTIVE.search(text, start, comma) or _goes_on(item, text[comma + 1 : end])):
            return comma
        comma = after
    return end


def _goes_on(item: str, rest: str) -> bool:
    """Whether a list goes on behind a comma: with a bare name, or with whatever an "or" still follows, but no cue."""
    cue = _CUE.search(item)
    if cue and not item[: cue.start()].strip(" "):
        return False
    joined = _LIST.search(rest)
    verb = _VERB.search(rest if joined else item)
    if joined:
        return verb is None or verb.start() > joined.start()
    return verb is None and not _NEW_THOUGHT.match(item)


def _reach_back(text: str, end: int) -> int:
    """Where the scope that ends at `end` begins, by the same rules."""
    limit = max(0, end - _FARTHEST)
    start = max((stop.end() for stop in _STOP.finditer(text, limit, end)), default=limit)
    comma = text.rfind(",", start, end)
    while comma >= 0:
        before = max(text.rfind(",", start, comma), start - 1)
        joined = _JOINED.search(text[comma:end])
        if not joined or _VERB.search(text, before + 1, comma):
            return comma
        comma = before if before >= start else -1
    return start


def _near_side(text: str, spans: Sequence[tuple[int, int]], k: int) -> Side | None:
    """The side of the k-th mention: named in its own part of the sentence, before it or else behind it."""
    start, end = spans[k]
    first = spans[k - 1][1] if k else 0
    last = spans[k + 1][0] if k + 1 < len(spans) else len(text)
    begins = max((part.end() for part in _PART.finditer(text, first, start)), default=first)
    part = _PART.search(text, end, last)
    return _sides(text[begins:end]) or _sides(text[end : part.start() if part else last])


def _sides(text: str) -> Side | None:
    named = {match.lastgroup for match in _SIDE.finditer(_LARGER.sub("", text))}
    if len(named) > 1:
        return "both"
    return named.pop() if named else None
