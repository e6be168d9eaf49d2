"""What was computed of one set is not found for another: each set below differs from the first in one split."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_tasks import COUNTS, study

from cxrtutor.data.prepared import shard_path, write_card, write_shard
from cxrtutor.methods.config import ImageEncoderConfig
from cxrtutor.transfer.representation import Representation, trunk
from cxrtutor.transfer.transfer import transfer


def made(folder: Path, first: dict[str, int]) -> str:
    """A set like the small teaching set, of which the studies of a split begin at another one than usual."""
    shards = [shard_path(folder, split, 0) for split in COUNTS]
    for path, (split, count) in zip(shards, COUNTS.items(), strict=True):
        write_shard(path, [study(first.get(split, 0) + number, split) for number in range(count)])
    asked = {"small": COUNTS, "first": first}
    name = "teaching set, small edition"
    write_card(folder, shards, asked, name=name, version="1", licence="CC0-1.0", redistribution=True)
    return str(folder)


@pytest.fixture(scope="module")
def network() -> Representation:
    return trunk(ImageEncoderConfig(pretrained=False), "random", image_size=32)


def test_another_test_set_gives_another_result(tmp_path: Path, network: Representation, home: Path) -> None:
    one, other = (made(tmp_path / str(first), {"test": first}) for first in (0, 5))
    results = [transfer("opacity", network, data=data) for data in (one, other, one)]
    assert results[0].study == results[2].study != results[1].study
    assert results[1].study == tuple(f"test-{number}" for number in range(5, 5 + COUNTS["test"]))


def test_another_training_set_gives_another_result(tmp_path: Path, network: Representation, home: Path) -> None:
    one, other = (made(tmp_path / str(first), {"train": first}) for first in (0, 5))
    results = [transfer("opacity", network, data=data) for data in (one, other, one)]
    assert results[0].study == results[1].study
    assert (results[0].scores == results[2].scores).all() and (results[0].scores != results[1].scores).any()
