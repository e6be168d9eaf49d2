"""Answers to the exercises of `cxrtutor/checks/reports.py`."""

from __future__ import annotations

import re


def denial(text, cues="no|without"):
    return re.search(rf"\b({cues})\b", text) is not None


def side_in(text, both):
    words = set(re.findall(r"\w+", text))
    if words & {*both} or {"left", "right"} <= words:
        return "both"
    return next((side for side in ("left", "right") if side in words), "none")


WRONG = {
    "split_at_stops": [
        (lambda text: [one.strip() + "." for one in text.split(".") if one.strip()], "decimal point"),
        (lambda text: re.split(r"(?<=\.)\s+", text.strip()), "Dr. Lee"),
        (lambda text: re.split(r"(?<!Dr)\.\s+", text.strip()), "looks at one"),
        (lambda text: re.split(r"(?<=\.)(?<!Dr\.) +", text.strip()), "any white space"),
        (lambda text: re.split(r"(?<=\.)(?<!Dr\.)\s+", text), "is empty"),
    ],
    "is_denied": [
        (lambda sentence, finding: "no" in sentence.lower().split(finding)[0] + finding, 'begins with "no"'),
        (lambda sentence, finding: denial(sentence.lower().split(finding)[0]), 'ends at "but"'),
        (lambda sentence, finding: denial(sentence.lower().split(" but ")[-1]), "denies what follows"),
        (lambda sentence, finding: denial(sentence.split(finding)[0].split("but")[-1]), "has a capital"),
        (
            lambda sentence, finding: denial(sentence.lower().split(finding)[0].split("but")[-1], "no"),
            '"without" denies too',
        ),
        (lambda sentence, finding: denial(sentence.lower().split(finding)[0].split("but")[-1]), 'holds a "but"'),
    ],
    "side_named": [
        (lambda sentence: next((s for s in ("left", "right") if s in sentence.lower()), "none"), "bright"),
        (lambda sentence: (re.findall(r"\b(left|right|both)\b", sentence.lower()) or ["none"])[0], "not the only one"),
        (lambda sentence: side_in(sentence.lower(), ("both",)), "means both"),
        (lambda sentence: side_in(sentence.replace("Bi", "bi"), ("both", "bilateral")), "has a capital"),
    ],
}


def word_by_word(text):
    sentences, words = [], []
    for word in text.split():
        words.append(word)
        if word.endswith(".") and word != "Dr.":
            sentences.append(" ".join(words))
            words = []
    return sentences


def last_said(sentence, finding):
    denied = False
    for word in re.findall(r"\w+", sentence.lower().split(finding)[0]):
        denied = word in ("no", "without") or (denied and word != "but")
    return denied


def side_by_two_questions(sentence):
    words = re.split(r"\W+", sentence.lower())
    left, right = (any(word in words for word in (side, "bilateral", "both")) for side in ("left", "right"))
    return {(1, 1): "both", (1, 0): "left", (0, 1): "right", (0, 0): "none"}[left, right]


ALSO_RIGHT = {"split_at_stops": word_by_word, "is_denied": last_said, "side_named": side_by_two_questions}


def cue_before(sentence, finding):
    """The match itself, or None."""
    return re.search(r"\b(no|without)\b(?!.*\bbut\b)", sentence.lower().split(finding)[0])


IN_OTHER_TYPES = {"is_denied": cue_before}
