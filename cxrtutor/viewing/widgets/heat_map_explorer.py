"""A heat map on its radiograph, with the threshold in the reader's hand and IoU and Dice beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import traitlets
from jaxtyping import Bool, Float, Shaped

from cxrtutor.errors import InputError
from cxrtutor.viewing.widgets.radiograph_widget import RadiographWidget, encoded, in_range, module, png


@dataclass(frozen=True, eq=False)
class Case:
    """One radiograph, asked with one prompt.

    Attributes:
        title: a short name, such as "Study 12".
        prompt: the phrase that was located.
        image: uint8, or float in [0, 1]; bone is bright.
        heat: larger where the prompt fits better, in any unit; NaN where the map is not valid.
        truth: True inside the ground truth; None where it is unknown.

    Raises:
        InputError: the arrays differ in shape, the image leaves [0, 1], or the heat map is infinite or NaN throughout.
    """

    title: str
    prompt: str
    image: Shaped[np.ndarray, "height width"]
    heat: Float[np.ndarray, "_ _"]  # of the image's shape, as is the truth: checked below with a message for the user
    truth: Bool[np.ndarray, "_ _"] | None = None

    def __post_init__(self) -> None:
        for name, array in (("heat", self.heat), ("truth", self.truth)):
            if array is not None and array.shape != self.image.shape:
                raise InputError(
                    f"Case {self.title!r}: {name} has shape {array.shape} but the image has {self.image.shape}. "
                    "Give both on the image's own pixels."
                )
        if not in_range(self.image):
            raise InputError(f"Case {self.title!r}: the image must be uint8, or float in [0, 1] without NaN.")
        if np.isnan(self.heat).all() or np.isinf(self.heat).any():
            raise InputError(
                f"Case {self.title!r}: the heat map is infinite somewhere or NaN everywhere. "
                "Give finite values, and NaN only where the map is not valid."
            )


class HeatMapExplorer(RadiographWidget):
    """Heat maps over their radiographs, to look at with a threshold that moves.

    The heat map is normalised to [-1, 1] per image over its valid pixels (the `afloc` protocol); the mask is where it
    exceeds the threshold. IoU and Dice are worked out in the browser from float32 values, by the rules of
    `cxrtutor.evaluation.metrics`: pixels that are not valid do not count, an empty truth leaves both undefined.

    Args:
        cases: at least one; the reader chooses among them.
        threshold: where the slider stands at first, in [-1, 1].
        opacity: of the heat map over the radiograph, in [0, 1].
        show_truth: whether the outline of the ground truth is drawn at first.

    Raises:
        InputError: there is no case.
    """

    _esm = module("heat_map_explorer.js")

    cases = traitlets.List(traitlets.Dict()).tag(sync=True)
    selected = traitlets.Int(0, min=0).tag(sync=True)
    threshold = traitlets.Float(0.3, min=-1, max=1).tag(sync=True)

    def __init__(
        self, cases: Sequence[Case], *, threshold: float = 0.3, opacity: float = 0.5, show_truth: bool = True
    ) -> None:
        super().__init__(cases=_encoded_cases(cases), threshold=threshold, opacity=opacity, show_truth=show_truth)

    def show(self, cases: Sequence[Case]) -> None:
        """Replaces the cases, such as after a new prompt was typed. Raises InputError where there is none."""
        with self.hold_sync():
            self.cases = _encoded_cases(cases)
            self.selected = 0


def _encoded_cases(cases: Sequence[Case]) -> list[dict]:
    if not cases:
        raise InputError("The heat-map explorer was given no case. Give at least one.")
    return [_as_json(case) for case in cases]


def _as_json(case: Case) -> dict:
    """The case as JSON: the image as PNG, heat as little-endian float32, truth as bits, each in base64."""
    height, width = case.image.shape
    return {
        "title": case.title,
        "prompt": case.prompt,
        "height": height,
        "width": width,
        "image": png(case.image),
        "heat": encoded(_normalised(case.heat).astype("<f4")),
        "truth": None if case.truth is None else encoded(np.packbits(case.truth)),
    }


def _normalised(heat: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "height width"]:
    import torch

    from cxrtutor.localization.heatmap import min_max

    return min_max(torch.from_numpy(heat.astype(np.float32))[None], -1.0, 1.0)[0].numpy()
