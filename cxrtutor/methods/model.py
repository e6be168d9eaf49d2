"""The aligned model: two encoders, their projections, and how the pair is read to make a map."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn.functional import interpolate

from .. import store
from ..alignment.alignment import PairedFeatures, Reconstruction
from ..data.masks import patch_grid
from ..data.views import Studies
from ..encoders.caching import CachedImages, LiveImages, image_source
from ..encoders.decoder import PatchDecoder, standardized_patches
from ..encoders.features import ImageFeatures, TextFeatures
from ..encoders.image import image_encoder
from ..encoders.projection import Depth, ImageProjection, TextProjection, Unit
from ..encoders.text import Pooling, TextEncoder, text_encoder
from ..errors import InputError
from .config import ModelConfig, TextEncoderConfig, validated

STANDARDIZATION_SAMPLE = 512
"""Training studies from which the channels' means and deviations are measured."""


@dataclass(frozen=True)
class Readout:
    """Which map a prompt is compared with, and at which text unit the prompt is embedded.

    A method is read through the projections its own loss trained: a map through another method's head measures the
    wrong head, not the method. Where the unit is "words", a prompt is the mean of its words. With `cosine` regions are
    compared by direction alone: for losses that never see how long a region's vector is.
    """

    depth: Depth
    unit: Unit
    cosine: bool = False


@dataclass(frozen=True)
class Masking:
    """How training hides parts of images. A model in use sees whole images.

    A trainable encoder is masked anew in every epoch, and may have a decoder to learn from. A frozen one cannot learn
    to see what is hidden from it: its features of so many blanked copies of each image are kept, nothing is decoded.

    Attributes:
        ratio: the share of patches that is hidden.
        patch: the side of a patch in pixels; one that divides the image's.
        copies: how many blanked copies of each image a frozen encoder sees.
        whole: whether objectives need the pooled vectors of the unmasked images too.
        decoder: whether hidden patches are predicted.
        decoder_dim: the width of the decoder, a multiple of 32.
        decoder_depth: how many transformer blocks it has.
    """

    ratio: float
    patch: int
    copies: int = 2
    whole: bool = True
    decoder: bool = False
    decoder_dim: int = 96
    decoder_depth: int = 1


@dataclass(frozen=True)
class Architecture:
    """What a method needs of a model beside its encoders: local heads, and the read-out they are trained for.

    With `cls_attention` features say how much [CLS] attends to each word and, of a transformer, to each region.
    """

    readout: Readout
    depths: tuple[Depth, ...] = ()
    units: tuple[Unit, ...] = ()
    shared_text_head: bool = False
    cls_attention: bool = False
    masking: Masking | None = None


class AlignedModel(nn.Module):
    """Encoders and projections whose outputs share one space.

    Frozen encoders are rebuilt by name when a model is loaded; only what training could change is saved.
    """

    def __init__(self, config: ModelConfig, architecture: Architecture) -> None:
        super().__init__()
        self.config = config
        self.architecture = architecture
        self.image_encoder = image_encoder(
            **config.image_encoder.model_dump(), cls_attention=architecture.cls_attention
        )
        self.text_encoder = _text_encoder(config.text_encoder, architecture.cls_attention)
        shallow, deep, pooled = self.image_encoder.dims
        heads = config.projection
        if self.image_encoder.pooled == "cls" and heads.head != "perceptron":
            raise InputError(
                f"With model.projection.head: {heads.head} the pooled vector is the mean of a map, which [CLS] is not. "
                "Set model.image_encoder.pooled: mean, or head: perceptron."
            )
        if heads.head == "perceptron" and architecture.readout.depth == "final":
            raise InputError(
                "With model.projection.head: perceptron there is no final map to read: its pooled vector has a head of "
                "its own, which no map goes through. Choose a read-out on the deep map, or another head."
            )
        self.image_projection = ImageProjection(
            {"shallow": shallow, "deep": deep, "final": pooled},
            heads.dim,
            architecture.depths,
            heads.head,
            heads.hidden,
        )
        self.text_projection = TextProjection(
            self.text_encoder.dim,
            heads.dim,
            architecture.units,
            architecture.shared_text_head,
            heads.head,
            heads.hidden,
        )
        self.decoder = self._decoder(architecture.masking)

    def _decoder(self, masking: Masking | None) -> PatchDecoder | None:
        if masking is None:
            return None
        patch_grid((self.image_size, self.image_size), masking.patch)
        if not masking.decoder:
            return None
        if not self.image_encoder.trainable:
            raise InputError(
                f"{self.image_encoder.name} is frozen and cannot learn from predicting what is hidden from it. Set "
                "model.image_encoder.trainable: true, or leave the reconstruction out."
            )
        return PatchDecoder(self.image_encoder.dims[1], masking.patch, masking.decoder_dim, masking.decoder_depth)

    @property
    def image_size(self) -> int:
        """The side, in pixels, of the square images the model was trained on."""
        return self.config.image_size

    def forward(
        self,
        image: ImageFeatures | Float[Tensor, "batch 1 height width"],
        text: TextFeatures | list[list[str]],
        hidden: Bool[Tensor, "batch rows columns"] | None = None,
        masked: ImageFeatures | None = None,
    ) -> PairedFeatures:
        """Both sides' encoder features, projected; what is not features yet is encoded first.

        Where something is hidden the pairs' images are the masked ones. `whole` and `reconstruction` come with them, as
        the architecture's masking asks.

        Args:
            image: features, or intensities in [0, 1]; of whole images, always.
            text: features, or reports as their sentences.
            hidden: True for patches that the encoder is not to see of intensities; None for nothing.
            masked: a frozen encoder's features of the same images, hidden in part; None for nothing.
        """
        text = self.text_projection(text if isinstance(text, TextFeatures) else self.text_encoder(text))
        features = masked if masked is not None else self._image_features(image, hidden)
        projected = self.image_projection(features)
        if self.architecture.masking is None or (hidden is None and masked is None):
            return PairedFeatures(projected, text)
        whole = self._whole(image) if self.architecture.masking.whole else None
        reconstruction = None if self.decoder is None else self._reconstruction(features, image, hidden)
        return PairedFeatures(projected, text, whole, reconstruction)

    def _image_features(
        self,
        image: ImageFeatures | Float[Tensor, "batch 1 height width"],
        hidden: Bool[Tensor, "batch rows columns"] | None = None,
    ) -> ImageFeatures:
        return image if isinstance(image, ImageFeatures) else self.image_encoder(image, hidden)

    @torch.no_grad()
    def _whole(self, image: ImageFeatures | Float[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch dim"]:
        """Pooled vectors of whole images: what masked ones are compared with, and not what is trained."""
        return self.image_projection.pool(self._image_features(image))

    def _reconstruction(
        self,
        features: ImageFeatures,
        images: Float[Tensor, "batch 1 height width"],
        hidden: Bool[Tensor, "batch rows columns"],
    ) -> Reconstruction:
        predicted = self.decoder(features.deep, hidden)
        return Reconstruction(predicted, standardized_patches(images, tuple(hidden.shape[1:])), hidden.flatten(1))

    def encode_images(self, images: Float[Tensor, "batch 1 height width"]) -> ImageFeatures:
        """The encoder's features of images in [0, 1]; a frozen encoder gives what its cache holds, to the last bit."""
        return self.image_encoder(images)

    def image_source(self, studies: Studies) -> CachedImages | LiveImages:
        """The features of a set's images at the model's size: from a cache where the encoder is frozen."""
        return image_source(self.image_encoder, studies, self.image_size)

    @torch.no_grad()
    def standardize(self, images: CachedImages | LiveImages, positions: Sequence[int] | Int[np.ndarray, " _"]) -> None:
        """Measure the channels' means and deviations for the heads, before training, on the first of these studies."""
        self.image_projection.measure(images.batch(positions[:STANDARDIZATION_SAMPLE]))

    def region_map(self, features: ImageFeatures) -> Float[Tensor, "batch dim grid_height grid_width"]:
        """The projected map that the read-out names, on the grid of the deep map.

        Protocols smooth in units of the grid: on a final map of 4 x 4 cells the same smoothing would wipe out what on
        16 x 16 it only rounds off, and a global model would lose by its grid alone. Where the finer grid is a multiple
        of the coarser, bilinear enlargement keeps the mean, and with it the pooled similarity.
        """
        regions = getattr(self.image_projection(features), self.architecture.readout.depth)
        assert regions is not None, "Architecture.depths holds the depth that the read-out names"
        return interpolate(regions, features.deep.shape[2:], mode="bilinear")

    def embed_prompts(self, prompts: Sequence[str]) -> Float[Tensor, "prompts dim"]:
        """Every prompt as a report of one sentence, at the text unit that the read-out names.

        Raises:
            InputError: a prompt is empty or longer than the encoder takes.
        """
        text = self._projected_prompts(prompts)
        match self.architecture.readout.unit:
            case "report":
                return text.report
            case "sentences":
                return text.sentences[:, 0]
            case "words":
                return text.words.sum(dim=1) / text.word_mask.sum(dim=1, keepdim=True)

    def embed_reports(self, prompts: Sequence[str]) -> Float[Tensor, "prompts dim"]:
        """Every prompt as a whole report: what the global objective compares with pooled images.

        Raises:
            InputError: a prompt is empty or longer than the encoder takes.
        """
        return self._projected_prompts(prompts).report

    def _projected_prompts(self, prompts: Sequence[str]) -> TextFeatures:
        return self.text_projection(self.text_encoder.prompts(prompts))

    @torch.no_grad()
    def similarity_maps(
        self, features: ImageFeatures, prompts: Sequence[str]
    ) -> Float[Tensor, "batch grid_height grid_width"]:
        """Dot product of every region of image `i` with prompt `i` (AFLoc's read-out), as the read-out measures it."""
        distinct = list(dict.fromkeys(prompts))
        row = {prompt: index for index, prompt in enumerate(distinct)}
        queries = self.embed_prompts(distinct)[[row[prompt] for prompt in prompts]]
        return torch.einsum("bdhw,bd->bhw", self._compared_regions(features), queries.float())

    @torch.no_grad()
    def similarity_table(
        self, features: ImageFeatures, prompts: Sequence[str]
    ) -> Float[Tensor, "batch prompts grid_height grid_width"]:
        """Every image asked with every prompt: the maps of `similarity_maps`, with each image projected only once."""
        queries = self.embed_prompts(prompts)
        return torch.einsum("bdhw,pd->bphw", self._compared_regions(features), queries.float())

    @torch.no_grad()
    def global_similarity(self, features: ImageFeatures, prompts: Sequence[str]) -> Float[Tensor, " batch"]:
        """Cosine of pooled image `i` with prompt `i` read as a whole report: what the global objective compares.

        Raises:
            InputError: a prompt is empty or longer than the encoder takes.
        """
        return nn.functional.cosine_similarity(self.image_projection.pool(features), self.embed_reports(prompts))

    def _compared_regions(self, features: ImageFeatures) -> Float[Tensor, "batch dim grid_height grid_width"]:
        """The regions as the read-out compares them with a prompt."""
        regions = self.region_map(features).float()
        return nn.functional.normalize(regions, dim=1) if self.architecture.readout.cosine else regions

    def changeable_state(self) -> dict[str, Tensor]:
        """What training can change: the projections, and of the encoders what is trainable."""
        fixed = {
            f"{name}.{key}"
            for name, encoder in (("image_encoder", self.image_encoder), ("text_encoder", self.text_encoder))
            for key in encoder.state_dict().keys() - encoder.changeable_state().keys()
        }
        return {key: value for key, value in self.state_dict().items() if key not in fixed}

    def save_pretrained(self, folder: Path | str) -> None:
        """Write `model.safetensors` and `model.json` into a new folder.

        Raises:
            InputError: the folder cannot be written.
        """
        with store.new_folder(Path(folder)) as partial:
            state = {key: value.contiguous() for key, value in self.changeable_state().items()}
            # Through Python's own writing, whose errors say that the disk is full; safetensors' do not.
            (partial / "model.safetensors").write_bytes(save(state))
            description = {"model": self.config.model_dump(), "architecture": asdict(self.architecture)}
            (partial / "model.json").write_text(json.dumps(description, indent=1))

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> AlignedModel:
        """Load what `save_pretrained` wrote, ready for use (evaluation mode).

        Raises:
            InputError: the folder is not a saved model, or its files do not fit together.
        """
        folder = Path(folder)
        if not (folder / "model.json").is_file() or not (folder / "model.safetensors").is_file():
            raise InputError(
                f"There is no trained model in {folder} (model.json and model.safetensors are expected). "
                "`cxrtutor pretrain CONFIG` makes one and prints its folder."
            )
        try:
            description = json.loads((folder / "model.json").read_text())
            state = load_file(folder / "model.safetensors")
            settings, architecture = description["model"], _architecture(description["architecture"])
        except (ValueError, KeyError, TypeError, SafetensorError) as error:
            raise InputError(
                f"The model in {folder} is damaged ({error!r}). Delete the folder and train again."
            ) from error
        model = cls(validated(ModelConfig, settings, where=str(folder / "model.json")), architecture)
        expected = model.changeable_state()
        if {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in expected.items()}:
            odd = sorted(set(state) ^ set(expected)) or ["a shape"]
            raise InputError(f"The weights in {folder} do not fit model.json: {', '.join(odd[:3])}.")
        model.load_state_dict({key: state[key].to(value.dtype) for key, value in expected.items()}, strict=False)
        return model.eval()


def _text_encoder(config: TextEncoderConfig, cls_attention: bool) -> TextEncoder:
    settings = config.model_dump(exclude={"pooling"})
    pooling = config.pooling and Pooling(**config.pooling.model_dump())
    return text_encoder(**settings, pooling=pooling, cls_attention=cls_attention)


def _architecture(values: dict) -> Architecture:
    lists = {key: tuple(values[key]) for key in ("depths", "units")}
    masking = Masking(**values["masking"]) if values.get("masking") else None
    return Architecture(**{**values, **lists, "readout": Readout(**values["readout"]), "masking": masking})
