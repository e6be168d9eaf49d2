"""Made-up studies for tests of what stores and reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cxrtutor.data.geometry import Geometry
from cxrtutor.data.prepared import shard_path, write_card, write_shard
from cxrtutor.data.reports import parse_report
from cxrtutor.data.study import Box, Finding, Report, Sentence, Study


def make_study(index: int, split: str = "train", shape: tuple[int, int] = (24, 20)) -> Study:
    """A study with a bit of everything: two findings (one of boxes only), linked sentences, anatomy."""
    rng = np.random.default_rng([len(split), index])
    mask = np.zeros(shape, bool)
    mask[3:9, 4 : 6 + index % 5] = True
    findings = (
        Finding(
            "mass", "large left mass", mask, (Box(4, 3, 2 + index % 5, 6),), {"side": "left", "size_mm": 0.1 + index}
        ),
        Finding("effusion", "small effusion", None, (Box(0.5, 1.25, 3, 4), Box(9, 9, 2, 2))),
    )
    parsed = parse_report(
        "FINDINGS: A large left mass. No pneumothorax.\nIMPRESSION: Mass; effusion \N{EM DASH} small."
    )
    links = ((0,), (), (0, 1))
    sentences = tuple(Sentence(line.text, link) for line, link in zip(parsed.sentences, links, strict=True))
    return Study(
        id=f"{split}-{index}",
        patient=f"patient-{index // 2}",
        image=rng.integers(0, 256, shape).astype(np.float32) / np.float32(255),
        report=Report(parsed.sections, sentences),
        findings=findings,
        annotated=True,
        anatomy={"heart": ~mask},
        pixel_spacing=(1.5, 1.25),
        view="PA",
        split=split,
        study=f"study-{index // 3}",
        labels={"Edema": index % 3 - 1, "Mass": 1},
        geometry=Geometry((shape[1] * 3, shape[0] * 2), shape, transposed=True, mirrored=index % 2 == 1),
    )


def bare_study(index: int, split: str = "test") -> Study:
    """A study of which nothing but the image is known."""
    return Study(f"bare-{index}", "nobody", np.zeros((9, 7), np.float32), Report({}, ()), split=split)


def make_set(folder: Path, counts: dict[str, int], per_shard: int = 50, **asked_for: object) -> Path:
    """A prepared set of `make_study`s."""
    paths = []
    for split, count in counts.items():
        for number, start in enumerate(range(0, count, per_shard)):
            paths.append(shard_path(folder, split, number))
            write_shard(paths[-1], [make_study(i, split) for i in range(start, min(start + per_shard, count))])
    write_card(folder, paths, asked_for, name="made up", version="1", licence="CC0-1.0", redistribution=True)
    return folder


def change_image(path: Path, row: int, change: Callable[[bytes], bytes]) -> None:
    """Write a shard anew, with one of its images changed, and nothing else."""
    table = pq.read_table(path)
    images = table["image"].to_pylist()
    images[row] = change(images[row])
    table = table.set_column(table.schema.get_field_index("image"), "image", pa.array(images, pa.binary()))
    pq.write_table(table, path, row_group_size=32, compression="zstd")


def flipped(encoded: bytes, at: int = 60) -> bytes:
    """With one bit changed."""
    return encoded[:at] + bytes([encoded[at] ^ 1]) + encoded[at + 1 :]


def assert_same_study(a: Study, b: Study) -> None:
    """Equal in every field, to the last bit."""
    assert (a.id, a.patient, a.report, a.annotated) == (b.id, b.patient, b.report, b.annotated)
    assert (a.pixel_spacing, a.view, a.split, a.study) == (b.pixel_spacing, b.view, b.split, b.study)
    assert (a.labels, a.geometry) == (b.labels, b.geometry)
    np.testing.assert_array_equal(a.image, b.image)
    assert a.image.dtype == b.image.dtype
    assert [(f.name, f.phrase, f.boxes, f.attributes) for f in a.findings] == [
        (f.name, f.phrase, f.boxes, f.attributes) for f in b.findings
    ]
    for mine, other in zip(a.findings, b.findings, strict=True):
        assert (mine.mask is None) == (other.mask is None)
        if mine.mask is not None:
            np.testing.assert_array_equal(mine.mask, other.mask)
    assert a.anatomy.keys() == b.anatomy.keys()
    for name in a.anatomy:
        np.testing.assert_array_equal(a.anatomy[name], b.anatomy[name])
