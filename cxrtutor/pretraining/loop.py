"""The one training loop: teaching scale on two cores, paper scale on many GPUs, every method alike."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from lightning_fabric import Fabric
from safetensors.torch import save
from torch import Tensor
from tqdm import tqdm

from .. import store
from ..data.dataset import StudyDataset
from ..data.sets import open_studies, studies_key
from ..data.verification import readable
from ..data.views import training_views
from ..encoders.features import ImageFeatures, TextFeatures
from ..errors import InputError, StoppedError
from ..methods.config import DataConfig, RunConfig
from ..methods.registry import method
from .checkpoint import CheckpointClock, load_checkpoint, save_checkpoint
from .computing import arrange, told_of_full_memory
from .launchers import fabric, launch
from .loading import Course, Given, Inputs, Loader, Masked, Pairs, Share, row_groups_of, told_of_ended_readers
from .masking import MaskedImages
from .metering import Meter
from .optimizer import optimizer
from .provenance import write_provenance
from .run import Log, Run
from .sampling import WINDOW, dropout_seed
from .schedule import learning_rate
from .stopping import StopRequest, stop_request
from .training import Training

VERSION = 1
"""Part of every run's key: raised when the loop comes to train differently from the same configuration, or when a
default of a configuration changes."""

NAMED = 5
"""How many studies of a batch a message names; the others stand in a file."""


def run_key(config: RunConfig) -> dict[str, Any]:
    """Everything a run depends on: what differs from the defaults, the data, and this loop's version, which stands for
    the defaults too. So a setting that is added later, and left at its default, leaves every earlier run valid.

    How a run is computed (`compute`) is no part of it, nor is the folder where its data lie.
    """
    settings = method(config.method).settings_of(config)
    data = studies_key(config.data.set, "train", config.data.edition)
    chosen = config.model_dump(mode="json", exclude_defaults=True, exclude={"compute": True, "data": {"set"}})
    alignment = settings.model_dump(mode="json", exclude_defaults=True)
    return {"config": chosen | {"alignment": alignment}, "data": data, "version": VERSION}


def run_folder(config: RunConfig) -> Path:
    """Where the run of `config` is, or will be."""
    return store.place("runs", run_key(config))


def pretrain(
    config: RunConfig,
    *,
    devices: int | None = None,
    nodes: int | None = None,
    accelerator: str = "auto",
    checkpoint_every: int = 50,
    checkpoint_minutes: float | None = 10.0,
    tensorboard: bool = False,
    progress: bool = True,
) -> Run:
    """Train what `config` asks for, or load it where it was trained before.

    An interrupted run goes on from its last checkpoint and yields what an uninterrupted one would have. So does one
    that goes on with more processes, or fewer, but for rounding (and what dropout draws). Where another program trains
    the same run already, as two notebooks may that are open at once, this one waits and finds it.

    Args:
        config: the run; `methods.config.load_config` reads one from a file.
        devices: processes on each machine; the batch size of `config` is that of all together, and so is the loss.
            (Only batch normalisation sees each process's part of a batch by itself.) None for those that `torchrun` or
            `srun` has started, or one.
        nodes: machines; None likewise. Their folder of runs (`CXRTUTOR_HOME`) must be one that all of them see.
        accelerator: as Lightning Fabric names them ("cpu", "cuda", "auto").
        checkpoint_every: steps between checkpoints, and so the most that an interruption costs.
        checkpoint_minutes: minutes after which there is one too; None for no such limit.
        tensorboard: write the log for TensorBoard too, into the run's folder.
        progress: show a progress bar.

    Raises:
        InputError: the configuration, the data or a checkpoint is wrong, a GPU's memory is full, or the disk refuses.
        FloatingPointError: the loss is no longer a number.
        StoppedError: SIGTERM or SIGUSR1 asked for it; the step that was under way is finished and saved.
    """
    _check_training_text(config)
    run = Run(run_folder(config))
    if run.finished:
        return run
    with stop_request() as stop:
        processes = fabric(accelerator, devices, nodes, config.optimization.precision)
        launch(processes)
        clock = CheckpointClock(checkpoint_every, checkpoint_minutes)
        with _held(run, processes):
            if not processes.broadcast(run.finished):
                _Trainer(config, run, processes, clock, stop, tensorboard, progress).train()
    return run


def _held(run: Run, processes: Fabric) -> AbstractContextManager[None]:
    """While these processes train a run no others do: they would write into one log. The first holds it for all."""
    return store.held(run.folder, "trains the same run") if processes.is_global_zero else nullcontext()


def _check_training_text(config: RunConfig) -> None:
    """Sentences can be left out only where those that stay have not seen them."""
    encoder = config.model.text_encoder
    if config.data.text.chooses and encoder.context == "report" and not encoder.trainable:
        raise InputError(
            "data.text chooses among the sentences of a report, but with model.text_encoder.context: report a frozen "
            "encoder's sentences have all seen the whole. Set model.text_encoder.context: sentence, or "
            "model.text_encoder.trainable: true, or leave data.text.sentences at all and data.text.shuffled at false."
        )


def _usable(studies: StudyDataset) -> Int[np.ndarray, " usable"]:
    """The positions of all studies that are not left out."""
    return np.setdiff1d(np.arange(len(studies)), list(studies.left_out))


def _shown_studies(studies: StudyDataset, asked: DataConfig) -> Int[np.ndarray, " shown"]:
    """Which training studies a run is shown: the first so many, less those with a finding that it goes without.

    Raises:
        InputError: no study is left, or none shows one of these findings.
    """
    shown = _usable(studies)[: asked.subset]
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
        self,
        config: RunConfig,
        run: Run,
        processes: Fabric,
        clock: CheckpointClock,
        stop: StopRequest,
        tensorboard: bool,
        progress: bool,
    ) -> None:
        self.config, self.run, self.fabric = config, run, processes
        self.clock, self.stop = clock, stop
        self.tensorboard, self.progress = tensorboard, progress
        self._checkpoints = run.folder / "checkpoint"
        options = config.optimization
        if self.fabric.is_global_zero:
            self._begin()
        self.fabric.seed_everything(config.seed, verbose=False)
        recipe = method(config.method)
        training = Training(recipe.model(config), recipe.objective(config), config.compute.piece)
        with self.fabric.rank_zero_first(local=True):  # it fills the caches, the others find them full
            asked, text = config.data.views, config.data.text
            train = self._open("train")
            train.keep_groups(WINDOW)
            views = training_views(train, asked.moved, asked.mirrored, text.places, text.errors.model_dump())
            self.views = [Pairs.of(training.model, *view) for view in views]
            masks = [MaskedImages.of(training.model, images) for images, _ in views]
            validation = self._open("validation")
            self.validation, self.validated = Pairs.of(training.model, validation), _usable(validation)
            self.validation_masks = MaskedImages.of(training.model, validation, copies=1)
        self.studies = _shown_studies(train, config.data)
        self._check_shares()
        if config.model.projection.standardize:
            training.eval().model.standardize(self.views[0].images, self.studies)
        arrange(training.model, config.compute)
        self.plain = training
        self.module, self.optimizer = self.fabric.setup(training, optimizer(training, options, config.compute.fused))
        groups = None if config.data.order == "studies" else row_groups_of(train, self.studies)
        self.course = Course(
            self.studies, groups, len(views), options.batch_size, epochs=options.epochs, seed=config.seed
        )
        self.share = Share(self.fabric.global_rank, self.fabric.world_size)
        self.loader = Loader(
            self.views, masks, self.course, text, self.share, self.fabric.device, config.compute.workers
        )
        self.steps_per_epoch, self.total = self.course.steps_per_epoch, len(self.course)

    def _begin(self) -> None:
        """What stands in the run's folder before anything is trained."""
        with store.explained_write_errors(self.run.folder):
            self.run.folder.mkdir(parents=True, exist_ok=True)
            self.run.stopped_path.unlink(missing_ok=True)
        store.write_file(self.run.config_path, json.dumps(self.config.model_dump(), indent=1))

    def _open(self, split: str) -> StudyDataset:
        """A split; of one whose images a trained encoder is to read, again and again, what can be read."""
        studies = open_studies(self.config.data.set, split, self.config.data.edition)
        if not self.config.model.image_encoder.trainable:
            return studies
        return readable(studies, self.run.folder / f"unreadable-{split}.json")

    def _check_shares(self) -> None:
        """Every process must get its part of every batch."""
        size, world = self.config.optimization.batch_size, self.fabric.world_size
        if size % world or min(len(self.studies), len(self.validated)) < world:
            raise InputError(
                f"Batches cannot be shared by {world} processes: optimization.batch_size = {size} must be a multiple "
                "of their number, and the set must hold a training and a validation study for each."
            )

    def train(self) -> None:
        """Train from the last checkpoint, or the beginning, to the end.

        Raises:
            StoppedError: a signal asked for it.
        """
        done = self._resume()
        log = None
        if self.fabric.is_global_zero:
            write_provenance(self.run.folder, self.config, self.fabric, done)
            log = Log(self.run.log_path, done, self.run.folder / "tensorboard" if self.tensorboard else None)
        self.validation_losses = self.fabric.broadcast(log and log.validation_losses)
        title = f"pre-training {self.config.method}"
        bar = tqdm(total=self.total, initial=done, desc=title, unit="step", disable=self._quiet())
        try:
            with (
                self.stop.at_next_step(),
                told_of_ended_readers(),
                told_of_full_memory(),
                closing(self.loader.steps(done)) as steps,
            ):
                self._train_from(done, steps, log, bar)
        finally:
            bar.close()
            if log:
                log.close()
        if self.fabric.is_global_zero:
            self._finish()
        self.fabric.barrier()

    def _resume(self) -> int:
        """Put the last checkpoint into all processes; the step that it was taken after."""
        done = load_checkpoint(self._checkpoints, self.plain, self.optimizer)
        if done != (first := self.fabric.broadcast(done)):
            raise InputError(
                f"The first process goes on from step {first}, and process {self.fabric.global_rank} finds "
                f"{f'step {done}' if done else 'no checkpoint'} in {self._checkpoints}. Set CXRTUTOR_HOME to a folder "
                "that all machines share."
            )
        return done

    def _train_from(self, done: int, steps: Iterator[Given], log: Log | None, bar: tqdm) -> None:
        """The steps after so many that are done, each with what it is given."""
        meter = Meter(self.fabric.device)
        began = time.perf_counter() - (log.seconds if log else 0)
        for epoch in range(done // self.steps_per_epoch, self.config.optimization.epochs):
            self.plain.objective.on_epoch(epoch)
            for index in range(max(done, epoch * self.steps_per_epoch), (epoch + 1) * self.steps_per_epoch):
                meter.start()
                given = next(steps)
                entry = self._step(index, given)
                entry |= {"waiting": round(given.waiting, 6)} | meter.stop(len(self.course[index].studies))
                step = index + 1
                bar.update()
                bar.set_postfix(loss=f"{entry['loss']:.3f}")
                if step % self.steps_per_epoch == 0:
                    entry["validation_loss"] = self._validation_loss()
                    self.validation_losses.append(entry["validation_loss"])
                if log:
                    log.write(step=step, epoch=epoch, seconds=round(time.perf_counter() - began, 3), **entry)
                if step < self.total:
                    self._keep(step)

    def _keep(self, step: int) -> None:
        """Save what there is after so many steps where a checkpoint is due, or the run is to stop."""
        stops = self.stop.of_any_process(self.fabric)
        if stops or self.clock.due(step):
            self._save_checkpoint(step)
        if stops:
            self.fabric.barrier()  # a process that ended before the first had saved would take it along
            by = self.stop.signal or "a signal"
            raise StoppedError(
                f"Stopped by {by} after step {step:,} of {self.total:,}. It is saved; the same command goes on from it."
            )

    def _quiet(self) -> bool | None:
        """tqdm's `disable`: None leaves the choice to whether a terminal is watching."""
        return None if self.progress and self.fabric.is_global_zero else True

    def _step(self, step: int, given: Given) -> dict[str, float]:
        options = self.config.optimization
        rate = learning_rate(step, self.steps_per_epoch, options, self.validation_losses)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share_of_rate"]
        if self.fabric.global_rank:
            torch.manual_seed(dropout_seed(self.config.seed, step, self.fabric.global_rank))
        self.module.train()
        alignment = self._align(given.inputs, given.masked)
        loss = alignment["loss"].item()
        if not np.isfinite(loss):
            raise FloatingPointError(self._no_number(step, "loss", loss, alignment["parts"]))
        self.optimizer.zero_grad()
        self.fabric.backward(alignment["loss"])
        limit = math.inf if options.clip_norm is None else options.clip_norm
        norm = self.fabric.clip_gradients(self.module, self.optimizer, max_norm=limit, error_if_nonfinite=False)
        if not norm.isfinite():  # a step along it would spoil the weights, and the checkpoint after it
            raise FloatingPointError(self._no_number(step, "gradient's norm", norm.item(), alignment["parts"]))
        self.optimizer.step()
        parts = {name: value.item() for name, value in alignment["parts"].items()}
        return {"loss": loss, **parts, "learning_rate": rate}

    def _no_number(self, step: int, what: str, value: float, parts: Mapping[str, Tensor]) -> str:
        """What to say of a loss or a gradient that is none; which studies it was of is written into the run's
        folder."""
        ids = self._open("train").ids()
        studies = [ids[index] for index in self.course[step].studies]
        if self.fabric.is_global_zero:
            # As text: JSON has no such numbers.
            told = {"step": step + 1, what: str(value), **{name: str(part.item()) for name, part in parts.items()}}
            store.write_file(self.run.stopped_path, json.dumps(told | {"studies": studies}, indent=1))
        more = f" and {len(studies) - NAMED} more" if len(studies) > NAMED else ""
        return (
            f"The {what} became {value} at step {step + 1}. Lower optimization.learning_rate or train in 32-true, and "
            f"look at the studies of this batch: {', '.join(studies[:NAMED])}{more} (all: {self.run.stopped_path})."
        )

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
        count = max(len(self.validated) // size, 1)
        losses = []
        for index in range(count):
            share = self.share.of(self.validated[index * size : (index + 1) * size])
            masked = self.validation_masks.batch(share, self.config.seed, epoch=0, batch=index)
            losses.append(self._align(self.validation.batch(share), masked)["loss"].item())
        return float(np.mean(losses))

    def _save_checkpoint(self, step: int) -> None:
        if self.fabric.is_global_zero:
            save_checkpoint(self._checkpoints, step, self.plain.changeable_state(), self.optimizer)
            self.clock.saved()

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
