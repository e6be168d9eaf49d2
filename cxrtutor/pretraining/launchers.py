"""Who starts the processes of a run: the run itself, `torchrun` (and so `fabric run`), or Slurm's `srun`."""

from __future__ import annotations

import os
from typing import NamedTuple

from lightning_fabric import Fabric

from ..errors import InputError


class Processes(NamedTuple):
    """How many processes share a run: so many on each of so many machines."""

    devices: int
    nodes: int


def processes(devices: int | None, nodes: int | None) -> Processes:
    """As many as are asked for; where a launcher has started them, as many as it has; else one.

    Raises:
        InputError: a launcher has started other numbers than are asked for.
    """
    started, launcher = _started()
    asked = Processes(*(one if one is not None else it for one, it in zip((devices, nodes), started, strict=True)))
    if launcher and asked != started:
        raise InputError(
            f"{launcher} has started {started.devices} processes on each of {started.nodes} machines, but "
            f"{asked.devices} on each of {asked.nodes} are asked for. Leave --devices and --nodes out: it decides."
        )
    return asked


def _started() -> tuple[Processes, str]:
    """What a launcher has told this process by its environment, in the order in which Fabric believes them."""
    told = os.environ
    if "TORCHELASTIC_RUN_ID" in told:
        each = int(told["LOCAL_WORLD_SIZE"])
        return Processes(each, int(told["WORLD_SIZE"]) // each), "torchrun"
    # A shell that Slurm gave to a person, and a batch script's own commands, have these names too but no step's number.
    if "SLURM_STEP_ID" in told and told.get("SLURM_JOB_NAME") not in ("bash", "interactive"):
        nodes = int(told["SLURM_NNODES"])
        return Processes(int(told["SLURM_NTASKS"]) // nodes, nodes), "srun"
    return Processes(1, 1), ""


def fabric(accelerator: str, devices: int | None, nodes: int | None, precision: str) -> Fabric:
    """The processes of a run, which are still to be brought together (`launch`).

    Raises:
        InputError: there are no such devices here, or a launcher has started other processes.
    """
    shared = processes(devices, nodes)
    try:
        return Fabric(accelerator=accelerator, devices=shared.devices, num_nodes=shared.nodes, precision=precision)
    except (ValueError, TypeError, RuntimeError, ImportError) as error:  # whichever Fabric finds fitting
        raise InputError(
            f"accelerator {accelerator!r} with {shared.devices} devices cannot be used here: {error}"
        ) from error


def launch(processes: Fabric) -> None:
    """Start the processes that are missing, and bring them together; from here on, each does the same."""
    if "LT_CLI_USED" not in os.environ:  # `fabric run` has done it, and forbids it
        processes.launch()
