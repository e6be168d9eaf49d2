"""TensorBoard reads what the log says, each step once, however often the run was taken up."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from interruptions import Stopped, stop_at
from small_runs import STEPS, small_config
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cxrtutor.pretraining.events import Events
from cxrtutor.pretraining.loop import pretrain, run_folder
from cxrtutor.pretraining.run import Run


def points(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard would draw: by tag, (step, value)."""
    read = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    read.Reload()
    return {tag: [(point.step, point.value) for point in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def assert_as_logged(run: Run) -> None:
    drawn, log = points(run.folder / "tensorboard"), run.log()
    tags = {key for entry in log for key in entry} - {"step", "epoch", "seconds"}
    assert set(drawn) == tags >= {"loss", "learning_rate", "validation_loss", "images_per_second"}
    for tag in tags:
        expected = [(entry["step"], entry[tag]) for entry in log if tag in entry]
        np.testing.assert_allclose(drawn[tag], expected, rtol=1e-6)


def test_it_is_the_log(data: Path, home: Path) -> None:
    assert_as_logged(pretrain(small_config(data, epochs=2), tensorboard=True))


def test_a_resumed_run_has_every_step_once(data: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = small_config(data)
    for step, tensorboard in ((3, False), (7, True), (10, True)):  # the first three steps are drawn too
        with monkeypatch.context() as patch, pytest.raises(Stopped):
            stop_at(patch, step, "step")
            pretrain(config, checkpoint_every=2, tensorboard=tensorboard)
    run = pretrain(config, checkpoint_every=2, tensorboard=True)
    assert [entry["step"] for entry in run.log()] == list(range(1, STEPS + 1))
    assert_as_logged(run)


def test_what_was_written_can_be_seen_at_once(tmp_path: Path) -> None:
    events = Events(tmp_path / "tensorboard", [{"step": 1, "epoch": 0, "seconds": 0.5, "loss": 2.0}])
    events.write({"step": 2, "epoch": 0, "seconds": 1.0, "loss": 1.5})
    assert points(tmp_path / "tensorboard") == {"loss": [(1, 2.0), (2, 1.5)]}
    events.close()


def test_nothing_is_written_unless_it_is_asked_for(data: Path, home: Path) -> None:
    pretrain(config := small_config(data, epochs=1))
    assert not (run_folder(config) / "tensorboard").exists()
    assert "tensorboard" not in json.dumps(Run(run_folder(config)).config.model_dump())
