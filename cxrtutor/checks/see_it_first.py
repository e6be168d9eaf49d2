"""Exercises of `01-see-it-first`."""

from __future__ import annotations

import numpy as np

from cxrtutor.checks.comparing import as_array, same
from cxrtutor.checks.judging import exercise


@exercise(
    right=lambda heat, threshold: heat > threshold,
    inputs=[
        (np.array([[np.nan, 0.25, 0.75], [-0.9, 1.0, -0.25]]), 0.25),
        (np.array([[-0.5, -0.1], [np.nan, -1.0]]), -0.25),
    ],
)
def mask_above(answer):
    """See it first: the judged pixels whose heat is above the threshold."""
    heat, threshold = mask_above.inputs[0]
    given = answer(heat, threshold)
    yield same(given, heat >= threshold), "A pixel that equals the threshold is not above it."
    yield same(given, ~(heat <= threshold)), "A pixel that is not judged is in your mask: NaN is not at most anything."
    yield same(given, heat < threshold), "These are the pixels below."
    yield (
        same(given, np.where(heat > threshold, heat, 0)) or same(given, heat[heat > threshold]),
        "You give the heat. Wanted is a *mask*: true or false for each pixel.",
    )


@exercise(
    right=lambda mask: mask[:, mask.shape[1] // 2 :].sum() / mask.sum(),
    inputs=[
        (np.array([[1, 1, 0, 1], [1, 1, 0, 1], [0, 0, 1, 1], [1, 0, 0, 0]], bool),),
        (np.array([[0, 0, 0, 0, 1, 1]] * 2, bool),),
    ],
)
def share_on_left(answer):
    """See it first: how much of a mask lies on the patient's left."""
    mask = share_on_left.inputs[0][0]
    given = answer(mask)
    yield same(given, 5 / 9), "That is the left half of the *picture*. The patient faces you."
    yield same(given, 4), "That is how many pixels. Which share of the mask are they?"
    yield same(given, 4 / 8), "That is the share of the half that is covered. Divide by the pixels of the mask."
    yield same(given, 4 / 16), "You divide by all pixels of the film. Divide by those of the mask."
    yield same(given, 3 / 9), "You cut between upper and lower. Columns are the second axis."


@exercise(
    right=lambda heat: 2 * (heat - np.nanmin(heat)) / (np.nanmax(heat) - np.nanmin(heat)) - 1,
    inputs=[(np.array([[np.nan, 1.0], [2.0, 5.0]]),), (np.array([[-0.3, -0.1], [np.nan, -0.25]]),)],
)
def stretched(answer):
    """See it first: a heat map from -1 to 1, whatever its values were."""
    heat = stretched.inputs[0][0]
    given = as_array(answer(heat))
    yield np.isnan(given).all(), "All is NaN: one pixel that is not judged has spoiled the smallest and the largest."
    yield not np.isnan(given[0, 0]), "NaN should stay NaN: nobody judged that pixel."
    yield same(given, (heat - 1) / 4), "Yours goes from 0 to 1. The scale wanted is twice as long."
    yield same(given, (heat - 1) / 2), "The length is right, the beginning is not: yours goes from 0 to 2."
    yield same(given, heat / 5), "The largest is 1 now, but the smallest is not -1. Shift before you scale."
