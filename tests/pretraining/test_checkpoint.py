"""A checkpoint gives back weights, moments and random state to the last bit, or says why it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from cxrtutor.errors import InputError
from cxrtutor.pretraining.checkpoint import load_checkpoint, save_checkpoint


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


def test_the_newest_is_kept_and_read(tmp_path: Path) -> None:
    network, optimizer = trained(0)
    for step in (9, 10):
        save_checkpoint(tmp_path, step, network.state_dict(), optimizer)
    assert [path.name for path in tmp_path.iterdir()] == ["step-10"]
    (tmp_path / ".step-11-half").mkdir()  # what a kill in the midst of writing leaves behind
    assert load_checkpoint(tmp_path, network, optimizer) == 10


def test_two_that_a_kill_left_behind_are_told_by_number(tmp_path: Path) -> None:
    network, optimizer = trained(0)
    save_checkpoint(tmp_path / "a", 9, network.state_dict(), optimizer)
    save_checkpoint(tmp_path / "b", 10, network.state_dict(), optimizer)
    (tmp_path / "b" / "step-10").rename(tmp_path / "a" / "step-10")
    assert load_checkpoint(tmp_path / "a", network, optimizer) == 10


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
