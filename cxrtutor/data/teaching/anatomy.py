"""A patient's chest: the one CT bent to another patient's outline, sampled along the beam.

Everything here lies in *beam coordinates*: voxel (slab, row, column) is where the ray of pixel (row, column) crosses
the slab, so that a projection is a plain sum over slabs and a lesion is drawn where it will be seen. Only
two-dimensional sampling is needed, slab by slab, an order of magnitude faster than casting rays through a volume.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage
from scipy.interpolate import RBFInterpolator
from torch.nn.functional import grid_sample, interpolate

from . import asset
from .asset import Label, Outlines

PLAIN_LUNG = 0.13
"""Density of lung between its vessels, relative to water."""
BONE_ABOVE = 1.1
"""Density above which tissue is bone: contrast agent was taken out of the asset."""
LUNG_FIELD_MM = 45.0
"""A pixel belongs to a lung's field where the beam crosses this much of it; less is but a rim behind the diaphragm."""
NECK_ROWS = 20
"""Rows added above the scan."""
HEART_MM = 20.0
"""A pixel belongs to the heart where the beam crosses this much of it."""


@dataclass(frozen=True)
class Geometry:
    """How the beam meets the patient.

    Attributes:
        size: pixels along each side of the image.
        pixel_mm: distance between pixels, measured in the patient's mid-coronal plane.
        centre: (y, x) of the central ray there, millimetres in the asset's frame.
        source_mm: from the X-ray source to that plane; the beam goes from front to back, and what lies in front is
            drawn larger.
        roll, turn, tilt: small rotations in radians within the image, about the body's long axis, and about the
            left-right axis.
    """

    size: int
    pixel_mm: float
    centre: tuple[float, float]
    source_mm: float
    roll: float = 0.0
    turn: float = 0.0
    tilt: float = 0.0

    @cached_property
    def depth(self) -> Float[np.ndarray, " slabs"]:
        """Millimetres from the mid-coronal plane, towards the source."""
        slabs = len(asset.chest().density)
        return ((slabs - 1) / 2 - np.arange(slabs, dtype=np.float32)) * np.float32(asset.SPACING_MM[0])

    @cached_property
    def scale(self) -> Float[np.ndarray, " slabs"]:
        """Millimetres in a slab for one millimetre in the mid-coronal plane."""
        return 1 - self.depth / np.float32(self.source_mm)

    @cached_property
    def offsets(self) -> Float[np.ndarray, " size"]:
        """Millimetres of pixel centres from the image's middle."""
        return ((np.arange(self.size) - (self.size - 1) / 2) * self.pixel_mm).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Anatomy:
    """A healthy chest in beam coordinates.

    Attributes:
        geometry: the beam.
        tissue: density of everything but bone, relative to water.
        bone: what bone adds to it.
        labels: `asset.Label` of every voxel.
        hila: (y, x, z) of each lung's root ("right", "left").

    Places are in millimetres: y downwards and x towards the patient's left from the image's middle, z towards the
    source from the mid-coronal plane.
    """

    geometry: Geometry
    tissue: Float[np.ndarray, "slabs size size"]
    bone: Float[np.ndarray, "slabs size size"]
    labels: UInt8[np.ndarray, "slabs size size"]
    hila: dict[str, tuple[float, float, float]]

    @cached_property
    def y(self) -> Float[np.ndarray, "slabs size 1"]:
        return self.geometry.scale[:, None, None] * self.geometry.offsets[None, :, None]

    @cached_property
    def x(self) -> Float[np.ndarray, "slabs 1 size"]:
        return self.geometry.scale[:, None, None] * self.geometry.offsets[None, None, :]

    @cached_property
    def z(self) -> Float[np.ndarray, "slabs 1 1"]:
        return self.geometry.depth[:, None, None]

    @cached_property
    def lungs(self) -> dict[str, Bool[np.ndarray, "slabs size size"]]:
        right = (self.labels >= Label.RIGHT_UPPER) & (self.labels <= Label.RIGHT_LOWER)
        left = (self.labels >= Label.LEFT_UPPER) & (self.labels <= Label.LEFT_LOWER)
        return {"right": right, "left": left}

    @cached_property
    def fields(self) -> dict[str, Bool[np.ndarray, "size size"]]:
        """Each lung as the film shows it, also where heart and diaphragm hide it."""
        return {side: path(lung) >= LUNG_FIELD_MM for side, lung in self.lungs.items()}

    @cached_property
    def heart(self) -> Bool[np.ndarray, "size size"]:
        """The heart's silhouette in one piece, without the ragged edge that voxel labels have."""
        outline = silhouette(path(self.labels == Label.HEART), self.geometry.pixel_mm)
        pieces, count = ndimage.label(outline)
        areas = ndimage.sum_labels(outline, pieces, range(1, count + 1))
        return ndimage.binary_fill_holes(pieces == 1 + int(np.argmax(areas)))

    @cached_property
    def wall_distance(self) -> dict[str, Float[np.ndarray, "slabs size size"]]:
        """Millimetres inwards from each lung's outer border, along rows; negative beyond it."""
        columns = np.arange(self.geometry.size, dtype=np.float32)
        step = self.geometry.scale[:, None, None] * np.float32(self.geometry.pixel_mm)
        first = border(self.lungs["right"], axis=2)[:, :, None]
        last = columns[-1] - border(self.lungs["left"][:, :, ::-1], axis=2)[:, :, None]
        return {"right": (columns - first) * step, "left": (last - columns) * step}

    @cached_property
    def apex_distance(self) -> dict[str, Float[np.ndarray, "slabs size size"]]:
        """Millimetres below each lung's upper border, along columns; negative above it."""
        rows = np.arange(self.geometry.size, dtype=np.float32)[:, None]
        step = self.geometry.scale[:, None, None] * np.float32(self.geometry.pixel_mm)
        return {side: (rows - border(lung, axis=1)[:, None, :]) * step for side, lung in self.lungs.items()}

    @cached_property
    def heights(self) -> dict[str, tuple[float, float]]:
        """Apex and dome of each lung, in millimetres from the image's middle.

        The dome is where half of the lung that a ray meets has gone; below it only the recess behind the diaphragm is
        left. The median over columns is taken.
        """
        out = {}
        for side, lung in self.lungs.items():
            thickness = path(lung)
            thick = (thickness >= 0.5 * thickness.max(0)) & (thickness >= LUNG_FIELD_MM)
            columns = np.flatnonzero(thick.any(0))
            domes = len(thick) - 1 - thick[::-1, columns].argmax(0)
            rows = np.flatnonzero(self.fields[side].any(1))
            out[side] = float(self.geometry.offsets[rows[0]]), float(self.geometry.offsets[int(np.median(domes))])
        return out

    @property
    def cardiothoracic_ratio(self) -> float:
        """Greatest width of the heart over the greatest width of the chest inside the ribs, both as projected."""
        return cardiothoracic_ratio(self.heart, self.fields["right"] | self.fields["left"])


def border(lung: Bool[np.ndarray, "slabs rows columns"], axis: int) -> Float[np.ndarray, "slabs lines"]:
    """Index of the first lung voxel along an axis, smoothed over neighbouring lines and slabs that hold lung at all.

    Slabs are much thicker than pixels: unsmoothed, every slab would leave its own edge in the projection.
    """
    present = lung.any(axis).astype(np.float32)
    first = lung.argmax(axis) * present
    weight = ndimage.gaussian_filter(present, (1.0, 1.5))
    return ndimage.gaussian_filter(first.astype(np.float32), (1.0, 1.5)) / np.maximum(weight, 1e-3)


def path(inside: Bool[np.ndarray, "slabs height width"]) -> Float[np.ndarray, "height width"]:
    """Millimetres of the beam's way that lie inside."""
    return inside.sum(0, dtype=np.float32) * np.float32(asset.SPACING_MM[0])


def silhouette(thickness: Float[np.ndarray, "height width"], pixel_mm: float) -> Bool[np.ndarray, "height width"]:
    """Outline of a heart from the path through it, smoothed by 4 mm."""
    return ndimage.gaussian_filter(thickness, 4.0 / pixel_mm) >= HEART_MM


def cardiothoracic_ratio(heart: Bool[np.ndarray, "height width"], lungs: Bool[np.ndarray, "height width"]) -> float:
    """Width of the columns that hold heart over width of the widest row of lungs; 0 for an empty heart."""
    if not heart.any() or not lungs.any():
        return 0.0
    columns = np.flatnonzero(heart.any(0))
    size = lungs.shape[1]
    widths = np.where(lungs.any(1), size - lungs[:, ::-1].argmax(1) - lungs.argmax(1), 0)
    return float((columns[-1] - columns[0] + 1) / widths.max())


# ------------------------------------------------------------------------------------------------------ the CT, parted


@dataclass(frozen=True, eq=False)
class Parts:
    """The asset as tensors, split into what is deformed differently."""

    tissue: torch.Tensor
    bone: torch.Tensor
    vessels: torch.Tensor
    labels: torch.Tensor
    heart_slabs: np.ndarray
    heart_box: tuple[float, float, float, float]
    lungs: torch.Tensor
    heart: torch.Tensor


@cache
def parts() -> Parts:
    chest = asset.chest()
    density = with_neck(chest.density)
    labels = np.pad(chest.labels, ((0, 0), (NECK_ROWS, 0), (0, 0)))
    lungs = (labels >= Label.RIGHT_UPPER) & (labels <= Label.LEFT_LOWER)
    # Voxels at the lung's border are part wall or diaphragm: they must not travel with the vessels.
    inner = ndimage.binary_erosion(lungs, np.ones((3, 3, 5)))
    bone = np.maximum(density - BONE_ABOVE, 0)
    vessels = np.where(inner, np.maximum(density - PLAIN_LUNG, -0.06), 0)
    heart = labels == Label.HEART
    shadow = path(heart)
    rows, columns = np.nonzero(shadow >= HEART_MM)
    box = (*to_mm(int(rows.min()), int(columns.min())), *to_mm(int(rows.max()), int(columns.max())))
    presence = ndimage.gaussian_filter1d(heart.sum((1, 2)).astype(np.float32), 1.0)
    return Parts(
        tissue=torch.from_numpy(density - bone - vessels)[:, None],
        bone=torch.from_numpy(bone)[:, None],
        vessels=torch.from_numpy(vessels.astype(np.float32))[:, None],
        labels=torch.from_numpy(labels.astype(np.float32))[:, None],
        heart_slabs=np.clip(2 * presence / presence.max(), 0, 1),
        heart_box=box,
        lungs=torch.from_numpy(path(lungs))[None, None],
        heart=torch.from_numpy(shadow)[None, None],
    )


def with_neck(density: Float[np.ndarray, "slabs rows columns"]) -> Float[np.ndarray, "slabs more_rows columns"]:
    """The volume with `NECK_ROWS` more on top, as the scan ends just above the lungs: its first rows, more and more
    blurred."""
    top = density[:, :3].mean(1)
    rows = [ndimage.gaussian_filter1d(top, 1.0 + 0.5 * k, axis=1) for k in range(NECK_ROWS, 0, -1)]
    return np.concatenate([np.stack(rows, 1), density], 1)


def to_mm(row: int, column: int) -> tuple[float, float]:
    """(y, x) in the asset's frame: from the first row, and from the midline."""
    width = asset.chest().density.shape[2]
    return float((row - NECK_ROWS) * asset.SPACING_MM[1]), float((column - (width - 1) / 2) * asset.SPACING_MM[2])


def sample(volume: torch.Tensor, y: np.ndarray, x: np.ndarray, mode: str = "bilinear") -> np.ndarray:
    """Values of each slab at (y, x) millimetres of the asset's frame; beyond its borders the outermost values."""
    height, width = volume.shape[2:]
    grid = np.empty((*y.shape, 2), np.float32)
    grid[..., 0] = x * (2 / ((width - 1) * asset.SPACING_MM[2]))
    grid[..., 1] = (y / asset.SPACING_MM[1] + NECK_ROWS) * (2 / (height - 1)) - 1
    out = grid_sample(volume, torch.from_numpy(grid), mode=mode, padding_mode="border", align_corners=True)
    return out[:, 0].numpy()


# ------------------------------------------------------------------------------------------------------------ outlines


def sample_outline(rng: np.random.Generator, outlines: Outlines) -> Float[np.ndarray, "2 landmarks 2"]:
    """Another patient's outline in millimetres of the asset's frame: two real outlines of the split, mixed.

    It is scaled to the size of the asset's own chest, give or take a tenth.
    """
    chest = asset.chest()
    own = chest.outline_coefficients[chest.outline_splits == asset.OUTLINES.index(outlines)]
    first, second = own[rng.integers(len(own), size=2)]
    mixed = first + rng.uniform(0, 0.5) * (second - first)
    shape = chest.outline_mean + np.tensordot(mixed, chest.outline_components, 1)
    scale = np.sqrt(extent(chest.reference).prod() / extent(shape).prod()) * rng.uniform(0.9, 1.08)
    shape = shape * scale
    shape[..., 0] += chest.reference[:, 0, 0].mean()
    return shape.astype(np.float32)


def extent(outline: Float[np.ndarray, "2 landmarks 2"]) -> Float[np.ndarray, 2]:
    """Height of the lungs and width between the chest walls."""
    height = (outline[:, asset.WALL_POINTS - 1, 0] - outline[:, 0, 0]).mean()
    return np.array([height, outline[1, :, 1].max() - outline[0, :, 1].min()])


class Warp:
    """From a place in the patient to the place in the asset that is shown there, both in the asset's frame.

    Two thin-plate splines (Bookstein 1989). Sideways the chest walls lead, and the spine is held: were the inner
    borders of the lungs landmarks too, every difference between them would bend it into a scoliosis. Up and down apices
    and domes lead. The costophrenic angles are no landmarks for the latter: their depth below the dome differs so much
    between a CT in full inspiration and most films that the space beside the dome would fold.
    """

    def __init__(self, outline: Float[np.ndarray, "2 landmarks 2"]):
        self.outline = outline
        reference = asset.chest().reference
        walls, domes = np.s_[:, : asset.WALL_POINTS], np.s_[:, asset.WALL_POINTS + 1 :]
        spine = np.array([(y, x) for y in np.linspace(-60, 330, 14) for x in (-14.0, 14.0)])
        places = np.concatenate([outline[walls].reshape(-1, 2), spine])
        across = (reference - outline)[walls][..., 1].ravel()
        self.across = thin_plate(places, np.concatenate([across, np.zeros(len(spine))]))

        tops = np.s_[:, : asset.WALL_POINTS // 2]
        curves = [by_x(side) for side in reference[:, asset.WALL_POINTS :]]
        dome_shift = [
            np.interp(side[:, 1] + self.across(side), curve[:, 1], curve[:, 0]) - side[:, 0]
            for side, curve in zip(outline[domes], curves, strict=True)
        ]
        levels = [outline[..., 0].min(), outline[domes][..., 0].mean()]
        slide = [(reference - outline)[tops][:, 0, 0].mean(), np.mean(dome_shift)]
        places = np.concatenate([outline[tops].reshape(-1, 2), outline[domes].reshape(-1, 2), spine])
        down = [(reference - outline)[tops][..., 0].ravel(), *dome_shift, np.interp(spine[:, 0], levels, slide)]
        self.down = thin_plate(places, np.concatenate(down))

    def __call__(self, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Evaluated on every sixth pixel and interpolated: the spline is smooth."""
        size = len(y)
        knots = np.linspace(0, size - 1, size // 6 + 1)
        grid = np.ix_(np.round(knots).astype(int), np.round(knots).astype(int))
        places = np.stack([y[grid], x[grid]], -1).reshape(-1, 2)
        shift = np.stack([self.down(places), self.across(places)]).reshape(1, 2, len(knots), len(knots))
        shift = torch.from_numpy(shift.astype(np.float32))
        shift = interpolate(shift, size=(size, size), mode="bicubic", align_corners=True)[0].numpy()
        return y + shift[0], x + shift[1]


def thin_plate(places: Float[np.ndarray, "points 2"], shifts: Float[np.ndarray, " points"]) -> RBFInterpolator:
    """A spline that comes near the shifts, not through them: landmarks are drawn by hand."""
    return RBFInterpolator(places, shifts, kernel="thin_plate_spline", smoothing=150.0)


def by_x(points: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"]:
    """Sorted from the patient's right to left, as interpolation needs it."""
    return points[points[:, 1].argsort()]


# ------------------------------------------------------------------------------------------------------------- patient


def sample_geometry(rng: np.random.Generator, outline: np.ndarray, size: int, near: bool) -> Geometry:
    """A field of view around the lungs: they fill about three quarters of it, as on a well collimated film."""
    top, bottom = outline[..., 0].min(), outline[..., 0].max()
    right, left = outline[..., 1].min(), outline[..., 1].max()
    width = max((left - right) / rng.uniform(0.84, 0.93), (bottom - top) / rng.uniform(0.74, 0.81))
    middle = top + (0.5 - rng.uniform(0.06, 0.11)) * width
    return Geometry(
        size=size,
        pixel_mm=float(width / size),
        centre=(float(middle), float((right + left) / 2 + rng.normal(0, 0.015) * width)),
        source_mm=float(rng.uniform(850, 1000) if near else rng.uniform(1500, 1750)),
        roll=float(rng.normal(0, 0.022)),
        turn=float(rng.normal(0, 0.03)),
        tilt=float(rng.normal(0, 0.04)),
    )


def sample_anatomy(
    rng: np.random.Generator, size: int, outlines: Outlines, ratio: float, near: bool = False
) -> Anatomy:
    """A healthy chest whose heart is scaled to a cardiothoracic ratio (within about .01).

    Args:
        size: pixels along each side of the image.
        outlines: whose outlines may be used.
        ratio: cardiothoracic ratio in this projection.
        near: True for a source at bedside distance (magnified heart), False for the usual one.
    """
    outline = sample_outline(rng, outlines)
    geometry = sample_geometry(rng, outline, size, near)
    warp = Warp(outline)
    v, u = np.meshgrid(geometry.offsets, geometry.offsets, indexing="ij")
    cosine, sine = np.cos(geometry.roll), np.sin(geometry.roll)
    y, x = geometry.centre[0] + cosine * v + sine * u, geometry.centre[1] - sine * v + cosine * u
    warped = warp(y, x)
    heart = heart_shift(geometry, warp, (y, x), warped, ratio)
    slabs = [
        along_beam(geometry, warped[axis][None] + parts().heart_slabs[:, None, None] * heart[axis][None], axis)
        for axis in (0, 1)
    ]
    labels = sample(parts().labels, *slabs, mode="nearest").astype(np.uint8)
    tissue = sample(parts().tissue, *slabs)
    bone = sample(parts().bone, *slabs)
    hila = {"right": (128.0, -34.0), "left": (122.0, 36.0)}
    vessels = sample_vessels(rng, slabs, hila)
    inside = (labels >= Label.RIGHT_UPPER) & (labels <= Label.LEFT_LOWER)
    lung = np.clip(tissue + vessels + sample_parenchyma(rng, tissue.shape), 0, 1)
    tissue = np.where(inside, lung, tissue)
    anatomy = Anatomy(geometry, tissue, bone, labels, {})
    roots = {side: nearest_pixel(slabs, anatomy, place) for side, place in hila.items()}
    return replace(anatomy, hila=roots)


def along_beam(geometry: Geometry, plane: np.ndarray, axis: int) -> np.ndarray:
    """Coordinates in the asset of every slab, from those in the mid-coronal plane."""
    centre = geometry.centre[axis]
    lean = np.float32(geometry.tilt if axis == 0 else geometry.turn) * geometry.depth[:, None, None]
    return ((plane - centre) * geometry.scale[:, None, None] + centre + lean).astype(np.float32)


def nearest_pixel(slabs: list[np.ndarray], anatomy: Anatomy, place: tuple[float, float]) -> tuple[float, float, float]:
    """Where in beam coordinates a place of the asset's mid-coronal plane is shown."""
    middle = len(anatomy.tissue) // 2
    distance = (slabs[0][middle] - place[0]) ** 2 + (slabs[1][middle] - place[1]) ** 2
    row, column = np.unravel_index(distance.argmin(), distance.shape)
    return float(anatomy.geometry.offsets[row]), float(anatomy.geometry.offsets[column]), 0.0


def heart_shift(geometry: Geometry, warp: Warp, place, warped, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """What is added to the warp in the heart's slabs so that the projected heart has the wanted width.

    The heart is scaled about a point at its right lower part: when it grows, it grows to the left. The scaling fades
    between heart and chest wall, where the lung gives way. Found by bisection on the projected outlines.
    """
    top, right, bottom, left = parts().heart_box
    middle_slab = int(np.average(np.arange(len(geometry.depth)), weights=parts().heart_slabs).round())
    lungs = sample(parts().lungs, warped[0][None], warped[1][None])[0] >= LUNG_FIELD_MM
    base = (right + 0.25 * (left - right), bottom)
    middle = (right + 0.5 * (left - right), bottom - 0.3 * (bottom - top))
    half = (0.6 * (left - right), 0.4 * (bottom - top))
    wall = np.minimum(wall_margin(warp.outline, *place), 20) / 20

    def shift(factor: float) -> tuple[np.ndarray, np.ndarray]:
        down, across = warped[0] - base[1], warped[1] - base[0]
        upwards = 1 + 0.3 * (factor - 1)
        centre = base[0] + factor * (middle[0] - base[0])
        reach = np.hypot((warped[1] - centre) / (half[0] * factor), (warped[0] - middle[1]) / half[1])
        weight = np.exp(-((np.maximum(reach - 1, 0) / 0.6) ** 2)) * wall
        return (1 / upwards - 1) * down * weight, (1 / factor - 1) * across * weight

    def measured(factor: float) -> float:
        moved = [
            (plane + delta - centre) * geometry.scale[middle_slab] + centre
            for plane, delta, centre in zip(warped, shift(factor), geometry.centre, strict=True)
        ]
        thickness = sample(parts().heart, moved[0][None], moved[1][None])[0]
        return cardiothoracic_ratio(silhouette(thickness, geometry.pixel_mm), lungs)

    low, high = 0.78, 2.0
    for _ in range(8):
        factor = (low + high) / 2
        low, high = (factor, high) if measured(factor) < ratio else (low, factor)
    return shift((low + high) / 2)


def wall_margin(outline: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Millimetres to the outline's chest wall on the same height, 0 beyond it."""
    right, left = outline[:, : asset.WALL_POINTS]
    right, left = right[right[:, 0].argsort()], left[left[:, 0].argsort()]
    from_right = x - np.interp(y, right[:, 0], right[:, 1])
    from_left = np.interp(y, left[:, 0], left[:, 1]) - x
    return np.maximum(np.minimum(from_right, from_left), 0)


def sample_vessels(
    rng: np.random.Generator, slabs: list[np.ndarray], hila: dict[str, tuple[float, float]]
) -> np.ndarray:
    """Vessels of the lungs, differing between patients although there is but one CT.

    Within each slab the vessels of each lung are turned and stretched about its root, by amounts that vary smoothly
    with depth, and the slabs are permuted cyclically by a little: the tree stays a tree, its branches go elsewhere.
    """
    y, x = slabs
    count = len(y)
    source_y, source_x = y.copy(), x.copy()
    for side, (root_y, root_x) in hila.items():
        depths = np.linspace(0, 1, count)
        angle = np.interp(depths, np.linspace(0, 1, 6), rng.normal(0, 0.28, 6))[:, None, None]
        stretch = np.exp(np.interp(depths, np.linspace(0, 1, 6), rng.normal(0, 0.12, 6)))[:, None, None]
        own = x < 0 if side == "right" else x >= 0
        down, across = y - root_y, x - root_x
        cosine, sine = (np.cos(angle) * stretch).astype(np.float32), (np.sin(angle) * stretch).astype(np.float32)
        source_y = np.where(own, root_y + cosine * down - sine * across, source_y)
        source_x = np.where(own, root_x + sine * down + cosine * across, source_x)
    rolled = parts().vessels.roll(int(rng.integers(-2, 3)), 0)
    return np.float32(rng.uniform(0.8, 1.9)) * sample(rolled, source_y, source_x)


def sample_parenchyma(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """What the lung between the vessels weighs more or less than this CT's, in full inspiration: it varies smoothly."""
    noise = smooth_noise(rng, shape, (5, 6, 6))
    return np.float32(rng.uniform(-0.02, 0.07)) + np.float32(0.012) * noise


def ramp(values: np.ndarray) -> np.ndarray:
    """Smooth step from 0 (at 0 and below) to 1 (at 1 and above)."""
    clipped = np.clip(values, 0, 1)
    return clipped * clipped * (3 - 2 * clipped)


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int, int], cells: tuple[int, int, int]
) -> Float[np.ndarray, "slabs rows columns"]:
    """Gaussian noise of unit variance that varies over about `shape / cells` voxels."""
    coarse = torch.from_numpy(rng.standard_normal(cells).astype(np.float32))[None]
    planes = interpolate(coarse, size=shape[1:], mode="bicubic", align_corners=True)[0].numpy()
    place = np.linspace(0, cells[0] - 1, shape[0], dtype=np.float32)
    below = np.minimum(place.astype(int), cells[0] - 2)
    share = ramp(place - below)[:, None, None]
    fine = planes[below] * (1 - share) + planes[below + 1] * share
    return fine / max(float(fine[::2, ::4, ::4].std()), 1e-6)
