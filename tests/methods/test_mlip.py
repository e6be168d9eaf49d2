"""MLIP as a recipe: what its settings mask, weigh, leave out and read."""

from pathlib import Path

import pytest
import torch
from small_runs import small_config, use_small_text_encoder

from cxrtutor.alignment import GlobalAlignment, MaskedContrast
from cxrtutor.errors import InputError
from cxrtutor.methods.config import RunConfig
from cxrtutor.methods.registry import method
from cxrtutor.pretraining.loop import pretrain

MLIP = method("mlip")


def configured(**settings: object) -> RunConfig:
    return RunConfig(method="mlip", alignment=settings)


def small(data: Path, **settings: object) -> RunConfig:
    settings = {"reconstruction_weight": 0, "masking": {"patch": 16}, **settings}
    return small_config(data, method="mlip", epochs=2).model_copy(update={"alignment": settings})


def test_settings_reach_the_parts() -> None:
    objective = MLIP.objective(configured(matching_weight=0.5, integrity_temperature=0.3, stop_gradient=False))
    assert objective.weights == {"contrast": 1, "matching": 0.5, "reconstruction": 1}
    contrast = objective.objectives["contrast"]
    assert isinstance(contrast, MaskedContrast)
    assert (contrast.weights, contrast.weight_temperature, contrast.stop_gradient) == ("integrity", 0.3, False)
    relaxed = MLIP.objective(configured(relaxation=(None, 0.2), epsilon=0.05, iterations=9)).objectives["matching"]
    assert (relaxed.settings.relaxation, relaxed.settings.epsilon, relaxed.settings.iterations) == (
        (None, 0.2),
        0.05,
        9,
    )


def test_masking_reaches_the_model() -> None:
    masking = MLIP.architecture(MLIP.settings_of(configured(masking={"ratio": 0.6, "patch": 8, "copies": 3}))).masking
    assert (masking.ratio, masking.patch, masking.copies, masking.whole, masking.decoder) == (0.6, 8, 3, True, True)
    plain = configured(sample_weights="uniform", reconstruction_weight=0)
    masking = MLIP.architecture(MLIP.settings_of(plain)).masking
    assert (masking.whole, masking.decoder) == (False, False)


def test_on_whole_images_there_is_a_plain_contrast_and_nothing_to_decode() -> None:
    config = configured(masking=None)
    objective = MLIP.objective(config)
    assert list(objective.weights) == ["contrast", "matching"]
    assert isinstance(objective.objectives["contrast"], GlobalAlignment)
    assert MLIP.architecture(MLIP.settings_of(config)).masking is None


def test_without_matching_the_report_is_read_and_local_heads_are_left_out() -> None:
    with pytest.raises(InputError, match="nothing trains regions and sentences, so readout must be 'report'"):
        MLIP.settings_of(configured(matching_weight=0))
    config = configured(matching_weight=0, readout="report")
    architecture = MLIP.architecture(MLIP.settings_of(config))
    assert (architecture.depths, architecture.units, architecture.readout.depth) == ((), (), "final")
    assert list(MLIP.objective(config).weights) == ["contrast", "reconstruction"]


def test_blanked_images_train_a_frozen_network_s_heads(data: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_text_encoder(monkeypatch)
    run = pretrain(small(data))
    before, after = run.log()[0], run.log()[-1]
    assert after["matching/image_to_text"] < before["matching/image_to_text"]
    assert after["contrast/smallest_weight"] < 1 < after["contrast/largest_weight"]
    model = run.model()
    maps = model.similarity_maps(model.encode_images(torch.rand(1, 1, 64, 64)), ["large left mass"])
    assert maps.shape == (1, 8, 8) and maps.std() > 0


def test_whole_images_leave_the_local_heads_statistics_alone(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_text_encoder(monkeypatch)
    model = MLIP.model(small(data)).train()
    images = torch.rand(4, 1, 64, 64)
    hidden = torch.zeros(4, 4, 4, dtype=torch.bool)
    hidden[:, :2] = True
    whole, masked = model.encode_images(images), model.encode_images(images * 0.5)
    pairs = model(whole, [["Large mass."]] * 4, hidden, masked)
    norms = [part for part in model.image_projection.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    assert [int(norm.num_batches_tracked) for norm in norms] == [1]
    assert torch.allclose(pairs.whole, model.image_projection(whole).pooled) and not pairs.whole.requires_grad
    assert not torch.allclose(pairs.whole, pairs.image.pooled)
