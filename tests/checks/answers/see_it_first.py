"""Answers to the exercises of `cxrtutor/checks/see_it_first.py`."""

from __future__ import annotations

import numpy as np

WRONG = {
    "mask_above": [
        (lambda heat, threshold: heat >= threshold, "equals the threshold"),
        (lambda heat, threshold: ~(heat <= threshold), "not judged"),
        (lambda heat, threshold: heat < threshold, "below"),
        (lambda heat, threshold: np.where(heat > threshold, heat, 0), "give the heat"),
        (lambda heat, threshold: heat[heat > threshold], "give the heat"),
    ],
    "share_on_left": [
        (lambda mask: mask[:, : mask.shape[1] // 2].sum() / mask.sum(), "faces you"),
        (lambda mask: mask[:, mask.shape[1] // 2 :].sum(), "how many pixels"),
        (lambda mask: mask[:, mask.shape[1] // 2 :].mean(), "share of the half"),
        (lambda mask: mask[:, mask.shape[1] // 2 :].sum() / mask.size, "all pixels of the film"),
        (lambda mask: mask[mask.shape[0] // 2 :].sum() / mask.sum(), "upper and lower"),
    ],
    "stretched": [
        (lambda heat: 2 * (heat - heat.min()) / (heat.max() - heat.min()) - 1, "spoiled"),
        (lambda heat: np.nan_to_num(2 * (heat - np.nanmin(heat)) / np.ptp(heat[heat == heat]) - 1), "stay NaN"),
        (lambda heat: (heat - np.nanmin(heat)) / (np.nanmax(heat) - np.nanmin(heat)), "from 0 to 1"),
        (lambda heat: 2 * (heat - np.nanmin(heat)) / (np.nanmax(heat) - np.nanmin(heat)), "from 0 to 2"),
        (lambda heat: heat / np.nanmax(heat), "Shift before"),
    ],
}


ALSO_RIGHT = {
    "mask_above": lambda heat, threshold: [[pixel > threshold for pixel in row] for row in heat.tolist()],
    "share_on_left": lambda mask: np.mean(np.nonzero(mask)[1] >= mask.shape[1] / 2),
    "stretched": lambda heat: np.interp(heat, [np.nanmin(heat), np.nanmax(heat)], [-1, 1]),
}
