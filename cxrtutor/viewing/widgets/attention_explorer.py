"""A report beside its radiograph: whichever word or sentence the reader chooses shows where it looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Bool, Float, Shaped

from cxrtutor.encoders.projection import Unit
from cxrtutor.errors import InputError
from cxrtutor.localization.attention import ReportAttention
from cxrtutor.viewing.widgets.radiograph_widget import encoded
from cxrtutor.viewing.widgets.report_map_widget import ReportMapWidget, report_map_module


class AttentionExplorer(ReportMapWidget):
    """The words, the sentences or the whole of a report, each with its map over the radiograph.

    Pointing at a unit or moving to it by the keyboard shows its map; a click or Enter pins it, and Escape lets it go.
    Each map is drawn from its own lowest value to its own highest, which stand beside the scale; where its peak lies
    is written, in the patient's left and right, and told to screen readers. A map that is the same everywhere has no
    peak.

    Args:
        image: uint8, or float in [0, 1]; bone is bright.
        attention: the report and the maps of its units; the reader chooses among those units that have maps.
        truths: for each sentence what it speaks of, on the image's pixels, or None where it speaks of nothing; empty
            where the truth is unknown.
        unit: the kind of unit at first; by default the first of `attention.maps`.
        selected: the number of the unit that is shown at first; the first with a map where this one has none.
        opacity: of the map over the radiograph, in [0, 1].
        show_truth: whether the outline of the ground truth is drawn at first.

    Raises:
        InputError: the image leaves [0, 1], a truth does not fit it, there is not one for each sentence, or `unit` has
            no maps.
    """

    _esm = report_map_module("attention_explorer.js")

    maps = traitlets.Dict().tag(sync=True)
    unit = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        image: Shaped[np.ndarray, "height width"],
        attention: ReportAttention,
        truths: Sequence[Bool[np.ndarray, "_ _"] | None] = (),
        *,
        unit: Unit | None = None,
        selected: int = 0,
        opacity: float = 0.5,
        show_truth: bool = True,
    ) -> None:
        if unit is not None and unit not in attention.maps:
            raise InputError(f"There are no maps of {unit!r}; there are those of {', '.join(attention.maps)}.")
        spans_of = attention.word_spans or [()] * len(attention.sentences)
        super().__init__(
            image,
            [
                {"text": text, "words": [list(span) for span in spans]}
                for text, spans in zip(attention.sentences, spans_of, strict=True)
            ],
            truths,
            maps={name: _as_json(maps) for name, maps in attention.maps.items()},
            unit=unit or next(iter(attention.maps)),
            selected=selected,
            opacity=opacity,
            show_truth=show_truth,
        )


def _as_json(maps: Float[np.ndarray, "units grid_height grid_width"]) -> dict[str, Any]:
    return {"rows": maps.shape[1], "columns": maps.shape[2], "values": encoded(maps.astype("<f4"))}
