"""Stopping a run and taking it up again, and telling two runs apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cxrtutor.methods.config import RunConfig
from cxrtutor.pretraining import loop
from cxrtutor.pretraining.loop import pretrain
from cxrtutor.pretraining.run import MEASURED, Run


def curve(run: Run) -> list[tuple[float, ...]]:
    """All that a log says but how fast it went."""
    return [tuple(value for key, value in entry.items() if key not in MEASURED) for entry in run.log()]


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.folder / "model" / "model.safetensors")


def assert_same_run(found: Run, expected: Run) -> None:
    """The same curve to 1e-6, and the same model."""
    np.testing.assert_allclose(np.concatenate(curve(found)), np.concatenate(curve(expected)), rtol=0, atol=1e-6)
    for name, value in weights(expected).items():
        torch.testing.assert_close(weights(found)[name], value, rtol=0, atol=1e-6)


def in_new_home(path: Path, train: Callable[[], Run]) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXRTUTOR_HOME", str(path))
        return train()


class Stopped(BaseException):
    """As sudden as Ctrl-C."""


def stop_at(monkeypatch: pytest.MonkeyPatch, stopped_step: int, where: str) -> None:
    """Stop before a step is taken ("step"), or in the midst of writing the checkpoint after it ("checkpoint")."""
    original = loop._Trainer._step if where == "step" else loop._Trainer._save_checkpoint

    def replaced(trainer: Any, step: int, *rest: Any) -> Any:
        if step >= stopped_step:
            raise Stopped
        return original(trainer, step, *rest)

    monkeypatch.setattr(loop._Trainer, "_step" if where == "step" else "_save_checkpoint", replaced)


def stopped_and_resumed(monkeypatch: pytest.MonkeyPatch, config: RunConfig, step: int, checkpoint_every: int) -> Run:
    """The run of `config`, stopped at a step and taken up again from its last checkpoint."""
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        stop_at(patch, step, "step")
        pretrain(config, checkpoint_every=checkpoint_every)
    return pretrain(config, checkpoint_every=checkpoint_every)
