"""Will it fit, and how long will it take? Asked before a run, answered by small steps that are measured here.

Memory of one of `W` devices, for a batch of `B` pairs of which each has its share `S = B / W`:

- *weights* of model and objective, in float32, frozen ones too.
- *gradients* of what is trained: those of the step before are there until the next backward pass begins.
- *moments*: Adam's two, of what is trained.
- *buckets*: where there are several devices, the gradients once more, as they are sent.
- *activations* that the encoders keep for their backward pass, by `S`; with mixed precision the weights' copies in half
  precision too. With `compute.piece` only the projected features of the share, and one piece of the rest (below). With
  `compute.recompute` the inputs of blocks.
- *objective*: what it keeps and works on, by the whole `B`, in every process; with several devices the gathered
  features too. Tables of words by regions, for all `B` images and `B` reports, are not kept as a whole: what a kernel
  cannot keep within `similarity.KEPT_BYTES` it computes again, some images at a time.
- *passing*: what the encoders' passes need for a moment beyond that: temporary tensors, the block that is being
  recomputed, or the piece.
- *context*: what is there before the first tensor. On a GPU an allowance of ours for CUDA, its libraries and their
  workspaces, plus a share of the activations for what the allocator cannot use; on a CPU the interpreter, as measured.

Time of a step: operations by the type of number they are done in, over what the device could do of these at its best,
times a utilisation; but no less than PyTorch takes to start them one by one, which is what small shares wait for.
Exchange between devices, the optimiser, reading and validation are not counted apart: they are in
the utilisation, which is an assumption. A throughput that was measured is better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import torch

from ..data.sets import open_studies
from ..errors import InputError
from ..methods.config import RunConfig
from .costs import Costs, measured_costs
from .gpus import gpu_named

UTILISATION = 0.35
"""Of what a GPU could multiply at its best; ours. Tuned transformers reach .4 to .5, convolutions less."""

START = 8e-6
"""Seconds to start an operation on a GPU from Python, forward and backward; ours. Compiled models start fewer."""

CONTEXT = 2**30
"""Bytes for CUDA, its libraries and their workspaces; ours, rather too much."""

FRAGMENTATION = 0.05
"""Of activations and objective, lost between tensors; ours."""

MIMIC_STUDIES = 220_000
"""Pairs of a frontal radiograph and a report in MIMIC-CXR's training split, about."""

REPORT_PIECES = 112
"""Word pieces of a report: the most that any recipe's encoder reads, as many reports of MIMIC-CXR have."""

GIB = 2**30


@dataclass(frozen=True)
class Plan:
    """What a run will take. `str` of it is a table for people.

    Attributes:
        method: of the run.
        device: its name.
        devices: how many there are in all.
        precision: that is planned for.
        batch: pairs of all devices together.
        piece: pairs that go through the encoders at a time.
        recompute: whether activations are recomputed.
        parameters: of model and objective.
        trained: those that training changes.
        memory: bytes of one device, by term.
        capacity: bytes that it has.
        operations: of one device in one step, by type of number.
        seconds_per_step: of all devices together.
        steps_per_epoch: full batches of the training studies.
        epochs: as configured.
        notes: what was assumed.
        remedies: what would make it fit, where it does not.
    """

    method: str
    device: str
    devices: int
    precision: str
    batch: int
    piece: int
    recompute: bool
    parameters: int
    trained: int
    memory: Mapping[str, int]
    capacity: int
    operations: Mapping[str, float]
    seconds_per_step: float
    steps_per_epoch: int
    epochs: int
    notes: tuple[str, ...]
    remedies: tuple[str, ...]

    @property
    def total(self) -> int:
        """Bytes that each device must hold."""
        return sum(self.memory.values())

    @property
    def fits(self) -> bool:
        """Whether it holds them."""
        return self.total <= self.capacity

    @property
    def images_per_second(self) -> float:
        """Of all devices together."""
        return self.batch / self.seconds_per_step

    @property
    def hours_per_epoch(self) -> float:
        """Training alone."""
        return self.steps_per_epoch * self.seconds_per_step / 3600

    @property
    def days(self) -> float:
        """All epochs."""
        return self.hours_per_epoch * self.epochs / 24

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        derived = ("total", "fits", "images_per_second", "hours_per_epoch", "days")
        return {**asdict(self), **{name: getattr(self, name) for name in derived}}

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        share = self.batch // self.devices
        yield f"{self.method} on {self.devices} x {self.device}, {self.precision}"
        yield f"  {self.parameters / 1e6:.1f} million parameters, {self.trained / 1e6:.1f} million of them trained"
        pieces = f", {self.piece} at a time" if self.piece < share else ""
        recompute = ", activations recomputed" if self.recompute else ""
        yield f"  batch of {self.batch}, {share} a device{pieces}{recompute}"
        yield "memory of each device, GiB"
        for term, size in self.memory.items():
            yield f"  {term:12}{size / GIB:8.2f}"
        verdict = "it fits" if self.fits else "IT DOES NOT FIT"
        yield f"  {'total':12}{self.total / GIB:8.2f} of {self.capacity / GIB:.1f}: {verdict}"
        yield from (f"  would fit: {remedy}" for remedy in self.remedies)
        yield "time"
        done = ", ".join(f"{count / 1e12:.3g} in {kind}" for kind, count in self.operations.items())
        yield f"  a step    {_duration(self.seconds_per_step)}, {self.images_per_second:,.0f} images a second"
        yield f"            10^12 operations of each device: {done}"
        yield f"  an epoch  {_duration(3600 * self.hours_per_epoch)}, {self.steps_per_epoch:,} steps"
        yield f"  {f'{self.epochs} epochs':10}{_duration(86400 * self.days)}"
        yield from (f"note: {note}" for note in self.notes)


def plan(
    config: RunConfig,
    *,
    gpu: str = "a100-80",
    gpus: int = 1,
    nodes: int = 1,
    studies: int | None = None,
    images_per_second: float | None = None,
    pieces: int = REPORT_PIECES,
) -> Plan:
    """What a run of `config` takes on `nodes` machines of `gpus` GPUs each; half a minute at paper scale.

    Args:
        config: the run. Nothing of it is fetched or trained.
        gpu: a name of `gpus.GPUS`, or "cpu" for this machine without one.
        gpus: of each machine; processes on the CPU.
        nodes: how many machines.
        studies: training studies; those of the configured set if it is there, else MIMIC-CXR's.
        images_per_second: that all devices do together, where it was measured (a run's log says it).
        pieces: word pieces of a report.

    Raises:
        InputError: the configuration is wrong, there is no such GPU, or the batch cannot be shared evenly.
    """
    devices = gpus * nodes
    if devices < 1 or config.optimization.batch_size % devices:
        raise InputError(
            f"A batch of {config.optimization.batch_size} cannot be shared evenly by {devices} devices. Set "
            "optimization.batch_size to a multiple of their number."
        )
    machine = _cpu(devices) if gpu == "cpu" else _gpu(gpu)
    notes = []
    if config.optimization.precision == "bf16-mixed" and not machine.has_bfloat16:
        optimization = config.optimization.model_copy(update={"precision": "32-true"})
        config = config.model_copy(update={"optimization": optimization})
        notes.append(f"{machine.name} has no bfloat16; planned with optimization.precision: 32-true")
    costs = measured_costs(config, pieces)
    count, told = _studies(config, studies)
    batch = config.optimization.batch_size
    layout = _Layout(batch, devices, config.compute.piece)
    memory = _memory(costs, layout, machine)
    operations = _operations(costs, layout)
    if images_per_second:
        seconds = batch / images_per_second
        notes.append(f"time from {images_per_second:g} images a second, as given")
    elif gpu == "cpu":
        seconds = devices * sum(operations.values()) / costs.speed
        notes.append(
            f"time from {costs.speed / 1e9:.0f} billion operations a second, as measured here in small batches"
        )
    else:
        computing = sum(done / (machine.speed[kind] * UTILISATION) for kind, done in operations.items())
        starting = _started(costs, layout) * START
        seconds = max(computing, starting)
        notes.append(
            f"time at {UTILISATION:.0%} of the data sheet's figures, which is an assumption"
            if computing > starting
            else f"a share is so small that its {_started(costs, layout):,} operations take longer to be started, at "
            f"{START * 1e6:g} microseconds each, which is an assumption, than to be done"
        )
    remedies = [] if sum(memory.values()) <= machine.capacity else _remedies(config, costs, layout, machine, pieces)
    return Plan(
        method=config.method,
        device=machine.name,
        devices=devices,
        precision=config.optimization.precision,
        batch=batch,
        piece=layout.piece_of_share,
        recompute=config.compute.recompute,
        parameters=costs.parameters,
        trained=costs.trained,
        memory=memory,
        capacity=machine.capacity,
        operations={str(kind).removeprefix("torch."): done for kind, done in operations.items()},
        seconds_per_step=seconds,
        steps_per_epoch=max(count // batch, 1),
        epochs=config.optimization.epochs,
        notes=(told, f"reports of up to {pieces} word pieces", *notes),
        remedies=tuple(remedies),
    )


@dataclass(frozen=True)
class _Layout:
    """How a batch is cut up."""

    batch: int
    devices: int
    piece: int | None

    @property
    def share(self) -> int:
        return self.batch // self.devices

    @property
    def piece_of_share(self) -> int:
        return min(self.piece or self.share, self.share)


@dataclass(frozen=True)
class _Machine:
    """A device: bytes that it has, bytes that are gone before the first tensor, operations a second by type."""

    name: str
    capacity: int
    context: int
    fragmentation: float
    speed: Mapping[torch.dtype, float]
    has_bfloat16: bool


def _gpu(name: str) -> _Machine:
    gpu = gpu_named(name)
    speed = {torch.bfloat16: (gpu.bfloat16 or 0) * 1e12, torch.float32: gpu.float32 * 1e12}
    return _Machine(gpu.name, int(gpu.gibibytes * GIB), CONTEXT, FRAGMENTATION, speed, gpu.bfloat16 is not None)


def _cpu(processes: int) -> _Machine:
    capacity, interpreter = psutil.virtual_memory().total // processes, psutil.Process().memory_info().rss
    return _Machine("CPU of this machine", capacity, interpreter, 0.0, {}, True)


def _memory(costs: Costs, layout: _Layout, machine: _Machine) -> dict[str, int]:
    """Bytes of one device, by term; see the top."""
    share, piece, gradients = layout.share, layout.piece_of_share, 4 * costs.trained
    activations, passing = costs.given(share) + costs.kept(share), costs.passing(share)
    if piece < share:
        activations, passing = costs.given(share) + costs.features(share), costs.kept(piece) + costs.passing(piece)
    objective = costs.objective_bytes(layout.batch)
    if layout.devices > 1:
        objective += costs.features(layout.batch)
    passing = max(0.0, passing - objective)
    wasted = machine.fragmentation * (activations + objective + passing)
    terms = {
        "weights": costs.weights,
        "gradients": gradients,
        "moments": 2 * gradients,
        "buckets": gradients if layout.devices > 1 else 0,
        "activations": activations,
        "objective": objective,
        "passing": passing,
        "context": machine.context + wasted,
    }
    return {term: round(size) for term, size in terms.items()}


def _operations(costs: Costs, layout: _Layout) -> dict[torch.dtype, float]:
    """Operations of one device in one step; the encoders go forward twice where a share goes through in pieces."""
    encoders = [costs.both, costs.forward] if layout.piece_of_share < layout.share else [costs.both]
    parts = [{kind: count(layout.share) for kind, count in part.items()} for part in encoders]
    parts.append(costs.objective_operations(layout.batch))
    kinds = dict.fromkeys(kind for part in parts for kind in part)
    return {kind: sum(part.get(kind, 0.0) for part in parts) for kind in kinds}


def _started(costs: Costs, layout: _Layout) -> int:
    """How many operations of PyTorch a step is, the optimiser's not counted."""
    pieces = -(-layout.share // layout.piece_of_share)
    encoders = costs.started_both if pieces == 1 else pieces * (costs.started_forward + costs.started_both)
    return encoders + costs.keeping.started


def _studies(config: RunConfig, given: int | None) -> tuple[int, str]:
    """How many training studies there are, and how that is known."""
    data = config.data
    if given is not None:
        return given, f"{given:,} training studies, as given"
    if data.set == "teaching":
        from ..data.teaching.make import EDITIONS

        count, known = EDITIONS[data.edition]["train"], f"of the teaching set ({data.edition})"
    elif (Path(data.set) / "card.json").is_file():
        count, known = len(open_studies(data.set, "train")), f"of {data.set}"
    else:
        return MIMIC_STUDIES, f"{data.set} is not here: about {MIMIC_STUDIES:,} training studies, as MIMIC-CXR has"
    count = min(count, data.subset or count)
    return count, f"{count:,} training studies {known}"


def _remedies(config: RunConfig, costs: Costs, layout: _Layout, machine: _Machine, pieces: int) -> Iterator[str]:
    """What would make a run fit, from what costs nothing but time to what changes the loss."""

    def fits(changed: _Layout, costs: Costs = costs) -> bool:
        return sum(_memory(costs, changed, machine).values()) <= machine.capacity

    cut = [replace(layout, piece=piece) for piece in _halves(layout.piece_of_share)]
    if small := next(filter(fits, cut), None):
        yield f"compute.piece: {small.piece} (the encoders go forward twice)"
    if not config.compute.recompute:
        compute = config.compute.model_copy(update={"recompute": True})
        recomputed = measured_costs(config.model_copy(update={"compute": compute}), pieces)
        again = next((each for each in (layout, *cut) if fits(each, recomputed)), None)
        if again is layout:
            yield "compute.recompute: true (the encoders' blocks go forward twice)"
        elif again is not None and small is None:
            yield f"compute.recompute: true and compute.piece: {again.piece}"
    more = (replace(layout, devices=n) for n in range(layout.devices + 1, layout.batch + 1) if layout.batch % n == 0)
    if wide := next(filter(fits, more), None):
        yield f"{wide.devices} devices"
    smaller = (replace(layout, batch=n * layout.devices) for n in range(layout.share - 1, 0, -1))
    if less := next(filter(fits, smaller), None):
        yield f"optimization.batch_size: {less.batch} (another loss: it has fewer pairs to tell apart)"


def _duration(seconds: float) -> str:
    """In the largest unit of which it is one at least."""
    units = {"days": 86400.0, "h": 3600.0, "min": 60.0, "s": 1.0}
    unit = next((name for name, size in units.items() if seconds >= size), "s")
    return f"{seconds / units[unit]:8.3g} {unit}"


def _halves(share: int) -> Iterator[int]:
    """Half of it, a quarter, and so on."""
    while share > 1:
        share = -(-share // 2)
        yield share
