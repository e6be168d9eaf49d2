"""Disease in three dimensions: each finding changes the density of some lung.

A painter takes a lesion and a chest and returns `Painted`: by how much the density of every voxel changes, and the
lesion as it came out (the zone it really lies in, the size it really has). Densities are relative to water: air 0, lung
about .13 and more, fluid and soft tissue 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from .anatomy import PLAIN_LUNG, Anatomy, ramp, smooth_noise
from .asset import SPACING_MM, Label
from .lesion import Lesion
from .projection import project

FLUID, SOFT_TISSUE = 1.0, 1.02
SIZES_MM = {"nodule": (20.0, 30.0), "nodules": (11.0, 20.0), "mass": (32.0, 70.0), "cavity": (34.0, 68.0)}
"""Diameters: of a single nodule, of nodules in a group, of masses (above 30 mm by definition, Fleischner Society) and
of cavities. Single nodules below 20 mm would cover a few pixels and be unlearnable at 128 pixels a side."""
STEPS = {
    "nodule": (15.0, 24.0),
    "mass": (45.0, 58.0),
    "cavity": (42.0, 55.0),
    "consolidation": (0.12, 0.26),
    "ground-glass opacity": (0.16, 0.32),
    "viral pneumonia": (0.18, 0.30),
    "pleural effusion": (0.22, 0.42),
    "pneumothorax": (18.0, 32.0),
    "atelectasis": (50.0, 72.0),
    "edema": (0.45, 0.75),
}
"""Where "small" ends and where "large" begins. In millimetres of diameter, length (atelectasis) or rim at the apex
(pneumothorax); as share of the lung's height (effusion); as share of the lung's volume (opacities); as added density
per lung, relative to full (edema)."""

LOBE_NAMES = {
    Label.RIGHT_UPPER: "upper lobe",
    Label.RIGHT_MIDDLE: "middle lobe",
    Label.RIGHT_LOWER: "lower lobe",
    Label.LEFT_UPPER: "upper lobe",
    Label.LEFT_LOWER: "lower lobe",
}


class NoRoom(Exception):
    """The lesion does not fit into this chest where it was tried."""


@dataclass(frozen=True, eq=False)
class Painted:
    """A lesion in its chest.

    Attributes:
        lesion: as it came out.
        change: of the density of every voxel.
        shadow: how much of the beam's path is lesion, in millimetres of water that lung was exchanged for; what the
            mask is cut from.
    """

    lesion: Lesion
    change: Float[np.ndarray, "slabs size size"]
    shadow: Float[np.ndarray, "size size"]


def paint(
    lesion: Lesion, anatomy: Anatomy, density: Float[np.ndarray, "slabs size size"], rng: np.random.Generator
) -> Painted:
    """Put a lesion into a chest.

    Args:
        lesion: what to draw; its side is kept, its zone and severity are aimed at.
        anatomy: the chest, as it was when healthy.
        density: of its tissue by now; earlier lesions may have changed it.
        rng: decides place and shape.

    Raises:
        NoRoom: the lesion does not fit; another try may succeed.
    """
    return PAINTERS[lesion.finding](lesion, anatomy, density, rng)


def severity_of(finding: str, amount: float) -> str:
    """ "small", "moderate" or "large", by `STEPS`."""
    small, large = STEPS[finding]
    return "small" if amount < small else "moderate" if amount < large else "large"


def aimed(lesion: Lesion, rng: np.random.Generator, least: float, most: float) -> float:
    """An amount that will be called what the lesion's severity says."""
    small, large = STEPS[lesion.finding]
    low, high = {"small": (least, small), "moderate": (small, large), "large": (large, most)}[lesion.severity]
    return float(rng.uniform(low, high))


# -------------------------------------------------------------------------------------------------------------- shapes


def zone_of(anatomy: Anatomy, side: str, y: float) -> str:
    """Third of the lung between apex and dome in which a height lies."""
    top, dome = anatomy.heights[side]
    share = (y - top) / (dome - top)
    return "upper" if share < 1 / 3 else "middle" if share < 2 / 3 else "lower"


def centre_of(change: np.ndarray, anatomy: Anatomy) -> tuple[float, float]:
    """(y, x) of the projected change's centroid, millimetres from the image's middle."""
    weight = np.abs(change).sum(0)
    total = max(float(weight.sum()), 1e-9)
    offsets = anatomy.geometry.offsets
    return float(weight.sum(1) @ offsets / total), float(weight.sum(0) @ offsets / total)


def lobe_of(change: np.ndarray, anatomy: Anatomy, zone: str) -> str | None:
    """The lobe that holds four fifths of a change, where a reader of a frontal film would dare to name it.

    He would in the upper zone (upper lobe) and in the lower zone (lower or middle lobe, by the heart's border); in the
    middle zone the lobes lie behind each other.
    """
    where = np.flatnonzero(change)
    weight = np.abs(change.ravel()[where])
    shares = np.bincount(anatomy.labels.ravel()[where], weight, len(Label)) / max(float(weight.sum()), 1e-9)
    best = int(shares.argmax())
    name = LOBE_NAMES.get(Label(best))
    readable = {"upper": ("upper lobe",), "lower": ("lower lobe", "middle lobe")}.get(zone, ())
    return name if shares[best] >= 0.8 and name in readable else None


def place_in(anatomy: Anatomy, side: str, zone: str, radius: float, rng: np.random.Generator) -> tuple[float, ...]:
    """A voxel (z, y, x) of the zone with lung around it; not deep in the recess behind the diaphragm.

    Raises:
        NoRoom: none was found in thirty tries.
    """
    lung = anatomy.lungs[side]
    top, dome = anatomy.heights[side]
    low = {"apical": 0.06, "upper": 0.1, "middle": 0.36, "lower": 0.68, "basal": 0.78}[zone]
    high = {"apical": 0.2, "upper": 0.32, "middle": 0.64, "lower": 0.92, "basal": 1.0}[zone]
    offsets = anatomy.geometry.offsets
    field = anatomy.fields[side] & ~anatomy.heart
    share = (offsets - top) / (dome - top)
    rows, columns = np.nonzero(field & ((share >= low) & (share <= high))[:, None])
    if not len(rows):
        raise NoRoom(zone)
    step = anatomy.geometry.pixel_mm
    reach, slabs_reach = int(0.75 * radius / step), int(0.75 * radius / SPACING_MM[0])
    for _ in range(30):
        k = rng.integers(len(rows))
        row, column = int(rows[k]), int(columns[k])
        inside = np.flatnonzero(lung[:, row, column])
        if len(inside) == 0:
            continue
        slab = int(rng.choice(inside))
        corners = [
            (slab, row + dr, column + dc) for dr, dc in ((-reach, 0), (reach, 0), (0, -reach), (0, reach), (0, 0))
        ] + [(slab - slabs_reach, row, column), (slab + slabs_reach, row, column)]
        if all(np.all(np.array(c) >= 0) and np.all(np.array(c) < lung.shape) and lung[c] for c in corners):
            scale = anatomy.geometry.scale[slab]
            return float(anatomy.geometry.depth[slab]), float(offsets[row] * scale), float(offsets[column] * scale)
    raise NoRoom(zone)


def ball(
    anatomy: Anatomy, centre: tuple[float, ...], radius: float, rng: np.random.Generator, lobulation: float
) -> np.ndarray:
    """Share of every voxel that a lobulated ball fills; exact along the beam, where slabs are thick.

    Its longest diameter across the beam is twice the radius.
    """
    waves = [(k, lobulation / k * rng.normal(), rng.uniform(0, 2 * np.pi)) for k in range(2, 6)]

    def edge(angle: np.ndarray) -> np.ndarray:
        return 1 + sum(height * np.cos(k * angle + phase) for k, height, phase in waves)

    around = np.linspace(0, np.pi, 60)
    longest = (edge(around) + edge(around + np.pi)).max()
    near = tuple(
        slice(max(0, i - n), i + n + 1)
        for i, n in zip(voxel_at(anatomy, centre), reach_in_voxels(anatomy, 1.2 * radius), strict=True)
    )
    down = anatomy.y[near[0], near[1]] - centre[1]
    across = anatomy.x[near[0], :, near[2]] - centre[2]
    reach = radius * 2 / longest * edge(np.arctan2(down, across))
    chord = np.sqrt(np.maximum(reach**2 - down**2 - across**2, 0)) * rng.uniform(0.85, 1.1)
    middle, half = anatomy.z[near[0]] - centre[0], SPACING_MM[0] / 2
    overlap = np.minimum(middle + half, chord) - np.maximum(middle - half, -chord)
    share = np.zeros(anatomy.tissue.shape, np.float32)
    share[near] = np.maximum(overlap, 0) / (2 * half)
    return share


def voxel_at(anatomy: Anatomy, centre: tuple[float, ...]) -> tuple[int, int, int]:
    """(slab, row, column) nearest to a place (z, y, x) in millimetres."""
    slab = int(np.abs(anatomy.geometry.depth - centre[0]).argmin())
    offsets = anatomy.geometry.offsets * anatomy.geometry.scale[slab]
    row, column = (int(np.abs(offsets - value).argmin()) for value in centre[1:])
    return slab, row, column


def reach_in_voxels(anatomy: Anatomy, radius: float) -> tuple[int, int, int]:
    """How many slabs, rows and columns a distance in millimetres spans at most."""
    across = int(radius / (anatomy.geometry.pixel_mm * anatomy.geometry.scale.min())) + 2
    return int(radius / SPACING_MM[0]) + 2, across, across


def filled(
    share: np.ndarray, density: np.ndarray, target: float | np.ndarray, lung: Bool[np.ndarray, "slabs size size"]
) -> np.ndarray:
    """Change of density when a share of every lung voxel is replaced by something denser (or by air)."""
    return np.where(lung, share * (target - density), 0).astype(np.float32)


# ------------------------------------------------------------------------------------------------------------ painters


def opacity(lesion: Lesion, anatomy: Anatomy, density: np.ndarray, rng: np.random.Generator) -> Painted:
    """Consolidation (alveoli filled) and ground-glass opacity (half filled, larger, with a softer edge)."""
    solid = lesion.finding == "consolidation"
    lung = anatomy.lungs[lesion.side]
    aim = aimed(lesion, rng, 0.04 if solid else 0.07, 0.4 if solid else 0.5)
    centre = place_in(anatomy, lesion.side, lesion.zone, 18.0, rng)
    down = (anatomy.y - centre[1]) / rng.uniform(0.8, 1.1)
    across = (anatomy.x - centre[2]) / rng.uniform(0.85, 1.25)
    deep = (anatomy.z - centre[0]) / rng.uniform(0.9, 1.4)
    distance = np.sqrt(down**2 + across**2 + deep**2)
    noise = smooth_noise(rng, lung.shape, (6, 13, 13))
    lobe = anatomy.labels == anatomy.labels[voxel_at(anatomy, centre)]
    bounded = lobe if solid and rng.random() < 0.5 else lung
    softness = 0.5 if solid else 0.8
    ordered = np.sort((distance + 9.0 * noise)[bounded & lung])
    if not len(ordered):
        raise NoRoom(lesion.zone)
    radius = ordered[min(int(aim * lung.sum()), len(ordered) - 1)]
    share = ramp((radius * (1 + softness / 2) - distance - 9.0 * noise) / (softness * radius)) * bounded
    # Air bronchograms and patches: nothing is filled evenly.
    strength = rng.uniform(0.6, 0.9) if solid else rng.uniform(0.24, 0.38)
    patchy = np.clip(strength * (1 + 0.25 * smooth_noise(rng, lung.shape, (9, 18, 18))), 0, 0.95)
    change = filled(share * patchy, density, FLUID, lung)
    amount = float(share[lung].sum() / lung.sum())
    return located(lesion, anatomy, change, severity_of(lesion.finding, amount))


def located(lesion: Lesion, anatomy: Anatomy, change: np.ndarray, severity: str) -> Painted:
    """The lesion with the zone and the lobe in which it came to lie."""
    zone = zone_of(anatomy, lesion.side, centre_of(change, anatomy)[0])
    drawn = replace(lesion, zone=zone, lobe=lobe_of(change, anatomy, zone), severity=severity)
    return Painted(drawn, change, project(change))


def round_lesion(lesion: Lesion, anatomy: Anatomy, density: np.ndarray, rng: np.random.Generator) -> Painted:
    """Nodule and mass: a more or less lobulated ball of soft tissue within the lung."""
    mass = lesion.finding == "mass"
    radius = lesion.size_mm / 2
    centre = place_in(anatomy, lesion.side, lesion.zone, radius, rng)
    lung = anatomy.lungs[lesion.side]
    share = ball(anatomy, centre, radius, rng, 0.13 if mass else 0.06)
    if share[lung].sum() < 0.75 * share.sum():
        raise NoRoom(lesion.zone)
    change = filled(share * (0.9 if mass else 1.0), density, SOFT_TISSUE, lung)
    return located(lesion, anatomy, change, severity_of(lesion.finding, lesion.size_mm))


def cavity(lesion: Lesion, anatomy: Anatomy, density: np.ndarray, rng: np.random.Generator) -> Painted:
    """A thick-walled ring of soft tissue around air, in half the cases with fluid up to a level."""
    radius = lesion.size_mm / 2
    centre = place_in(anatomy, lesion.side, lesion.zone, radius, rng)
    lung = anatomy.lungs[lesion.side]
    outer = ball(anatomy, centre, radius, rng, 0.06)
    if outer[lung].sum() < 0.75 * outer.sum():
        raise NoRoom(lesion.zone)
    wall = rng.uniform(5.0, 9.0) * (0.6 + radius / 50)
    inner = np.minimum(ball(anatomy, centre, radius - wall, rng, 0.1), outer)
    fluid = np.zeros(1, np.float32)
    if rng.random() < 0.5:
        level = centre[1] + rng.uniform(-0.1, 0.5) * (radius - wall)
        fluid = ramp((anatomy.y - level) / 2.0 + 0.5)
    change = filled(outer, density, (outer - inner * (1 - fluid)) / np.maximum(outer, 1e-6) * SOFT_TISSUE, lung)
    painted = located(lesion, anatomy, change, severity_of(lesion.finding, lesion.size_mm))
    return replace(painted, shadow=project(filled(outer, density, SOFT_TISSUE, lung)))


def effusion(lesion: Lesion, anatomy: Anatomy, density: np.ndarray, rng: np.random.Generator) -> Painted:
    """Free fluid in the upright patient: it fills the base and creeps up along the chest wall, the meniscus."""
    lung = anatomy.lungs[lesion.side]
    top, dome = anatomy.heights[lesion.side]
    height = dome - top
    aim = aimed(lesion, rng, 0.06, 0.62)
    wall = np.maximum(anatomy.wall_distance[lesion.side], 0)
    # The meniscus' tip at the wall makes the size; away from the wall the level lies lower, in small effusions behind
    # the dome, so that only the costophrenic angle is blunted.
    creep = rng.uniform(0.35, 0.55) * aim * height + rng.uniform(22, 32) * (1 - aim)
    width = rng.uniform(14, 22) + 0.15 * aim * height
    level = dome - aim * height + creep * (1 - np.exp(-wall / width))
    wavy = level + 2.0 * smooth_noise(rng, lung.shape, (4, 5, 8))
    share = ramp((anatomy.y - wavy) / (rng.uniform(6, 14) + 0.1 * creep) + 0.5)
    # Behind the diaphragm lies less than this CT, made in full inspiration, has room for.
    room = 1 - 0.55 * ramp((anatomy.y - dome) / 40)
    change = filled(share * room * rng.uniform(0.75, 1.0), density, FLUID, lung)
    lesion = replace(lesion, zone="basal", severity=severity_of(lesion.finding, aim))
    return Painted(lesion, change, project(change))


def pneumothorax(lesion: Lesion, anatomy: Anatomy, density: np.ndarray, rng: np.random.Generator) -> Painted:
    """Air between chest wall and lung, widest at the apex; the lung's edge is a fine line, no vessel crosses it."""
    lung = anatomy.lungs[lesion.side]
    top, dome = anatomy.heights[lesion.side]
    rim = aimed(lesion, rng, 11.0, 52.0)
    share_down = np.clip((anatomy.y - top) / (dome - top), 0, 1)
    taper = np.clip(1 - share_down / rng.uniform(0.55, 1.3), 0, 1) ** rng.uniform(0.5, 1.0)
    wall = anatomy.wall_distance[lesion.side]
    # Beside the wall the rim is narrower than under the apex, and it ends towards the base.
    below = anatomy.apex_distance[lesion.side] + 300 * np.maximum(share_down - 0.3, 0)
    depth = np.minimum(wall / rng.uniform(0.55, 0.9), below)
    edge = rim * taper + 1.5 * smooth_noise(rng, lung.shape, (4, 8, 8)) * taper
    # Where the lung's surface slants, its edge moves by this much from slab to slab: blurred by as much, the edges join
    # to one surface instead of a stack of lines.
    slant = np.abs(np.gradient(depth - edge, axis=0))
    share = ramp((edge - depth) / np.hypot(rng.uniform(4.0, 8.0), 2 * slant) + 0.5) * ramp(taper / 0.1)
    width = np.hypot(1.5, slant)
    line = 1.5 / width * np.exp(-((depth - edge - 1.5) ** 2) / (2 * width**2)) * ramp(taper / 0.1)
    # What the air has displaced is still there: the lung that is left is denser, the more the smaller it is.
    squeezed = 1 + rng.uniform(0.4, 1.0) * float(share[lung].mean())
    remaining = density * np.float32(squeezed) + np.float32(rng.uniform(0.06, 0.16)) * line
    change = np.where(lung, (1 - share) * remaining - density, 0).astype(np.float32)
    lesion = replace(lesion, zone="apical", severity=severity_of(lesion.finding, rim))
    return Painted(lesion, change, project(np.where(lung, share * PLAIN_LUNG, 0)))


def atelectasis(lesion: Lesion, anatomy: Anatomy, density: np.ndarray, rng: np.random.Generator) -> Painted:
    """Plate-like collapse: a thin sheet, nearly level, seen edge on."""
    length = aimed(lesion, rng, 34.0, 95.0)
    lung = anatomy.lungs[lesion.side]
    centre = place_in(anatomy, lesion.side, lesion.zone, 12.0, rng)
    outward = -1 if lesion.side == "right" else 1
    slope = np.tan(np.deg2rad(rng.normal(0, 14))) * outward
    down, across, deep = anatomy.y - centre[1], anatomy.x - centre[2], anatomy.z - centre[0]
    bend, lean = rng.normal(0, 0.003), rng.normal(0, 0.09)
    wavy = 1.2 * smooth_noise(rng, lung.shape, (4, 12, 12))
    off = np.abs(down - slope * across - bend * across**2 - lean * deep + wavy)
    along = np.abs(across) * np.sqrt(1 + slope**2) / (length / 2)
    thickness = rng.uniform(4.0, 8.0) * (1.15 - 0.6 * np.clip(along, 0, 1) ** 2)
    ends = ramp((1.15 - along) / 0.35) * ramp((rng.uniform(18, 34) - np.abs(deep)) / 12 + 0.5)
    change = filled(ramp(1.5 - 2 * off / thickness) * ends * rng.uniform(0.55, 1.0), density, SOFT_TISSUE, lung)
    if np.count_nonzero(change.any(0)) < 12:
        raise NoRoom(lesion.zone)
    return located(lesion, anatomy, change, severity_of(lesion.finding, drawn_length(change, anatomy)))


def drawn_length(change: np.ndarray, anatomy: Anatomy) -> float:
    """Millimetres between the outermost columns of a change: the chest wall may have cut the sheet."""
    shadow = np.abs(change).sum(0)
    columns = np.flatnonzero((shadow > 0.25 * shadow.max()).any(0))
    return float((columns[-1] - columns[0] + 1) * anatomy.geometry.pixel_mm)


def edema(lesion: Lesion, anatomy: Anatomy, density: np.ndarray, rng: np.random.Generator) -> Painted:
    """Alveolar edema: haze in both lungs, densest around the roots, fading outwards and upwards; fuller vessels."""
    aim = aimed(lesion, rng, 0.25, 1.0)
    change = np.zeros_like(density)
    reach = rng.uniform(34, 44) + 22 * aim
    for side, lung in anatomy.lungs.items():
        root = anatomy.hila[side]
        down = (anatomy.y - root[0] - 8) / np.where(anatomy.y < root[0], 0.95, 1.15)
        across = (anatomy.x - root[1]) / 0.95
        distance = np.sqrt(down**2 + across**2 + (0.6 * (anatomy.z - root[2])) ** 2)
        wings = np.exp(-((distance / (reach * rng.uniform(0.92, 1.08))) ** 2))
        patchy = np.clip(1 + 0.4 * smooth_noise(rng, lung.shape, (8, 22, 22)), 0.1, 2)
        change += filled(np.clip((0.1 + 0.32 * aim) * wings * patchy, 0, 0.85), density, FLUID, lung)
    lesion = replace(lesion, zone="perihilar", severity=severity_of(lesion.finding, aim))
    return Painted(lesion, change, project(change))


def viral_pneumonia(lesion: Lesion, anatomy: Anatomy, density: np.ndarray, rng: np.random.Generator) -> Painted:
    """Ground-glass patches under the chest wall of both lower lungs, as COVID-19 draws them."""
    aim = aimed(lesion, rng, 0.09, 0.42)
    change, volume, covered = np.zeros_like(density), 0.0, 0.0
    for side, lung in anatomy.lungs.items():
        top, dome = anatomy.heights[side]
        share_down = (anatomy.y - top) / (dome - top)
        basal = ramp((share_down - 0.3) / 0.35)
        wall = np.maximum(anatomy.wall_distance[side], 0)
        patches = smooth_noise(rng, lung.shape, (6, 11, 11))
        score = 2.2 * np.exp(-wall / 26) + 0.7 * basal + 0.5 * patches
        wanted = aim * rng.uniform(0.85, 1.15)
        threshold = np.quantile(score[lung], 1 - wanted)
        share = ramp((score - threshold) / 0.7 + 0.5) * (0.25 + 0.75 * basal)
        strength = rng.uniform(0.32, 0.5)
        change += filled(share * strength, density, FLUID, lung)
        covered, volume = covered + float(share[lung].sum()), volume + float(lung.sum())
    lesion = replace(lesion, zone="basal", severity=severity_of(lesion.finding, covered / volume))
    return Painted(lesion, change, project(change))


PAINTERS: dict[str, Callable[[Lesion, Anatomy, np.ndarray, np.random.Generator], Painted]] = {
    "consolidation": opacity,
    "ground-glass opacity": opacity,
    "nodule": round_lesion,
    "mass": round_lesion,
    "cavity": cavity,
    "pleural effusion": effusion,
    "pneumothorax": pneumothorax,
    "atelectasis": atelectasis,
    "edema": edema,
    "viral pneumonia": viral_pneumonia,
}
"""Everything but cardiomegaly, which is no change of density but another heart."""
