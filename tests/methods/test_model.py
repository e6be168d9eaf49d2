"""The aligned model: what is saved, what is read, and that the global baseline's map is fair."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from safetensors.torch import load_file, save_file

from cxrtutor.alignment.global_alignment import cosines
from cxrtutor.data.masks import patch_mask
from cxrtutor.encoders.caching import CachedImages
from cxrtutor.errors import InputError
from cxrtutor.methods.config import ModelConfig, RunConfig
from cxrtutor.methods.model import AlignedModel, Architecture, Masking, Readout
from cxrtutor.methods.registry import method

PROMPTS = ("small left pleural effusion", "nodule in the right upper zone")


def fresh(name: str, **model: object) -> AlignedModel:
    torch.manual_seed(0)
    return method(name).model(RunConfig(method=name, model={"projection": {"dim": 16}, **model})).eval()


@pytest.fixture(scope="module")
def lsm() -> AlignedModel:
    return fresh("lsm")


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(2, 1, 128, 128, generator=torch.Generator().manual_seed(1))


def test_the_mean_of_the_global_map_is_the_pooled_similarity(images: torch.Tensor) -> None:
    model = fresh("convirt")
    features = model.encode_images(images)
    model.image_projection.measure(features)
    maps = model.similarity_maps(features, PROMPTS)
    pooled = model.image_projection(features).pooled
    expected = (pooled * model.embed_prompts(PROMPTS)).sum(1)
    torch.testing.assert_close(maps.mean((1, 2)), expected)


def test_heads_are_standardised_on_the_first_studies_of_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cxrtutor.methods.model.STANDARDIZATION_SAMPLE", 3)
    model, expected = fresh("lsm"), fresh("lsm")
    pixels = torch.rand(5, 1, 128, 128, generator=torch.Generator().manual_seed(1))
    images = CachedImages(model.image_encoder, model.image_encoder.pyramid(pixels))
    model.standardize(images, [4, 0, 2, 1])
    expected.image_projection.measure(images.batch([4, 0, 2]))
    heads = model.image_projection.heads
    for depth, head in expected.image_projection.heads.items():
        assert head[0].mean.any()
        torch.testing.assert_close(heads[depth][0].state_dict(), head[0].state_dict())


def test_each_image_is_asked_its_own_prompt(lsm: AlignedModel, images: torch.Tensor) -> None:
    features = lsm.encode_images(images)
    both = lsm.similarity_maps(features, PROMPTS)
    swapped = lsm.similarity_maps(features, PROMPTS[::-1])
    assert both.shape == (2, 16, 16)
    assert not torch.allclose(both, swapped)
    alone = lsm.similarity_maps(lsm.encode_images(images[1:]), PROMPTS[1:])
    torch.testing.assert_close(both[1:], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["lsm", "mgca"])
def test_a_table_holds_the_maps_of_every_image_and_prompt(name: str, images: torch.Tensor) -> None:
    model = fresh(name)
    features = model.encode_images(images)
    table = model.similarity_table(features, PROMPTS)
    assert table.shape == (2, 2, 16, 16)
    for column, prompt in enumerate(PROMPTS):
        torch.testing.assert_close(table[:, column], model.similarity_maps(features, [prompt] * 2))


def test_the_global_similarity_is_what_the_global_objective_compares(lsm: AlignedModel, images: torch.Tensor) -> None:
    features = lsm.encode_images(images)
    pairs = lsm(features, [[prompt] for prompt in PROMPTS])
    expected = cosines(pairs.image.pooled, pairs.text.report).diagonal()
    torch.testing.assert_close(lsm.global_similarity(features, PROMPTS), expected.detach())
    with pytest.raises(InputError):
        lsm.global_similarity(features, ["edema", " "])


def test_saved_and_loaded_it_gives_the_same_maps(lsm: AlignedModel, images: torch.Tensor, tmp_path: Path) -> None:
    features = lsm.encode_images(images)
    lsm.image_projection.measure(features)
    lsm.save_pretrained(tmp_path / "model")
    loaded = AlignedModel.from_pretrained(tmp_path / "model")
    assert not loaded.training
    assert torch.equal(loaded.similarity_maps(features, PROMPTS), lsm.similarity_maps(features, PROMPTS))
    assert loaded.architecture == lsm.architecture


def test_frozen_encoders_are_not_saved_and_trainable_ones_are(lsm: AlignedModel) -> None:
    assert {key.split(".")[0] for key in lsm.changeable_state()} == {"image_projection", "text_projection"}
    trainable = fresh("lsm", image_encoder={"trainable": True, "pretrained": False})
    assert {"image_encoder", "image_projection"} < {key.split(".")[0] for key in trainable.changeable_state()}


def test_the_text_encoders_settings_reach_it_and_what_was_trained_of_it_is_saved(tmp_path: Path) -> None:
    pooling = {"layers": 2, "words": "sum", "sentences": "words", "report": "padded-words"}
    settings = {"trainable": True, "trainable_layers": 1, "pretrained": False, "pooling": pooling, "limit": 40}
    model = fresh("lsm", text_encoder=settings)
    assert vars(model.text_encoder.pooling) == pooling
    assert model.text_encoder.pieces.limit == 40
    saved = {key.split(".encoder.layer.")[-1] for key in model.changeable_state() if key.startswith("text_encoder.")}
    assert {key.split(".")[0] for key in saved} == {"5"}
    with torch.no_grad():
        model.text_encoder.network.encoder.layer[5].output.dense.weight.mul_(2)
    model.save_pretrained(tmp_path / "model")
    loaded = AlignedModel.from_pretrained(tmp_path / "model")
    assert torch.equal(loaded.embed_prompts(PROMPTS), model.embed_prompts(PROMPTS))


def test_a_saved_model_asks_for_cls_attention_as_it_did(tmp_path: Path, images: torch.Tensor) -> None:
    config = RunConfig(method="lsm", model={"projection": {"dim": 16}})
    architecture = Architecture(Readout("deep", "words"), depths=("deep",), units=("words",), cls_attention=True)
    model = AlignedModel(config.model, architecture).eval()
    model.save_pretrained(tmp_path / "model")
    loaded = AlignedModel.from_pretrained(tmp_path / "model")
    pairs = loaded(images, [["Small effusion."], []])
    assert pairs.image.attention is None  # a convolutional network
    assert torch.equal(pairs.text.word_attention, model.text_encoder([["Small effusion."], []]).word_attention)
    assert pairs.text.word_attention[0].any()


def test_models_that_were_saved_before_there_was_cls_attention_can_be_loaded(lsm: AlignedModel, tmp_path: Path) -> None:
    lsm.save_pretrained(tmp_path / "model")
    description = json.loads((tmp_path / "model" / "model.json").read_text())
    del description["architecture"]["cls_attention"], description["model"]["image_encoder"]["pooled"]
    del description["model"]["projection"]["hidden"]
    (tmp_path / "model" / "model.json").write_text(json.dumps(description))
    loaded = AlignedModel.from_pretrained(tmp_path / "model")
    assert loaded.architecture == lsm.architecture
    assert loaded.config == lsm.config


def test_perceptron_heads_reach_both_sides_at_their_width(images: torch.Tensor, tmp_path: Path) -> None:
    model = fresh("lsm", projection={"dim": 16, "head": "perceptron", "hidden": 24})
    assert {
        key: [layer.out_features for layer in head.modules() if isinstance(layer, torch.nn.Linear)]
        for key, head in (*model.image_projection.heads.items(), *model.text_projection.heads.items())
    } == {"deep": [24, 16], "pooled": [24, 16], "sentences": [24, 16], "report": [24, 16]}
    features = model.encode_images(images)
    model.train()(features, [["Small effusion."], ["No pneumothorax.", "Edema."]])  # moves the running statistics
    model.eval().save_pretrained(tmp_path / "model")
    loaded = AlignedModel.from_pretrained(tmp_path / "model")
    assert torch.equal(loaded.similarity_maps(features, PROMPTS), model.similarity_maps(features, PROMPTS))


@pytest.mark.parametrize(
    ("method_name", "encoder", "head", "message"),
    [
        ("convirt", {}, "perceptron", "no final map to read"),
        ("afloc", {}, "perceptron", "one head for all text units"),
        ("lsm", {"name": "vit-mini", "pretrained": False, "pooled": "cls"}, "linear", "mean of a map, which .CLS. is"),
    ],
)
def test_heads_that_a_model_cannot_be_read_through_are_refused(
    method_name: str, encoder: dict, head: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        fresh(method_name, image_encoder=encoder, projection={"head": head})


@pytest.mark.parametrize("damage", ["no folder", "no weights", "truncated", "other shapes", "unknown key"])
def test_what_cannot_be_loaded_says_why(lsm: AlignedModel, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "model"
    message = "There is no trained model in"
    if damage != "no folder":
        lsm.save_pretrained(folder)
    weights, description = folder / "model.safetensors", folder / "model.json"
    if damage == "no weights":
        weights.unlink()
    elif damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:1000])
        message = "is damaged"
    elif damage == "other shapes":
        state = load_file(weights)
        key = next(iter(state))
        save_file({**state, key: torch.zeros(3)}, weights)
        message = "do not fit model.json"
    elif damage == "unknown key":
        values = json.loads(description.read_text())
        values["model"]["image_sise"] = 3
        description.write_text(json.dumps(values))
        message = "image_sise: unknown key; did you mean 'image_size'"
    with pytest.raises(InputError, match=message):
        AlignedModel.from_pretrained(folder)


@pytest.mark.parametrize("prompt", ["", "  ", "effusion " * 600])
def test_a_prompt_that_cannot_be_embedded_is_refused(lsm: AlignedModel, prompt: str) -> None:
    with pytest.raises(InputError):
        lsm.embed_prompts([prompt])


class TestMasking:
    REPORTS: ClassVar = ([["Left effusion."], ["Clear lungs."]],)

    @staticmethod
    def masked(**masking: object) -> AlignedModel:
        torch.manual_seed(0)
        encoder = {"name": "vit-mini", "trainable": True, "pretrained": False}
        settings = {"image_encoder": encoder, "projection": {"dim": 16, "head": "linear", "standardize": False}}
        architecture = Architecture(Readout("deep", "report"), ("deep",), masking=Masking(0.5, 16, **masking))
        return AlignedModel(ModelConfig(**settings), architecture).eval()

    def test_objectives_get_the_masked_image_the_whole_one_and_what_is_decoded(self, images: torch.Tensor) -> None:
        model, hidden = self.masked(decoder=True), torch.from_numpy(patch_mask([0, 1], 0, (8, 8), 0.5))
        pairs = model(images, *self.REPORTS, hidden)
        features = model.image_encoder(images, hidden)
        visible = ~hidden.repeat_interleave(2, 1).repeat_interleave(2, 2)
        assert torch.equal(pairs.image.visible, visible)
        seen = [final[:, where].mean(1) for final, where in zip(pairs.image.final, visible, strict=True)]
        torch.testing.assert_close(pairs.image.pooled, torch.stack(seen))
        torch.testing.assert_close(pairs.whole, model.image_projection(model.image_encoder(images)).pooled.detach())
        assert pairs.image.pooled.requires_grad and not pairs.whole.requires_grad
        given = pairs.reconstruction
        assert torch.equal(given.hidden, hidden.flatten(1))
        torch.testing.assert_close(given.predicted, model.decoder(features.deep, hidden))
        first = images[0, 0, :16, 16:32].flatten()
        torch.testing.assert_close(given.pixels[0, 1], (first - first.mean()) / first.std(), rtol=1e-4, atol=1e-4)

    def test_what_is_not_asked_for_is_left_out(self, images: torch.Tensor) -> None:
        hidden = torch.zeros(2, 8, 8, dtype=torch.bool)
        pairs = self.masked(whole=False)(images, *self.REPORTS, hidden)
        assert pairs.whole is None and pairs.reconstruction is None and pairs.image.visible.all()
        unmasked = self.masked(decoder=True)(images, *self.REPORTS)
        assert unmasked.whole is None and unmasked.reconstruction is None and unmasked.image.visible is None
        torch.testing.assert_close(pairs.image.pooled, unmasked.image.pooled, rtol=0, atol=1e-6)

    def test_a_frozen_encoders_masked_features_are_what_is_contrasted(self, images: torch.Tensor) -> None:
        torch.manual_seed(0)
        architecture = Architecture(Readout("final", "report"), masking=Masking(0.5, 16))
        model = AlignedModel(ModelConfig(projection={"dim": 16}), architecture).eval()
        hidden = torch.from_numpy(patch_mask([0, 1], 0, (8, 8), 0.5))
        whole, masked = model.image_encoder(images), model.image_encoder(images, hidden)
        pairs = model(whole, *self.REPORTS, masked=masked)
        assert torch.equal(pairs.image.pooled, model.image_projection(masked).pooled)
        assert torch.equal(pairs.whole, model.image_projection(whole).pooled)

    def test_saved_and_loaded_it_has_its_masking_and_its_decoder(self, images: torch.Tensor, tmp_path: Path) -> None:
        model = self.masked(decoder=True)
        model.save_pretrained(tmp_path / "model")
        loaded = AlignedModel.from_pretrained(tmp_path / "model")
        assert loaded.architecture == model.architecture
        assert torch.equal(loaded.decoder.mask_token, model.decoder.mask_token)

    def test_a_model_from_before_there_was_masking_has_none(self, lsm: AlignedModel, tmp_path: Path) -> None:
        lsm.save_pretrained(tmp_path / "model")
        description = json.loads((tmp_path / "model" / "model.json").read_text())
        assert description["architecture"].pop("masking") is None
        (tmp_path / "model" / "model.json").write_text(json.dumps(description))
        assert AlignedModel.from_pretrained(tmp_path / "model").architecture == lsm.architecture
