"""What a step of a recipe costs in memory and in multiplications: measured here in small, to be scaled up.

The recipe's own model and objective take a few small batches forward and backward, with random weights and made-up
pairs, under a `Tally`. What was measured is then told as polynomials of the number of pairs: the encoders' costs are
linear in the pairs of one process; the objective, which every process computes over the pairs of all, is quadratic.

A CPU counts for a GPU here. Both keep the same tensors, save that attention with dropout keeps its weights on a CPU and
not on a GPU, whose activations are so a little overestimated.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields, is_dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor, nn
from tqdm import tqdm

from ..alignment import LocalAlignment, TransportAlignment, similarity, transport_similarity
from ..alignment.alignment import Objective, PairedFeatures
from ..methods.config import RunConfig
from ..methods.model import AlignedModel
from ..methods.registry import method
from .computing import arrange
from .example_pairs import example_inputs
from .tally import Tally

TRAINED_PAIRS, FROZEN_PAIRS = (2, 3), (8, 16)
"""Batches that are measured: where an encoder is trained a pair takes a second, where none is a moment."""

OBJECTIVE_PAIRS = (4, 8, 12)
"""Batches that the objective is measured over; a quadratic needs three."""


UNBOUNDED = 2**62
"""Bytes that nothing fills."""

_KERNELS = (LocalAlignment, TransportAlignment)
"""Objectives that compare every image with every report by a kernel that keeps what it can: each calls it once."""


@dataclass(frozen=True)
class Polynomial:
    """`sum_k coefficients[k] n^k`, of a number `n` of pairs."""

    coefficients: tuple[float, ...]

    @classmethod
    def fitted(cls, counts: Sequence[int], values: Sequence[int | float], degree: int) -> Polynomial:
        """The one of least squares. No coefficient is negative: costs grow with the batch, far beyond `counts` too."""
        powers = np.vander(np.array(counts, dtype=float), degree + 1, increasing=True)
        return cls(tuple(nnls(powers, np.array(values, dtype=float))[0].tolist()))

    def __call__(self, pairs: int) -> float:
        """Its value."""
        return sum(factor * pairs**power for power, factor in enumerate(self.coefficients))


Operations = Mapping[torch.dtype, Polynomial]
"""Floating-point operations by the type of number that they are done in."""


@dataclass(frozen=True)
class ObjectiveCosts:
    """What an objective costs, by the number of pairs that it is over.

    Attributes:
        peak: bytes that it holds at most, forward or backward, beside the features that it is given.
        operations: of both.
        started: how many operations of PyTorch these are; more where a large batch is taken some images at a time.
    """

    peak: Polynomial
    operations: Operations
    started: int

    @classmethod
    def fitted(cls, tallies: Sequence[Tally]) -> ObjectiveCosts:
        """From batches of `OBJECTIVE_PAIRS`."""
        peak = Polynomial.fitted(OBJECTIVE_PAIRS, [tally.peak for tally in tallies], 2)
        operations = _by_type(OBJECTIVE_PAIRS, [tally.multiplied for tally in tallies], 2)
        return cls(peak, operations, max(tally.started for tally in tallies))


@dataclass(frozen=True)
class Costs:
    """What a step costs, much of it by the number of pairs.

    Attributes:
        parameters: of model and objective.
        trained: those of them that training changes.
        weights: bytes of all parameters and buffers.
        kept: bytes that the model's forward pass leaves for its backward pass, with what came out; under mixed
            precision its constant part is the weights in half precision.
        passing: bytes that either pass needs on top of these for a moment, the weights' gradients not counted.
        given: bytes of the pairs as the model takes them.
        features: bytes of the projected pairs, which the objective takes.
        keeping: what the objective costs where its kernels may keep for the backward pass whatever they like to.
        computing_again: what it costs where they may keep nothing.
        may_keep: bytes that they may really keep.
        forward: operations of the model's forward pass.
        both: of its forward and backward pass.
        started_forward: how many operations of PyTorch the forward pass is, whatever the pairs.
        started_both: how many both passes are.
        speed: operations a second that this machine did meanwhile.
    """

    parameters: int
    trained: int
    weights: int
    kept: Polynomial
    passing: Polynomial
    given: Polynomial
    features: Polynomial
    keeping: ObjectiveCosts
    computing_again: ObjectiveCosts
    may_keep: int
    forward: Operations
    both: Operations
    started_forward: int
    started_both: int
    speed: float

    def objective_bytes(self, pairs: int) -> float:
        """What the objective holds at most, over all pairs of a batch."""
        return min(self.keeping.peak(pairs), self.computing_again.peak(pairs) + self.may_keep)

    def objective_operations(self, pairs: int) -> dict[torch.dtype, float]:
        """What it computes; where not all can be kept, as if nothing was."""
        bounded = self.keeping.peak(pairs) > self.objective_bytes(pairs)
        costs = self.computing_again if bounded else self.keeping
        return {kind: count(pairs) for kind, count in costs.operations.items()}


def measured_costs(config: RunConfig, pieces: int) -> Costs:
    """The costs of a step of `config`, in its precision and with its `compute.recompute`; half a minute at paper scale.

    Args:
        config: the run. Its weights are random, and none is fetched.
        pieces: how many word pieces a report has at most.

    Raises:
        InputError: the configuration is wrong.
    """
    recipe, config = method(config.method), _without_weights(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, objective = recipe.model(config).train(), recipe.objective(config).train()
        arrange(model, config.compute.model_copy(update={"compile": False}))
        trains = model.image_encoder.trainable or model.text_encoder.trainable
        counts = TRAINED_PAIRS if trains else FROZEN_PAIRS
        total = len(counts) + 2 * len(OBJECTIVE_PAIRS)
        bar = tqdm(total=total, desc="measuring small steps", unit="step", disable=None)
        with bar, _gradients_dropped(model, objective):
            passes = []
            for count in counts:
                inputs = example_inputs(model, config.data.text, count, pieces)
                passes.append(_pass(model, objective, config, inputs))
                bar.update()
            aligned: dict[int, list[Tally]] = {UNBOUNDED: [], 0: []}
            for bound, count in product(aligned, OBJECTIVE_PAIRS):
                share = min(1.0, count / config.optimization.batch_size)
                with _bounds(kept=bound, share=share):
                    aligned[bound].append(_aligned(objective, _leaves(passes[-1].pairs, count), config))
                bar.update()

    def linear(values: Iterable[int]) -> Polynomial:
        return Polynomial.fitted(counts, list(values), 1)

    parts = nn.ModuleList([model, objective])
    last = passes[-1]
    return Costs(
        parameters=sum(p.numel() for p in parts.parameters()),
        trained=sum(p.numel() for p in parts.parameters() if p.requires_grad),
        weights=sum(tensor.nbytes for tensor in (*parts.parameters(), *parts.buffers())),
        kept=linear(each.kept for each in passes),
        passing=linear(each.passing for each in passes),
        given=linear(each.given for each in passes),
        features=linear(_bytes(each.pairs) for each in passes),
        keeping=ObjectiveCosts.fitted(aligned[UNBOUNDED]),
        computing_again=ObjectiveCosts.fitted(aligned[0]),
        may_keep=sum(similarity.KEPT_BYTES for part in objective.modules() if isinstance(part, _KERNELS)),
        forward=_by_type(counts, [each.forward for each in passes], 1),
        both=_by_type(counts, [each.both for each in passes], 1),
        started_forward=last.started_forward,
        started_both=last.started_both,
        speed=sum(last.both.values()) / last.seconds,
    )


@dataclass(frozen=True, eq=False)
class _Pass:
    """What a small batch cost, and the projected pairs that it made."""

    pairs: PairedFeatures
    kept: int
    passing: int
    given: int
    forward: Counter[torch.dtype]
    both: Counter[torch.dtype]
    started_forward: int
    started_both: int
    seconds: float


def _pass(model: AlignedModel, objective: Objective, config: RunConfig, inputs: tuple[Any, ...]) -> _Pass:
    """A batch through the model and back, with the gradient that the objective has for it."""
    tally, began = Tally(), time.perf_counter()
    with tally, _precision(config):
        pairs = model(*inputs)
    kept, forward, seconds = tally.live, tally.multiplied.copy(), time.perf_counter() - began
    started_forward = tally.started
    leaves = _leaves(pairs, len(pairs.image.pooled))
    _aligned(objective, leaves, config)
    both = zip(_tensors(pairs), _tensors(leaves), strict=True)
    ends = [(end, leaf.grad) for end, leaf in both if leaf.grad is not None]
    began = time.perf_counter()
    with tally:
        torch.autograd.backward(*zip(*ends, strict=True))
    return _Pass(
        pairs=_leaves(pairs, len(pairs.image.pooled)),
        kept=kept,
        passing=tally.peak - kept + sum(gradient.nbytes for _, gradient in ends),
        given=_bytes(inputs),
        forward=forward,
        both=tally.multiplied,
        started_forward=started_forward,
        started_both=tally.started,
        seconds=seconds + time.perf_counter() - began,
    )


def _aligned(objective: Objective, pairs: PairedFeatures, config: RunConfig) -> Tally:
    """What the objective costs over some pairs, forward and backward."""
    with Tally() as tally:
        with _precision(config):
            loss = objective(pairs).loss
        loss.backward()
    return tally


@contextmanager
def _bounds(kept: int, share: float) -> Iterator[None]:
    """Let the kernels of alignment keep so much, and work on as much at once as suits a `share` of a batch.

    Of images at once they so take as many as of the whole batch, and their costs can be scaled up.
    """
    kernels = (similarity, transport_similarity)
    before = [(kernel.KEPT_BYTES, kernel.CHUNK_ELEMENTS) for kernel in kernels]
    try:
        for kernel, (_, chunk) in zip(kernels, before, strict=True):
            kernel.KEPT_BYTES, kernel.CHUNK_ELEMENTS = kept, int(chunk * share)
        yield
    finally:
        for kernel, (kept, chunk) in zip(kernels, before, strict=True):
            kernel.KEPT_BYTES, kernel.CHUNK_ELEMENTS = kept, chunk


@contextmanager
def _gradients_dropped(*modules: nn.Module) -> Iterator[None]:
    """Weights let go of their gradients at once: how large these are is known, and when each is made need not be."""

    def drop(parameter: Tensor) -> None:
        parameter.grad = None

    trained = [p for module in modules for p in module.parameters() if p.requires_grad]
    hooks = [parameter.register_post_accumulate_grad_hook(drop) for parameter in trained]
    yield
    for hook in hooks:
        hook.remove()


def _precision(config: RunConfig) -> AbstractContextManager[Any]:
    """Mixed precision as Lightning Fabric does it."""
    return torch.autocast("cpu", torch.bfloat16, enabled=config.optimization.precision == "bf16-mixed")


def _without_weights(config: RunConfig) -> RunConfig:
    """The same with random weights, whose costs are those of any others."""
    encoders = {
        name: getattr(config.model, name).model_copy(update={"pretrained": False})
        for name in ("image_encoder", "text_encoder")
    }
    return config.model_copy(update={"model": config.model.model_copy(update=encoders)})


def _leaves(part: Any, count: int) -> Any:
    """So many pairs, repeated from those of `part`, where automatic differentiation starts."""
    if isinstance(part, Tensor):
        rows = part.detach()[torch.arange(count) % len(part)]
        return rows.requires_grad_(part.requires_grad)
    if not is_dataclass(part):
        return part
    return type(part)(**{each.name: _leaves(getattr(part, each.name), count) for each in fields(part)})


def _tensors(part: Any) -> list[Tensor]:
    """All tensors of dataclasses within dataclasses, tuples and lists, in order."""
    if isinstance(part, Tensor):
        return [part]
    if is_dataclass(part):
        part = [getattr(part, each.name) for each in fields(part)]
    return [tensor for each in part for tensor in _tensors(each)] if isinstance(part, list | tuple) else []


def _bytes(part: Any) -> int:
    return sum(tensor.nbytes for tensor in _tensors(part))


def _by_type(counts: Sequence[int], multiplied: Sequence[Mapping[torch.dtype, int]], degree: int) -> Operations:
    types = {kind for each in multiplied for kind in each}
    return {kind: Polynomial.fitted(counts, [each.get(kind, 0) for each in multiplied], degree) for kind in types}
