"""Runs that take a second: made-up studies, images of 64 pixels, and a text encoder of few random weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.made_up import make_study
from transformers.models.bert.configuration_bert import BertConfig

from cxrtutor.data.prepared import shard_path, write_card, write_shard
from cxrtutor.data.study import Report, Sentence, Study
from cxrtutor.encoders import text
from cxrtutor.methods.config import RunConfig, validated

COUNTS = {"train": 24, "validation": 8, "test": 6}
STEPS_PER_EPOCH, EPOCHS = 3, 4
STEPS = STEPS_PER_EPOCH * EPOCHS

_SENTENCES = ("Large left mass.", "No pneumothorax.", "Small effusion.", "Clear lungs.", "Normal heart.", "Edema.")


def study(index: int, split: str) -> Study:
    """Noise, and a report of one to three sentences that other studies share in part."""
    random = np.random.default_rng([index, len(split)])
    lines = random.choice(_SENTENCES, random.integers(1, 4), replace=False)
    report = Report({}, tuple(Sentence(str(line)) for line in lines))
    return dataclasses.replace(make_study(index, split, shape=(40, 32)), report=report)


def small_set(folder: Path, counts: dict[str, int] = COUNTS) -> Path:
    """A prepared set of such studies."""
    shards = []
    for split, count in counts.items():
        shards.append(shard_path(folder, split, 0))
        write_shard(shards[-1], [study(index, split) for index in range(count)])
    write_card(folder, shards, {"small": counts}, name="small", version="1", licence="CC0-1.0", redistribution=True)
    return folder


def recipe(data: Path, method: str = "lsm", trainable: bool = False, head: str = "convolution", **optimization: Any):
    """A configuration's keys and values, as a recipe's file has them."""
    encoder = {"pretrained": False, "trainable": trainable}
    return {
        "method": method,
        "data": {"set": str(data)},
        "model": {
            "image_size": 64,
            "image_encoder": encoder,
            "text_encoder": encoder,
            "projection": {"dim": 16, "head": head},
        },
        "optimization": {"epochs": EPOCHS, "batch_size": 8, "learning_rate": 0.01, **optimization},
    }


def small_config(data: Path, **options: Any) -> RunConfig:
    """A run of `recipe`, checked."""
    return validated(RunConfig, recipe(data, **options), where="small")


def use_small_text_encoder(patch: pytest.MonkeyPatch) -> None:
    """Let "minilm" be a BERT of two narrow layers (with dropout, like the real one)."""

    def load(pretrained: bool):
        config = BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
        return text._bert(config), text._minilm_tokenizer()

    _, pooling, limit = text._ENCODERS["minilm"]
    patch.setitem(text._ENCODERS, "minilm", (load, pooling, limit))
