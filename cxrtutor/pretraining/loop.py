"""The one training loop: teaching scale on two cores, paper scale on many GPUs, every method alike."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from lightning_fabric import Fabric
from safetensors.torch import save
from torch import Tensor, nn
from tqdm import tqdm

from .. import store
from ..alignment.alignment import Objective, PairedFeatures
from ..data.dataset import StudyDataset
from ..data.sets import open_studies, studies_key
from ..data.views import Studies, training_views
from ..encoders.caching import CachedImages, CachedTexts, Choice, LiveImages, LiveTexts, text_source
from ..encoders.features import ImageFeatures, TextFeatures
from ..errors import InputError
from ..methods.config import DataConfig, OptimizationConfig, RunConfig
from ..methods.model import AlignedModel
from ..methods.registry import method
from .checkpoint import load_checkpoint, save_checkpoint
from .computing import arrange
from .gathering import gather_pairs
from .masking import MaskedImages
from .recomputation import in_pieces
from .run import Log, Run
from .sampling import batches, dropout_seed, shown_sentences, view_of_batch
from .schedule import learning_rate

VERSION = 1
"""Part of every run's key: raised when the loop comes to train differently from the same configuration, or when a
default of a configuration changes."""


class Training(nn.Module):
    """Model and objective as the one module that an optimiser, a device and a checkpoint see.

    Features come in and results go out as plain dictionaries: Fabric walks through both, and cannot through frozen
    dataclasses. Where an encoder is trained, what it takes comes in instead of its features.

    Args:
        model: is trained.
        objective: of it, over the pairs of all processes.
        piece: how many pairs go through the model at a time; None for all.
    """

    def __init__(self, model: AlignedModel, objective: Objective, piece: int | None = None) -> None:
        super().__init__()
        self.model = model
        self.objective = objective
        self.piece = piece

    def forward(
        self,
        image: dict[str, Tensor] | Tensor,
        text: dict[str, Tensor] | list[list[str]],
        hidden: Tensor | None = None,
        masked: dict[str, Tensor] | None = None,
    ) -> dict[str, Any]:
        pairs = in_pieces(self._encoded, self.model, self.piece, image, text, hidden, masked)
        alignment = self.objective(gather_pairs(pairs))
        return {"loss": alignment.loss, "parts": dict(alignment.parts)}

    def _encoded(
        self,
        image: dict[str, Tensor | None] | Tensor,
        text: dict[str, Tensor | None] | list[list[str]],
        hidden: Tensor | None,
        masked: dict[str, Tensor | None] | None,
    ) -> PairedFeatures:
        image = ImageFeatures(**image) if isinstance(image, dict) else image
        text = TextFeatures(**text) if isinstance(text, dict) else text
        return self.model(image, text, hidden, None if masked is None else ImageFeatures(**masked))

    def changeable_state(self) -> dict[str, Tensor]:
        """What training changes: the model's projections and trainable encoders, and the objective's parameters."""
        state = {f"model.{key}": value for key, value in self.model.changeable_state().items()}
        return state | {f"objective.{key}": value for key, value in self.objective.state_dict().items()}


Inputs = tuple[ImageFeatures | Tensor, TextFeatures | list[list[str]]]
"""Images and reports as the model takes them."""

Masked = Mapping[str, Tensor | ImageFeatures]
"""What the model takes beside them of images that are hidden in part, by name; empty where none are."""


@dataclass(frozen=True)
class Pairs:
    """Images and reports of one split, or of a view of it: as cached features where the encoder is frozen, as what it
    takes where it is not."""

    images: CachedImages | LiveImages
    texts: CachedTexts | LiveTexts

    @classmethod
    def of(cls, model: AlignedModel, studies: Studies, described: Studies | None = None) -> Pairs:
        """The images of `studies`, and the reports of these or of a view in which they are `described` otherwise."""
        return cls(model.image_source(studies), text_source(model.text_encoder, described or studies))

    def batch(self, indices: Int[np.ndarray, " batch"], choice: Choice | None = None) -> Inputs:
        return self.images.inputs(indices), self.texts.inputs(indices, choice)


def run_key(config: RunConfig) -> dict[str, Any]:
    """Everything a run depends on: what differs from the defaults, the data, and this loop's version, which stands for
    the defaults too. So a setting that is added later, and left at its default, leaves every earlier run valid.

    How a run is computed (`compute`) is no part of it.
    """
    settings = method(config.method).settings_of(config)
    data = studies_key(config.data.set, "train", config.data.edition)
    chosen = config.model_dump(mode="json", exclude_defaults=True, exclude={"compute"})
    alignment = settings.model_dump(mode="json", exclude_defaults=True)
    return {"config": chosen | {"alignment": alignment}, "data": data, "version": VERSION}


def run_folder(config: RunConfig) -> Path:
    """Where the run of `config` is, or will be."""
    return store.place("runs", run_key(config))


def pretrain(
    config: RunConfig,
    *,
    devices: int = 1,
    accelerator: str = "auto",
    checkpoint_every: int = 50,
    progress: bool = True,
) -> Run:
    """Train what `config` asks for, or load it where it was trained before.

    An interrupted run goes on from its last checkpoint and yields what an uninterrupted one would have.

    Args:
        config: the run; `methods.config.load_config` reads one from a file.
        devices: processes; the batch size of `config` is that of all together, and so is the loss. (Only batch
            normalisation sees each process's part of a batch by itself.)
        accelerator: as Lightning Fabric names them ("cpu", "cuda", "auto").
        checkpoint_every: steps between checkpoints, and so the most that an interruption costs.
        progress: show a progress bar.

    Raises:
        InputError: the configuration, the data or a checkpoint is wrong, or the disk refuses.
        FloatingPointError: the loss is no longer a number.
    """
    _check_training_text(config)
    run = Run(run_folder(config))
    if run.finished:
        return run
    with store.explained_write_errors(run.folder):
        run.folder.mkdir(parents=True, exist_ok=True)
    store.write_file(run.config_path, json.dumps(config.model_dump(), indent=1))
    _Trainer(config, run, devices, accelerator, checkpoint_every, progress).train()
    return run


def _check_training_text(config: RunConfig) -> None:
    """Sentences can be left out only where those that stay have not seen them."""
    encoder = config.model.text_encoder
    if config.data.text.chooses and encoder.context == "report" and not encoder.trainable:
        raise InputError(
            "data.text chooses among the sentences of a report, but with model.text_encoder.context: report a frozen "
            "encoder's sentences have all seen the whole. Set model.text_encoder.context: sentence, or "
            "model.text_encoder.trainable: true, or leave data.text.sentences at all and data.text.shuffled at false."
        )


def _shown_studies(studies: StudyDataset, asked: DataConfig) -> Int[np.ndarray, " shown"]:
    """Which training studies a run is shown: the first so many, less those with a finding that it goes without.

    Raises:
        InputError: no study is left, or none shows one of these findings.
    """
    shown = np.arange(min(len(studies), asked.subset or len(studies)))
    if not asked.without:
        return shown
    findings = studies.finding_names()
    if strange := set(asked.without) - set().union(*findings):
        known = ", ".join(sorted(set().union(*findings))) or "none"
        raise InputError(f"data.without: no study shows {', '.join(sorted(strange))}. Known findings: {known}.")
    kept = shown[[findings[index].isdisjoint(asked.without) for index in shown]]
    if not len(kept):
        raise InputError(f"data.without: no study is left without {', '.join(asked.without)}. Leave fewer out.")
    return kept


class _Trainer:
    """One call of `pretrain`."""

    def __init__(
        self, config: RunConfig, run: Run, devices: int, accelerator: str, checkpoint_every: int, progress: bool
    ) -> None:
        self.config, self.run = config, run
        self.checkpoint_every, self.progress = checkpoint_every, progress
        self._checkpoints = run.folder / "checkpoint"
        options = config.optimization
        self.fabric = _fabric(accelerator, devices, options.precision)
        self.fabric.launch()
        self.fabric.seed_everything(config.seed, verbose=False)
        recipe = method(config.method)
        training = Training(recipe.model(config), recipe.objective(config), config.compute.piece)
        with self.fabric.rank_zero_first(local=True):  # it fills the caches, the others find them full
            asked, text = config.data.views, config.data.text
            views = training_views(
                self._open("train"), asked.moved, asked.mirrored, text.places, text.errors.model_dump()
            )
            self.views = [Pairs.of(training.model, *view) for view in views]
            self.masks = [MaskedImages.of(training.model, images) for images, _ in views]
            validation = self._open("validation")
            self.validation = Pairs.of(training.model, validation)
            self.validation_masks = MaskedImages.of(training.model, validation, copies=1)
        self.studies = _shown_studies(views[0][0], config.data)
        self._check_shares()
        if config.model.projection.standardize:
            training.eval().model.standardize(self.views[0].images, self.studies)
        arrange(training.model, config.compute)
        self.plain = training
        groups = _parameter_groups(training, options)
        kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[options.optimizer]
        fused = config.compute.fused or None  # None leaves the choice to PyTorch
        optimizer = kind(groups, weight_decay=options.weight_decay, betas=options.betas, fused=fused)
        self.module, self.optimizer = self.fabric.setup(training, optimizer)
        self.steps_per_epoch = len(batches(len(self.studies), options.batch_size, config.seed, 0))
        self.total = self.steps_per_epoch * options.epochs

    def _open(self, split: str) -> StudyDataset:
        return open_studies(self.config.data.set, split, self.config.data.edition)

    def _check_shares(self) -> None:
        """Every process must get its part of every batch."""
        size, world = self.config.optimization.batch_size, self.fabric.world_size
        if size % world or min(len(self.studies), len(self.validation.images)) < world:
            raise InputError(
                f"Batches cannot be shared by {world} processes: optimization.batch_size = {size} must be a multiple "
                "of their number, and the set must hold a training and a validation study for each."
            )

    def train(self) -> None:
        """Train from the last checkpoint, or the beginning, to the end."""
        done = load_checkpoint(self._checkpoints, self.plain, self.optimizer)
        log = Log(self.run.log_path, keep_to_step=done) if self.fabric.is_global_zero else None
        self.validation_losses = self.fabric.broadcast(log and log.validation_losses)
        began = time.perf_counter() - (log.seconds if log else 0)
        title = f"pre-training {self.config.method}"
        bar = tqdm(total=self.total, initial=done, desc=title, unit="step", disable=self._quiet())
        step = done
        try:
            for epoch in range(done // self.steps_per_epoch, self.config.optimization.epochs):
                self.plain.objective.on_epoch(epoch)
                order = batches(len(self.studies), self.config.optimization.batch_size, self.config.seed, epoch)
                for indices in order[step - epoch * self.steps_per_epoch :]:
                    entry = self._step(step, self.studies[indices])
                    step += 1
                    bar.update()
                    bar.set_postfix(loss=f"{entry['loss']:.3f}")
                    last_of_epoch = step % self.steps_per_epoch == 0
                    if last_of_epoch:
                        entry["validation_loss"] = self._validation_loss()
                        self.validation_losses.append(entry["validation_loss"])
                    if log:
                        log.write(step=step, epoch=epoch, seconds=round(time.perf_counter() - began, 3), **entry)
                    if step % self.checkpoint_every == 0 and step < self.total:
                        self._save_checkpoint(step)
        finally:
            bar.close()
            if log:
                log.close()
        if self.fabric.is_global_zero:
            self._finish()
        self.fabric.barrier()

    def _quiet(self) -> bool | None:
        """tqdm's `disable`: None leaves the choice to whether a terminal is watching."""
        return None if self.progress and self.fabric.is_global_zero else True

    def _step(self, step: int, indices: Int[np.ndarray, " batch"]) -> dict[str, float]:
        options = self.config.optimization
        rate = learning_rate(step, self.steps_per_epoch, options, self.validation_losses)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share_of_rate"]
        if self.fabric.global_rank:
            torch.manual_seed(dropout_seed(self.config.seed, step, self.fabric.global_rank))
        self.module.train()
        alignment = self._align(*self._shown(step, self._share(indices)))
        loss = alignment["loss"].item()
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"The loss became {loss} at step {step + 1}. Lower optimization.learning_rate or train in 32-true."
            )
        self.optimizer.zero_grad()
        self.fabric.backward(alignment["loss"])
        if options.clip_norm is not None:
            self.fabric.clip_gradients(
                self.module, self.optimizer, max_norm=options.clip_norm, error_if_nonfinite=False
            )
        self.optimizer.step()
        parts = {name: value.item() for name, value in alignment["parts"].items()}
        return {"loss": loss, **parts, "learning_rate": rate}

    def _share(self, indices: Int[np.ndarray, " batch"]) -> Int[np.ndarray, " share"]:
        """This process's part of a batch; the parts are equal, what is left over is not looked at."""
        rank, world = self.fabric.global_rank, self.fabric.world_size
        return indices[rank : len(indices) - len(indices) % world : world]

    def _shown(self, step: int, studies: Int[np.ndarray, " share"]) -> tuple[Inputs, Masked]:
        """What a training step is shown of some studies: one view of them, of their reports what is asked for, and of
        their images what is not hidden."""
        text, seed, (epoch, batch) = self.config.data.text, self.config.seed, divmod(step, self.steps_per_epoch)
        number = view_of_batch(len(self.views), seed, epoch, batch)
        view, masks = self.views[number], self.masks[number]
        masked = masks.batch(studies, seed, epoch, batch)
        if not text.chooses:
            return view.batch(studies), masked
        choice = [shown_sentences(view.texts.with_words(s), text, seed, epoch, s) for s in studies.tolist()]
        return view.batch(studies, choice), masked

    def _align(self, inputs: Inputs, masked: Masked) -> dict[str, Any]:
        """The objective over a batch, of which this process brings its part."""

        def taken(side: ImageFeatures | TextFeatures | Tensor | list[list[str]]) -> Any:
            """On the device, and as a dictionary if it is features."""
            moved = side if isinstance(side, list) else side.to(self.fabric.device)
            return vars(moved) if isinstance(moved, ImageFeatures | TextFeatures) else moved

        return self.module(*map(taken, inputs), **{name: taken(side) for name, side in masked.items()})

    @torch.no_grad()
    def _validation_loss(self) -> float:
        """Mean loss over the validation split in fixed batches of the training batch size, always masked alike."""
        self.module.eval()
        size = self.config.optimization.batch_size
        count = max(len(self.validation.images) // size, 1)
        losses = []
        for index in range(count):
            indices = np.arange(index * size, min((index + 1) * size, len(self.validation.images)))
            share = self._share(indices)
            masked = self.validation_masks.batch(share, self.config.seed, epoch=0, batch=index)
            losses.append(self._align(self.validation.batch(share), masked)["loss"].item())
        return float(np.mean(losses))

    def _save_checkpoint(self, step: int) -> None:
        if self.fabric.is_global_zero:
            save_checkpoint(self._checkpoints, step, self.plain.changeable_state(), self.optimizer)

    def _finish(self) -> None:
        model_folder = self.run.folder / "model"
        if not model_folder.exists():
            self.plain.model.save_pretrained(model_folder)
        if learnt := self.plain.objective.state_dict():
            contiguous = {key: value.contiguous() for key, value in learnt.items()}
            store.write_file(self.run.objective_path, save(contiguous))
        last = self.run.log()[-1]
        result = {key: last[key] for key in ("step", "seconds", "loss", "validation_loss")}
        store.write_file(self.run.folder / "result.json", json.dumps(result, indent=1))
        shutil.rmtree(self._checkpoints, ignore_errors=True)


def _parameter_groups(training: Training, options: OptimizationConfig) -> list[dict[str, Any]]:
    """What is trained: new heads at the learning rate, and encoders at theirs, as a share of it.

    Prototypes learn as heads do, but nothing makes them shorter: they are set back to length 1 at every step, and while
    they are frozen decay would still move them.
    """
    encoders, heads, prototypes = [], [], []
    for name, parameter in training.named_parameters():
        if parameter.requires_grad:
            kind = encoders if "_encoder." in name else prototypes if name.endswith(".prototypes") else heads
            kind.append(parameter)
    share = (options.encoder_learning_rate or options.learning_rate) / options.learning_rate
    groups = [
        {"params": heads, "share_of_rate": 1.0},
        {"params": encoders, "share_of_rate": share},
        {"params": prototypes, "share_of_rate": 1.0, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _fabric(accelerator: str, devices: int, precision: str) -> Fabric:
    try:
        return Fabric(accelerator=accelerator, devices=devices, precision=precision)
    except (ValueError, TypeError, RuntimeError, ImportError) as error:  # whichever Fabric finds fitting
        raise InputError(f"accelerator {accelerator!r} with {devices} devices cannot be used here: {error}") from error
