"""On a GPU the same code gives the same losses and gradients, and every recipe at paper scale takes a real step."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from alignment.batches import paired
from alignment.objectives import OBJECTIVES
from pretraining.interruptions import Stopped, stop_at
from small_runs import STEPS, STEPS_PER_EPOCH, small_config, use_small_text_encoder
from transfer.small_tasks import small_teaching_set

from cxrtutor.alignment import PairedFeatures
from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.masks import patch_mask
from cxrtutor.methods.config import ComputeConfig, ImageEncoderConfig, load_config
from cxrtutor.methods.registry import METHODS, method
from cxrtutor.pretraining.computing import arrange
from cxrtutor.pretraining.loading import Loader
from cxrtutor.pretraining.loop import Training, pretrain
from cxrtutor.transfer.detection import detect
from cxrtutor.transfer.representation import all_vectors, trunk
from cxrtutor.transfer.segmentation import segment
from cxrtutor.transfer.tasks import TASKS

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

REPORTS = [2, 0, 3, 1, 4]
RECIPES = sorted(Path("configs/paper").glob("*.yaml"))
BATCH = 32


@pytest.fixture(autouse=True)
def full_float32():
    """Tensor cores round float32 to 10 bits of mantissa; what is compared here is the arithmetic."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def loss_and_gradient(objective, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    pairs = paired(REPORTS)
    moved = PairedFeatures(pairs.image.to(device), pairs.text.to(device))
    loss = objective.to(device)(moved).loss
    loss.backward()
    leaves = (pairs.image.deep, pairs.image.shallow, pairs.image.pooled, pairs.text.words, pairs.text.sentences)
    return loss.detach().cpu(), torch.cat([leaf.grad.flatten() for leaf in leaves if leaf.grad is not None])


@pytest.mark.parametrize("name", OBJECTIVES)
def test_loss_and_gradient_are_those_of_the_processor(name: str) -> None:
    torch.manual_seed(0)
    objective = OBJECTIVES[name]()
    expected, on_gpu = (loss_and_gradient(objective, device) for device in ("cpu", "cuda"))
    assert torch.allclose(on_gpu[0], expected[0], rtol=1e-4)
    assert torch.allclose(on_gpu[1], expected[1], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_half_precision_stays_finite_and_near(name: str, half: torch.dtype) -> None:
    torch.manual_seed(0)
    objective = OBJECTIVES[name]()
    exact, _ = loss_and_gradient(objective, "cpu")
    with torch.autocast("cuda", half):
        loss, gradient = loss_and_gradient(objective, "cuda")
    assert torch.allclose(loss.float(), exact, rtol=0.02) and gradient.isfinite().all()


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains(name: str, data: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_text_encoder(monkeypatch)
    settings = {"reconstruction_weight": 0} if name == "mlip" else {}
    config = small_config(data, method=name).model_copy(update={"alignment": settings})
    log = pretrain(config, accelerator="cuda").log()
    assert np.mean([entry["loss"] for entry in log[-3:]]) < np.mean([entry["loss"] for entry in log[:3]])


def test_a_decoder_trains(data: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_text_encoder(monkeypatch)
    config = small_config(data, method="mlip", precision="bf16-mixed", learning_rate=0.001)
    encoder = config.model.image_encoder.model_copy(update={"name": "vit-mini", "trainable": True})
    config = config.model_copy(update={"model": config.model.model_copy(update={"image_encoder": encoder})})
    log = pretrain(config, accelerator="cuda").log()
    assert log[-1]["reconstruction/error"] < log[0]["reconstruction/error"]


COMPUTE = {
    "read ahead": ComputeConfig(workers=2),
    "in pieces": ComputeConfig(piece=3),
    "recomputed": ComputeConfig(recompute=True),
    "compiled": ComputeConfig(compile=True),
    "channels last, fused": ComputeConfig(channels_last=True, fused=True),
    "all": ComputeConfig(workers=2, piece=3, recompute=True, channels_last=True, compile=True, fused=True),
}


@pytest.mark.parametrize("name", COMPUTE)
def test_runs_computed_in_every_way_train_in_mixed_precision(
    name: str, data: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_small_text_encoder(monkeypatch)
    config = small_config(data, trainable=True, precision="bf16-mixed", learning_rate=0.001)
    run = pretrain(config.model_copy(update={"compute": COMPUTE[name]}), accelerator="cuda")
    log = run.log()
    assert np.mean([entry["loss"] for entry in log[-3:]]) < np.mean([entry["loss"] for entry in log[:3]])
    assert all(entry["images_per_second"] > 0 and entry["memory_gib"] > 0 for entry in log)
    assert all(0 <= entry["utilization"] <= 100 for entry in log if "utilization" in entry)
    fresh = method(config.method).model(config)
    assert run.model().changeable_state().keys() == fresh.changeable_state().keys()


def test_a_run_stopped_on_a_gpu_goes_on_computed_otherwise(
    data: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counters and moments of a fused optimiser stand where another keeps them, and the other way round."""
    use_small_text_encoder(monkeypatch)
    config = small_config(data, trainable=True, learning_rate=0.001)
    for step, name in ((3, "channels last, fused"), (6, "in pieces"), (9, "channels last, fused")):
        with monkeypatch.context() as patch, pytest.raises(Stopped):
            stop_at(patch, step, "step")
            pretrain(config.model_copy(update={"compute": COMPUTE[name]}), accelerator="cuda", checkpoint_every=1)
    log = pretrain(config, accelerator="cuda", checkpoint_every=1).log()
    assert [entry["step"] for entry in log] == list(range(1, STEPS + 1))
    assert np.isfinite([entry["loss"] for entry in log]).all()


def test_images_are_read_into_pinned_memory(data: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_text_encoder(monkeypatch)
    pinned, moved = [], Loader._moved

    def noting(loader: Loader, read: torch.Tensor) -> torch.Tensor:
        pinned.append(read.is_pinned())
        return moved(loader, read)

    monkeypatch.setattr(Loader, "_moved", noting)
    config = small_config(data, trainable=True, epochs=1)
    pretrain(config.model_copy(update={"compute": COMPUTE["read ahead"]}), accelerator="cuda")
    assert len(pinned) == STEPS_PER_EPOCH and all(pinned)


class TestMemory:
    """At the size of a recipe: ResNet-50 and a BERT, which random weights do as well."""

    def step(self, compute: ComputeConfig, precision: bool) -> tuple[float, torch.Tensor, float]:
        """Loss, gradient and, in GiB, the memory of a pass forward and back, without dropout, with fixed statistics."""
        config = load_config(
            "configs/paper/lsm.yaml", {"model.image_encoder.pretrained": False, "model.text_encoder.pretrained": False}
        )
        torch.manual_seed(0)
        chosen = method(config.method)
        training = Training(chosen.model(config), chosen.objective(config), compute.piece).to("cuda").eval()
        arrange(training.model, compute)
        images = torch.rand(BATCH, 1, 224, 224, generator=torch.Generator().manual_seed(0)).to("cuda")
        reports = [["Moderate left pleural effusion.", f"Nodule {number}."] for number in range(BATCH)]
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
        with torch.autocast("cuda", torch.bfloat16, enabled=precision):
            loss = training(images, reports)["loss"]
        loss.backward()
        gib = (torch.cuda.max_memory_allocated() - held) / 2**30
        gradient = torch.cat([p.grad.flatten() for p in training.parameters() if p.grad is not None])
        return loss.item(), gradient.cpu(), gib

    @pytest.mark.parametrize("precision", [False, True], ids=["float32", "bfloat16"])
    def test_pieces_and_recomputation_need_less_for_the_same(self, precision: bool) -> None:
        loss, gradient, whole = self.step(ComputeConfig(), precision)
        tolerance = 0.05 if precision else 0.01
        for compute in (
            ComputeConfig(piece=BATCH // 4),
            ComputeConfig(recompute=True),
            ComputeConfig(piece=BATCH // 4, recompute=True),
        ):
            found = self.step(compute, precision)
            print(f"{compute}: {found[2]:.2f} GiB, at once {whole:.2f}")
            assert found[0] == pytest.approx(loss, rel=tolerance)
            assert (found[1] - gradient).norm() < 4 * tolerance * gradient.norm()
            assert found[2] < 0.7 * whole


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_at_paper_scale_takes_real_steps(path: Path) -> None:
    config = load_config(path, {"model.image_encoder.pretrained": False, "model.text_encoder.pretrained": False})
    torch.manual_seed(0)
    chosen = method(config.method)
    training = Training(chosen.model(config), chosen.objective(config), config.compute.piece).to("cuda").train()
    arrange(training.model, config.compute)
    learning = [p for p in training.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=1e-4, fused=config.compute.fused or None)
    images = torch.rand(BATCH, 1, config.model.image_size, config.model.image_size, device="cuda")
    lines = (
        "Moderate left pleural effusion.",
        "The heart is enlarged.",
        "No pneumothorax.",
        "Nodule in the right lung.",
    )
    random = np.random.default_rng(0)
    reports = [list(random.permutation(lines)[: random.integers(1, 5)]) for _ in range(BATCH)]
    masking = training.model.architecture.masking
    hidden = None
    if masking is not None:
        side = config.model.image_size // masking.patch
        hidden = torch.from_numpy(patch_mask(range(BATCH), 0, (side, side), masking.ratio)).to("cuda")
    before = {name: p.detach().clone() for name, p in training.named_parameters() if p.requires_grad}
    losses, seconds = [], 0.0
    for _ in range(6):
        torch.cuda.synchronize()
        began = time.perf_counter()
        with torch.autocast("cuda", torch.bfloat16):
            loss = training(images, reports, hidden)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        torch.cuda.synchronize()
        seconds = time.perf_counter() - began
        losses.append(loss.item())
    gib = torch.cuda.max_memory_allocated() / 2**30
    print(
        f"{path.stem}: {BATCH / seconds:.0f} images/s, at most {gib:.1f} GiB, loss {losses[0]:.2f} to {losses[-1]:.2f}"
    )
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    # Prototypes stay in the first epoch; a gradient of the pooled map alone reaches no other depth.
    changed = {name for name, p in training.named_parameters() if name in before and not torch.equal(p, before[name])}
    assert {name.split(".")[1] for name in changed} >= {"image_encoder", "text_encoder", "image_projection"}


@pytest.mark.parametrize("fine_tune", [False, True])
@pytest.mark.parametrize("task", ["opacity-masks", "opacity-boxes"])
def test_a_task_gives_what_it_gives_on_the_processor(task: str, fine_tune: bool, tmp_path: Path, home: Path) -> None:
    folder = str(small_teaching_set(tmp_path / "set"))
    train, test = (TASKS[task].examples(folder, split) for split in ("train", "test"))
    engine = segment if task.endswith("masks") else detect
    found = []
    for device in ("cpu", "cuda"):
        given = trunk(ImageEncoderConfig(pretrained=False), "random", image_size=64).to(device)
        before = given.key
        found.append(engine(given, train, test, fine_tune=fine_tune, steps=3))
        assert given.key == before and given.encoder.device.type == device
    found[0].less(found[1])  # which refuses other samples
    once = np.ones((1, len(found[0].patients)))
    values = [one.statistic(TASKS[task].metric, once)[0] for one in found]
    np.testing.assert_allclose(*values, atol=0.1)  # three steps from one start; sums differ in order


def test_a_unet_over_a_trained_network_runs(tmp_path: Path, home: Path) -> None:
    folder = str(small_teaching_set(tmp_path / "set"))
    train, test = (TASKS["opacity-masks"].examples(folder, split) for split in ("train", "test"))
    given = trunk(ImageEncoderConfig(pretrained=False, trainable=True), "trained", image_size=64).to("cuda")
    assert segment(given, train, test, decoder="unet", steps=2).samples == len(test)


def test_vectors_are_those_of_the_processor(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second cache folder, as equal networks would else find each other's vectors."""
    studies = StudyDataset(small_teaching_set(tmp_path / "set"), "train")
    found = []
    for device in ("cpu", "cuda"):
        monkeypatch.setenv("CXRTUTOR_HOME", str(home / device))
        given = trunk(ImageEncoderConfig(pretrained=False, trainable=True), "trained", image_size=64).to(device)
        found.append(all_vectors(given, studies))
    np.testing.assert_allclose(*found, rtol=1e-3, atol=1e-3)
