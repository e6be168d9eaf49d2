"""What travels with the package, so that the first chapter needs no minute of preparation: a small trained model and
twelve studies of the teaching set's test split. `data_scripts/build_shipped.py` makes both anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..data.dataset import StudyDataset
    from ..methods.model import AlignedModel

FOLDER = Path(__file__).parent


def model() -> AlignedModel:
    """The shipped model: LSM, trained on the teaching set by `configs/teaching/lsm.yaml`."""
    from ..methods.model import AlignedModel

    return AlignedModel.from_pretrained(FOLDER / "model")


def studies() -> StudyDataset:
    """Twelve studies that the model has never seen, with their truth."""
    from ..data.dataset import StudyDataset

    return StudyDataset(FOLDER / "studies")


def origin() -> dict[str, Any]:
    """Where model and studies come from: configuration, keys of data and run, training seconds, ids of the studies."""
    return json.loads((FOLDER / "origin.json").read_text())
