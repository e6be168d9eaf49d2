"""MGCA as a recipe: what its settings leave out, weigh and read."""

from pathlib import Path

import pytest
import torch
from small_runs import small_config, use_small_text_encoder

from cxrtutor.alignment import PrototypeAlignment, TokenAlignment
from cxrtutor.errors import InputError
from cxrtutor.methods.config import RunConfig
from cxrtutor.methods.registry import method
from cxrtutor.pretraining.loop import pretrain

MGCA = method("mgca")


def configured(**settings: object) -> RunConfig:
    return RunConfig(method="mgca", alignment=settings)


def parts(**settings: object) -> dict[str, torch.nn.Module]:
    return dict(MGCA.objective(configured(**settings)).objectives.items())


def test_all_three_levels_with_the_settings_of_the_paper() -> None:
    objective = MGCA.objective(configured(token_weight=0.7, prototype_weight=0.5))
    assert objective.weights == {"instance": 1, "token": 0.7, "prototype": 0.5}
    instance, token, prototype = objective.objectives.values()
    assert instance.temperature == 0.07
    assert (token.temperature, token.attention_temperature, token.weights) == (0.1, 0.1, "attention")
    assert prototype.prototypes.shape == (500, 128)
    assert (prototype.epsilon, prototype.iterations, prototype.temperature) == (0.05, 3, 0.2)


def test_settings_reach_the_parts() -> None:
    found = parts(
        regions_to_words=False, token_weights="uniform", prototypes=7, prototypes_of="tokens", frozen_epochs=3
    )
    token, prototype = found["token"], found["prototype"]
    assert isinstance(token, TokenAlignment) and isinstance(prototype, PrototypeAlignment)
    assert (token.words_to_regions, token.regions_to_words, token.weights) == (True, False, "uniform")
    assert (len(prototype.prototypes), prototype.of, prototype.weights, prototype.frozen_epochs) == (
        7,
        "tokens",
        "uniform",
        3,
    )


def test_what_weighs_nothing_is_left_out_with_its_heads() -> None:
    settings = {"token_weight": 0, "prototype_weight": 0, "readout": "report"}
    assert list(parts(**settings)) == ["instance"]
    architecture = MGCA.architecture(MGCA.settings_of(configured(**settings)))
    assert (architecture.depths, architecture.units, architecture.cls_attention) == ((), (), False)


@pytest.mark.parametrize(("weights", "asked"), [("attention", True), ("uniform", False)])
def test_attention_is_asked_for_where_it_weighs(weights: str, asked: bool) -> None:
    architecture = MGCA.architecture(MGCA.settings_of(configured(token_weights=weights)))
    assert (architecture.depths, architecture.units, architecture.cls_attention) == (("deep",), ("words",), asked)


def test_words_can_be_read_only_where_something_trains_them() -> None:
    with pytest.raises(InputError, match="nothing trains words and regions, so readout must be 'report'"):
        MGCA.settings_of(configured(token_weight=0, prototype_weight=1))
    hierarchical = configured(token_weight=0, prototypes_of="tokens")
    assert MGCA.architecture(MGCA.settings_of(hierarchical)).readout.unit == "words"


@pytest.mark.parametrize("readout", ["words", "report"])
def test_it_trains_and_is_read(data: Path, home: Path, monkeypatch: pytest.MonkeyPatch, readout: str) -> None:
    use_small_text_encoder(monkeypatch)
    config = small_config(data, method="mgca", epochs=2).model_copy(
        update={"alignment": {"prototypes": 5, "readout": readout}}
    )
    run = pretrain(config)
    before, after = run.log()[0], run.log()[-1]
    assert after["token/words_to_regions"] < before["token/words_to_regions"]
    assert {"instance/image_to_text", "token/regions_to_words", "prototype/perplexity"} <= set(after)
    model = run.model()
    maps = model.similarity_maps(model.encode_images(torch.rand(1, 1, 64, 64)), ["large left mass"])
    assert maps.shape == (1, 8, 8) and maps.std() > 0


def test_regions_are_read_by_direction_where_words_were_aligned(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    use_small_text_encoder(monkeypatch)
    model = MGCA.model(small_config(data, method="mgca")).eval()
    features = model.encode_images(torch.rand(2, 1, 64, 64))
    regions = model.region_map(features)
    query = model.embed_prompts(["edema"])[0]
    expected = torch.einsum("bdhw,d->bhw", regions / regions.norm(dim=1, keepdim=True), query)
    assert torch.allclose(model.similarity_maps(features, ["edema"] * 2), expected, atol=1e-5)
