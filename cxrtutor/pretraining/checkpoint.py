"""Everything that a run needs to go on as if it had never stopped: safetensors and JSON, never pickle."""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
import zlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim import Optimizer
from tqdm import tqdm

from .. import store
from ..errors import InputError

KEPT = 2
"""How many checkpoints stay: were the newest damaged, by a disk that filled up or power that went, the one before it
costs a few steps and not the run."""


class CheckpointClock:
    """When a checkpoint is due: after so many steps, and after so many minutes since the last."""

    def __init__(self, every: int, minutes: float | None) -> None:
        self._every, self._seconds = every, math.inf if minutes is None else 60 * minutes
        self._last = time.monotonic()

    def due(self, step: int) -> bool:
        """Whether the state after `step` steps is to be saved."""
        return step % self._every == 0 or time.monotonic() - self._last >= self._seconds

    def saved(self) -> None:
        """A checkpoint was written: its minutes begin anew."""
        self._last = time.monotonic()


def save_checkpoint(folder: Path, step: int, weights: dict[str, Tensor], optimizer: Optimizer) -> None:
    """Write `folder/step-N` as a whole, then drop all older ones but the one before it.

    The order of studies needs no saving: it is a function of seed and epoch alone. The schedule is a function of the
    step.

    Raises:
        InputError: the folder cannot be written.
    """
    target = folder / f"step-{step}"
    contiguous = {key: value.contiguous() for key, value in weights.items()}
    parts = {"weights": contiguous, "optimizer": _optimizer_tensors(optimizer), "random": _random_state()}
    with store.new_folder(target) as partial:
        sums = {}
        for name, tensors in parts.items():
            # Through Python's own writing, whose errors say that the disk is full; safetensors' do not.
            content = save(tensors)
            (partial / f"{name}.safetensors").write_bytes(content)
            sums[name] = zlib.crc32(content)
        (partial / "state.json").write_text(json.dumps({"step": step, "crc32": sums}))
    for older in _newest_first(folder)[KEPT:]:
        shutil.rmtree(older)


def load_checkpoint(folder: Path, module: nn.Module, optimizer: Optimizer) -> int:
    """Put the newest checkpoint below `folder` that is whole into `module` and `optimizer`.

    One that cannot be used is named on standard error and deleted, where there is another before it.

    Returns:
        The step that it was taken after, or 0 where there is none.

    Raises:
        InputError: there are checkpoints, and each is damaged or does not fit.
    """
    damaged: list[tuple[Path, Exception]] = []
    for path in _newest_first(folder):
        try:
            step = _restored(path, module, optimizer)
        except (SafetensorError, OSError, RuntimeError, LookupError, ValueError) as error:
            damaged.append((path, error))
            continue
        for other, error in damaged:
            tqdm.write(f"The checkpoint {other} cannot be used ({error}); {path.name} is, before it.", file=sys.stderr)
            shutil.rmtree(other, ignore_errors=True)
        return step
    if not damaged:
        return 0
    newest, error = damaged[0]
    raise InputError(
        f"The checkpoint {newest} cannot be resumed from ({error}), nor one before it. Delete {folder} to start again."
    ) from error


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"), key=lambda path: int(path.name.removeprefix("step-")), reverse=True)


def _restored(path: Path, module: nn.Module, optimizer: Optimizer) -> int:
    """Put one checkpoint into `module` and `optimizer`; its step. All its files are read before anything is changed."""
    state = json.loads((path / "state.json").read_text())
    sums = state.get("crc32", {})
    weights, moments, random = (_read(path, name, sums) for name in ("weights", "optimizer", "random"))
    missing, unexpected = module.load_state_dict(weights, strict=False)
    trained = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    if unexpected or trained & set(missing):
        raise ValueError(f"of other parameters: {sorted({*unexpected, *(trained & set(missing))})[:3]}")
    _restore_optimizer(optimizer, moments)
    _restore_random_state(random)
    return int(state["step"])


def _read(path: Path, name: str, sums: dict[str, int]) -> dict[str, Tensor]:
    """One file of a checkpoint, which is as its sum says; early ones came without sums."""
    content = (path / f"{name}.safetensors").read_bytes()
    # A disk may lose what lies between a file's beginning and its end, and safetensors would not notice.
    if name in sums and zlib.crc32(content) != sums[name]:
        raise ValueError(f"{name}.safetensors is not as it was written")
    return load(content)


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Moments and counters of every parameter, by its position and name: "3.exp_avg"."""
    return {
        f"{index}.{name}": value.contiguous()
        for index, parameter in enumerate(_parameters(optimizer))
        for name, value in optimizer.state.get(parameter, {}).items()
    }


def _restore_optimizer(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    parameters = [(parameter, group) for group in optimizer.param_groups for parameter in group["params"]]
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        parameter, group = parameters[int(index)]
        if name != "step":  # a moment; a fused optimiser asks for the layout in memory that the parameter has
            value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        elif group.get("fused"):  # which counts its steps where the parameter is, any other on the CPU
            value = value.to(parameter.device)
        optimizer.state[parameter][name] = value


def _random_state() -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _restore_random_state(state: dict[str, Tensor]) -> None:
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
