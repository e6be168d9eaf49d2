"""However a run is computed, it is the same run: its key, its weights' names, and but for rounding its numbers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from interruptions import Stopped, in_new_home, stop_at, weights
from small_runs import STEPS_PER_EPOCH, small_config
from torch import nn
from whole_methods import NAMES, assert_same, batch, loss_and_gradients, training

from cxrtutor.errors import InputError
from cxrtutor.methods.config import ComputeConfig, RunConfig
from cxrtutor.pretraining import loop, sampling
from cxrtutor.pretraining.computing import arrange
from cxrtutor.pretraining.loop import Training, pretrain, run_folder
from cxrtutor.pretraining.run import Run

ALL = ComputeConfig(workers=1, piece=3, recompute=True, channels_last=True, fused=True)


def computed(config: RunConfig, **compute: Any) -> RunConfig:
    return config.model_copy(update={"compute": ComputeConfig(**compute)})


def test_how_a_run_is_computed_is_no_part_of_its_key(data: Path) -> None:
    config = small_config(data)
    everything = ALL.model_dump() | {"compile": True}
    assert all(everything[name] != default for name, default in ComputeConfig().model_dump().items())
    assert run_folder(computed(config, **everything)) == run_folder(config)


@pytest.mark.parametrize("name", NAMES)
def test_weights_keep_their_names_and_values(name: str) -> None:
    plain, arranged = training(name), training(name)
    arrange(arranged.model, ComputeConfig(recompute=True, channels_last=True, compile=True))
    before, after = plain.changeable_state(), arranged.changeable_state()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_channels_last_is_for_what_is_trained(data: Path) -> None:
    given = training("lsm", image_encoder="resnet50")
    arrange(given.model, ComputeConfig(channels_last=True))
    assert all(
        part.weight.is_contiguous(memory_format=torch.channels_last)
        for part in given.model.modules()
        if isinstance(part, nn.Conv2d)
    )
    maps = given.model.image_encoder._maps(torch.rand(2, 3, 64, 64))
    assert all(each.is_contiguous(memory_format=torch.channels_last) for each in maps)


def test_channels_last_gives_the_same() -> None:
    plain, arranged = (training("lsm", image_encoder="vit-mini") for _ in range(2))
    arrange(arranged.model, ComputeConfig(channels_last=True))
    assert_same(loss_and_gradients(arranged, batch(arranged)), loss_and_gradients(plain, batch(plain)))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a processor")
def test_compiled_blocks_give_the_same_recomputed_in_pieces_too() -> None:
    # MGCA reads along in the last block of both encoders.
    plain, arranged = training("mgca"), training("mgca", piece=4)
    arrange(arranged.model, ComputeConfig(compile=True, recompute=True))
    expected = loss_and_gradients(plain, batch(plain))
    compiled = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    for _ in range(2):
        arranged.zero_grad()
        assert_same(loss_and_gradients(arranged, batch(arranged)), expected)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > compiled


@pytest.mark.slow
def test_a_run_computed_otherwise_ends_alike(data: Path, tmp_path: Path) -> None:
    config = small_config(data, method="mgca", head="perceptron", epochs=2, learning_rate=0.001)
    plain = in_new_home(tmp_path / "plain", lambda: pretrain(config))
    other = in_new_home(
        tmp_path / "other", lambda: pretrain(computed(config, recompute=True, channels_last=True, fused=True))
    )
    assert [e["loss"] for e in other.log()] == pytest.approx([e["loss"] for e in plain.log()], rel=1e-3)
    assert weights(other).keys() == weights(plain).keys()


def test_an_interrupted_run_goes_on_computed_otherwise(
    data: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(data, head="linear")  # batch normalisation would see each piece by itself
    expected = in_new_home(tmp_path / "plain", lambda: pretrain(config))
    for step, compute in ((3, ComputeConfig(fused=True)), (6, ComputeConfig()), (9, ComputeConfig(piece=3))):
        with monkeypatch.context() as patch, pytest.raises(Stopped):
            stop_at(patch, step, "step")
            pretrain(config.model_copy(update={"compute": compute}), checkpoint_every=1)
    last = config.model_copy(update={"compute": ALL})
    run = pretrain(last, checkpoint_every=1)
    np.testing.assert_allclose([e["loss"] for e in run.log()], [e["loss"] for e in expected.log()], rtol=1e-4)
    for name, value in weights(expected).items():
        torch.testing.assert_close(weights(run)[name], value, rtol=1e-3, atol=1e-4)
    assert Run(run_folder(config)).config.compute == ALL
    assert json.loads(run.config_path.read_text())["compute"]["piece"] == 3


def test_moments_come_back_in_the_layout_of_their_weights() -> None:
    from cxrtutor.pretraining.checkpoint import _optimizer_tensors, _restore_optimizer

    layer = nn.Conv2d(4, 6, 3).to(memory_format=torch.channels_last)
    scale = nn.Parameter(torch.tensor(1.0))
    for fused in (None, True):
        optimizer = torch.optim.AdamW([*layer.parameters(), scale], fused=fused)
        (layer(torch.rand(2, 4, 8, 8)).square().sum() * scale).backward()
        optimizer.step()
        kept = {name: value.clone() for name, value in _optimizer_tensors(optimizer).items()}
        optimizer.state.clear()
        _restore_optimizer(optimizer, kept)
        for parameter in (*layer.parameters(), scale):
            assert optimizer.state[parameter]["exp_avg"].stride() == parameter.stride()
        again = _optimizer_tensors(optimizer)
        assert again.keys() == kept.keys() and all(torch.equal(again[name], kept[name]) for name in kept)
        optimizer.step()


def test_processes_draw_their_own_dropout_the_same_every_time() -> None:
    seeds = [sampling.dropout_seed(seed, step, rank) for seed in range(3) for step in range(50) for rank in range(1, 5)]
    assert len(set(seeds)) == len(seeds) and all(0 <= seed < 2**64 for seed in seeds)
    assert sampling.dropout_seed(1, 2, 3) == sampling.dropout_seed(1, 2, 3)


def test_a_step_that_does_not_fit_says_what_can_be_changed(
    data: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(loop._Trainer, "_step", full)
    with pytest.raises(InputError, match=r"compute\.recompute.*compute\.piece.*cxrtutor plan.*CUDA out of memory"):
        pretrain(small_config(data))


@pytest.mark.parametrize("piece", [None, 2])
def test_a_frozen_encoder_is_left_alone(piece: int | None, data: Path) -> None:
    from cxrtutor.encoders.weights import fingerprint
    from cxrtutor.methods.registry import method

    config = small_config(data)
    frozen = Training(method("lsm").model(config), method("lsm").objective(config), piece)
    images = torch.rand(2, 1, 64, 64)
    before = fingerprint(frozen.model.image_encoder), frozen.model.encode_images(images).deep
    arrange(frozen.model, ALL.model_copy(update={"compile": True}))
    assert fingerprint(frozen.model.image_encoder) == before[0]
    assert torch.equal(frozen.model.encode_images(images).deep, before[1])
    assert not any("forward" in vars(part) for part in frozen.model.modules())


@pytest.mark.slow
def test_two_processes_train_encoders_in_pieces_each_with_dropout_of_its_own(data: Path, tmp_path: Path) -> None:
    """Under mixed precision and recomputed; the second process is given the random numbers of its steps."""
    script = tmp_path / "train.py"
    script.write_text(
        f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import pytest, torch
from pathlib import Path
from small_runs import small_config, use_small_text_encoder
from cxrtutor.methods.config import ComputeConfig
from cxrtutor.pretraining import loop
use_small_text_encoder(pytest.MonkeyPatch())
step = loop._Trainer._step
def noting(trainer, *given):
    made = step(trainer, *given)
    with open(Path({str(tmp_path)!r}) / f"seeds-{{trainer.fabric.global_rank}}.txt", "a") as file:
        print(torch.initial_seed(), file=file)
    return made
loop._Trainer._step = noting
config = small_config(Path({str(data)!r}), trainable=True, precision="bf16-mixed", epochs=1)
compute = ComputeConfig(piece=2, recompute=True, fused=True)
loop.pretrain(config.model_copy(update={{"compute": compute}}), devices=2, accelerator="cpu", progress=False)
"""
    )
    home = tmp_path / "home"
    subprocess.run([sys.executable, script], env=os.environ | {"CXRTUTOR_HOME": str(home)}, check=True, timeout=240)
    config = small_config(data, trainable=True, precision="bf16-mixed", epochs=1)
    run = in_new_home(home, lambda: Run.open(run_folder(config)))
    assert [entry["step"] for entry in run.log()] == list(range(1, STEPS_PER_EPOCH + 1))
    first, second = ((tmp_path / f"seeds-{rank}.txt").read_text().split() for rank in range(2))
    assert first == [str(config.seed)] * STEPS_PER_EPOCH
    assert second == [str(sampling.dropout_seed(config.seed, step, 1)) for step in range(STEPS_PER_EPOCH)]
