"""What travels with the package, so that the first chapter needs no minute of preparation: a small trained model and
twelve studies of the teaching set's test split. `data_scripts/build_shipped.py` makes both anew, and after it
`data_scripts/build_reading_set.py` the films of the reader study.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..data.dataset import StudyDataset
    from ..evaluation.reading_set import ReadingSet
    from ..methods.model import AlignedModel

FOLDER = Path(__file__).parent
READING_SET = FOLDER / "reading_set.json"


def model() -> AlignedModel:
    """The shipped model: LSM, trained on the teaching set by `configs/teaching/lsm.yaml`."""
    from ..methods.model import AlignedModel

    return AlignedModel.from_pretrained(FOLDER / "model")


def studies() -> StudyDataset:
    """Twelve studies that the model has never seen, with their truth."""
    from ..data.dataset import StudyDataset

    return StudyDataset(FOLDER / "studies")


def reading_set() -> ReadingSet:
    """The films of the reader study with the shipped model's maps: other test studies than the twelve."""
    from ..evaluation.reading_set import ReadingSet

    return ReadingSet.load(READING_SET)


def origin() -> dict[str, Any]:
    """Where model and studies come from: configuration, keys of data and run, training seconds, ids of the studies."""
    return json.loads((FOLDER / "origin.json").read_text())
