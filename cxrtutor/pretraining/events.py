"""The log of a run for TensorBoard, made of the same entries as `log.jsonl`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from .. import store

_PLACES = {"step", "epoch", "seconds"}
"""Where an entry stands, and not what it says; TensorBoard has an axis of its own for them."""


class Events:
    """A file of events below a folder, as TensorBoard reads them.

    It is written anew from the entries that the log kept, so a run that was resumed has every step once, and one that
    begins with it in its midst has it from the beginning. (PyTorch's own writer names its files after the machine.)
    """

    def __init__(self, folder: Path, kept: Sequence[Mapping[str, int | float]]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._folder = folder
        step = int(kept[-1]["step"]) if kept else 0
        with store.explained_write_errors(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            self._file = RecordWriter((folder / f"events.out.tfevents.{step:010d}").open("wb"))
            self._file.write(Event(wall_time=0, file_version="brain.Event:2").SerializeToString())
            for entry in tqdm(kept, desc="TensorBoard", unit="step", delay=2, disable=None):
                self._add(entry)
            self._file.flush()

    def write(self, entry: Mapping[str, int | float]) -> None:
        """One entry of the log: each of its values as a point over the step, at the second that the log has.

        Raises:
            InputError: the file cannot be written.
        """
        with store.explained_write_errors(self._folder):
            self._add(entry)
            self._file.flush()

    def _add(self, entry: Mapping[str, int | float]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in entry.items() if tag not in _PLACES]
        event = Event(wall_time=entry["seconds"], step=int(entry["step"]), summary=Summary(value=values))
        self._file.write(event.SerializeToString())

    def close(self) -> None:
        with store.explained_write_errors(self._folder):
            self._file.close()
