"""From what the beam passes through to what hangs on the viewing box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from torch.nn.functional import avg_pool2d, interpolate

from .asset import SPACING_MM

ATTENUATION = 0.0195
"""Of water, per millimetre, at about 65 keV (NIST XCOM: 0.0199 at 65 keV)."""

LETTERS = {
    "L": ("1....", "1....", "1....", "1....", "1....", "1....", "11111"),
    "R": ("1111.", "1...1", "1...1", "1111.", "1.1..", "1..1.", "1...1"),
}


@dataclass(frozen=True)
class Exposure:
    """How a film is exposed, detected and displayed.

    Attributes:
        photons: per pixel before the patient.
        scatter: scattered over primary radiation behind an average chest.
        bone: how much more bone attenuates than its density alone would.
        blur_mm: standard deviation of focal spot and detector.
        equalisation: share of the coarse (over 35 mm) differences in brightness that the display takes away.
        sharpening: share of the fine (under 5 mm) differences it adds.
        gamma: exponent of the display curve; above 1 the lungs are darker.
        black, white: display values of the lungs' darkest and the chest's brightest parts.
    """

    photons: float
    scatter: float
    bone: float
    blur_mm: float
    equalisation: float
    sharpening: float
    gamma: float
    black: float
    white: float


def sample_exposure(rng: np.random.Generator, shifted: bool) -> Exposure:
    """One room's habits, or (shifted) another's: less dose, more scatter and blur, another display curve."""
    if shifted:
        return Exposure(
            photons=float(np.exp(rng.uniform(np.log(1.5e4), np.log(5e4)))),
            scatter=float(rng.uniform(1.15, 1.7)),
            bone=float(rng.uniform(1.0, 1.5)),
            blur_mm=float(rng.uniform(1.4, 2.1)),
            equalisation=float(rng.uniform(0.0, 0.2)),
            sharpening=float(rng.uniform(0.1, 0.35)),
            gamma=float(rng.choice([rng.uniform(0.5, 0.7), rng.uniform(1.5, 1.9)])),
            black=float(rng.uniform(0.1, 0.25)),
            white=float(rng.uniform(0.75, 0.9)),
        )
    return Exposure(
        photons=float(np.exp(rng.uniform(np.log(6e4), np.log(3e5)))),
        scatter=float(rng.uniform(0.5, 1.1)),
        bone=float(rng.uniform(1.2, 2.2)),
        blur_mm=float(rng.uniform(0.7, 1.3)),
        equalisation=float(rng.uniform(0.3, 0.5)),
        sharpening=float(rng.uniform(0.3, 0.7)),
        gamma=float(rng.uniform(0.9, 1.25)),
        black=float(rng.uniform(0.05, 0.13)),
        white=float(rng.uniform(0.86, 0.97)),
    )


def project(density: Float[np.ndarray, "slabs height width"]) -> Float[np.ndarray, "height width"]:
    """Millimetres of water that would attenuate as much as what each ray passes."""
    return density.sum(0, dtype=np.float32) * np.float32(SPACING_MM[0])


def coarse_blur(image: Float[np.ndarray, "height width"], sigma: float) -> Float[np.ndarray, "height width"]:
    """A wide Gaussian blur, computed on means of 4 x 4 pixels: nothing finer would survive it.

    No matrix products here, nor anywhere on the way to a picture: their last digits depend on the number of threads.
    """
    small = avg_pool2d(torch.from_numpy(np.ascontiguousarray(image))[None, None], 4, ceil_mode=True)[0, 0].numpy()
    small = ndimage.gaussian_filter(small, sigma / 4, truncate=3, mode="nearest")
    large = interpolate(torch.from_numpy(small)[None, None], size=image.shape, mode="bilinear", align_corners=False)
    return large[0, 0].numpy()


@dataclass(frozen=True, eq=False)
class Film:
    """One exposed film: shows any path through the patient with the same beam and the same display.

    Attributes:
        exposure: its settings.
        pixel_mm: distance between pixels.
        window: darkest and brightest signal that the display keeps, found once on the whole picture.
    """

    exposure: Exposure
    pixel_mm: float
    window: tuple[float, float]

    @classmethod
    def adjusted_to(
        cls,
        water: Float[np.ndarray, "height width"],
        lungs: Bool[np.ndarray, "height width"],
        exposure: Exposure,
        pixel_mm: float,
    ) -> Film:
        """A film whose window fits this patient, as the equipment's own exposure control sees to."""
        film = cls(exposure, pixel_mm, (0.0, 1.0))
        signal = film.signal(film.detected(water))
        return cls(exposure, pixel_mm, (float(np.percentile(signal[lungs], 1)), float(np.percentile(signal, 99.3))))

    def detected(self, water: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "height width"]:
        """Photons at the detector over those sent out: primary ones, blurred, and scattered ones."""
        primary = np.exp(-np.float32(ATTENUATION) * water)
        blurred = ndimage.gaussian_filter(primary, self.exposure.blur_mm / self.pixel_mm)
        haze = coarse_blur(np.minimum(primary, 0.25), 22 / self.pixel_mm)
        return (blurred + self.exposure.scatter * haze).astype(np.float32)

    def noisy(self, detected: Float[np.ndarray, "height width"], rng: np.random.Generator):
        """With the photons' own statistics."""
        count = detected * self.exposure.photons
        return np.maximum(rng.poisson(count), 1).astype(np.float32) / np.float32(self.exposure.photons)

    def signal(self, detected: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "height width"]:
        """Logarithmic signal, bone bright, with its coarse differences equalised and its fine ones raised."""
        signal = -np.log(np.maximum(detected, 1e-6))
        # Air beside the patient would drag the equalisation along; it is taken as thin tissue.
        coarse = coarse_blur(np.maximum(signal, 0.5), 35 / self.pixel_mm)
        fine = signal - ndimage.gaussian_filter(signal, 5 / self.pixel_mm, truncate=3)
        return signal - self.exposure.equalisation * coarse + self.exposure.sharpening * fine

    def displayed(self, detected: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "height width"]:
        """Brightness in [0, 1]."""
        low, high = self.window
        toe = 0.15  # keeps the curve's slope finite at black
        share = np.clip((self.signal(detected) - low) / (high - low), -toe, 1.1)
        curved = ((share + toe) / (1 + toe)) ** self.exposure.gamma
        least = (toe / (1 + toe)) ** self.exposure.gamma
        curved = (curved - least) / (1 - least)
        black, white = self.exposure.black, self.exposure.white
        return np.clip(black + (white - black) * curved, 0, 1).astype(np.float32)


def with_marker(
    image: Float[np.ndarray, "height width"], rng: np.random.Generator, shifted: bool
) -> Float[np.ndarray, "height width"]:
    """The lead letter that says which side is which: an R beside the patient's right or an L beside the left.

    Its side, place and size are drawn without a look at the findings.
    """
    height, width = image.shape
    letter = str(rng.choice(["L", "R"]))
    glyph = np.array([[cell == "1" for cell in line] for line in LETTERS[letter]], np.float32)
    tall = height * (rng.uniform(0.06, 0.085) if shifted else rng.uniform(0.045, 0.065))
    angle = rng.normal(0, 12 if shifted else 5)
    enlarged = ndimage.zoom(np.pad(glyph, 1), tall / 7, order=1)
    stamp = np.clip(ndimage.rotate(enlarged, angle, order=1, reshape=True), 0, 1)
    inset = rng.uniform(0.02, 0.06) * width
    row = int(height * (rng.uniform(0.6, 0.9) if shifted else rng.uniform(0.02, 0.12)))
    column = int(inset if letter == "R" else width - inset - stamp.shape[1])
    place = np.s_[row : row + stamp.shape[0], column : column + stamp.shape[1]]
    out = image.copy()
    brightness = rng.uniform(0.85, 1.0)
    out[place] += (brightness - out[place]) * stamp[: out[place].shape[0], : out[place].shape[1]]
    return out
