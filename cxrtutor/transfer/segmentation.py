"""Semantic segmentation: outlines learned from masks, over a network that was pre-trained without any."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate
from tqdm import tqdm

from ..encoders.caching import LiveImages
from ..encoders.image import ImageEncoder, VisionTransformer
from ..encoders.projection import Standardize
from ..encoders.weights import reproducible_initialization
from ..errors import InputError
from ..evaluation.measurements import Measurements
from ..evaluation.metrics import dice, iou
from ..localization.localize import in_use
from . import training
from .examples import OutlinedExamples
from .representation import Representation
from .training import Maps, Recipe, transferred

Decoder = Literal["setr", "unet"]

RECIPE = Recipe(steps=100, learning_rate=5e-3, encoder_learning_rate=5e-4)
WIDTH = 16
"""Channels of the progressive head."""

STANDARDIZING_EXAMPLES = 128
BLOCK = 32
"""Examples whose masks are read or predicted at a time."""

Seen = Callable[[Int[np.ndarray, " batch"]], Tensor | list[Tensor]]
"""What a decoder is given of the examples at some positions."""


class ProgressiveHead(nn.Module):
    """SETR's decoder of progressive upsampling (PUP; Zheng et al., CVPR 2021), small: convolution, normalisation, ReLU,
    twice the grid, and so on; then a score for every cell.

    It ends on the finest grid that is coarser than the image, from where the scores are interpolated: of a lesion's
    outline, a map of sixteen cells a side says nothing finer.

    Args:
        channels: of the maps.
        rows: of the maps' grid.
        size: the side of the image.
        width: channels in between.
    """

    def __init__(self, channels: int, rows: int, size: int, width: int = WIDTH) -> None:
        super().__init__()
        self.size = size
        self.standardize = Standardize(channels)
        doublings = max(math.ceil(math.log2(size / rows)) - 1, 0)
        self.stages = nn.ModuleList(_stage(channels if stage == 0 else width, width) for stage in range(doublings + 1))
        self.score = nn.Conv2d(width, 1, 1)

    def forward(self, maps: Float[Tensor, "batch channels rows columns"]) -> Float[Tensor, "batch 1 size size"]:
        """The logit of every pixel."""
        maps = self.standardize(maps)
        for number, stage in enumerate(self.stages):
            maps = stage(maps if number == 0 else interpolate(maps, scale_factor=2.0, mode="bilinear"))
        return interpolate(self.score(maps), (self.size, self.size), mode="bilinear")


def _stage(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())


class Trunk(nn.Module):
    """The network of a representation, giving the maps of all its strides, which a U-Net skips to.

    Args:
        network: an encoder of segmentation-models-pytorch.
        encoder: whose weights it is given, and whose normalisation of images.
    """

    def __init__(self, network: nn.Module, encoder: ImageEncoder) -> None:
        super().__init__()
        network.model.load_state_dict(encoder.network.state_dict())
        self.network = network
        self.register_buffer("mean", encoder.mean.clone(), persistent=False)
        self.register_buffer("std", encoder.std.clone(), persistent=False)
        self.to(encoder.device).eval()

    def forward(self, images: Float[Tensor, "batch 1 height width"]) -> list[Float[Tensor, "batch _ _ _"]]:
        """The images as the network takes them, and its maps from fine to coarse, of intensities in [0, 1]."""
        return self.network((images - self.mean) / self.std)


def unet(representation: Representation) -> tuple[Trunk, nn.Module]:
    """A U-Net (Ronneberger et al., MICCAI 2015) by segmentation-models-pytorch, MGCA's protocol for CNNs: the
    representation's network, which is left as it is, and the rising half, which gives the logit of every pixel.

    Images keep their size, where the representation may see them at another (ResNet-50 at 299 pixels).

    Raises:
        InputError: pre-training left everything in the adapter, which a U-Net does not look at; or the network or the
            size of its images do not suit one.
    """
    encoder, size = representation.encoder, representation.image_size
    if representation.adapter is not None:
        raise InputError(
            f"What {representation.name} learned is in its heads, and {encoder.name} under them is as it was before. A "
            'U-Net on it would give all such methods the same numbers. Choose decoder="setr", which sees their maps.'
        )
    if isinstance(encoder, VisionTransformer):
        raise InputError(f'{encoder.name} has one grid, and a U-Net nothing to skip to. Choose decoder="setr".')
    if size % 32:
        raise InputError(f"A U-Net halves an image five times, and {size} pixels cannot be. Choose a multiple of 32.")

    import segmentation_models_pytorch as smp

    network = smp.Unet(encoder_name=f"tu-{encoder.model}", encoder_weights=None)
    return Trunk(network.encoder, encoder), nn.Sequential(network.decoder, network.segmentation_head).to(encoder.device)


def progressive_head(representation: Representation, examples: OutlinedExamples) -> ProgressiveHead:
    """A head for the maps of a representation, standardised on those of some examples."""
    spread = np.linspace(0, len(examples) - 1, min(len(examples), STANDARDIZING_EXAMPLES)).astype(int)
    with in_use(representation) as device:
        maps = Maps.of(representation, examples)(spread)
    head = ProgressiveHead(maps.shape[1], maps.shape[2], representation.image_size).to(device)
    head.standardize.measure(maps)
    return head


@dataclass(frozen=True, eq=False)
class PackedMasks:
    """The masks of examples, read once and held in memory, eight pixels a byte.

    Attributes:
        bits: of every example.
        size: the side of the square that they lie on.
    """

    bits: UInt8[np.ndarray, "examples bytes"]
    size: int

    @classmethod
    def of(cls, examples: OutlinedExamples, size: int) -> PackedMasks:
        """The masks of examples, with a progress bar."""
        blocks = _blocks(len(examples), f"masks of {examples.name}")
        return cls(np.vstack([np.packbits(examples.masks(b, size).reshape(len(b), -1), axis=1) for b in blocks]), size)

    def __getitem__(self, indices: Int[np.ndarray, " batch"]) -> Bool[np.ndarray, "batch size size"]:
        pixels = np.unpackbits(self.bits[indices], axis=1, count=self.size**2)
        return pixels.reshape(-1, self.size, self.size).astype(bool)


def outline_loss(
    logits: Float[Tensor, "batch 1 size size"], truth: Bool[Tensor, "batch size size"]
) -> Float[Tensor, ""]:
    """Binary cross-entropy plus one minus the soft Dice coefficient, both over all pixels of the batch together.

    Dice makes up for how few pixels are true; cross-entropy gives examples without any their say.
    """
    target = truth.float()[:, None]
    chance = logits.sigmoid()
    overlap = 2 * (chance * target).sum() / (chance.sum() + target.sum())
    return binary_cross_entropy_with_logits(logits, target) + 1 - overlap


def segment(
    representation: Representation,
    train: OutlinedExamples,
    test: OutlinedExamples,
    *,
    decoder: Decoder | None = None,
    fine_tune: bool = False,
    steps: int = RECIPE.steps,
    seed: int = 0,
) -> Measurements:
    """Learn to outline something from examples, and measure the outlines on others.

    Half of every batch shows it and half does not, where there are both; the loss is `outline_loss`. A pixel is taken
    for it where its probability exceeds .5. Masks are compared on the square that the representation is given.

    `dice` and `iou` are those of the examples that show it, 0 where nothing is predicted; of the others they are
    undefined. (Were these counted as 1 where nothing is predicted, silence would win wherever most films are healthy.)
    What becomes of healthy ones is a column of its own: `false mask`, 1 where anything at all is predicted. MGCA's
    public code does count them, as 0 there and else as 1, in one mean with the others; so figures that are published
    under its protocol are not comparable with these number by number.

    Args:
        representation: what is transferred; it is never changed.
        train: examples to learn from.
        test: examples to measure on.
        decoder: "unet" over the network alone, see `unet`; "setr" over the maps of the representation, see
            `ProgressiveHead`. By default `usual_decoder`.
        fine_tune: whether the representation, or a copy of it, learns with the decoder.
        steps: of training, whatever the number of examples.
        seed: of the decoder and of the order of examples.

    Raises:
        InputError: no example to learn from shows it, or none to test on does (where Dice would not be defined); or the
            decoder does not suit the representation.
        FloatingPointError: the loss is no longer a number.
    """
    size = representation.image_size
    truth, asked = _outlined(train, size, "learn"), _outlined(test, size, "measure")
    decoder = decoder or usual_decoder([representation])
    with reproducible_initialization(seed):
        if decoder == "unet":
            network, head = unet(representation)
        else:
            network, head = representation, progressive_head(representation, train)
    with transferred(network, fine_tune) as network:
        seen = _seen(network, representation, train)

        def loss(batch: Int[np.ndarray, " batch"]) -> Float[Tensor, ""]:
            logits = head(seen(batch))
            return outline_loss(logits, torch.from_numpy(truth[batch]).to(logits.device))

        pools = [np.flatnonzero(train.shows), np.flatnonzero(~train.shows)]
        recipe = replace(RECIPE, steps=steps)
        tuned = network if fine_tune else None
        training.train(head, loss, pools, recipe, encoder=tuned, seed=seed, title=f"segmentation of {train.name}")
        with in_use(network), in_use(head):
            rows = _measured(head, _seen(network, representation, test), test, asked)
    return Measurements(rows, f"segmentation by {decoder}", "none")


def _outlined(examples: OutlinedExamples, size: int, purpose: str) -> PackedMasks:
    """The masks of examples.

    Raises:
        InputError: all are empty.
    """
    masks = PackedMasks.of(examples, size) if examples.shows.any() else None
    if masks is None or not masks.bits.any():
        raise InputError(
            f"None of {examples} shows {examples.name} (on {size} x {size} pixels); there is nothing to {purpose}. "
            "Take more."
        )
    return masks


def usual_decoder(representations: Iterable[Representation]) -> Decoder:
    """The decoder that one representation, or several in one comparison, are given where nobody chose.

    It is "unet" where pre-training changed the network of one of them and all of them are bare CNNs, as a U-Net needs
    them; else "setr", which suits every one.
    """
    given = list(representations)
    bare = all(one.adapter is None and not isinstance(one.encoder, VisionTransformer) for one in given)
    return "unet" if bare and any(one.encoder.trainable for one in given) else "setr"


def _seen(network: Representation | Trunk, representation: Representation, examples: OutlinedExamples) -> Seen:
    """What a decoder over `network`, which is (of) the representation, is given of examples."""
    if isinstance(network, Representation):
        return Maps.of(network, examples)
    images = LiveImages(representation.encoder, examples.studies, representation.image_size)
    device = representation.encoder.device
    return lambda indices: network(images.inputs(examples.positions[indices]).to(device))


def _measured(head: nn.Module, seen: Seen, examples: OutlinedExamples, masks: PackedMasks) -> pd.DataFrame:
    """A row an example: the columns of `Measurements` and the metrics of `segment`."""
    scores: list[Float[Tensor, "batch metrics"]] = []
    for block in _blocks(len(examples), f"outlines of {examples.name}"):
        predicted = (head(seen(block)) > 0)[:, 0].cpu()
        truth = torch.from_numpy(masks[block])
        false = predicted.flatten(1).any(1).float().where(~truth.flatten(1).any(1), torch.nan)
        scores.append(torch.stack([iou(predicted, truth), dice(predicted, truth), false], dim=1))
    samples = {"study": examples.ids, "patient": examples.patients}
    question = {"finding": examples.name, "lesions": "all", "prompt": examples.name}
    metrics = pd.DataFrame(torch.cat(scores).double().numpy(), columns=["iou", "dice", "false mask"])
    return pd.concat([pd.DataFrame(samples).assign(**question), metrics], axis=1)


def _blocks(examples: int, title: str) -> Iterator[Int[np.ndarray, " block"]]:
    """The positions of all examples, some at a time, with a progress bar."""
    yield from tqdm(np.array_split(np.arange(examples), -(-examples // BLOCK)), desc=title, disable=None)
