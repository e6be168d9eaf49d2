"""A checkpoint gives back weights, moments and random state to the last bit, or says why it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from cxrtutor.errors import InputError
from cxrtutor.pretraining import checkpoint
from cxrtutor.pretraining.checkpoint import CheckpointClock, load_checkpoint, save_checkpoint


def trained(seed: int, steps: int = 3) -> tuple[nn.Module, torch.optim.AdamW]:
    """A small network with buffers and a frozen part, after some steps."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2).requires_grad_(False))
    optimizer = torch.optim.AdamW([parameter for parameter in network.parameters() if parameter.requires_grad])
    for _ in range(steps):
        optimizer.zero_grad()
        network(torch.randn(5, 3)).square().sum().backward()
        optimizer.step()
    return network, optimizer


def changeable(network: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value for key, value in network.state_dict().items() if not key.startswith("2.")}


def test_everything_comes_back(tmp_path: Path) -> None:
    network, optimizer = trained(0)
    save_checkpoint(tmp_path, 3, changeable(network), optimizer)
    drawn = torch.rand(5)
    other, its_optimizer = trained(1)
    untouched = other.state_dict()["2.weight"].clone()
    assert load_checkpoint(tmp_path, other, its_optimizer) == 3
    assert torch.equal(torch.rand(5), drawn)
    for name, value in changeable(network).items():
        assert torch.equal(other.state_dict()[name], value), name
    assert torch.equal(other.state_dict()["2.weight"], untouched)
    for mine, its in zip(optimizer.state.values(), its_optimizer.state.values(), strict=True):
        assert mine.keys() == its.keys() == {"step", "exp_avg", "exp_avg_sq"}
        assert all(torch.equal(mine[name], its[name]) for name in mine)


def test_a_fresh_optimizer_steps_on_as_the_old_one_would_have(tmp_path: Path) -> None:
    network, optimizer = trained(0)
    save_checkpoint(tmp_path, 3, network.state_dict(), optimizer)
    other, its_optimizer = trained(1, steps=0)
    load_checkpoint(tmp_path, other, its_optimizer)
    batch = torch.randn(5, 3)
    for module, its in ((network, optimizer), (other, its_optimizer)):
        its.zero_grad()
        module(batch).square().sum().backward()
        its.step()
    for name, value in network.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name


def test_the_newest_two_are_kept_and_the_newest_is_read(tmp_path: Path) -> None:
    network, optimizer = trained(0)
    for step in (8, 9, 10):
        save_checkpoint(tmp_path, step, network.state_dict(), optimizer)
    assert {path.name for path in tmp_path.iterdir()} == {"step-9", "step-10"}
    (tmp_path / ".step-11-half").mkdir()  # what a kill in the midst of writing leaves behind
    assert load_checkpoint(tmp_path, network, optimizer) == 10


DAMAGES = {
    "missing": lambda file: file.unlink(),
    "cut short": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "emptied": lambda file: file.write_bytes(b""),
    "a block of zeros": lambda file: file.write_bytes(file.read_bytes()[:-16] + bytes(16)),
}


@pytest.mark.parametrize(
    "damaged", ["weights.safetensors", "optimizer.safetensors", "random.safetensors", "state.json"]
)
@pytest.mark.parametrize("damage", DAMAGES)
def test_the_one_before_a_damaged_one_is_used_and_the_damaged_one_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damaged: str, damage: str
) -> None:
    network, optimizer = trained(0)
    save_checkpoint(tmp_path, 3, network.state_dict(), optimizer)
    expected = {name: value.clone() for name, value in network.state_dict().items()}
    later, its_optimizer = trained(1)
    save_checkpoint(tmp_path, 4, later.state_dict(), its_optimizer)
    DAMAGES[damage](tmp_path / "step-4" / damaged)
    other, fresh_optimizer = trained(2, steps=0)
    assert load_checkpoint(tmp_path, other, fresh_optimizer) == 3
    assert all(torch.equal(value, expected[name]) for name, value in other.state_dict().items())
    assert f"The checkpoint {tmp_path / 'step-4'} cannot be used (" in capsys.readouterr().err
    # It is out of the way of the one that will be saved after the same step.
    save_checkpoint(tmp_path, 4, later.state_dict(), its_optimizer)
    assert load_checkpoint(tmp_path, other, fresh_optimizer) == 4


def test_where_all_are_damaged_nothing_is_deleted(tmp_path: Path) -> None:
    network, optimizer = trained(0)
    for step in (3, 4):
        save_checkpoint(tmp_path, step, network.state_dict(), optimizer)
        (tmp_path / f"step-{step}" / "state.json").unlink()
    with pytest.raises(InputError, match=r"step-4 cannot be resumed from .*, nor one before it\. Delete .* to start"):
        load_checkpoint(tmp_path, network, optimizer)
    assert len(list(tmp_path.iterdir())) == 2


class TestClock:
    def test_steps_and_minutes_whichever_comes_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = 0.0
        monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now)
        clock = CheckpointClock(every=10, minutes=2.0)
        assert [step for step in range(1, 31) if clock.due(step)] == [10, 20, 30]
        now = 119
        assert not clock.due(3)
        now = 120
        assert clock.due(3)
        clock.saved()
        assert not clock.due(4)
        now = 240
        assert clock.due(5)

    def test_without_minutes_steps_alone_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = CheckpointClock(every=10, minutes=None)
        monkeypatch.setattr(checkpoint.time, "monotonic", lambda: 1e12)
        assert clock.due(10) and not clock.due(11)


@pytest.mark.parametrize("fused", [None, True])
def test_a_fused_optimizer_counts_where_its_parameters_are(tmp_path: Path, fused: bool | None) -> None:
    network, optimizer = trained(0)
    save_checkpoint(tmp_path, 3, network.state_dict(), optimizer)
    other, its_optimizer = trained(1, steps=0)
    other.to("meta")  # stands in for a GPU
    its_optimizer = torch.optim.AdamW([parameter for parameter in other.parameters() if parameter.requires_grad])
    its_optimizer.param_groups[0]["fused"] = fused
    load_checkpoint(tmp_path, other, its_optimizer)
    places = {name: value.device.type for state in its_optimizer.state.values() for name, value in state.items()}
    assert places == {"step": "meta" if fused else "cpu", "exp_avg": "meta", "exp_avg_sq": "meta"}


def test_without_a_checkpoint_a_run_begins(tmp_path: Path) -> None:
    network, optimizer = trained(0)
    assert load_checkpoint(tmp_path / "nowhere", network, optimizer) == 0


@pytest.mark.parametrize("misfit", ["a weight is missing", "a weight is unknown", "another shape", "more moments"])
def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path, misfit: str) -> None:
    network, optimizer = trained(0)
    state = changeable(network)
    if misfit == "a weight is missing":
        del state["0.bias"]
    elif misfit == "a weight is unknown":
        state["7.weight"] = torch.zeros(2)
    elif misfit == "another shape":
        state["0.bias"] = torch.zeros(9)
    save_checkpoint(tmp_path, 3, state, optimizer)
    if misfit == "more moments":
        optimizer = torch.optim.AdamW(network[0].parameters())
    with pytest.raises(InputError, match=r"step-3 cannot be resumed from"):
        load_checkpoint(tmp_path, network, optimizer)
