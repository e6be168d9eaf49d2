"""The short training of a decoder: so many steps whatever the number of labels, on a frozen or a fine-tuned network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from tqdm import tqdm

from ..encoders.caching import CachedImages, LiveImages
from ..encoders.encoder import Encoder
from ..encoders.weights import reproducible_initialization
from .examples import Examples
from .frozen import kept_frozen
from .representation import Representation

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Recipe:
    """How a decoder is trained: AdamW, one cycle of the learning rate (Smith and Topin, arXiv 1708.07120).

    A number of steps and not of epochs: 1 % of the labels are seen a hundred times as often as all of them, and cost
    the same. Were they seen as often, little of the difference between both could be laid on the labels.

    Attributes:
        steps: batches.
        learning_rate: of the decoder, at the height of the cycle.
        encoder_learning_rate: of a network that is fine-tuned; lower, as it has something to lose.
        batch_size: examples in a batch.
        weight_decay: of everything that is trained.
    """

    steps: int
    learning_rate: float
    encoder_learning_rate: float
    batch_size: int = 16
    weight_decay: float = 0.01


def train(
    decoder: nn.Module,
    loss: Callable[[Int[np.ndarray, " batch"]], Float[Tensor, ""]],
    pools: Sequence[Int[np.ndarray, " _"]],
    recipe: Recipe,
    *,
    encoder: nn.Module | None = None,
    seed: int = 0,
    title: str = "decoder",
) -> None:
    """Train a decoder, and the encoder under it where one is given; both are left in evaluation mode.

    Batch normalisations of an encoder keep their statistics; their scales and shifts learn. Few labels mean that the
    same few images fill all batches: fine-tuned on 1 % of the labels with the statistics of such batches, a network did
    worse on new images by far. (A random network's are the 0 and 1 that it began with, which is no help to it.)

    Args:
        decoder: has parameters on the device where they are to be trained.
        loss: of the examples at some positions; both modules are in training mode meanwhile, but for those statistics.
        pools: the positions of the examples. Every batch holds equally many from each pool that is not empty.
        recipe: how.
        encoder: what is fine-tuned, at a rate of its own; None where the network is frozen.
        seed: of the order of the examples, and of whatever is random in the modules.
        title: what the progress bar says.

    Raises:
        FloatingPointError: the loss is no longer a number.
    """
    parts = [(decoder, recipe.learning_rate)] + ([(encoder, recipe.encoder_learning_rate)] if encoder else [])
    groups = [{"params": list(module.parameters()), "lr": rate} for module, rate in parts]
    optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=[rate for _, rate in parts], total_steps=recipe.steps
    )
    for module, _ in parts:
        module.train()
    for part in encoder.modules() if encoder else ():
        if isinstance(part, _BatchNorm):
            part.eval()
    batches = drawn_batches(pools, recipe.batch_size, recipe.steps, seed)
    with reproducible_initialization(seed):
        for step, batch in enumerate(tqdm(batches, desc=title, total=recipe.steps, unit="step", disable=None)):
            value = loss(batch)
            if not torch.isfinite(value):
                raise FloatingPointError(
                    f"The loss became {value.item()} at step {step + 1}. Lower the recipe's learning rates."
                )
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            schedule.step()
    for module, _ in parts:
        module.eval()


def drawn_batches(
    pools: Sequence[Int[np.ndarray, " _"]], batch_size: int, steps: int, seed: int
) -> Iterator[Int[np.ndarray, " batch_size"]]:
    """Batches of positions, equally many from each pool that is not empty.

    A pool is gone through in a random order to its end before any of it comes again, in another order. So batches are
    full also where there are fewer examples than one holds.
    """
    orders = [
        _reshuffled(pool, np.random.default_rng([seed, number])) for number, pool in enumerate(pools) if len(pool)
    ]
    for _ in range(steps):
        yield np.array([next(orders[place % len(orders)]) for place in range(batch_size)])


def _reshuffled(pool: Int[np.ndarray, " _"], random: np.random.Generator) -> Iterator[np.integer]:
    while True:
        yield from random.permutation(pool)


@contextmanager
def transferred(network: Network, fine_tune: bool) -> Iterator[Network]:
    """The network as a task uses it: itself, kept frozen; or a copy of which every parameter may be trained.

    Images are encoded anew for every batch of a copy, as its features change.

    Raises:
        RuntimeError: what should have been frozen was changed.
    """
    if fine_tune:
        yield trainable_copy(network)
        return
    with kept_frozen(network):
        yield network


def trainable_copy(network: Network) -> Network:
    """Encoder and adapter anew, with the same weights, to be trained on; what was given stays as it is."""
    own = copy.deepcopy(network)
    for part in own.modules():
        if isinstance(part, Encoder):
            part.trainable = True
    return own.requires_grad_(True)


@dataclass(frozen=True, eq=False)
class Maps:
    """What a decoder is given of examples: the representation's maps of their images, on its device.

    Attributes:
        representation: frozen, or in training.
        images: the images of all studies: features of a frozen encoder are read from a cache.
        positions: of the examples among the studies.
    """

    representation: Representation
    images: CachedImages | LiveImages
    positions: Int[np.ndarray, " examples"]

    @classmethod
    def of(cls, representation: Representation, examples: Examples) -> Maps:
        """Of a representation's images of some examples; where they are kept, they are computed here first."""
        return cls(representation, representation.image_source(examples.studies), examples.positions)

    def __call__(self, indices: Int[np.ndarray, " batch"]) -> Float[Tensor, "batch channels rows columns"]:
        """The maps of the examples at some positions."""
        features = self.images.batch(self.positions[indices])
        return self.representation.maps(features.to(self.representation.encoder.device))
