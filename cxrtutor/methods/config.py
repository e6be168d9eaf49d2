"""What a run is made of, as a file that is checked key by key before anything starts."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import InputError

Model = TypeVar("Model", bound=BaseModel)
Edition = Literal["full", "quick", "other-room"]


class Strict(BaseModel):
    """A settings group: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ReportErrors(Strict):
    """How often training reports are made to say something wrong (`cxrtutor.data.views.with_errors`)."""

    swap_side: float = Field(default=0.0, ge=0, le=1)
    drop: float = Field(default=0.0, ge=0, le=1)
    invent: float = Field(default=0.0, ge=0, le=1)
    exchange: float = Field(default=0.0, ge=0, le=1)


class TrainingText(Strict):
    """What of a report a training step is given; validation and use always see the whole.

    `sentences` are "all", "one" drawn at random (GLoRIA), or a random "subset" of any size (AFLoc). `places` set to
    False takes the words that say where ("left", "basal") out of the reports, and `errors` puts errors into them.
    """

    sentences: Literal["all", "one", "subset"] = "all"
    shuffled: bool = False
    places: bool = True
    errors: ReportErrors = ReportErrors()

    @property
    def chooses(self) -> bool:
        """Whether other sentences are shown than the report's, or in another order."""
        return self.sentences != "all" or self.shuffled


class Views(Strict):
    """Other views of the training studies; every batch is drawn from one of them (`cxrtutor.data.views`).

    `moved` is how many slightly moved and relit copies there are beside the original. `mirrored` adds the mirror image
    of all of these, with left and right exchanged in the report too.
    """

    moved: int = Field(default=0, ge=0)
    mirrored: bool = False


class DataConfig(Strict):
    """Which studies: an edition of the teaching set, or a prepared set's folder.

    `subset` trains on the first so many training studies only (for data-scaling experiments and tests); `without` on
    those that show none of these findings, which must be known. `order` mixes all "studies" with one another, or reads
    the set's "row-groups" in a random order and mixes the studies of some of them (`cxrtutor.pretraining.sampling`),
    which spares the disk where a set is too large for memory.
    """

    set: str = "teaching"
    edition: Edition = "full"
    subset: int | None = Field(default=None, gt=0)
    without: tuple[str, ...] = ()
    order: Literal["studies", "row-groups"] = "studies"
    text: TrainingText = TrainingText()
    views: Views = Views()


class ImageEncoderConfig(Strict):
    """`pooled`: an image as one vector is the "mean" over its regions, or a transformer's [CLS] ("cls"), which needs
    perceptron heads."""

    name: str = "efficientnet-lite0"
    trainable: bool = False
    pretrained: bool = True
    pooled: Literal["mean", "cls"] = "mean"


class PoolingConfig(Strict):
    """How word pieces become words, sentences and a report; explained in `cxrtutor.encoders.text.Pooling`."""

    layers: int = Field(default=1, gt=0)
    words: Literal["sum", "mean"] = "mean"
    sentences: Literal["pieces", "words", "cls"] = "pieces"
    report: Literal["sentences", "words", "padded-words", "cls"] = "sentences"


class TextEncoderConfig(Strict):
    """`trainable_layers` trains only so many of the last layers; `pooling` and `limit` replace the encoder's own."""

    name: str = "minilm"
    trainable: bool = False
    trainable_layers: int | None = Field(default=None, gt=0)
    pretrained: bool = True
    context: Literal["sentence", "report"] = "sentence"
    pooling: PoolingConfig | None = None
    limit: int | None = Field(default=None, gt=0)


class ProjectionConfig(Strict):
    """`head`, `hidden` (a perceptron's width) and `standardize` are explained in `cxrtutor.encoders.projection`."""

    dim: int = Field(default=128, gt=0)
    head: Literal["linear", "convolution", "perceptron"] = "convolution"
    hidden: int = Field(default=2048, gt=0)
    standardize: bool = True


class ModelConfig(Strict):
    image_size: int = Field(default=128, gt=0)
    image_encoder: ImageEncoderConfig = ImageEncoderConfig()
    text_encoder: TextEncoderConfig = TextEncoderConfig()
    projection: ProjectionConfig = ProjectionConfig()


class OptimizationConfig(Strict):
    """How the weights are changed.

    The learning rate rises linearly over `warmup` of all steps, and then falls by the `schedule`: "cosine" to zero,
    "step" by the factor `decay` after every epoch, "plateau" by that factor where the validation loss has not improved
    for more than `patience` epochs on end. `weight_decay` is decoupled with "adamw", and part of the gradient with
    "adam". `encoder_learning_rate` is that of trainable encoders, where it is to differ from that of the new heads.
    """

    epochs: int = Field(default=6, gt=0)
    batch_size: int = Field(default=64, gt=0)
    optimizer: Literal["adamw", "adam"] = "adamw"
    learning_rate: float = Field(default=2e-3, gt=0)
    encoder_learning_rate: float | None = Field(default=None, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: Literal["cosine", "step", "plateau"] = "cosine"
    warmup: float = Field(default=0.1, ge=0, lt=1)
    decay: float = Field(default=0.5, gt=0, lt=1)
    patience: int = Field(default=5, gt=0)
    clip_norm: float | None = Field(default=1.0, gt=0)
    precision: Literal["32-true", "bf16-mixed"] = "32-true"


class ComputeConfig(Strict):
    """How a run is computed, where what it computes stays the same: no part of a run's key.

    So a run that did not fit goes on in smaller pieces from where it stopped. What differs is rounding (and, with
    `piece`, that trained batch normalisation sees each piece by itself, and dropout draws in another order).

    Attributes:
        workers: processes that read the data; 0 reads in the training process itself.
        piece: how many pairs a process sends through the encoders at a time, the contrast being over the whole batch
            all the same (cached gradients, arXiv 2101.06983); None for all at once.
        recompute: of every block of a trained encoder only its input is kept for the backward pass, which runs the
            block once more (activation checkpointing, arXiv 1604.06174).
        channels_last: images and maps lie in memory channel by channel last, as a GPU's convolutions like them.
        compile: trained encoders go through `torch.compile`, block by block.
        fused: the optimiser changes all weights in one kernel.
    """

    workers: int = Field(default=0, ge=0)
    piece: int | None = Field(default=None, gt=0)
    recompute: bool = False
    channels_last: bool = False
    compile: bool = False
    fused: bool = False


class RunConfig(Strict):
    """One pre-training run, whole.

    `alignment` holds the settings of the method's own objectives; the method checks them (`methods.registry`).
    `compute` says how it is computed, and not what: it may change while a run is interrupted.
    """

    method: str
    seed: int = 0
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    alignment: dict[str, Any] = {}
    optimization: OptimizationConfig = OptimizationConfig()
    compute: ComputeConfig = ComputeConfig()


def load_config(path: Path | str, changes: Mapping[str, Any] | None = None) -> RunConfig:
    """Read a YAML recipe; `changes` replaces values by dotted key (`{"optimization.epochs": 2}`).

    Raises:
        InputError: no such file, not YAML, an unknown key, or a value out of its range; the message names the key.
    """
    values = read_yaml(path)
    for key, value in (changes or {}).items():
        _set(values, key, value)
    return validated(RunConfig, values, where=str(path))


def read_yaml(path: Path | str) -> dict[str, Any]:
    """The keys and values of a YAML file.

    Raises:
        InputError: there is no such file, or it is not YAML made of `key: value` lines.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no configuration at {path}. The recipes of the course are in configs/.")
    try:
        # libyaml is ten times as fast, which hundreds of recipes show; not every PyYAML was built with it.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=loader) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold `key: value` lines, not a {type(values).__name__}.")
    return values


def validated(model: type[Model], values: Mapping[str, Any], where: str) -> Model:
    """`values` as a `model`; every fault is named with its key and, for an unknown key, the nearest known one.

    Raises:
        InputError: a key is unknown, missing, or out of its range.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = "\n".join(f"  {_fault(model, fault)}" for fault in error.errors())
        raise InputError(f"{where} is not a valid configuration:\n{faults}") from error


def _set(values: dict[str, Any], dotted: str, value: Any) -> None:
    *groups, last = dotted.split(".")
    for key in groups:
        values = values.setdefault(key, {})
        if not isinstance(values, dict):
            raise InputError(f"{dotted}: {key!r} is a value and has no keys below it.")
    values[last] = value


def _fault(model: type[BaseModel], fault: Any) -> str:
    key = ".".join(map(str, fault["loc"]))
    if fault["type"] != "extra_forbidden":
        return f"{key}: {fault['msg']} (it is {fault['input']!r})"
    fields = _group(model, fault["loc"][:-1]).model_fields
    known = [field.alias or name for name, field in fields.items()]
    near = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}."
    return f"{key}: unknown key; {hint}"


def _group(model: type[BaseModel], path: tuple[Any, ...]) -> type[BaseModel]:
    """The settings group that stands at `path` below `model`."""
    below: Any = model
    for key in path:
        # Groups by name or by number, such as runs or tables, know their type alone.
        of_groups = 0 if isinstance(key, int) else 1
        below = below.model_fields[key].annotation if hasattr(below, "model_fields") else get_args(below)[of_groups]
        if isinstance(below, UnionType):  # a group or None
            below = get_args(below)[0]
    return below
