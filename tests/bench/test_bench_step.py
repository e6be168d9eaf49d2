"""How much of a training step at paper scale is not encoder. Run by `make bench`; one thread.

The papers' recipes with random weights, on random images and on reports that fill the text encoder's limit: the most
words that a step can meet.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from measuring import operations, seconds

from cxrtutor.data.teaching.grammar import write_report
from cxrtutor.methods.config import load_config
from cxrtutor.methods.registry import method

PAPER = Path(__file__).parents[2] / "configs" / "paper"
RANDOM_WEIGHTS = {"model.image_encoder.pretrained": False, "model.text_encoder.pretrained": False}
BATCH = 16
LIMITS = {"gloria": 0.15, "lsm": 0.15, "afloc": 0.35}


@pytest.fixture(scope="module")
def encoded(report):
    """Features of a batch by AFLoc's encoders, which are those of all three, and what they cost."""
    model, _ = recipe("afloc")
    images = torch.rand(BATCH, 1, model.image_size, model.image_size)
    reports = list(map(partial(long_report, model.text_encoder.pieces), range(BATCH)))

    def encode():
        return model.image_encoder(images), model.text_encoder(reports)

    def train():
        torch.autograd.backward(
            [x.sum() for side in encode() for x in vars(side).values() if x is not None and x.requires_grad]
        )

    with torch.no_grad():
        features = encode()
    return features, {"seconds": seconds({"encoders": train}, repeats=2)["encoders"], "operations": operations(train)}


@pytest.mark.parametrize("name", LIMITS)
def test_heads_and_losses_are_a_small_part_of_a_step(report, encoded, name):
    (image, text), encoders = encoded
    model, objective = recipe(name)
    image, text = (replace(side, **leaves(side)) for side in (image, text))

    def align():
        objective(model(image, text)).loss.backward()

    taken = {"encoders": encoders["seconds"]} | seconds({"heads and losses": align}, repeats=3)
    counted = {"encoders": encoders["operations"], "heads and losses": operations(align)}
    share, bound = (costs["heads and losses"] / sum(costs.values()) for costs in (taken, counted))
    report.add(
        f"A training step of {name}",
        f"Batch {BATCH}: {int(text.word_mask.sum())} words in {int(text.sentence_mask.sum())} sentences. Heads and "
        f"losses take {share:.1%} of a step without its optimiser; at most {LIMITS[name]:.0%} is asked for. By their "
        "arithmetic alone, if every operation of a matrix product or a convolution took equally long and all else no "
        f"time, it would be {bound:.1%}.",
        pd.DataFrame({"seconds": taken, "GFLOP": {k: v / 1e9 for k, v in counted.items()}}).round(
            {"seconds": 2, "GFLOP": 0}
        ),
    )
    assert share <= LIMITS[name]


def recipe(name):
    """The model and the objective of a paper, with random weights, ready to train."""
    config = load_config(PAPER / f"{name}.yaml", RANDOM_WEIGHTS)
    torch.manual_seed(0)
    chosen = method(config.method)
    return chosen.model(config).train(), chosen.objective(config).train()


def long_report(pieces, seed):
    """Sentences of made-up reports, as many as the limit of word pieces takes."""
    rng = np.random.default_rng(seed)
    report = []
    while True:
        sentences = [sentence.text for sentence in write_report((), rng).report.sentences]
        for sentence in sentences:
            if len(pieces.tokenizer.encode(" ".join([*report, sentence])).ids) > pieces.limit:
                return report
            report.append(sentence)


def leaves(features):
    """The floating-point tensors of some features as a training step's heads meet them: with a gradient to hand on."""
    tensors = {name: value for name, value in vars(features).items() if value is not None}
    return {name: value.detach().requires_grad_() for name, value in tensors.items() if value.is_floating_point()}
