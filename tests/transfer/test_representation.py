"""What a task is given: maps and vectors of heads or encoder, their key, and the heads that nothing trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_runs import small_config, use_small_text_encoder

from cxrtutor import shipped, store
from cxrtutor.data.dataset import StudyDataset
from cxrtutor.encoders import image as image_module
from cxrtutor.encoders.caching import CachedImages, LiveImages
from cxrtutor.encoders.features import ImageFeatures
from cxrtutor.errors import InputError
from cxrtutor.methods import model as model_module
from cxrtutor.methods.config import ImageEncoderConfig, ModelConfig, ProjectionConfig, RunConfig
from cxrtutor.methods.model import AlignedModel, Architecture
from cxrtutor.methods.registry import METHODS, method
from cxrtutor.pretraining.loop import pretrain
from cxrtutor.transfer import representation as room
from cxrtutor.transfer.representation import (
    Representation,
    all_vectors,
    named,
    of_model,
    of_run,
    trunk,
    untrained,
)

VIT = {"name": "vit-mini", "pretrained": False}


@pytest.fixture(autouse=True)
def small_text_encoder(monkeypatch):
    use_small_text_encoder(monkeypatch)


@pytest.fixture(scope="module")
def studies(data) -> StudyDataset:
    return StudyDataset(data, "train")


def images(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 1, 64, 64, generator=torch.Generator().manual_seed(1))


def model(name: str = "lsm", /, head: str = "convolution", **image_encoder) -> AlignedModel:
    settings = {
        "image_size": 64,
        "image_encoder": {"pretrained": False, **image_encoder},
        "text_encoder": {"pretrained": False},
        "projection": {"dim": 16, "head": head, "hidden": 24},
    }
    alignment = {"reconstruction_weight": 0} if name == "mlip" else {}  # nothing frozen can learn from it
    torch.manual_seed(0)
    made = method(name).model(RunConfig(method=name, model=settings, alignment=alignment)).eval()
    made.image_projection.measure(made.encode_images(images(6)))
    return made


def architecture(name: str) -> Architecture:
    return method(name).architecture(method(name).settings_of(RunConfig(method=name)))


def seen(representation: Representation) -> tuple[ImageFeatures, torch.Tensor, torch.Tensor]:
    """The encoder's features of two images, and the representation's maps and vectors of them."""
    with torch.no_grad():
        features = representation.encoder(images())
        return features, representation.maps(features), representation.vectors(features)


def changed(given: Representation, name: str) -> str:
    """The key where one number of a state entry is another; the entry is put back."""
    entry = given.state_dict()[name]
    first = (0,) * entry.ndim
    before = entry[first].item()
    entry[first] += 1e-3
    key = given.key
    entry[first] = before
    return key


def test_the_vectors_of_a_global_method_are_its_pooled_projection():
    aligned = model("convirt")
    given = of_model(aligned, "convirt")
    features, maps, vectors = seen(given)
    assert (given.depths, given.channels, given.dim, given.trained) == (("final",), 16, 16, True)
    assert maps.shape == (2, 16, 8, 8)
    torch.testing.assert_close(vectors, aligned.image_projection(features).pooled, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_linear_and_convolution_heads_give_the_means_of_their_maps_alone(name):
    aligned = model(name)
    given = of_model(aligned, name)
    features, maps, vectors = seen(given)
    projected = aligned.image_projection(features)
    depths = [depth for depth in ("shallow", "deep", "final") if getattr(projected, depth) is not None]
    assert list(given.depths) == depths
    assert maps.shape == (2, given.channels, 8, 8) and given.channels == 16 * len(depths)
    assert vectors.shape == (2, given.dim) and given.dim == given.channels
    torch.testing.assert_close(vectors, maps.mean((2, 3)), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(vectors[:, -16:], projected.pooled, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("encoder", [{}, VIT | {"pooled": "cls"}])
def test_perceptrons_keep_a_pooled_vector_beside_their_maps(encoder):
    aligned = model("mgca", head="perceptron", **encoder)
    given = of_model(aligned, "mgca")
    features, maps, vectors = seen(given)
    assert given.depths == ("deep",)
    assert (given.channels, given.dim) == (16, 32)
    assert maps.shape == (2, 16, 8, 8)
    torch.testing.assert_close(vectors[:, :16], maps.mean((2, 3)))
    torch.testing.assert_close(vectors[:, 16:], aligned.image_projection(features).pooled)


def test_maps_are_the_heads_maps_on_one_grid_in_order_of_depth():
    aligned = model("afloc")
    features, maps, _ = seen(of_model(aligned, "afloc"))
    projected = aligned.image_projection(features)
    shallow, deep, final = maps.split(16, dim=1)
    torch.testing.assert_close(shallow, projected.shallow)
    torch.testing.assert_close(deep, projected.deep)
    corner = projected.final[:, :, 0, 0]  # bilinear: what lies outside the centres takes the outermost value
    torch.testing.assert_close(final[:, :, 0, 0], corner)


@pytest.mark.parametrize(
    "encoder, channels, dim, side",
    [
        ({"name": "efficientnet-lite0"}, 472, 472, 8),
        ({"name": "resnet50"}, 512 + 1024 + 2048, 512 + 1024 + 2048, 19),
        ({"name": "vit-mini"}, 384, 384, 8),
        ({"name": "vit-mini", "pooled": "cls"}, 384, 384 + 192, 8),
    ],
)
def test_a_trunk_gives_every_map_of_the_network_once(encoder, channels, dim, side):
    given = trunk(ImageEncoderConfig(pretrained=False, **encoder), "trunk", image_size=64)
    features, maps, vectors = seen(given)
    assert (given.channels, given.dim, given.trained, given.adapter) == (channels, dim, False, None)
    assert maps.shape == (2, channels, side, side) and vectors.shape == (2, dim)
    means = {depth: getattr(features, depth).mean((2, 3)) for depth in given.depths}
    torch.testing.assert_close(vectors[:, :channels], torch.cat([*means.values()], 1))
    if encoder.get("pooled") == "cls":
        assert torch.equal(vectors[:, channels:], features.pooled)
    else:
        torch.testing.assert_close(vectors[:, -features.pooled.shape[1] :], features.pooled)


def test_a_trained_encoder_is_what_a_task_is_given_and_its_heads_are_not(studies):
    given = of_model(model(trainable=True), "lsm")
    assert given.adapter is None and given.channels == 472
    source = given.image_source(studies)
    assert isinstance(source, LiveImages) and source.size == 64
    assert isinstance(of_model(model(), "lsm").image_source(studies), CachedImages)


def test_it_is_in_use():
    aligned = model().train()
    assert not any(part.training for part in of_model(aligned, "lsm").modules())


def test_the_key_is_that_of_every_weight_and_buffer():
    given = of_model(model(), "lsm")
    keys = [
        given.key,
        changed(given, "adapter.heads.deep.1.weight"),
        changed(given, "adapter.heads.final.0.mean"),
        changed(given, "adapter.heads.deep.2.running_var"),
        changed(given, "encoder.network.conv_stem.weight"),
        Representation("lsm", given.encoder, given.adapter, 128, trained=True).key,
        Representation("lsm", given.encoder, None, 64, trained=True).key,
    ]
    assert len(set(keys)) == len(keys)
    assert given.key == keys[0] == of_model(model(), "another name").key


@pytest.mark.parametrize("trainable", [False, True])
def test_saved_and_loaded_it_has_the_same_key(trainable, tmp_path):
    aligned = model(trainable=trainable)
    with torch.no_grad():
        aligned.image_encoder.network.conv_stem.weight.mul_(1.5 if trainable else 1)
    aligned.save_pretrained(tmp_path / "model")
    assert of_model(AlignedModel.from_pretrained(tmp_path / "model"), "a").key == of_model(aligned, "b").key


def test_untrained_heads_are_those_with_which_a_run_begins(data, studies, home):
    """A run whose steps are too small to change a weight: what it began with, and how it was standardised."""
    config = small_config(data, learning_rate=1e-30, epochs=1)
    config = config.model_copy(update={"seed": 3})
    run = pretrain(config, progress=False)
    begun = dict(run.model().image_projection.named_parameters())
    given = untrained(config.model, architecture("lsm"), "untrained", studies=studies, seed=3)
    assert not given.trained
    assert begun.keys() == dict(given.adapter.named_parameters()).keys()
    for name, parameter in given.adapter.named_parameters():
        torch.testing.assert_close(parameter, begun[name], rtol=0, atol=1e-20)
    for depth, head in run.model().image_projection.heads.items():
        for buffer in ("mean", "deviation"):
            expected = getattr(head[0], buffer)
            assert expected.std() > 0
            torch.testing.assert_close(getattr(given.adapter.heads[depth][0], buffer), expected)
    other = untrained(config.model, architecture("lsm"), "untrained", studies=studies, seed=4)
    assert other.key != given.key


def test_untrained_heads_leave_the_callers_random_numbers_alone(studies):
    config = ModelConfig(image_size=64, image_encoder=ImageEncoderConfig(pretrained=False))
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    untrained(config, architecture("lsm"), "untrained", studies=studies)
    assert torch.equal(torch.rand(1), expected)


def test_heads_that_are_not_standardised_in_training_are_not_here(studies):
    config = ModelConfig(
        image_size=64,
        image_encoder=ImageEncoderConfig(pretrained=False),
        projection=ProjectionConfig(standardize=False),
    )
    given = untrained(config, architecture("lsm"), "untrained", studies=studies)
    assert all(not head[0].mean.any() for head in given.adapter.heads.values())


def test_a_run_is_named_by_its_folder(data, home):
    run = pretrain(small_config(data, epochs=1), progress=False)
    given = named(str(run.folder))
    assert (given.name, given.trained, given.image_size) == ("lsm", True, 64)
    assert given.key == of_run(run).key == of_run(run.folder).key == of_model(run.model(), "lsm").key
    with pytest.raises(InputError, match="no run"):
        named(str(home / "nothing"))


def test_names(monkeypatch, studies):
    monkeypatch.undo()  # the shipped model needs the text encoder that it was trained with
    opened = []
    monkeypatch.setattr(room, "open_studies", lambda *asked: opened.append(asked) or studies)
    made = {name: named(name) for name in ("random", "imagenet", "untrained", "shipped")}
    assert [given.name for given in made.values()] == list(made)
    assert len({given.key for given in made.values()}) == 4
    assert [given.trained for given in made.values()] == [False, False, False, True]
    assert [given.dim for given in made.values()] == [472, 472, 256, 256]
    assert opened == [("teaching", "train")]
    assert made["imagenet"].encoder.identity() == made["shipped"].encoder.identity()
    assert made["shipped"].key == of_model(shipped.model(), "shipped").key


@pytest.fixture
def made(monkeypatch, studies) -> list[tuple[bool, bool]]:
    """Whether each encoder that is made is trainable and pre-trained; here they all have random weights, as those of
    ImageNet would have to be fetched."""
    asked, real = [], image_module.image_encoder

    def without_weights(**how):
        asked.append((how["trainable"], how["pretrained"]))
        return real(**how | {"pretrained": False})

    for place in (room, model_module):
        monkeypatch.setattr(place, "image_encoder", without_weights)
    monkeypatch.setattr(room, "open_studies", lambda *_: studies)
    return asked


@pytest.mark.parametrize("text", ["random", "imagenet", "untrained"])
def test_what_a_run_is_compared_with_is_of_its_network_and_size(made, text):
    like = ModelConfig(image_size=64, image_encoder=ImageEncoderConfig(name="resnet50", trainable=True))
    given = named(text, like)
    assert made == [(False, text != "random")]
    assert (given.image_size, given.encoder.name) == (64, "resnet50") and not given.encoder.trainable
    assert (given.adapter is None) == (text != "untrained")
    assert given.name == f"{text} (resnet50, 64 pixels)"


def test_what_a_run_of_the_course_s_own_network_is_compared_with_is_as_ever():
    like = ModelConfig(image_encoder=ImageEncoderConfig(trainable=True, pretrained=False))
    assert named("imagenet", like).key == named("imagenet").key
    assert named("random", like).name == "random"


@pytest.mark.usefixtures("made")
def test_a_pooled_class_token_is_not_asked_of_lsm_s_heads():
    like = ModelConfig(image_size=64, image_encoder=ImageEncoderConfig(name="vit-mini", pooled="cls"))
    assert named("imagenet", like).encoder.pooled == "cls" and named("untrained", like).encoder.pooled == "mean"


class TestVectors:
    @pytest.fixture
    def given(self, home) -> Representation:
        return of_model(model(), "lsm")

    def test_they_are_those_of_each_image_in_order(self, given, studies, monkeypatch):
        monkeypatch.setattr(room, "BATCH", 10)
        vectors = all_vectors(given, studies)
        assert vectors.shape == (24, 32) and vectors.dtype == np.float32
        features = given.image_source(studies).batch([23, 4])
        with torch.no_grad():
            np.testing.assert_allclose(vectors[[23, 4]], given.vectors(features), rtol=1e-4, atol=1e-4)
        chosen = np.array([5, 0, 5])
        np.testing.assert_array_equal(all_vectors(given, studies, chosen), vectors[chosen])

    def test_they_are_computed_once_for_each_set_and_each_state(self, given, studies, data, monkeypatch):
        computed, compute = [], room._computed_vectors
        monkeypatch.setattr(room, "_computed_vectors", lambda *args: computed.append(1) or compute(*args))
        first = all_vectors(given, studies)
        np.testing.assert_array_equal(all_vectors(given, studies), first)
        assert len(computed) == 1
        assert all_vectors(given, StudyDataset(data, "test")).shape == (6, 32)
        with torch.no_grad():
            given.adapter.heads["final"][1].weight.mul_(2)
        np.testing.assert_allclose(all_vectors(given, studies)[:, 16:], 2 * first[:, 16:], rtol=1e-5)
        assert len(computed) == 3
        assert len(list((store.home() / "vectors").iterdir())) == 3

    def test_a_trained_encoder_gives_them_too_and_stays_as_it_is(self, home, studies):
        given = of_model(model(trainable=True), "lsm")
        given.train()
        key, before = given.key, {name: value.clone() for name, value in given.state_dict().items()}
        vectors = all_vectors(given, studies)
        assert given.training and given.key == key
        assert all(torch.equal(value, before[name]) for name, value in given.state_dict().items())
        with torch.no_grad():
            expected = given.eval().vectors(given.image_source(studies).batch(range(24)))
        np.testing.assert_allclose(vectors, expected, rtol=1e-3, atol=1e-3)
