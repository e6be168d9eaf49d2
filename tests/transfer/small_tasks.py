"""A set with the name, the splits and the findings of the teaching set, of which every task takes a second."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from small_runs import study as small_study

from cxrtutor.data.geometry import Box
from cxrtutor.data.prepared import shard_path, write_card, write_shard
from cxrtutor.data.study import Finding, Study
from cxrtutor.data.teaching.lesion import FINDINGS

COUNTS = {"train": 36, "validation": 6, "test": 18, "unseen": 16}
SHAPE = (40, 32)


def study(index: int, split: str) -> Study:
    """Every fourth patient is healthy; others have a bright lesion, and every third has one of another kind too."""
    names = [] if index % 4 == 0 else [FINDINGS[index % len(FINDINGS)]]
    names += ["mass"] if index % 3 == 1 and names else []
    if split == "unseen":
        names = [("viral pneumonia", "cavity")[index % 2]]
    plain = small_study(index, split)
    image, findings = plain.image * np.float32(0.5), []
    for name in names:
        row, column = 4 + 3 * (index % 8), 3 + 2 * (len(name) % 9)
        mask = np.zeros(SHAPE, bool)
        mask[row : row + 9, column : column + 8] = True
        image = np.where(mask, np.float32(1), image)
        findings.append(Finding(name, name, mask, (Box(column, row, 8, 9),)))
    person = {"id": f"{split}-{index}", "patient": f"{split} patient {index}"}
    report = dataclasses.replace(plain.report, sentences=plain.report.sentences[:1])
    return dataclasses.replace(plain, image=image, findings=tuple(findings), report=report, **person)


def small_teaching_set(folder: Path) -> Path:
    """A prepared set of such studies."""
    return small_set(folder, "teaching set, small edition", COUNTS, study)


def small_set(folder: Path, name: str, counts: Mapping[str, int], study: Callable[[int, str], Study]) -> Path:
    """A prepared set of so many studies a split, made by number and split."""
    shards = []
    for split, count in counts.items():
        shards.append(shard_path(folder, split, 0))
        write_shard(shards[-1], [study(index, split) for index in range(count)])
    write_card(folder, shards, {name: counts}, name=name, version="1", licence="CC0-1.0", redistribution=True)
    return folder
