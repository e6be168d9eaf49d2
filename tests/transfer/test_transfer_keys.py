"""What was computed of some examples is not found for others, whichever side they are on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from small_tasks import COUNTS, small_teaching_set

from cxrtutor.methods.config import ImageEncoderConfig
from cxrtutor.transfer.examples import Examples
from cxrtutor.transfer.representation import Representation, trunk
from cxrtutor.transfer.tasks import TASKS, Task
from cxrtutor.transfer.transfer import transfer


@dataclass(frozen=True)
class Halved(Task):
    """A task of the same name that has the first half of the examples of one split alone; the other is whole."""

    halved: str = ""

    def examples(self, data: str, split: str, edition: str = "full") -> Examples:
        whole = super().examples(data, split, edition)
        return whole.take(range(len(whole) // 2)) if split == self.halved else whole


def halved(split: str) -> Halved:
    task = TASKS["opacity"]
    return Halved(**{field.name: getattr(task, field.name) for field in fields(Task)}, halved=split)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(small_teaching_set(tmp_path_factory.mktemp("set")))


@pytest.fixture(scope="module")
def network() -> Representation:
    return trunk(ImageEncoderConfig(pretrained=False), "random", image_size=32)


def test_other_test_films_give_another_result(data: str, network: Representation, home: Path) -> None:
    whole, half = (transfer(halved(split), network, data=data) for split in ("", "test"))
    assert (len(whole.study), len(half.study)) == (COUNTS["test"], COUNTS["test"] // 2)


def test_other_training_films_give_another_result(data: str, network: Representation, home: Path) -> None:
    whole, half = (transfer(halved(split), network, data=data) for split in ("", "train"))
    assert whole.study == half.study and (whole.scores != half.scores).any()
