"""A prepared set as a shuffled stream, for training on more studies than random access can follow.

Random access reads 32 studies from the disk for each one that is asked for. A stream reads every row group once an
epoch: the groups in a random order, and the rows of several groups mixed in a buffer.

    stream = StudyStream(StudyDataset("data/mimic-cxr", "train"), seed=7)
    loader = DataLoader(stream, batch_size=64, num_workers=4, collate_fn=list, persistent_workers=True)
    for epoch in range(2):
        stream.set_epoch(epoch)
        for studies in loader:
            batch = [study.image for study in studies]

Studies are no tensors, and their images differ in size, so `collate_fn=list` keeps a batch as a list of them. Without
`set_epoch`, which has to be called before the loader is run through and in every process, each epoch has the order of
the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from ..errors import InputError
from .dataset import RowGroup, StudyDataset
from .prepared import study_of
from .study import Study


class StudyStream(IterableDataset[Study]):
    """The studies of a set in a random order, each once an epoch over all processes and workers together.

    The shuffled sequence of all rows is cut into equal parts, so that the parts of any two workers differ by one study
    at most; so do those of two processes, but for their numbers of workers. A `DataLoader`'s workers and the processes
    of `torch.distributed` are found out while it runs.

    Attributes:
        studies: the set.
        seed: of the order; equal in all processes.
        buffer: how many studies are mixed. They are held as they lie on the disk, not decoded.
    """

    def __init__(
        self,
        studies: StudyDataset,
        *,
        seed: int = 0,
        buffer: int = 1024,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        """Stream a set.

        Args:
            studies: the set.
            seed: of the order.
            buffer: how many studies are mixed; 1 for none.
            rank: the number of this process; by default torch.distributed's, where it was started.
            world_size: how many there are; by default likewise.

        Raises:
            InputError: there is no such rank, the buffer holds nothing, or the seed is below 0.
        """
        if (rank is None) != (world_size is None) or (rank is not None and not 0 <= rank < world_size):
            raise InputError(f"Process {rank} of {world_size}: give both, and the rank from 0 on.")
        if buffer < 1:
            raise InputError(f"A buffer of {buffer} studies holds nothing. Give 1 or more.")
        if seed < 0:
            raise InputError(f"A seed of {seed} is none. Give 0 or more.")
        self.studies = studies
        self.seed = seed
        self.buffer = buffer
        self._process = None if rank is None or world_size is None else (rank, world_size)
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # seen by workers that outlive an epoch

    def __getstate__(self) -> dict[str, Any]:
        """What a loader's worker gets that is not forked: nothing in it knows of `torch.distributed`, so it is told."""
        return {**self.__dict__, "_process": self._processes()}

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass; call it in every process before each epoch."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        """The studies of this process."""
        start, stop = self._part(*self._processes())
        return stop - start

    def __iter__(self) -> Iterator[Study]:
        rank, world_size = self._processes()
        worker = get_worker_info()
        number, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        part, parts = rank * workers + number, world_size * workers
        epoch = int(self._epoch)
        groups = self.studies.row_groups()
        order = np.random.default_rng((self.seed, epoch)).permutation(len(groups))
        rng = np.random.default_rng((self.seed, epoch, part))
        rows = self._rows([groups[position] for position in order], *self._part(part, parts), rng)
        return map(study_of, _mixed(rows, self.buffer, rng))

    def _rows(
        self, groups: Sequence[RowGroup], start: int, stop: int, rng: np.random.Generator
    ) -> Iterator[dict[str, Any]]:
        """The rows `start` to `stop` of the groups one after another; those of each group in a random order."""
        before = 0
        for group in groups:
            first, last = max(start - before, 0), min(stop - before, group.rows)
            if first < last:
                rows = self.studies.rows(group).slice(first, last - first).to_pylist()
                yield from (rows[row] for row in rng.permutation(len(rows)))
            before += group.rows

    def _part(self, part: int, parts: int) -> tuple[int, int]:
        rows = len(self.studies)
        return rows * part // parts, rows * (part + 1) // parts

    def _processes(self) -> tuple[int, int]:
        """The number of this process, and how many there are."""
        if self._process is not None:
            return self._process
        distributed = torch.distributed
        if distributed.is_available() and distributed.is_initialized():
            return distributed.get_rank(), distributed.get_world_size()
        return 0, 1


def _mixed(rows: Iterator[dict[str, Any]], size: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Draw from a buffer that is filled up from `rows` after every draw."""
    held: list[dict[str, Any]] = []
    for row in rows:
        if len(held) < size:
            held.append(row)
            continue
        drawn = rng.integers(size)
        yield held[drawn]
        held[drawn] = row
    yield from (held[place] for place in rng.permutation(len(held)))
