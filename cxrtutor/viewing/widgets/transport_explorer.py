"""Optimal transport between an image's regions and a report's sentences, on terms that the reader changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import traitlets
from jaxtyping import Bool, Float, Shaped

from cxrtutor.alignment.sinkhorn import SinkhornSettings
from cxrtutor.errors import InputError
from cxrtutor.viewing.widgets.radiograph_widget import encoded
from cxrtutor.viewing.widgets.report_map_widget import ReportMapWidget, report_map_module


class TransportExplorer(ReportMapWidget):
    """The plan that moves the mass of an image's regions to a report's sentences, with its terms in the reader's hand.

    Log-domain Sinkhorn runs in the page, as `cxrtutor.alignment.sinkhorn.sinkhorn` has it, until the potentials rest.
    The reader sets epsilon, chooses balanced, unbalanced or partial transport and sets the price of a marginal that
    differs, for regions and for sentences, or the share of the mass that is moved. The map of the sentence pointed at
    or pinned is its column of the plan. Beside each sentence stands the mass that it receives and the mass that it
    should; below, the plan's cost and the value of the whole objective, the mass moved, how far the marginals are
    off (the sum of absolute differences) and how many iterations it took.

    Args:
        image: uint8, or float in [0, 1]; bone is bright.
        sentences: the report's, as written.
        cost: for each sentence what it costs to move a unit of mass to it from each region of a grid that covers the
            letterboxed square, such as 1 - cosine.
        truths: for each sentence what it speaks of, on the image's pixels, or None where it speaks of nothing; empty
            where the truth is unknown.
        region_mass: of each region, 0 where it takes no part; uniform by default. It is brought to the sum 1.
        sentence_mass: of each sentence, 0 where it takes no part; uniform by default. It is brought to the sum 1.
        epsilon: where its slider stands at first, in the units of the cost; the slider spans 0.005 to 2.
        relaxation: makes transport unbalanced at first: the price of a marginal that differs, for both sides or as
            (regions, sentences), None where that side is exact. The sliders span 0.001 to 10.
        mass: makes transport partial at first: the share of the mass to move.
        selected: the number of the sentence that is shown at first.
        opacity: of the map over the radiograph, in [0, 1].
        show_truth: whether the outline of the ground truth is drawn at first.

    Raises:
        InputError: the image leaves [0, 1], an array does not fit the others, a cost is not finite, a mass is negative
            or all of a side's are 0, or the terms are those that `sinkhorn` refuses.
    """

    _esm = report_map_module("sinkhorn.js", "transport_explorer.js")

    grid = traitlets.Dict().tag(sync=True)
    kind = traitlets.Enum(("balanced", "unbalanced", "partial")).tag(sync=True)
    epsilon = traitlets.Float().tag(sync=True)
    relaxation = traitlets.List(traitlets.Float(allow_none=True)).tag(sync=True)
    mass = traitlets.Float().tag(sync=True)

    def __init__(
        self,
        image: Shaped[np.ndarray, "height width"],
        sentences: Sequence[str],
        cost: Float[np.ndarray, "_ grid_height grid_width"],
        truths: Sequence[Bool[np.ndarray, "_ _"] | None] = (),
        *,
        region_mass: Shaped[np.ndarray, "_ _"] | None = None,
        sentence_mass: Shaped[np.ndarray, " masses"] | None = None,
        epsilon: float = 0.1,
        relaxation: float | tuple[float | None, float | None] | None = None,
        mass: float | None = None,
        selected: int = 0,
        opacity: float = 0.5,
        show_truth: bool = True,
    ) -> None:
        _check_cost(cost, len(sentences))
        SinkhornSettings(epsilon, iterations=1, relaxation=relaxation, mass=mass)  # refuses what it cannot solve
        masses = _shares(sentence_mass, (len(sentences),), "sentence")
        super().__init__(
            image,
            [{"text": text, "mass": share} for text, share in zip(sentences, masses.tolist(), strict=True)],
            truths,
            grid={
                "rows": cost.shape[1],
                "columns": cost.shape[2],
                "cost": encoded(cost.reshape(len(cost), -1).T.astype("<f4")),
                "mass": _shares(region_mass, cost.shape[1:], "region").ravel().tolist(),
            },
            kind="partial" if mass is not None else "balanced" if relaxation is None else "unbalanced",
            epsilon=epsilon,
            relaxation=_pair(relaxation),
            mass=_MASS if mass is None else mass,
            selected=selected,
            opacity=opacity,
            show_truth=show_truth,
        )


_RELAXATION = [None, 0.1]
"""Where the sliders stand once the reader chooses unbalanced transport: a sentence may go without, a region may not."""

_MASS = 0.8
"""Where the slider stands once the reader chooses partial transport."""


def _pair(relaxation: float | tuple[float | None, float | None] | None) -> list[float | None]:
    if relaxation is None:
        return _RELAXATION
    return list(relaxation) if isinstance(relaxation, tuple) else [relaxation, relaxation]


def _shares(mass: Shaped[np.ndarray, "*shape"] | None, shape: tuple[int, ...], of: str) -> Float[np.ndarray, "*shape"]:
    """Masses with the sum 1: those given, or uniform ones."""
    mass = np.ones(shape) if mass is None else mass.astype(np.float64)
    if mass.shape != shape:
        raise InputError(f"`{of}_mass` has shape {mass.shape}, but the cost asks for {shape}: one mass for each {of}.")
    if not (np.isfinite(mass).all() and mass.min() >= 0 and mass.sum() > 0):
        raise InputError(f"A {of}'s mass is negative or not finite, or all are 0. Give a positive one at least.")
    return mass / mass.sum()


def _check_cost(cost: Float[np.ndarray, "_ grid_height grid_width"], sentences: int) -> None:
    if not sentences or len(cost) != sentences:
        raise InputError(
            f"There are {len(cost)} maps of cost for {sentences} sentences. Give one for each, at least one."
        )
    if not np.isfinite(cost).all():
        raise InputError(
            "The cost is not finite everywhere. Give a finite cost, and the mass 0 to a region or sentence without one."
        )
