"""Patients of the teaching set drawn once more, each without one of their lesions and otherwise the same.

No patient has such a film: the same chest, under the same exposure, down to the noise, with and without a finding. What
a model says of the two differs because of the finding, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence

from tqdm import tqdm

from ... import store
from ..dataset import StudyDataset
from ..prepared import shard_path, write_card, write_shard
from .make import LICENCE, VERSION, asked_for, make_study

TWINS_VERSION = 1
"""Raised whenever a twin comes out differently."""


def twins_without(split: str, lesions: Sequence[tuple[int, int]]) -> StudyDataset:
    """The twins of some studies of a split, drawn on the first call.

    Args:
        split: of the teaching set.
        lesions: (study, finding): the number of a study in the split, and the position of the one of its findings that
            its twin lacks. Not cardiomegaly, which is not in a heart but is the heart.

    Raises:
        InputError: the set cannot be written.
    """
    studies = {split: [list(pair) for pair in lesions]}
    asked = {**asked_for("full"), "recipe": "teaching twins", "twins": TWINS_VERSION, "studies": studies}
    folder = store.place("data", asked)
    if not (folder / "card.json").is_file():
        drawing = tqdm(lesions, desc="twins", unit="film", disable=None)
        with store.new_folder(folder) as partial:
            shard = shard_path(partial, split, 0)
            write_shard(shard, (make_study(split, index, without=finding) for index, finding in drawing))
            write_card(
                partial,
                [shard],
                asked,
                name="twins of the teaching set",
                version=f"{VERSION}.{TWINS_VERSION}",
                licence=LICENCE,
                redistribution=True,
            )
    return StudyDataset(folder, split)
