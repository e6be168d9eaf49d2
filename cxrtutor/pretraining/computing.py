"""What a configuration's `compute` group makes of a model: other ways to the same numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from ..encoders.encoder import Encoder
from ..errors import InputError
from ..methods.config import ComputeConfig
from ..methods.model import AlignedModel
from .recomputation import recomputed


def arrange(model: AlignedModel, compute: ComputeConfig) -> None:
    """Let a model compute as `compute` asks. Its weights keep their names and values.

    Blocks are arranged one by one: of a recomputed block only the input is kept, and compiling one block after another
    is quick, as they are alike. A frozen encoder is left alone: its features must be those that its cache holds.
    """
    trained = [encoder for encoder in (model.image_encoder, model.text_encoder) if encoder.trainable]
    if compute.channels_last:
        for part in model.children():
            if part in trained or not isinstance(part, Encoder):
                part.to(memory_format=torch.channels_last)
    for encoder in trained:
        if compute.compile:
            for block in _compilable(encoder):
                block.forward = torch.compile(block.forward)
        if compute.recompute:
            for block in encoder.blocks():
                block.forward = recomputed(block.forward, block)


def _compilable(encoder: Encoder) -> list[nn.Module]:
    """All blocks, but not the last where [CLS] attention is asked for: what reads along in there needs to be called."""
    blocks = encoder.blocks()
    return blocks[:-1] if encoder.cls_attention else blocks


@contextmanager
def told_of_full_memory() -> Iterator[None]:
    """Around the steps: where they do not fit, say what can be changed while the run goes on.

    Raises:
        InputError: the memory of a GPU is full.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise InputError(
            "A step does not fit into the memory of a GPU. Keep less of what the encoders compute (--set "
            "compute.recompute=true), or let batch normalisation see fewer pairs at a time: in pieces (--set "
            "compute.piece=16), or shared among more GPUs. The run goes on from its last checkpoint. `cxrtutor plan` "
            f"says what would fit. ({error})"
        ) from error
