"""Training on images hidden in part: the masks are those of study and epoch, and nothing of a mask is left in use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from interruptions import assert_same_run, in_new_home, stopped_and_resumed
from small_runs import recipe, small_config

from cxrtutor.alignment import MaskedContrast, PatchReconstruction, WeightedSum
from cxrtutor.data.masks import blank, patch_mask
from cxrtutor.data.sets import open_studies
from cxrtutor.encoders.caching import CachedTexts
from cxrtutor.errors import InputError
from cxrtutor.methods import registry
from cxrtutor.methods.config import RunConfig, Strict, validated
from cxrtutor.methods.method import Method
from cxrtutor.methods.model import Architecture, Masking, Readout
from cxrtutor.methods.registry import method
from cxrtutor.pretraining import loop
from cxrtutor.pretraining.loop import pretrain
from cxrtutor.pretraining.masking import MaskedImages


class MaskedSettings(Strict):
    ratio: float = 0.5
    patch: int = 16
    copies: int = 3
    decoder: bool = False


def architecture(settings: MaskedSettings) -> Architecture:
    return Architecture(Readout("final", "report"), masking=Masking(**settings.model_dump()))


def alignment(settings: MaskedSettings, dim: int) -> WeightedSum:
    parts = {"contrast": (1.0, MaskedContrast())}
    return WeightedSum(parts | ({"decoded": (1.0, PatchReconstruction())} if settings.decoder else {}))


MASKED = Method("masked", "", "", MaskedSettings, architecture, alignment)
"""A method that does nothing but mask."""


@pytest.fixture(autouse=True, scope="module")
def registered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.METHODS, "masked", MASKED)
        yield


def masked_config(data: Path, encoder: str = "frozen", views: Any = None, **settings: Any) -> RunConfig:
    """Two epochs of 3 steps with "efficientnet-lite0", frozen, or with a trainable encoder by name."""
    values = recipe(data, "masked", epochs=2, learning_rate=0.001)
    if encoder != "frozen":
        values["model"]["image_encoder"] = {"name": encoder, "trainable": True, "pretrained": False}
        settings = {"decoder": True, **settings}
    values["data"]["views"] = views or {}
    return validated(RunConfig, values | {"alignment": settings}, where="test")


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, dict[str, Any]]]:
    """Of every batch, whether it was trained on, and what was hidden."""
    batches: list[tuple[bool, dict[str, Any]]] = []
    original = loop.Training.forward

    def forward(training: Any, *inputs: Any, **masked: Any) -> Any:
        batches.append((training.training, masked))
        return original(training, *inputs, **masked)

    monkeypatch.setattr(loop.Training, "forward", forward)
    return batches


def studies_of(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The studies of every batch that is drawn from now on."""
    drawn: list[np.ndarray] = []
    original = CachedTexts.inputs

    def inputs(texts: Any, indices: Any, *choice: Any) -> Any:
        drawn.append(indices)
        return original(texts, indices, *choice)

    monkeypatch.setattr(CachedTexts, "inputs", inputs)
    return drawn


def test_a_trained_encoder_is_masked_by_study_and_epoch_and_validated_always_alike(
    data: Path, home: Path, seen: list[tuple[bool, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = studies_of(monkeypatch)
    config = masked_config(data, "vit-mini").model_copy(update={"seed": 3})
    pretrain(config)
    numbers = [0, 0, 0, 0, 1, 1, 1, 0]  # epochs, with a validation, whose mask is always the first, after each
    assert [training for training, _ in seen] == [True, True, True, False] * 2
    for (_, masked), studies, number in zip(seen, drawn, numbers, strict=True):
        assert masked.keys() == {"hidden"}
        assert np.array_equal(masked["hidden"], patch_mask(studies, number, (4, 4), 0.5, seed=3))


def test_a_frozen_encoder_sees_cached_copies_of_blanked_images(
    data: Path, home: Path, seen: list[tuple[bool, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = studies_of(monkeypatch)
    config = masked_config(data)
    pretrain(config)
    model = method("masked").model(config)
    used: list[set[int]] = [set(), set()]
    for (training, masked), studies in zip(seen, drawn, strict=True):
        assert masked.keys() == {"masked"}
        set_ = open_studies(str(data), "train" if training else "validation")
        images = set_.images(studies.tolist(), 64)
        for copy in range(3):
            hidden = patch_mask(studies, copy, (4, 4), 0.5)
            pixels = np.stack([blank(image, mask) for image, mask in zip(images, hidden, strict=True)])
            tensor = torch.from_numpy(pixels)[:, None].float() / 255
            pyramid = model.image_encoder.pyramid(tensor)
            expected = vars(model.image_encoder.levels(pyramid, torch.from_numpy(hidden)))
            if torch.equal(expected["visible"], masked["masked"]["visible"]):
                assert all(torch.equal(masked["masked"][d], expected[d]) for d in ("shallow", "deep", "pooled"))
                used[training].add(copy)
    assert used[False] == {0} and len(used[True]) > 1
    assert len(list((home / "features").iterdir())) == 2 + 3 + 1 + 2  # whole, copies, one of validation, and texts


@pytest.mark.parametrize("encoder", ["frozen", "vit-mini"])
def test_resumed_it_hides_the_same(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: str) -> None:
    config = masked_config(data, encoder)
    expected = in_new_home(tmp_path / "one", lambda: pretrain(config))
    monkeypatch.setenv("CXRTUTOR_HOME", str(tmp_path / "other"))
    assert_same_run(stopped_and_resumed(monkeypatch, config, step=4, checkpoint_every=3), expected)


def test_other_views_are_masked_too(data: Path, home: Path, seen: list[tuple[bool, dict[str, Any]]]) -> None:
    pretrain(masked_config(data, views={"mirrored": True}, copies=1))
    [one] = {masked["masked"]["visible"].shape for _, masked in seen}
    assert one == (8, 8, 8)
    # Images of both views and of validation, whole and blanked, and the reports of all.
    assert len(list((home / "features").iterdir())) == 3 * (2 + 1)


def test_each_process_masks_its_own_share(data: Path) -> None:
    model = method("masked").model(masked_config(data, "vit-mini"))
    images = MaskedImages.of(model, open_studies(str(data), "train"))
    whole = images.batch(np.arange(8), seed=1, epoch=2, batch=0)["hidden"]
    for rank in range(2):
        assert torch.equal(images.batch(np.arange(8)[rank::2], seed=1, epoch=2, batch=0)["hidden"], whole[rank::2])


def test_without_masking_nothing_is_hidden(data: Path) -> None:
    images = MaskedImages.of(method("lsm").model(small_config(data)), open_studies(str(data), "train"))
    assert images.batch(np.arange(3), seed=0, epoch=0, batch=0) == {}


def test_a_masked_run_says_so_in_its_model_and_is_used_unmasked(data: Path, home: Path) -> None:
    run = pretrain(masked_config(data, "vit-mini"))
    model = run.model()
    assert model.architecture.masking == Masking(0.5, 16, 3, decoder=True)
    images = torch.rand(2, 1, 64, 64)
    features = model.encode_images(images)
    assert features.visible is None
    assert model.similarity_maps(features, ["effusion", "mass"]).shape == (2, 8, 8)
    with torch.no_grad():
        pairs = model(images, [["Effusion."], ["Mass."]])
    assert pairs.whole is None and pairs.reconstruction is None


def test_an_image_that_cannot_be_cut_is_refused_before_training(data: Path, home: Path) -> None:
    with pytest.raises(InputError, match=r"64 x 64 .* patches of 24 x 24"):
        pretrain(masked_config(data, "vit-mini", patch=24))


def test_a_frozen_encoder_has_nothing_to_learn_from_a_decoder(data: Path, home: Path) -> None:
    with pytest.raises(InputError, match=r"efficientnet-lite0 is frozen .*trainable: true"):
        pretrain(masked_config(data, decoder=True))
