"""Where a report's words and sentences look in its own image, as their method's objective lets them.

Attention, or a plan of transport: each says where in the image a unit of the report finds itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float

from ..alignment.alignment import Objective, PairedFeatures
from ..alignment.local_alignment import units_of
from ..data.images import letterbox
from ..data.study import Study
from ..encoders.projection import Unit
from ..errors import InputError
from ..methods.model import AlignedModel
from .localize import in_use

Span = tuple[int, int]
"""Where a word stands in its sentence's text: its first character, and the one after its last."""


@dataclass(frozen=True, eq=False)
class ReportAttention:
    """A report with a map for each of its units: attention, or anything else that says where a unit looks.

    Attributes:
        sentences: the report's, as written.
        maps: for a unit ("words", "sentences", "report") the map of each such unit in reading order, on a patch grid
            that covers the letterboxed square. NaN throughout for a unit that has no map.
        word_spans: for each sentence the places of its words; needed where words have maps.

    Raises:
        InputError: a kind of unit has no map, their number is not that of the units, a span lies outside its sentence,
            or a map is infinite or NaN in part.
    """

    sentences: tuple[str, ...]
    maps: Mapping[Unit, Float[np.ndarray, "units grid_height grid_width"]]
    word_spans: tuple[tuple[Span, ...], ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.maps:
            raise InputError("There is no map to look at. Give those of words, of sentences or of the report.")
        if "words" in self.maps and len(self.word_spans) != len(self.sentences):
            raise InputError(
                f"There are maps of words, and {len(self.word_spans)} lists of their places for "
                f"{len(self.sentences)} sentences. Give `word_spans` one list a sentence."
            )
        for sentence, spans in zip(self.sentences, self.word_spans, strict=False):
            ends = [0, *(end for span in spans for end in span), len(sentence)]
            if ends != sorted(ends):
                raise InputError(f"The words of {sentence!r} do not lie in it one after another: {spans}.")
        expected = {
            "words": sum(map(len, self.word_spans)),
            "sentences": len(self.sentences),
            "report": 1,
        }
        for unit, maps in self.maps.items():
            if len(maps) != expected[unit]:
                raise InputError(f"There are {len(maps)} maps for {expected[unit]} {unit}. Give one for each.")
            unfit = np.isinf(maps).any((1, 2)) | (np.isnan(maps).any((1, 2)) & ~np.isnan(maps).all((1, 2)))
            if np.isnan(maps).all():
                raise InputError(f"None of the {unit} has a map. Leave them out of `maps`.")
            if unfit.any():
                raise InputError(
                    f"Map {unfit.argmax()} of {unit} is infinite or NaN in part. Give finite values, or NaN throughout."
                )


def attention_of(model: AlignedModel, objective: Objective, study: Study) -> ReportAttention:
    """Where the units of a study's report look in the study's own image.

    Args:
        model: a trained model.
        objective: what it was trained with; every local alignment in it, which is whatever aligns a `unit` of the
            report with regions, gives the maps of that unit. Of several with one unit the last counts.
        study: its report and its image, no part of which is hidden; its findings are not looked at.

    Raises:
        InputError: the objective holds no local alignment, or the report has no word.
    """
    levels = [part for part in objective.modules() if hasattr(part, "unit")]
    sentences = tuple(sentence.text for sentence in study.report.sentences)
    if not levels:
        raise InputError(f"{type(objective).__name__} holds no local alignment, so that nothing attends to places.")
    if not sentences:
        raise InputError(f"The report of study {study.id} has no sentence, so that there is nothing to attend from.")

    square, _ = letterbox(study.image, model.image_size)
    with in_use(model) as device:
        text = model.text_encoder([sentences])
        pairs = model(model.encode_images(torch.from_numpy(square)[None, None].to(device)), text)
        maps = {level.unit: _maps(level, pairs) for level in levels}
    words, owners = text.word_span[0], text.word_sentence[0]
    spans = (map(tuple, words[owners == index].tolist()) for index in range(len(sentences)))
    return ReportAttention(sentences, maps, tuple(map(tuple, spans)))


def _maps(level: Objective, pairs: PairedFeatures) -> Float[np.ndarray, "units grid_height grid_width"]:
    """The maps of the only report's units; without those that fill up its words, and NaN for a sentence without one."""
    [[maps]] = level(pairs).maps.values()
    [mask] = units_of(pairs.text, level.unit)[1]
    if level.unit == "words":
        return maps[mask].cpu().numpy()
    return maps.masked_fill(~mask[:, None, None], torch.nan).cpu().numpy()
