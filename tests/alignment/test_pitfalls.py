"""Ten ways in which published code for this very loss goes wrong without a word, and what the package does instead.

Each objective's own tests look closer; here is one for each pitfall, through what a reader would call. The eighth,
negatives that stay on their device, takes two processes and is in `tests/pretraining/test_gathering.py`.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from batches import paired, select
from safetensors.torch import load_file
from small_runs import recipe, small_config, small_set, use_small_text_encoder

from cxrtutor.alignment import (
    GlobalAlignment,
    LocalAlignment,
    MultiLevelAlignment,
    PairedFeatures,
    SentenceAlignment,
    WordAlignment,
)
from cxrtutor.encoders.text import text_encoder
from cxrtutor.localization.localize import localize
from cxrtutor.methods.config import RunConfig, validated
from cxrtutor.methods.registry import METHODS
from cxrtutor.pretraining.loop import pretrain
from cxrtutor.viewing.overlay import overlay

LOCAL = [WordAlignment, SentenceAlignment, MultiLevelAlignment]
EVERY = [GlobalAlignment, *LOCAL]


@pytest.fixture(autouse=True, scope="module")
def small_text_encoder():
    with pytest.MonkeyPatch.context() as patch:
        use_small_text_encoder(patch)
        yield


@pytest.mark.parametrize("side", [3, 16, 19])
def test_1_no_region_gets_more_attention_than_the_ceiling_and_that_is_reached(side):
    pairs = paired([2, 2], side=side)
    ceiling = math.exp(4) / (math.exp(4) + side * side - 1)
    assert SentenceAlignment()(pairs).maps["attention"].amax() < ceiling
    with torch.no_grad():
        # One region gives itself wholly to the first sentence, all others to the second.
        pairs.text.sentences[0] = 100 * torch.eye(8)[:2]
        pairs.image.deep[0] = torch.eye(8)[1][:, None, None]
        pairs.image.deep[0, :, 0, -1] = torch.eye(8)[0]
    attention = SentenceAlignment()(pairs).maps["attention"][0, 0]
    assert attention[0, -1].item() == attention.amax().item() == pytest.approx(ceiling, rel=1e-5)


@pytest.mark.parametrize("background", [False, True])
def test_2_a_lone_unit_looks_everywhere_alike_unless_there_is_a_background(background):
    attention = SentenceAlignment(background=background)(paired([1, 1])).maps["attention"]
    assert torch.equal(attention, torch.full_like(attention, 1 / 9)) != background


def test_3_a_report_has_as_many_units_as_it_has_words_not_characters():
    report = ["Small left pleural effusion.", "No pneumothorax."]
    text = text_encoder("minilm", pretrained=False)([report, ["Clear lungs."]])
    assert text.words.shape[1] == text.word_mask[0].sum() == 6
    assert text.word_mask[1].sum() == 2
    assert text.sentence_mask.sum(dim=1).tolist() == [2, 1]


@pytest.mark.parametrize("sentences", [[1], [3], [0], [2, 0, 3], [0, 0], [1, 1]])
@pytest.mark.parametrize("objective", EVERY)
def test_4_empty_reports_and_a_batch_of_one_give_a_number_and_a_gradient(objective, sentences):
    pairs = paired(sentences)
    loss = objective()(pairs).loss
    inputs = [pairs.image.shallow, pairs.image.deep, pairs.image.pooled, pairs.text.words, pairs.text.sentences]
    slopes = torch.autograd.grad(loss, [*inputs, pairs.text.report], allow_unused=True)
    assert loss.isfinite()
    assert all(slope.isfinite().all() for slope in slopes if slope is not None)
    present = [row for row, count in enumerate(sentences) if count]
    torch.testing.assert_close(loss, objective()(select(pairs, present)).loss)


def test_4_an_empty_sentence_is_no_unit():
    encode = text_encoder("minilm", pretrained=False)
    text = encode([["Clear lungs.", "", "..."], ["No effusion."]])
    assert text.sentence_mask.tolist() == [[True, False, False], [True, False, False]]
    assert all(getattr(text, unit).isfinite().all() for unit in ("words", "sentences", "report"))


@pytest.mark.parametrize("objective", EVERY)
def test_5_padding_changes_no_loss(objective):
    losses = [objective()(paired([2, 1, 3], padding=columns)).loss for columns in (0, 1, 40)]
    assert torch.equal(losses[0], losses[1])
    assert torch.equal(losses[0], losses[2])


class OneFittingRegion:
    """A model for which one of 16 x 16 regions fits every prompt, and all others fit none."""

    image_size = 64

    def encode_images(self, images):
        return images

    def similarity_maps(self, features, prompts):
        maps = torch.zeros(len(prompts), 16, 16)
        maps[:, 3, 12] = 1.0
        return maps


def test_6_what_fits_is_drawn_hot_where_it_lies():
    """Neither inverted nor with its colours in another order: yellow where it fits, the film's grey elsewhere."""
    film = np.full((64, 64), 0.4, dtype=np.float32)
    found = localize(OneFittingRegion(), film, "mass")
    red, green, blue = overlay(film, found, opacity=1.0).astype(int).transpose(2, 0, 1)
    row, column = np.unravel_index((red + green - blue).argmax(), red.shape)
    assert (row // 4, column // 4) == (3, 12)
    assert min(red[row, column], green[row, column]) > blue[row, column] + 60
    assert red[50, 10] == green[50, 10] == blue[50, 10]


@pytest.mark.parametrize("name", METHODS)
def test_6_a_map_is_read_through_heads_that_the_loss_has_trained(name):
    keys = recipe(Path("nowhere"), method=name)
    keys["alignment"] = {"reconstruction_weight": 0, "masking": None} if name == "mlip" else {}
    config = validated(RunConfig, keys, where="small")
    model, objective = METHODS[name].model(config).train(), METHODS[name].objective(config)
    images = torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    reports = [["Large left mass.", "Clear lungs."], ["No pneumothorax."], ["Small effusion.", "Edema."], ["Edema."]]
    objective(model(model.image_encoder(images), model.text_encoder(reports))).loss.backward()
    trained = [p for p in model.parameters() if p.grad is not None and p.grad.any()]
    model.zero_grad()
    features = model.image_encoder(images)
    (model.region_map(features).mean() * model.embed_prompts(["edema"]).mean()).backward()
    read = [p for p in model.parameters() if p.grad is not None]
    assert len(read) >= 2
    assert {id(p) for p in read} <= {id(p) for p in trained}


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "objective", [lambda: GlobalAlignment(0.01), lambda: WordAlignment(aggregation_temperature=99.0)]
)
def test_7_half_precision_is_reduced_in_float32(objective, half):
    """exp(1 / .01) and e^99 are beyond float16, whose largest number is 65504."""
    pairs = paired([1, 2, 3], dtype=half)
    with torch.autocast("cpu", half):
        loss = objective()(pairs).loss
    exact = objective()(PairedFeatures(pairs.image.to(dtype=torch.float64), pairs.text.to(dtype=torch.float64))).loss
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), exact, rtol=1e-4, atol=1e-4)


def test_9_training_never_opens_the_test_split(tmp_path, home):
    counts = {"train": 16, "validation": 8}
    with_test = small_set(tmp_path / "with", counts | {"test": 4})
    without = small_set(tmp_path / "without", counts)
    models = [
        load_file(pretrain(small_config(data, epochs=1)).folder / "model" / "model.safetensors")
        for data in (with_test, without)
    ]
    assert models[0].keys() == models[1].keys()
    assert all(torch.equal(models[0][key], models[1][key]) for key in models[0])


@pytest.mark.parametrize("aggregation", ["sum", "mean"])
@pytest.mark.parametrize("unit", ["words", "sentences"])
def test_10_saying_a_thing_three_times_pays_under_sum_alone(unit, aggregation):
    """Two equal images; the second report repeats what the first says."""
    pairs = paired([1, 3])
    units = getattr(pairs.text, unit)
    with torch.no_grad():
        pairs.image.deep[1] = pairs.image.deep[0]
        units[:] = units[0, 0] * getattr(pairs.text, "word_mask" if unit == "words" else "sentence_mask")[..., None]
    cost = LocalAlignment(unit, "deep", aggregation=aggregation)(pairs).parts["image_to_text"].item()
    # Under "sum" both images find the longer report 3^10 times as likely; under "mean" they cannot tell.
    assert cost == pytest.approx({"sum": 10 * math.log(3) / 2, "mean": math.log(2)}[aggregation], rel=1e-3)
