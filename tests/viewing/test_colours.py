from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from skimage.color import deltaE_ciede2000, rgb2lab

from cxrtutor.viewing import colours

# Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color vision deficiency", IEEE TVCG
# 15 (2009), severity 1; the matrices act on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def as_seen(rgb: np.ndarray, vision: str) -> np.ndarray:
    """CIELAB of the colours that this vision tells no differently from the given ones."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(VISION[vision]), 0, 1)
    return rgb2lab(np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055))


@pytest.mark.parametrize("vision", VISION)
def test_truth_stands_out_from_heat_on_any_grey_for_every_vision(vision):
    heat = matplotlib.colormaps[colours.HEAT](np.linspace(0, 1, 256))[:, :3]
    ground = np.concatenate([(1 - a) * grey + a * heat for a in (0, 0.45, 0.8) for grey in (0.1, 0.35, 0.6, 0.85)])
    truth = as_seen(np.array(to_rgb(colours.TRUTH)), vision)
    assert deltaE_ciede2000(truth, as_seen(ground, vision)).min() >= 12.5


def test_series_are_told_apart():
    lab = as_seen(np.array([to_rgb(colour) for colour in colours.SERIES]), "normal")
    between = deltaE_ciede2000(lab[:, None], lab[None])
    assert between[~np.eye(len(lab), dtype=bool)].min() >= 15


@pytest.mark.parametrize("ink", [colours.INK, colours.MUTED_INK])
def test_ink_reads_on_paper(ink):
    def luminance(colour: str) -> float:
        rgb = np.array(to_rgb(colour))
        return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    assert (luminance(colours.PAPER) + 0.05) / (luminance(ink) + 0.05) >= 4.5  # WCAG 2.2, AA
