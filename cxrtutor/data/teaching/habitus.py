"""What lies around the rib cage: fat, shoulders, breasts. The CT is of one patient, and its view ends at the arms."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from .anatomy import Anatomy


def sample_habitus(rng: np.random.Generator, anatomy: Anatomy) -> Float[np.ndarray, "size size"]:
    """Extra millimetres of water for each ray."""
    y = anatomy.geometry.offsets[:, None]
    x = anatomy.geometry.offsets[None, :]
    half = anatomy.geometry.size * anatomy.geometry.pixel_mm / 2
    build = rng.beta(2, 3)
    water = sample_fat(rng, y, x, half, build) + sample_shoulders(rng, y, x, half)
    if rng.random() < 0.5:
        water = water + sample_breasts(rng, y, x, half, build)
    return water.astype(np.float32)


def sample_fat(rng: np.random.Generator, y, x, half: float, build: float) -> np.ndarray:
    """A layer all over, thicker towards the flanks and the abdomen."""
    flanks = (np.abs(x) / half) ** 3
    belly = np.clip(y / half, 0, 1) ** 2
    return build * (rng.uniform(5, 25) + rng.uniform(10, 50) * flanks + rng.uniform(0, 35) * belly)


def sample_shoulders(rng: np.random.Generator, y, x, half: float) -> np.ndarray:
    """Muscle from the neck down to the arms, fading in at a slanting edge."""
    slope = rng.uniform(0.55, 0.85)
    edge = -half + rng.uniform(0.02, 0.12) * half + slope * (np.abs(x) - 0.25 * half)
    above = (edge - y) / (0.28 * half)
    corner = np.clip((np.abs(x) / half - 0.45) / 0.5, 0, 1)
    return rng.uniform(50, 110) * corner / (1 + np.exp(-5 * above))


def sample_breasts(rng: np.random.Generator, y, x, half: float, build: float) -> np.ndarray:
    """Two half ellipsoids: a clear lower edge, fading upwards."""
    size = rng.uniform(0.26, 0.38) * half * (0.8 + 0.5 * build)
    thickness = rng.uniform(12, 30) * (0.6 + build)
    low = rng.uniform(0.25, 0.5) * half
    water = np.zeros(np.broadcast_shapes(y.shape, x.shape))
    for sign in (-1, 1):
        middle = sign * rng.uniform(0.44, 0.52) * half
        down = (y - low - rng.normal(0, 0.02) * half) / size
        reach = ((x - middle) / (1.15 * size)) ** 2 + np.where(down > 0, 1.3 * down, 0.6 * down) ** 2
        water += thickness * np.sqrt(np.clip(1 - reach, 0, 1))
    return water
