"""What a model makes of findings that a report denies: a false alarm, or less of an answer?

A report names what is absent more often than what is present, and a model that reads words but not "no" learns from
that. Asked for such a finding, it has nothing to point at.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch

from ..data.prompts import simple_prompt
from ..data.study import Study
from ..data.teaching.statements import denied_in
from ..errors import InputError
from ..localization.localize import MapsSimilarity, in_use
from ..localization.presence import presence
from ..localization.protocols import Protocol, protocol_named
from .evaluate import ImageSource
from .measurements import Measurements

PRESENT = "present"
DENIED = "denied, asked by name"
DENIAL = "denied, asked by the denial"

_BATCH = 64
_Question = tuple[int, str, str, str]
"""Position, finding, prompt, and which of the study's findings are meant."""


def measure_denials(
    model: MapsSimilarity, images: ImageSource, studies: Sequence[Study], protocol: str | Protocol = "afloc"
) -> dict[str, Measurements]:
    """How much of a film a model marks, and how high it scores, for findings that are there and that are denied.

    Three ways to ask: for what is present, by its name ("Findings suggesting pneumothorax."); for what the report
    denies, by its name; and for the same by the very sentence that denies it ("No effusion or pneumothorax."). A
    denial in broader terms ("No focal airspace disease.") names no finding and is not asked.

    Returns:
        Measurements by `PRESENT`, `DENIED` and `DENIAL`, with the metrics `marked` (the share of the film in the
        protocol's mask, as a mean over its thresholds) and `presence`. A protocol that stretches every map marks about
        as much whether or not there is something; the presence score can tell.

    Args:
        model: gives similarity maps of images and prompts.
        images: position `i` holds the features of `studies[i]`.
        studies: with reports in the teaching set's words, and images of one size.
        protocol: the name of a protocol, or a protocol.

    Raises:
        InputError: no report denies a finding.
    """
    protocol = protocol_named(protocol)
    seen = [studies[index] for index in range(len(studies))]
    ways = {PRESENT: _present(seen), DENIED: _denied(seen, by_name=True), DENIAL: _denied(seen, by_name=False)}
    if not ways[DENIED] or not ways[PRESENT]:
        raise InputError("These studies hold no finding, or their reports deny none: there is nothing to compare.")
    return {way: _measured(model, images, seen, questions, protocol) for way, questions in ways.items()}


def _present(studies: Sequence[Study]) -> list[_Question]:
    questions = []
    for position, study in enumerate(studies):
        for name in dict.fromkeys(finding.name for finding in study.findings):
            meant = [str(number) for number, finding in enumerate(study.findings) if finding.name == name]
            questions.append((position, name, simple_prompt(name), "+".join(meant)))
    return questions


def _denied(studies: Sequence[Study], by_name: bool) -> list[_Question]:
    """Every finding that a report denies, by the first sentence that does."""
    questions = []
    for position, study in enumerate(studies):
        denials: dict[str, str] = {}
        for sentence in study.report.sentences:
            for name in denied_in(sentence.text):
                denials.setdefault(name, sentence.text)
        for name in denials.keys() - {finding.name for finding in study.findings}:
            questions.append((position, name, simple_prompt(name) if by_name else denials[name], f"no {name}"))
    return sorted(questions)


def _measured(
    model: MapsSimilarity,
    images: ImageSource,
    studies: Sequence[Study],
    questions: Sequence[_Question],
    protocol: Protocol,
) -> Measurements:
    rows = []
    with in_use(model) as device:
        for start in range(0, len(questions), _BATCH):
            batch = questions[start : start + _BATCH]
            features = images.batch([position for position, *_ in batch]).to(device)
            similarity = model.similarity_maps(features, [prompt for _, _, prompt, _ in batch]).cpu()
            heat = protocol.heat(similarity, studies[batch[0][0]].image.shape)
            scores = presence(similarity)
            masks = protocol.masks(heat, [name for _, name, _, _ in batch], scores)
            marked = masks.flatten(2).sum(dim=2).mean(dim=1, dtype=torch.float64) / (~heat.isnan()).sum(dim=(1, 2))
            for (position, name, prompt, meant), share, score in zip(
                batch, marked.tolist(), scores.tolist(), strict=True
            ):
                study = studies[position]
                rows.append(
                    {
                        "study": study.id,
                        "patient": study.patient,
                        "finding": name,
                        "lesions": meant,
                        "prompt": prompt,
                        "marked": share,
                        "presence": score,
                    }
                )
    return Measurements(pd.DataFrame(rows), protocol.name, "simple")
