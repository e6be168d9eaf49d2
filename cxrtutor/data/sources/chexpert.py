"""CheXpert: frontal films of Stanford's patients, with labels that were read off their reports.

`train.csv` and `valid.csv` name every image by a path that begins with the set's own folder:
`CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg`. The layout is as remembered and read defensively.

Source: Irvin et al., CheXpert: a large chest radiograph dataset with uncertainty labels, AAAI 2019.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..annotations import UnreadableRow

LABELS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Enlarged Cardiomediastinum",
    "Fracture",
    "Lung Lesion",
    "Lung Opacity",
    "No Finding",
    "Pleural Effusion",
    "Pleural Other",
    "Pneumonia",
    "Pneumothorax",
    "Support Devices",
)
_VALUES = {"1.0": 1, "0.0": 0, "-1.0": -1, "1": 1, "0": 0, "-1": -1, "": None}


def labels_of(row: Mapping[str, str]) -> dict[str, int]:
    """The labels of a row, in the form that MIMIC-CXR's tables share: 1.0, 0.0, -1.0, or blank where not mentioned.

    Raises:
        UnreadableRow: a value is something else.
    """
    labels = {}
    for name in LABELS:
        written = row.get(name, "")
        if written not in _VALUES:
            raise UnreadableRow(name, f"{written!r} is neither 1.0, 0.0, -1.0 nor blank")
        if written:
            labels[name] = _VALUES[written]
    return labels
