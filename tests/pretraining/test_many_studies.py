"""A set of as many studies as MIMIC-CXR has: it opens at once, and an epoch in the order of its row groups shows each
study once, whoever reads it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data.made_up import bare_study

from cxrtutor.data.prepared import ROWS_PER_GROUP, shard_path, write_card, write_shard

pytestmark = pytest.mark.slow

MANY = 220_000
ROWS_PER_SHARD = 1024
BATCH = 2000
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
READ = """
import multiprocessing, sys
from dataclasses import dataclass
import numpy as np
from cxrtutor.data.dataset import StudyDataset
from cxrtutor.pretraining.loading import Course, Share, images_of_steps, row_groups_of
from cxrtutor.pretraining.sampling import WINDOW

@dataclass
class Names:
    studies: StudyDataset

    def read(self, indices):
        return [cells["id"] for _, cells in sorted(self.studies._cells(indices.tolist(), "id"))]

if __name__ == "__main__":
    folder, rank, workers, method = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    multiprocessing.set_start_method(method)
    studies = StudyDataset(folder, "train")
    studies.keep_groups(WINDOW)
    positions = np.arange(len(studies))
    course = Course(positions, row_groups_of(studies, positions), 1, BATCH, epochs=1, seed=0)
    read = images_of_steps([Names(studies)], course, Share(rank, 2), workers=workers)
    print(*(name for batch in read for name in batch))
""".replace("BATCH", str(BATCH))


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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return many_studies(tmp_path_factory.mktemp("many"))


def test_many_studies_open_at_once(folder: Path) -> None:
    rows, groups, name, seconds, kilobytes = plain_python(OPEN, folder).communicate()[0].split()
    assert (int(rows), int(groups), int(name)) == (MANY, -(-MANY // ROWS_PER_GROUP), 123_456)
    assert float(seconds) < 2 and int(kilobytes) < 300_000


def test_two_processes_read_each_study_once(folder: Path, tmp_path: Path) -> None:
    """One reads for itself, the other lets a process read that is not forked."""
    program = tmp_path / "read.py"  # a file, which a spawned process can load again
    program.write_text(READ)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    running = [
        subprocess.Popen(
            [sys.executable, program, folder, str(rank), str(rank), "spawn"], env=environment, stdout=subprocess.PIPE
        )
        for rank in range(2)
    ]
    parts = [np.array(process.communicate()[0].split(), int) for process in running]
    assert [len(part) for part in parts] == [MANY // 2, MANY // 2]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(MANY))
    for part in parts:
        assert abs(np.corrcoef(part, np.arange(len(part)))[0, 1]) < 0.02  # shuffled over the whole set
        assert np.mean(np.abs(np.diff(part)) < ROWS_PER_GROUP) < 0.05  # and within
