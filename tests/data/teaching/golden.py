"""A few studies of the teaching set as they must come out; `python tests/data/teaching/golden.py` writes them anew."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from cxrtutor.data.teaching.make import SPLITS, VERSION, make_study

FILE = Path(__file__).with_name("golden.json")
INDICES = (0, 1)
BLOCK = 16
"""Pixels on a side that are averaged, so that the last bits of another machine's arithmetic do not show."""


def describe(split: str, index: int) -> dict:
    """What a study looks like from afar, as JSON holds it."""
    study = make_study(split, index)
    blocks = study.image.reshape(study.image.shape[0] // BLOCK, BLOCK, -1, BLOCK).mean((1, 3))
    return {
        "report": study.report.text,
        "findings": [finding.phrase for finding in study.findings],
        "pixels in mask": [int(finding.mask.sum()) for finding in study.findings],
        "image": np.rint(blocks * 255).astype(int).tolist(),
    }


if __name__ == "__main__":
    lines = [f'"{split}": ' + json.dumps([describe(split, index) for index in INDICES]) for split in SPLITS]
    FILE.write_text(f'{{"version": {VERSION}, "studies": {{\n' + ",\n".join(lines) + "\n}}\n")
