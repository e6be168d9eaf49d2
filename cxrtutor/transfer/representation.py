"""An image as a task is given it: what pre-training leaves behind, and what it has to be compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import interpolate
from tqdm import tqdm

from .. import store
from ..data.dataset import StudyDataset
from ..data.sets import open_studies
from ..data.views import Studies
from ..encoders.caching import CachedImages, LiveImages, image_source
from ..encoders.features import ImageFeatures, mean_over_regions
from ..encoders.image import ImageEncoder, image_encoder
from ..encoders.projection import Depth, ImageProjection
from ..encoders.weights import fingerprint
from ..localization.localize import in_use
from ..methods.config import ImageEncoderConfig, ModelConfig, RunConfig
from ..methods.model import AlignedModel, Architecture
from ..methods.registry import method
from ..pretraining.run import Run
from ..shipped import model as shipped_model

BATCH = 64
"""Images whose vectors are computed at a time."""

_VERSION = 1
"""Part of the key of kept vectors: raised when they come to be computed otherwise."""


class Representation(nn.Module):
    """Maps and vectors of images, from an image encoder and, where there is one, an adapter: trained heads.

    Pre-training that changes the encoder leaves its work there, and the papers throw the heads away. Pre-training over
    a frozen encoder leaves its work in the heads. A task then sees through these alone: beside the encoder's own maps
    all methods would look alike.

    It is in evaluation mode, and shares its modules with the model that it was made of.

    Args:
        name: for tables.
        encoder: gives features.
        adapter: the heads that the features go through; None for the encoder's own maps.
        image_size: the side, in pixels, of the square images it is given.
        trained: whether pre-training on reports had a part in it.
    """

    def __init__(
        self, name: str, encoder: ImageEncoder, adapter: ImageProjection | None, image_size: int, trained: bool
    ) -> None:
        super().__init__()
        self.name, self.image_size, self.trained = name, image_size, trained
        self.encoder, self.adapter = encoder, adapter
        self.eval()

    @property
    def key(self) -> str:
        """Stands for weights and architecture as they are now: equal keys mean equal maps of equal images."""
        adapter = None if self.adapter is None else fingerprint(self.adapter)
        return store.content_key(
            {"encoder": self.encoder.identity(), "adapter": adapter, "image_size": self.image_size}
        )

    @property
    def depths(self) -> tuple[Depth, ...]:
        """The depths of `maps`, in order: those with a head, or those that hold all the encoder's maps, each once."""
        if self.adapter is None:
            return self.encoder.distinct
        return tuple(depth for depth in ("shallow", "deep", "final") if depth in self.adapter.heads)

    @property
    def channels(self) -> int:
        """Of the maps."""
        return sum(self._dim_of(depth) for depth in self.depths)

    @property
    def dim(self) -> int:
        """Of the vectors."""
        return self.channels + (self._dim_of("final") if self._pooled_otherwise else 0)

    def maps(self, features: ImageFeatures) -> Float[Tensor, "batch channels rows columns"]:
        """The maps of all `depths`, interpolated to the grid of the encoder's deep map and concatenated."""
        grid = features.deep.shape[2:]
        return torch.cat([interpolate(each, grid, mode="bilinear") for each in self._own_maps(self._seen(features))], 1)

    def vectors(self, features: ImageFeatures) -> Float[Tensor, "batch dim"]:
        """The mean of every map, and then the pooled vector where it is not one of these.

        The pooled vector of linear heads is the mean of their final map. It is another with [CLS], and with MGCA's
        perceptrons, which keep a head for it.
        """
        seen = self._seen(features)
        means = [mean_over_regions(each) for each in self._own_maps(seen)]
        return torch.cat([*means, seen.pooled] if self._pooled_otherwise else means, dim=1)

    def image_source(self, studies: Studies) -> CachedImages | LiveImages:
        """The encoder's features of a set's images, at this size: from a cache where the encoder is frozen."""
        return image_source(self.encoder, studies, self.image_size)

    @property
    def _pooled_otherwise(self) -> bool:
        """Whether the pooled vector is another than the mean of a map."""
        return self.encoder.pooled == "cls" if self.adapter is None else "pooled" in self.adapter.heads

    def _dim_of(self, depth: Depth) -> int:
        if self.adapter is not None:
            return self.adapter.dim
        return dict(zip(("shallow", "deep", "final"), self.encoder.dims, strict=True))[depth]

    def _seen(self, features: ImageFeatures) -> ImageFeatures:
        return features if self.adapter is None else self.adapter(features)

    def _own_maps(self, seen: ImageFeatures) -> list[Float[Tensor, "batch _ _ _"]]:
        """The maps of all `depths`, each on its own grid."""
        return [getattr(seen, depth) for depth in self.depths]


def of_model(model: AlignedModel, name: str) -> Representation:
    """What pre-training left in a model: its encoder where that was trained, else its heads over the encoder."""
    return _left_in(model, name, trained=True)


def _left_in(model: AlignedModel, name: str, trained: bool) -> Representation:
    encoder = model.image_encoder
    return Representation(
        name, encoder, None if encoder.trainable else model.image_projection, model.image_size, trained
    )


def of_run(run: Run | Path | str) -> Representation:
    """What a finished run left, under the name of its method.

    Raises:
        InputError: there is no finished run in that folder.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    return of_model(run.model(), run.config.method)


def untrained(
    config: ModelConfig, architecture: Architecture, name: str, *, studies: Studies | None = None, seed: int = 0
) -> Representation:
    """A model as a run with this seed finds it before its first step: heads that nothing has trained.

    It tells what training added from what the form of the heads gives: random heads keep much of what goes into them.

    Args:
        config: of the model.
        architecture: the heads of a method.
        name: for tables.
        studies: training images, on which the heads are standardised; by default the teaching set's.
        seed: of the heads.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AlignedModel(config, architecture).eval()
    if config.projection.standardize:
        studies = open_studies("teaching", "train") if studies is None else studies
        model.standardize(model.image_source(studies), range(len(studies)))
    return _left_in(model, name, trained=False)


def trunk(config: ImageEncoderConfig, name: str, *, image_size: int = ModelConfig().image_size) -> Representation:
    """An encoder's own maps, before any pre-training on reports."""
    return Representation(name, image_encoder(**config.model_dump()), None, image_size, trained=False)


def named(text: str, like: ModelConfig | None = None) -> Representation:
    """A representation by name.

    What a run is compared with says what its pre-training added only where it is of the same network, at the same
    size. It is called "imagenet (resnet50, 224 pixels)" where these are not the course's own.

    Args:
        text: "random" for a network of random weights, "imagenet" for one trained on photographs, "untrained" for that
            under LSM's heads which nothing has trained, "shipped" for the model that comes with the course, or the
            folder of a run.
        like: whose image encoder, and size of images, the first three have; by default the course's own.

    Raises:
        InputError: there is no finished run in that folder, or no ImageNet weights of that encoder.
    """
    like = like or ModelConfig()
    size, frozen = like.image_size, {"trainable": False, "pretrained": text != "random"}
    encoder = like.image_encoder.model_copy(update=frozen)
    match text:
        case "random" | "imagenet":
            return trunk(encoder, _titled(text, like), image_size=size)
        case "untrained":
            lsm = method("lsm")
            config = RunConfig(method=lsm.name)
            pooled = encoder.model_copy(update={"pooled": "mean"})  # LSM's heads take no other
            model = config.model.model_copy(update={"image_encoder": pooled, "image_size": size})
            return untrained(model, lsm.architecture(lsm.settings_of(config)), _titled(text, like))
        case "shipped":
            return of_model(shipped_model(), text)
        case _:
            return of_run(text)


def _titled(text: str, like: ModelConfig) -> str:
    """The name of what a run is compared with; it tells encoder and size where they are not the course's own."""
    ours, its = ModelConfig(), (like.image_encoder.name, like.image_size)
    return text if its == (ours.image_encoder.name, ours.image_size) else f"{text} ({its[0]}, {its[1]} pixels)"


def all_vectors(
    representation: Representation, studies: Studies, positions: Int[np.ndarray, " asked"] | None = None
) -> Float[np.ndarray, "studies dim"]:
    """The vectors of a set: computed once for all its studies, with a progress bar, or found on the disk.

    Args:
        representation: as it is now.
        studies: the set.
        positions: of the studies that are asked for, in this order; None for all.

    Raises:
        InputError: the set is empty, or the disk refuses.
    """
    parts = studies.parts() if isinstance(studies, StudyDataset) else [studies]  # each is kept once
    vectors = np.concatenate([_kept_vectors(representation, part) for part in parts])
    return vectors if positions is None else vectors[positions]


def _kept_vectors(representation: Representation, studies: Studies) -> Float[np.ndarray, "studies dim"]:
    asked_for = {"representation": representation.key, "studies": studies.key, "version": _VERSION}
    folder = store.place("vectors", asked_for)
    if not folder.is_dir():
        with store.new_folder(folder) as partial:
            np.save(partial / "vectors.npy", _computed_vectors(representation, studies))
    return np.load(folder / "vectors.npy")


def _computed_vectors(representation: Representation, studies: Studies) -> Float[np.ndarray, "studies dim"]:
    images = representation.image_source(studies)
    vectors = np.empty((len(studies), representation.dim), np.float32)
    title = f"vectors of {representation.name}"
    with in_use(representation) as device, tqdm(total=len(studies), desc=title, disable=None) as bar:
        for start in range(0, len(studies), BATCH):
            block = range(start, min(start + BATCH, len(studies)))
            vectors[block.start : block.stop] = representation.vectors(images.batch(block).to(device)).cpu().numpy()
            bar.update(len(block))
    return vectors
