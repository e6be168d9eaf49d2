"""What every step of a run is given, as a pure function of the step: nothing to save, nothing to go wrong on resume.

A resumed run asks for the steps that are left, and a run with other processes, or other loader processes, for the same
batches.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..data.dataset import StudyDataset
from ..data.views import Studies
from ..encoders.caching import CachedImages, CachedTexts, Choice, LiveImages, LiveTexts, text_source
from ..encoders.features import ImageFeatures, TextFeatures
from ..errors import InputError
from ..methods.config import TrainingText
from ..methods.model import AlignedModel
from .masking import MaskedImages
from .sampling import batches, shown_sentences, view_of_batch
from .stopping import SIGNALS

AHEAD = 4
"""Batches that each loader process has ready at most, or is reading."""

Inputs = tuple[ImageFeatures | Tensor, TextFeatures | list[list[str]]]
"""Images and reports as the model takes them."""

Masked = Mapping[str, Tensor | ImageFeatures]
"""What the model takes beside them of images that are hidden in part, by name; empty where none are."""

Read = Tensor | tuple[Tensor, ...]
"""Images, or a frozen encoder's maps of them, as they lie on the disk."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Pairs:
    """Images and reports of one split, or of a view of it: as cached features where the encoder is frozen, as what it
    takes where it is not."""

    images: CachedImages | LiveImages
    texts: CachedTexts | LiveTexts

    @classmethod
    def of(cls, model: AlignedModel, studies: Studies, described: Studies | None = None) -> Pairs:
        """The images of `studies`, and the reports of these or of a view in which they are `described` otherwise."""
        return cls(model.image_source(studies), text_source(model.text_encoder, described or studies))

    def batch(self, indices: Int[np.ndarray, " batch"], choice: Choice | None = None) -> Inputs:
        """Some images and their reports, on the CPU; of each report the sentences of the `choice`, if there is one."""
        return self.images.inputs(indices), self.texts.inputs(indices, choice)


class Batch(NamedTuple):
    """Which studies a step is shown, by their indices in the set, and in which view; it is batch `number` of its epoch,
    both counted from 0."""

    epoch: int
    number: int
    view: int
    studies: Int[np.ndarray, " batch"]


@dataclass(frozen=True, eq=False)
class Course:
    """The batches of a run, all processes together, by step.

    Attributes:
        studies: those that are shown, by their indices in the set.
        groups: the row group of each, where order goes by row groups; else None.
        views: how many views of the set there are.
        batch_size: of all processes together.
        epochs: of the run.
        seed: of the run.
    """

    studies: Int[np.ndarray, " studies"]
    groups: Int[np.ndarray, " studies"] | None
    views: int
    batch_size: int
    epochs: int
    seed: int
    _orders: dict[int, list[np.ndarray]] = field(default_factory=dict, init=False, repr=False)

    @property
    def steps_per_epoch(self) -> int:
        return max(len(self.studies) // self.batch_size, 1)

    def __len__(self) -> int:
        return self.steps_per_epoch * self.epochs

    def __getitem__(self, step: int) -> Batch:
        epoch, number = divmod(step, self.steps_per_epoch)
        if epoch not in self._orders:  # one epoch's order is kept, that of the last step asked for
            self._orders.clear()
            self._orders[epoch] = batches(len(self.studies), self.batch_size, self.seed, epoch, self.groups)
        view = view_of_batch(self.views, self.seed, epoch, number)
        return Batch(epoch, number, view, self.studies[self._orders[epoch][number]])


@dataclass(frozen=True)
class Share:
    """The part of every batch that one of several processes takes: the parts are equal, what is left over is not looked
    at."""

    rank: int = 0
    world: int = 1

    def of(self, batch: Int[np.ndarray, " batch"]) -> Int[np.ndarray, " share"]:
        return batch[self.rank : len(batch) - len(batch) % self.world : self.world]


class Given(NamedTuple):
    """What a step is given, on the training device.

    Attributes:
        inputs: images and reports.
        masked: what the model takes beside them of images that are hidden in part.
        waiting: seconds that were spent until they were read.
    """

    inputs: Inputs
    masked: Masked
    waiting: float


@dataclass(frozen=True, eq=False)
class Loader:
    """Reads what steps are given, ahead of them where it has processes to.

    Only images of trained encoders are worth processes of their own. A frozen encoder's maps lie in the order in which
    they are taken, a copy away, and reports are in memory.

    Attributes:
        views: the training split and its views.
        masks: what is hidden of each.
        course: of the run.
        text: what is shown of reports.
        share: of this process.
        device: where training takes place.
        workers: processes that read; 0 reads in this one.
    """

    views: Sequence[Pairs]
    masks: Sequence[MaskedImages]
    course: Course
    text: TrainingText
    share: Share
    device: torch.device
    workers: int

    def steps(self, done: int = 0) -> Iterator[Given]:
        """What each step is given, after so many that are done.

        The processes end with the iterator: close it when training stops before its end.

        Raises:
            InputError: what a step is to be shown cannot be read.
        """
        images = [view.images for view in self.views]
        workers = self.workers if isinstance(images[0], LiveImages) else 0
        read = iter(images_of_steps(images, self.course, self.share, done, workers, pin=self.device.type == "cuda"))
        try:
            for step in range(done, len(self.course)):
                began = time.perf_counter()
                batch = self._batch(step)
                view, masks, key = self.views[batch.view], self.masks[batch.view], (self.course.seed, *batch[:2])
                pixels = _next(read)
                masked = masks.read(batch.studies, *key)
                text = view.texts.inputs(batch.studies, self._choice(batch))
                waiting = time.perf_counter() - began
                inputs = (
                    view.images.inputs_of(self._moved(pixels)),
                    text if isinstance(text, list) else text.to(self.device),
                )
                hidden = masks.inputs_of(masked and self._moved(masked), batch.studies, *key, self.device)
                yield Given(inputs, hidden, waiting)
        finally:
            _end_readers(read)

    def _batch(self, step: int) -> Batch:
        """This process's part."""
        batch = self.course[step]
        return batch._replace(studies=self.share.of(batch.studies))

    def _choice(self, batch: Batch) -> Choice | None:
        """Which sentences the batch shows of each report; None for all."""
        if not self.text.chooses:
            return None
        texts, seed, epoch = self.views[batch.view].texts, self.course.seed, batch.epoch
        return [shown_sentences(texts.with_words(s), self.text, seed, epoch, s) for s in batch.studies.tolist()]

    def _moved(self, read: Read | list[Tensor]) -> Read:
        """On the device; what the loader pins comes as a list."""
        if isinstance(read, Tensor):
            return read.to(self.device, non_blocking=True)
        return tuple(each.to(self.device, non_blocking=True) for each in read)


def images_of_steps(
    images: Sequence[CachedImages | LiveImages],
    course: Course,
    share: Share,
    done: int = 0,
    workers: int = 0,
    pin: bool = False,
) -> DataLoader[Read | InputError]:
    """The images of each step's batch, after so many steps that are done, as they lie on the disk.

    Args:
        images: of every view.
        course: of the run.
        share: of this process.
        done: the steps that are not read any more.
        workers: processes that read; 0 reads in this one.
        pin: into memory that a GPU copies from while it computes.
    """
    return DataLoader(
        _Images(images, course, share),
        batch_size=None,
        sampler=range(done, len(course)),
        num_workers=workers,
        prefetch_factor=AHEAD if workers else None,
        collate_fn=_as_it_is,
        pin_memory=pin,
        worker_init_fn=_leave_signals_to_the_trainer,
        generator=torch.Generator(),  # else it draws from the random numbers that dropout draws from
    )


@dataclass(frozen=True, eq=False)
class _Images(Dataset[Read | InputError]):
    """The images of every step's batch, or why they cannot be read: an error that a process raises would arrive as
    another one, with a traceback for a message."""

    views: Sequence[CachedImages | LiveImages]
    course: Course
    share: Share

    def __len__(self) -> int:
        return len(self.course)

    def __getitem__(self, step: int) -> Read | InputError:
        batch = self.course[step]
        try:
            return self.views[batch.view].read(self.share.of(batch.studies))
        except InputError as error:
            return error


def row_groups_of(studies: StudyDataset, positions: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """The row group that each of some studies lies in, counted over the whole set."""
    ends = np.cumsum([group.rows for group in studies.row_groups()])
    return np.searchsorted(ends, positions, side="right")


def _next(reading: Iterator[Read | InputError]) -> Read:
    try:
        read = next(reading)
    except (ConnectionError, EOFError) as error:  # in the midst of what it sent
        raise _ended(error) from error
    if isinstance(read, InputError):
        raise read
    return read


@contextmanager
def told_of_ended_readers() -> Iterator[None]:
    """Around the steps: a loader process that is killed is heard of wherever the trainer is.

    Raises:
        InputError: such a process has ended.
    """
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" in str(error):
            raise _ended(error) from error
        raise


def _ended(error: Exception) -> InputError:
    return InputError(
        f"A process that reads the data has ended ({error}). Give the machine more memory, or more shared memory "
        "(/dev/shm), or lower compute.workers; the same command goes on from the last checkpoint."
    )


def _as_it_is(item: Item) -> Item:
    return item


def _end_readers(read: Iterator[Any]) -> None:
    """End the processes that read, at once and whatever they do: nothing of them has to be kept.

    Left to itself, PyTorch ends them once nothing refers to the iterator any more, which a traceback may do for long;
    and by SIGTERM, which they leave to the trainer.
    """
    if hasattr(read, "_shutdown_workers"):  # there are processes
        read._shutdown_workers()
        for process in read._workers:
            process.kill()
            process.join()


def _leave_signals_to_the_trainer(worker: int) -> None:
    """A signal to stop goes to all processes of a job. Those that read go on, since the trainer still takes a step or
    saves, and end with it."""
    for each in (signal.SIGINT, *SIGNALS):
        signal.signal(each, signal.SIG_IGN)
