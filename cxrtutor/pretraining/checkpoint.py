"""Everything that a run needs to go on as if it had never stopped: safetensors and JSON, never pickle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.optim import Optimizer

from .. import store
from ..errors import InputError


def save_checkpoint(folder: Path, step: int, weights: dict[str, Tensor], optimizer: Optimizer) -> None:
    """Write `folder/step-N` as a whole, then drop the older ones.

    The order of studies needs no saving: it is a function of seed and epoch alone. The schedule is a function of the
    step.

    Raises:
        InputError: the folder cannot be written.
    """
    target = folder / f"step-{step}"
    with store.new_folder(target) as partial:
        # Through Python's own writing, whose errors say that the disk is full; safetensors' do not.
        contiguous = {key: value.contiguous() for key, value in weights.items()}
        (partial / "weights.safetensors").write_bytes(save(contiguous))
        (partial / "optimizer.safetensors").write_bytes(save(_optimizer_tensors(optimizer)))
        (partial / "random.safetensors").write_bytes(save(_random_state()))
        (partial / "state.json").write_text(json.dumps({"step": step}))
    for older in folder.glob("step-*"):
        if older != target:
            shutil.rmtree(older)


def load_checkpoint(folder: Path, module: nn.Module, optimizer: Optimizer) -> int:
    """Put the newest checkpoint below `folder` into `module` and `optimizer`; the step it was taken after, or 0.

    Raises:
        InputError: the checkpoint is damaged or does not fit.
    """
    steps = list(folder.glob("step-*"))
    if not steps:
        return 0
    newest = max(steps, key=lambda path: int(path.name.removeprefix("step-")))
    try:
        step = int(json.loads((newest / "state.json").read_text())["step"])
        weights = load_file(newest / "weights.safetensors")
        moments = load_file(newest / "optimizer.safetensors")
        random = load_file(newest / "random.safetensors")
        missing, unexpected = module.load_state_dict(weights, strict=False)
        trained = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
        if unexpected or trained & set(missing):
            raise ValueError(f"of other parameters: {sorted({*unexpected, *(trained & set(missing))})[:3]}")
        _restore_optimizer(optimizer, moments)
        _restore_random_state(random)
    except (SafetensorError, OSError, RuntimeError, LookupError, ValueError) as error:
        raise InputError(
            f"The checkpoint {newest} cannot be resumed from ({error}). Delete its folder to start again."
        ) from error
    return step


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
    parameters = _parameters(optimizer)
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        parameter = parameters[int(index)]
        # AdamW keeps its step counter on the CPU whatever the parameter's device.
        optimizer.state[parameter][name] = value.to(parameter.device) if value.dim() else value


def _random_state() -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _restore_random_state(state: dict[str, Tensor]) -> None:
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
