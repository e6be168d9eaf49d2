"""What a model has really read: pairs that differ in one fact, and the score must know which of the two is true.

A heat map can be right for the wrong reason: whoever knows only where effusions lie points well at them. A minimal pair
cannot be passed so. Its two members share everything but the fact:

- *side*: the phrase of a finding that lies on one side only, against the same phrase with left and right exchanged.
- *negation*: "There is a pneumothorax." against "There is no pneumothorax."; half of the patients have one.
- *zone*: a phrase that names the upper or lower part of a lung, against the same with these exchanged.
- *size*: a phrase that says small or large (or the millimetres of a nodule or a mass), against its opposite.
- *presence*: one phrase, on the film of its patient and on that of the same patient drawn without the lesion.

In the first four the film is one and the sentences are two. Either side of the fact is true of some of the patients,
and both sides count the same, so a score that merely prefers some words is right in half of the pairs. In the last the
sentence is one and the films are two; a score that does not see the difference is given half a point. So chance is
50 %.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from ..data.dataset import StudyDataset
from ..data.places import exchange_heights, exchange_sides
from ..data.study import Finding, Study
from ..data.teaching.lesion import FINDINGS
from ..data.teaching.make import teaching_set
from ..data.teaching.statements import affirmed_and_denied, may_be_denied, of_opposite_degree
from ..data.teaching.twins import twins_without
from ..localization.localize import MapsSimilarity
from .evaluate import ImageSource
from .measurements import Measurements
from .presence_scores import Score, scores_of

Fact = Literal["side", "negation", "zone", "size", "presence"]
FACTS: tuple[Fact, ...] = ("side", "negation", "zone", "size", "presence")
PAIRS_PER_FACT = 40

NODULE_MM, MASS_MM = 20, 60
"""What a mass, and what a nodule, is wrongly said to measure."""
_MASS_AT_LEAST_MM = 45.0
"""Below, a mass might pass for a large nodule."""


@dataclass(frozen=True)
class MinimalPair:
    """A true statement and a false one that differ in one fact.

    Attributes:
        fact: what they differ in.
        finding: the category they speak of.
        stated: which side of the fact is true ("left", "denied", "upper", "large", ...).
        position: of the study in its split.
        study: its id.
        patient: whose it is.
        lesions: the study's findings that are meant; none where something absent is.
        true: the sentence that is true of the study's film.
        false: the sentence that is not; where the film differs, the same sentence.
        lacking: the position of the lesion that the other film lacks; None where there is one film.
    """

    fact: Fact
    finding: str
    stated: str
    position: int
    study: str
    patient: str
    lesions: tuple[int, ...]
    true: str
    false: str
    lacking: int | None = None


@dataclass(frozen=True, eq=False)
class MinimalPairs:
    """All pairs, with the films they are asked about.

    Attributes:
        pairs: fact by fact.
        studies: the test split of the teaching set.
        twins: the films without a lesion, in the order of the pairs of the fact "presence".
    """

    pairs: tuple[MinimalPair, ...]
    studies: StudyDataset
    twins: StudyDataset


def minimal_pairs(edition: str = "full") -> MinimalPairs:
    """The pairs of the teaching set's test patients: always the same, at most one for a patient and a fact.

    Args:
        edition: of the teaching set; "full" gives 40 pairs for each fact, "quick" what its 100 patients allow.

    Raises:
        InputError: there is no such edition, or the sets cannot be written.
    """
    studies = teaching_set("test", edition)
    pairs = find_pairs([studies[position] for position in range(len(studies))])
    lacking = [(pair.position, pair.lacking) for pair in pairs if pair.lacking is not None]
    return MinimalPairs(pairs, studies, twins_without("test", lacking))


def find_pairs(studies: Sequence[Study], per_fact: int = PAIRS_PER_FACT) -> tuple[MinimalPair, ...]:
    """The first pairs that the studies offer, spread evenly over categories and over both sides of every fact."""
    offered = [pair for position, study in enumerate(studies) for pair in _offered(position, study)]
    return tuple(pair for fact in FACTS for pair in _spread([pair for pair in offered if pair.fact == fact], per_fact))


def measure_pairs(
    model: MapsSimilarity, pairs: MinimalPairs, images: ImageSource, twins: ImageSource, score: Score = "presence"
) -> dict[Fact, Measurements]:
    """For every fact, whether the true member of a pair scores higher.

    Rows are pairs; `finding` is the side of the fact that is true, so that the macro mean counts both sides the same.
    The metrics: `accuracy` (1, 0, or .5 for equal scores) and `margin`, by how much the true member scores higher, in
    the unit of the score.

    Args:
        model: gives similarity maps of images and prompts.
        pairs: the pairs.
        images: position `i` holds the features of `pairs.studies[i]`.
        twins: position `i` holds the features of `pairs.twins[i]`.
        score: what decides: the presence score, or the global similarity.
    """
    one_film = [pair for pair in pairs.pairs if pair.lacking is None]
    two_films = [pair for pair in pairs.pairs if pair.lacking is not None]
    asked = [*one_film, *two_films]
    true = scores_of(model, images, [pair.position for pair in asked], [pair.true for pair in asked], score)
    positions = [pair.position for pair in one_film]
    false_sentence = scores_of(model, images, positions, [pair.false for pair in one_film], score)
    false_film = scores_of(model, twins, range(len(two_films)), [pair.false for pair in two_films], score)
    margin = true - np.concatenate([false_sentence, false_film])
    rows = pd.DataFrame(map(_described, asked)).assign(accuracy=(1 + np.sign(margin)) / 2, margin=margin)
    facts = np.array([pair.fact for pair in asked])
    return {
        fact: Measurements(rows[facts == fact].reset_index(drop=True), protocol="minimal pairs", prompts=score)
        for fact in FACTS
        if (facts == fact).any()
    }


def _described(pair: MinimalPair) -> dict[str, str]:
    return {
        "study": pair.study,
        "patient": pair.patient,
        "finding": pair.stated,
        "lesions": "+".join(map(str, pair.lesions)),
        "prompt": pair.true if pair.true == pair.false else f"{pair.true} / {pair.false}",
    }


def _offered(position: int, study: Study) -> Iterator[MinimalPair]:
    """Every pair that a study allows."""
    together: defaultdict[str, list[int]] = defaultdict(list)
    for number, finding in enumerate(study.findings):
        together[finding.name].append(number)

    def pair(fact: Fact, finding: str, stated: str, true: str, false: str, lacking: int | None = None) -> MinimalPair:
        lesions = tuple(together.get(finding, ()))
        return MinimalPair(fact, finding, stated, position, study.id, study.patient, lesions, true, false, lacking)

    for name, numbers in together.items():
        lesions = [study.findings[number] for number in numbers]
        for fact, rule in _RULES.items():
            if found := rule(lesions):
                stated, phrase, other = found
                yield pair(fact, name, stated, _sentence(phrase), _sentence(other))
        if len(numbers) == 1 and name != "cardiomegaly":
            phrase = _sentence(lesions[0].phrase)
            yield pair("presence", name, "present", phrase, phrase, lacking=numbers[0])
    for name in FINDINGS:
        affirmed, denied = affirmed_and_denied(name)
        if name in together:
            yield pair("negation", name, "affirmed", affirmed, denied)
        elif may_be_denied(name, together.keys()):
            yield pair("negation", name, "denied", denied, affirmed)


Opposed = tuple[str, str, str]
"""Which side of the fact is true, the true phrase, the false one."""


def _side(lesions: Sequence[Finding]) -> Opposed | None:
    """Where all lesions of the category lie on one side and the phrase says which."""
    side, phrase = _common(lesions, "side"), lesions[0].phrase
    other = exchange_sides(phrase)
    return (side, phrase, other) if side in ("left", "right") and other != phrase else None


def _zone(lesions: Sequence[Finding]) -> Opposed | None:
    """Where all lesions of the category lie in an upper or a lower zone and the phrase says which."""
    zone, phrase = _common(lesions, "zone"), lesions[0].phrase
    other = exchange_heights(phrase)
    return (zone, phrase, other) if zone in ("upper", "lower") and other != phrase else None


def _size(lesions: Sequence[Finding]) -> Opposed | None:
    """Where a single nodule or mass is far from the border between the two, or the phrase says small or large."""
    severity, phrase, name = _common(lesions, "severity"), lesions[0].phrase, lesions[0].name
    if name in ("nodule", "mass"):
        size, side = lesions[0].attributes.get("size_mm"), _common(lesions, "side")
        if len(lesions) > 1 or size is None or (name == "mass" and size < _MASS_AT_LEAST_MM):
            return None
        other = f"{MASS_MM} mm {side} lung mass" if name == "nodule" else f"{NODULE_MM} mm {side} lung nodule"
        return "small" if name == "nodule" else "large", f"{size:.0f} mm {side} lung {name}", other
    other = of_opposite_degree(phrase, name, severity) if severity else None
    return (severity, phrase, other) if other else None


_RULES: dict[Fact, Callable[[Sequence[Finding]], Opposed | None]] = {"side": _side, "zone": _zone, "size": _size}


def _common(lesions: Sequence[Finding], attribute: str) -> str | None:
    """What all lesions have in common, where they are also spoken of in one phrase."""
    if len({lesion.phrase for lesion in lesions}) > 1:
        return None
    values = {str(lesion.attributes.get(attribute)) for lesion in lesions}
    return values.pop() if len(values) == 1 else None


def _sentence(phrase: str) -> str:
    return f"{phrase[0].upper()}{phrase[1:]}."


def _spread(offered: Sequence[MinimalPair], number: int) -> list[MinimalPair]:
    """Up to `number` pairs of different patients: the kinds take turns, each with its first patient that is left.

    A category of which one side of the fact is never true is left out: its pairs could be told by their words.
    """
    kinds: defaultdict[tuple[str, str], list[MinimalPair]] = defaultdict(list)
    for pair in offered:
        kinds[pair.finding, pair.stated].append(pair)
    sides = {stated for _, stated in kinds}
    queues = {kind: iter(kinds[kind]) for kind in sorted(kinds) if all((kind[0], side) in kinds for side in sides)}
    chosen: list[MinimalPair] = []
    taken: set[str] = set()
    while queues and len(chosen) < number:
        for kind in list(queues)[: number - len(chosen)]:
            pair = next((pair for pair in queues[kind] if pair.patient not in taken), None)
            if pair is None:
                del queues[kind]
            else:
                chosen.append(pair)
                taken.add(pair.patient)
    return chosen
