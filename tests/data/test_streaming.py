from __future__ import annotations

import multiprocessing
import os
import socket
import subprocess
import sys
import textwrap
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import assert_same_study, bare_study, make_set, make_study
from torch.utils.data import DataLoader

from cxrtutor.data import streaming
from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.prepared import ROWS_PER_GROUP, shard_path, write_card, write_shard
from cxrtutor.data.streaming import StudyStream
from cxrtutor.errors import InputError

COUNTS = {"train": 150, "test": 40}


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    return StudyDataset(make_set(tmp_path_factory.mktemp("set"), COUNTS, per_shard=50), "train")


def ids(stream):
    return [study.id for study in stream]


def test_a_stream_gives_every_study_once_and_whole(studies):
    found = {study.id: study for study in StudyStream(studies)}
    assert len(found) == len(StudyStream(studies)) == COUNTS["train"]
    for index in (0, 31, 32, 149):
        assert_same_study(found[f"train-{index}"], make_study(index))


def test_the_example_of_the_module_runs(studies):
    lines = streaming.__doc__.split("\n\n")[2].splitlines()
    example = textwrap.dedent("\n".join([*lines, "            seen.append((epoch, [study.id for study in studies]))"]))
    assert '"data/mimic-cxr"' in example and "num_workers=4" in example
    example = example.replace('"data/mimic-cxr"', repr(str(studies.folder))).replace("num_workers=4", "num_workers=1")
    names = {"StudyStream": StudyStream, "StudyDataset": StudyDataset, "DataLoader": DataLoader, "seen": []}
    exec(example, names)
    orders = [[id for number, batch in names["seen"] if number == epoch for id in batch] for epoch in (0, 1)]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(studies.ids()) and orders[0] != orders[1]
    assert len(names["batch"]) == len(names["seen"][-1][1])


def test_the_order_is_random_and_by_seed_and_epoch(studies):
    stream = StudyStream(studies, seed=3)
    first = ids(stream)
    assert ids(stream) == first == ids(StudyStream(studies, seed=3)) != ids(StudyStream(studies, seed=4))
    stream.set_epoch(1)
    assert ids(stream) != first
    in_order = studies.ids()
    assert first != in_order
    places = [in_order.index(name) for name in first]
    neighbours = sum(abs(a - b) == 1 for a, b in pairwise(places))
    assert neighbours < 15  # 2 of 150 by chance; 149 unshuffled


def test_without_a_buffer_groups_stay_together(studies):
    order = ids(StudyStream(studies, buffer=1))
    groups = [(group.shard, group.number, group.rows) for group in studies.row_groups()]
    assert [rows for *_, rows in groups] == [32, 18] * 3
    starts = {name: position for position, name in enumerate(order)}
    for shard, number, rows in groups:
        start = 50 * shard + 32 * number
        places = sorted(starts[f"train-{index}"] for index in range(start, start + rows))
        assert places[-1] - places[0] == rows - 1


@settings(max_examples=15)
@given(st.integers(1, 7), st.integers(1, 200), st.integers(0, 5))
def test_processes_share_all_studies_equally(studies, world_size, buffer, seed):
    parts = [StudyStream(studies, seed=seed, buffer=buffer, rank=r, world_size=world_size) for r in range(world_size)]
    found = [ids(part) for part in parts]
    assert [len(part) for part in parts] == [len(names) for names in found]
    assert max(map(len, found)) - min(map(len, found)) <= 1
    assert Counter(name for names in found for name in names) == Counter(studies.ids())


def only_ids(batch):
    return [study.id for study in batch]


@pytest.mark.parametrize("persistent", [False, True])
def test_a_loaders_workers_share_the_part_of_their_process(studies, persistent):
    seen = Counter()
    epochs = []
    for rank in range(2):
        stream = StudyStream(studies, rank=rank, world_size=2)
        loader = DataLoader(
            stream,
            batch_size=8,
            num_workers=2,
            collate_fn=only_ids,
            persistent_workers=persistent,
            multiprocessing_context="fork",
        )
        epochs.append([])
        for epoch in range(2):
            stream.set_epoch(epoch)
            epochs[-1].append([name for batch in loader for name in batch])
        assert len(epochs[-1][0]) == len(stream) == 75
        assert epochs[-1][0] != epochs[-1][1]  # workers that outlive an epoch hear of the next
        seen.update(epochs[-1][0])
    assert seen == Counter(studies.ids())


def _of_process(rank, world_size, folder, port, answers, workers):
    torch.distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=world_size
    )
    stream = StudyStream(StudyDataset(folder, "train"))
    if workers:
        stream = DataLoader(stream, batch_size=None, num_workers=1, multiprocessing_context=workers)
    answers.put(ids(stream))
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("workers", [None, "fork", "spawn"])
def test_processes_of_torch_distributed_are_found_out(studies, workers):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    processes = [
        context.Process(target=_of_process, args=(r, 2, studies.folder, port, answers, workers)) for r in range(2)
    ]
    for process in processes:
        process.start()
    found = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert [len(part) for part in found] == [75, 75]
    assert {*found[0], *found[1]} == set(studies.ids())


@pytest.mark.parametrize(
    "wrong", [{"rank": 0}, {"world_size": 2}, {"rank": 2, "world_size": 2}, {"buffer": 0}, {"seed": -1}]
)
def test_what_cannot_be_is_told(studies, wrong):
    with pytest.raises(InputError, match=r"Give|give"):
        StudyStream(studies, **wrong)


# ---- as many studies as MIMIC-CXR has

MANY = 220_000
ROWS_PER_SHARD = 1024
OPEN = """
import re, sys, time
from pathlib import Path
before = time.perf_counter()
from cxrtutor.data.dataset import StudyDataset
studies = StudyDataset(sys.argv[1], "train")
found = len(studies), len(studies.row_groups()), studies[123_456].id
seconds = time.perf_counter() - before
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
print(*found, seconds, peak)
"""
STREAM = """
import sys
from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.streaming import StudyStream
stream = StudyStream(StudyDataset(sys.argv[1], "train"), rank=int(sys.argv[2]), world_size=2)
print(*(study.id for study in stream))
"""


def many_studies(folder: Path) -> Path:
    """A set of one small study, under many ids."""
    write_shard(folder / "one.parquet", [bare_study(0, "train")])
    one = pq.read_table(folder / "one.parquet")
    (folder / "one.parquet").unlink()
    rows = pa.concat_tables([one] * ROWS_PER_SHARD).combine_chunks()
    shards = []
    for number, start in enumerate(range(0, MANY, ROWS_PER_SHARD)):
        names = pa.array([f"{index}" for index in range(start, min(start + ROWS_PER_SHARD, MANY))])
        shards.append(shard_path(folder, "train", number))
        table = rows.slice(0, len(names)).set_column(rows.schema.get_field_index("id"), "id", names)
        pq.write_table(table, shards[-1], row_group_size=ROWS_PER_GROUP, compression="zstd")
    write_card(folder, shards, {}, name="many", version="1", licence="CC0-1.0", redistribution=True)
    return folder


def plain_python(script: str, *arguments: object) -> subprocess.Popen:
    """A process without this one's checks of every call."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], env=env, stdout=subprocess.PIPE)


@pytest.mark.slow
def test_many_studies_open_at_once_and_stream_without_loss(tmp_path):
    folder = many_studies(tmp_path)
    rows, groups, name, seconds, kilobytes = plain_python(OPEN, folder).communicate()[0].split()
    assert (int(rows), int(groups), int(name)) == (MANY, -(-MANY // ROWS_PER_GROUP), 123_456)
    assert float(seconds) < 2 and int(kilobytes) < 300_000
    running = [plain_python(STREAM, folder, rank) for rank in range(2)]
    parts = [np.array(process.communicate()[0].split(), int) for process in running]
    assert [len(part) for part in parts] == [MANY // 2, MANY // 2]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(MANY))
    for part in parts:
        assert abs(np.corrcoef(part, np.arange(len(part)))[0, 1]) < 0.02  # shuffled over the whole set
        assert np.mean(np.abs(np.diff(part)) < ROWS_PER_GROUP) < 0.05  # and within
