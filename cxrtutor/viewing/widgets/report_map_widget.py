"""What widgets share in which a part of the report chooses the map that lies over the radiograph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Bool, Shaped

from cxrtutor.errors import InputError
from cxrtutor.viewing.widgets.radiograph_widget import RadiographWidget, encoded, module, png


class ReportMapWidget(RadiographWidget):
    """A report beside its radiograph; the part that the reader points at, or pins, has its map drawn.

    A subclass names its module by `report_map_module(...)`, and adds what its sentences hold besides their text.

    Raises:
        InputError: the image leaves [0, 1], a truth does not fit it, or there is not one for each sentence.
    """

    image = traitlets.Dict().tag(sync=True)
    sentences = traitlets.List(traitlets.Dict()).tag(sync=True)
    truths = traitlets.List(traitlets.Unicode()).tag(sync=True)
    selected = traitlets.Int(0, min=0).tag(sync=True)
    pinned = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        image: Shaped[np.ndarray, "height width"],
        sentences: Sequence[dict[str, Any]],
        truths: Sequence[Bool[np.ndarray, "_ _"] | None],
        **values: Any,
    ) -> None:
        _check_truths(truths, image.shape, len(sentences))
        outlines = _Outlines()
        numbers = [outlines.number_of(truth) for truth in truths or [None] * len(sentences)]
        super().__init__(
            image={"png": png(image), "height": image.shape[0], "width": image.shape[1]},
            sentences=[sentence | {"truth": number} for sentence, number in zip(sentences, numbers, strict=True)],
            truths=outlines.masks,
            **values,
        )


def report_map_module(*names: str) -> str:
    """The source of such a widget's ES module: what they share, then its own files."""
    return module("report_map_widget.js", *names)


class _Outlines:
    """Masks as bits in base64, each once, though several sentences speak of one lesion."""

    def __init__(self) -> None:
        self.masks: list[str] = []

    def number_of(self, truth: Bool[np.ndarray, "height width"] | None) -> int | None:
        if truth is None:
            return None
        mask = encoded(np.packbits(truth))
        if mask not in self.masks:
            self.masks.append(mask)
        return self.masks.index(mask)


def _check_truths(truths: Sequence[Bool[np.ndarray, "_ _"] | None], shape: tuple[int, ...], sentences: int) -> None:
    if len(truths) not in (0, sentences):
        raise InputError(
            f"There are {len(truths)} truths for {sentences} sentences. Give one for each, None where a sentence "
            "speaks of nothing."
        )
    for number, truth in enumerate(truths):
        if truth is not None and truth.shape != shape:
            raise InputError(
                f"The truth of sentence {number} has shape {truth.shape} but the image has {shape}. "
                "Give both on the image's own pixels."
            )
