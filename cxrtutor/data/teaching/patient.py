"""One patient of the teaching set, from what is wrong with them to a radiograph with its truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from .anatomy import PLAIN_LUNG, Anatomy, path, sample_anatomy
from .asset import Label, Outlines
from .findings import SIZES_MM, NoRoom, paint
from .habitus import sample_habitus
from .lesion import FINDINGS, Lesion
from .projection import Exposure, Film, project, sample_exposure, with_marker

HOW_MANY = (0.15, 0.33, 0.32, 0.20)
"""How often a patient has none, one, two or three findings."""
VISIBLE, ROSE, ROSE_MM2 = 0.55, 2.5, 25.0
"""A lesion that a report may name has a visibility of at least .55, and at least 2.5 after averaging over its area in
steps of 25 mm2: what is small must stand out more (Rose 1948)."""
MASK_SHARE, MASK_LEAST_MM = 0.25, 2.5
"""A pixel belongs to a lesion where it changes the beam's path by a quarter of what it changes it at most (its 98th
percentile), and by 2.5 mm of water. The share finds the edge of what is compact: a ball's path exceeds a quarter of its
diameter within 97 % of its radius. The floor cuts the fringes of what is diffuse: less than 2.5 mm of water lifts the
signal by under 5 %, which is what quantum noise and vessels do by themselves."""
CRUMB = 0.05
"""Pieces of a mask below this share of it are dropped; holes are filled."""
ENLARGED, NORMAL = 0.55, 0.50
"""Cardiothoracic ratio, measured in this very projection, above which the heart is enlarged on an AP film; a healthy
one stays below .50, and nobody is drawn in between, where readers disagree."""
HEART_STEPS = (0.58, 0.62)
"""Ratios at which cardiomegaly becomes moderate and large."""
TRIES = 12

Sampler = Callable[[np.random.Generator], tuple[Lesion, ...]]


@dataclass(frozen=True, eq=False)
class Radiograph:
    """A frontal radiograph with everything known about it.

    Attributes:
        image: brightness in [0, 1], bone bright; the patient's right is on the image's left.
        lesions: those that were finally drawn, with the side, zone, size and severity they have in the image.
        masks: one for each lesion.
        visibility: for each lesion, its contrast over the local noise (`visibility_of`).
        anatomy: "left lung", "right lung" (also where heart and diaphragm hide it) and "heart".
        pixel_spacing: millimetres between rows and columns, in the patient's mid-coronal plane.
        cardiothoracic_ratio: as projected.
    """

    image: Float[np.ndarray, "size size"]
    lesions: tuple[Lesion, ...]
    masks: tuple[Bool[np.ndarray, "size size"], ...]
    visibility: tuple[float, ...]
    anatomy: dict[str, Bool[np.ndarray, "size size"]]
    pixel_spacing: tuple[float, float]
    cardiothoracic_ratio: float


# ------------------------------------------------------------------------------------------------------ what is wrong


def sample_lesions(rng: np.random.Generator, findings: Sequence[str] = FINDINGS) -> tuple[Lesion, ...]:
    """What is wrong with one patient: up to three different findings, about 15 % of patients with none.

    Several nodules are lesions of one group, and so are effusions of both sides. Findings that would hide each other
    are not combined: pneumothorax and effusion on one side, edema and other haze.

    Args:
        rng: decides.
        findings: those to choose from, all equally often.
    """
    count = min(int(rng.choice(len(HOW_MANY), p=HOW_MANY)), len(findings))
    chosen = [str(name) for name in rng.permutation(list(findings))[:count]]
    if "edema" in chosen:
        chosen = [name for name in chosen if name not in ("ground-glass opacity", "viral pneumonia")]
    lesions: list[Lesion] = []
    for group, finding in enumerate(chosen):
        lesions += sample_group(rng, finding, group, lesions)
    return tuple(lesions)


def sample_group(rng: np.random.Generator, finding: str, group: int, others: Sequence[Lesion]) -> list[Lesion]:
    """The lesions of one finding."""
    side = str(rng.choice(["left", "right"]))
    severity = str(rng.choice(["small", "moderate", "large"], p=[0.35, 0.4, 0.25]))
    if finding == "cardiomegaly":
        return [Lesion(finding, "middle", "whole", severity, group=group)]
    if finding == "edema":
        return [Lesion(finding, "both", "perihilar", severity, group=group)]
    if finding == "viral pneumonia":
        return [Lesion(finding, "both", "basal", severity, group=group)]
    if finding in ("pleural effusion", "pneumothorax"):
        taken = [lesion.side for lesion in others if lesion.finding in ("pleural effusion", "pneumothorax")]
        free = [candidate for candidate in ("left", "right") if candidate not in taken]
        if finding == "pneumothorax" or len(free) < 2 or rng.random() < 0.7:
            free = [str(rng.choice(free))] if free else []
        zone = "basal" if finding == "pleural effusion" else "apical"
        return [
            Lesion(
                finding, place, zone, str(rng.choice(["small", "moderate", "large"], p=[0.35, 0.4, 0.25])), group=group
            )
            for place in free
        ]
    if finding == "nodule" and rng.random() < 0.4:
        same = rng.random() < 0.5
        return [
            round_one(rng, finding, "nodules", side if same else str(rng.choice(["left", "right"])), group)
            for _ in range(int(rng.integers(2, 5)))
        ]
    if finding in ("nodule", "mass", "cavity"):
        return [round_one(rng, finding, finding, side, group)]
    zones = {"atelectasis": (0.0, 0.35, 0.65), "consolidation": (0.3, 0.3, 0.4)}.get(finding, (0.33, 0.34, 0.33))
    zone = str(rng.choice(["upper", "middle", "lower"], p=zones))
    return [Lesion(finding, side, zone, severity, group=group)]


def round_one(rng: np.random.Generator, finding: str, sizes: str, side: str, group: int) -> Lesion:
    zone = str(
        rng.choice(["upper", "middle", "lower"], p=(0.5, 0.3, 0.2) if finding == "cavity" else (0.36, 0.34, 0.3))
    )
    return Lesion(finding, side, zone, "moderate", size_mm=float(round(rng.uniform(*SIZES_MM[sizes]))), group=group)


# ---------------------------------------------------------------------------------------------------------- radiograph


def draw_radiograph(
    lesions: Sequence[Lesion] | Sampler,
    rng: np.random.Generator,
    *,
    size: int = 128,
    outlines: Outlines,
    shifted: bool = False,
    without: int | None = None,
) -> Radiograph:
    """Draw one patient.

    A lesion that does not fit or cannot be seen is drawn again elsewhere; after twelve tries it is left out, so that
    what is returned is always visible.

    Args:
        lesions: what to draw, or a function that decides (such as `sample_lesions`).
        rng: decides everything else; equal generators give equal bytes.
        size: pixels along each side.
        outlines: the split whose lung outlines may be used.
        shifted: another room: bedside distance, less dose, more scatter and blur, another display, another marker.
        without: the position, among the lesions that equal arguments give otherwise, of one to take out of the patient
            again. Anatomy, the other lesions, exposure, display, noise and marker stay what they are. The heart's
            enlargement cannot be taken out: without it the patient would have another heart.
    """
    wanted = tuple(lesions(rng)) if callable(lesions) else tuple(lesions)
    heart = next((lesion for lesion in wanted if lesion.finding == "cardiomegaly"), None)
    anatomy = sample_heart(rng, size, outlines, heart, shifted)
    exposure = sample_exposure(rng, shifted)
    beside = sample_habitus(rng, anatomy) + project(anatomy.bone) * np.float32(exposure.bone)
    lung_fields = anatomy.fields["left"] | anatomy.fields["right"]
    density, water = anatomy.tissue, project(anatomy.tissue) + beside
    drawn: list[Drawn] = []
    for lesion in sorted(wanted, key=lambda lesion: ORDER.index(lesion.finding)):
        if lesion is heart:
            continue
        film = Film.adjusted_to(water, lung_fields, exposure, anatomy.geometry.pixel_mm)
        for _ in range(TRIES):
            try:
                painted = paint(lesion, anatomy, density, rng)
            except NoRoom:
                continue
            one = Drawn(painted.lesion, project(painted.change), mask_of(painted.shadow, anatomy.geometry.pixel_mm))
            if one.is_apart_from(drawn) and margin_of(film, water + one.change, one) >= 1:
                density, water = density + painted.change, water + one.change
                drawn.append(one)
                break
    drawn, water = without_hidden(drawn, water, lung_fields, exposure, anatomy.geometry.pixel_mm)
    left_out = None if without is None else without - (heart is not None)
    return finished(anatomy, heart, drawn, water, exposure, rng, shifted, left_out)


def without_hidden(drawn: list[Drawn], water, lung_fields, exposure: Exposure, pixel_mm: float):
    """What is left when lesions that later ones have hidden are taken out of the patient again."""
    while drawn:
        film = Film.adjusted_to(water, lung_fields, exposure, pixel_mm)
        margins = [margin_of(film, water, one) for one in drawn]
        least = int(np.argmin(margins))
        if margins[least] >= 1:
            break
        water = water - drawn[least].change
        drawn = drawn[:least] + drawn[least + 1 :]
    return drawn, water


@dataclass(frozen=True, eq=False)
class Drawn:
    """A lesion as projected: by how much it changes the water a ray passes, and its mask."""

    lesion: Lesion
    change: Float[np.ndarray, "size size"]
    mask: Bool[np.ndarray, "size size"]

    def is_apart_from(self, others: Sequence[Drawn]) -> bool:
        """No two round lesions touch, as one could not tell how many there are."""
        if self.lesion.finding not in ROUND:
            return True
        around = ndimage.binary_dilation(self.mask, iterations=2)
        return not any((around & other.mask).any() for other in others if other.lesion.finding in ROUND)


ROUND = ("nodule", "mass", "cavity")
ORDER = (
    "cardiomegaly",
    "pneumothorax",
    "edema",
    "viral pneumonia",
    "ground-glass opacity",
    "consolidation",
    "atelectasis",
    "mass",
    "cavity",
    "nodule",
    "pleural effusion",
)
"""What is drawn first: air displaces lung, haze fills what is left, solid things replace both, fluid covers all."""


def sample_heart(
    rng: np.random.Generator, size: int, outlines: Outlines, heart: Lesion | None, shifted: bool
) -> Anatomy:
    """A chest whose heart is clearly normal or clearly enlarged in this projection."""
    least, most = {None: (0.39, 0.485), "small": (0.56, 0.578), "moderate": (0.585, 0.615), "large": (0.63, 0.68)}[
        heart.severity if heart else None
    ]
    for _ in range(TRIES):
        anatomy = sample_anatomy(rng, size, outlines, float(rng.uniform(least, most)), near=shifted)
        measured = anatomy.cardiothoracic_ratio
        if measured > ENLARGED if heart else measured < NORMAL:
            return anatomy
    raise RuntimeError("No heart of the wanted size could be drawn; the asset must be damaged.")


def finished(
    anatomy: Anatomy, heart, drawn: list[Drawn], water, exposure, rng, shifted: bool, left_out: int | None = None
) -> Radiograph:
    """Expose and display, with one of the drawn lesions `left_out`; measure every other in the resulting picture."""
    fields = anatomy.fields
    film = Film.adjusted_to(water, fields["left"] | fields["right"], exposure, anatomy.geometry.pixel_mm)
    detected = film.detected(water)
    noisy = film.noisy(detected, rng)
    if left_out is not None:
        if not 0 <= left_out < len(drawn):
            raise ValueError("There is no such lesion that could be taken out.")
        water = water - drawn[left_out].change
        drawn = drawn[:left_out] + drawn[left_out + 1 :]
        # The same photons miss: their number varies by its square root, and so does what the noise is worth.
        bare = film.detected(water)
        noisy = np.maximum(bare + (noisy - detected) * np.sqrt(bare / detected), np.float32(1 / exposure.photons))
    image = with_marker(film.displayed(noisy), rng, shifted)
    lesions, masks, visibility = [], [], []
    if heart:
        ratio = anatomy.cardiothoracic_ratio
        degree = "small" if ratio < HEART_STEPS[0] else "moderate" if ratio < HEART_STEPS[1] else "large"
        lesions.append(replace(heart, severity=degree))
        masks.append(anatomy.heart)
        # Without its heart a chest would hold lung there.
        displaced = path(anatomy.labels == Label.HEART) * np.float32(1 - PLAIN_LUNG)
        visibility.append(visibility_of(film, water, displaced, anatomy.heart))
    for one in drawn:
        lesions.append(one.lesion)
        masks.append(one.mask)
        visibility.append(visibility_of(film, water, one.change, one.mask))
    spacing = anatomy.geometry.pixel_mm
    truth = {"left lung": fields["left"], "right lung": fields["right"], "heart": anatomy.heart}
    return Radiograph(
        image,
        tuple(lesions),
        tuple(masks),
        tuple(visibility),
        truth,
        (spacing, spacing),
        anatomy.cardiothoracic_ratio,
    )


def mask_of(shadow: Float[np.ndarray, "size size"], pixel_mm: float) -> Bool[np.ndarray, "size size"]:
    """Where a lesion is seen, by `MASK_SHARE` and `MASK_LEAST_MM`; blurred by 2 mm first, as the picture is."""
    strength = ndimage.gaussian_filter(np.maximum(shadow, 0), 2.0 / pixel_mm)
    if strength.max() <= 0:
        return np.zeros(shadow.shape, bool)
    most = np.percentile(strength[strength > 0.01 * strength.max()], 98)
    mask = ndimage.binary_fill_holes(strength >= max(MASK_SHARE * most, min(MASK_LEAST_MM, 0.5 * most)))
    pieces, count = ndimage.label(mask)
    areas = ndimage.sum_labels(mask, pieces, range(1, count + 1))
    return np.isin(pieces, 1 + np.flatnonzero(areas >= CRUMB * mask.sum()))


def margin_of(film: Film, water: Float[np.ndarray, "size size"], one: Drawn) -> float:
    """Visibility over the least that a lesion of this size needs; 1 and above is visible."""
    steps = one.mask.sum() * film.pixel_mm**2 / ROSE_MM2
    if steps == 0:
        return 0.0
    return visibility_of(film, water, one.change, one.mask) / max(VISIBLE, ROSE / float(np.sqrt(steps)))


def visibility_of(
    film: Film,
    water: Float[np.ndarray, "size size"],
    change: Float[np.ndarray, "size size"],
    mask: Bool[np.ndarray, "size size"],
) -> float:
    """Contrast of a lesion over the local noise of the picture.

    Contrast is the mean absolute difference, within the mask, between the picture with and without the lesion. Noise is
    the standard deviation, within the mask and 15 mm around it, of what is finer than 8 mm in the picture without it
    (ribs and vessels), together with the quantum noise that the exposure makes there.
    """
    if not mask.any():
        return 0.0
    without = film.detected(water - change)
    with_it, plain = film.displayed(film.detected(water)), film.displayed(without)
    around = ndimage.binary_dilation(mask, iterations=max(1, round(15 / film.pixel_mm)))
    fine = plain - ndimage.gaussian_filter(plain, 8 / film.pixel_mm, truncate=2.5)
    low, high = film.window
    quantum = (film.exposure.white - film.exposure.black) / (high - low) / np.sqrt(film.exposure.photons * without)
    noise = np.sqrt(fine[around].var() + float((quantum[around] ** 2).mean()))
    return float(np.abs(with_it - plain)[mask].mean() / noise)
