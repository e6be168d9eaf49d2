"""Frozen means frozen: every way in which a network may change is noticed, and nothing is left behind."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cxrtutor.transfer.frozen import fingerprint, kept_frozen


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2))


INPUTS = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))


def test_one_weight_or_one_buffer_is_another_fingerprint():
    given, other = network(), network()
    assert fingerprint(given) == fingerprint(other)
    with torch.no_grad():
        other[3].weight[1, 2] += 1e-6
    assert fingerprint(given) != fingerprint(other)
    third = network()
    third[1].running_mean[0] = 1e-6
    assert len({fingerprint(each) for each in (given, other, third)}) == 3


def test_within_it_is_in_use_and_what_stands_on_it_learns():
    given, head = network().train(), nn.Linear(2, 1)
    with kept_frozen(given):
        before = head.weight.clone()
        optimizer = torch.optim.SGD([*given.parameters(), *head.parameters()], lr=1.0)
        head(given(INPUTS)).sum().backward()
        optimizer.step()
        assert not any(part.training for part in given.modules())
        assert all(parameter.grad is None for parameter in given.parameters())
    assert not torch.equal(head.weight, before)


def test_modes_and_gradients_are_as_they_were_before():
    given = network().train()
    given[1].eval()
    given[0].bias.requires_grad_(False)

    def state():
        return [part.training for part in given.modules()], [each.requires_grad for each in given.parameters()]

    before = state()
    with kept_frozen(given):
        assert state() != before
    assert state() == before
    with pytest.raises(KeyError), kept_frozen(given):
        raise KeyError("its own error comes through")
    assert state() == before


def test_a_changed_weight_is_noticed():
    given = network()
    with pytest.raises(RuntimeError, match=r"Sequential .*changed"), kept_frozen(given):
        given[0].weight.data[0, 0] += 1e-6


def test_batch_statistics_that_move_are_noticed():
    """What no optimiser does: a forward pass in training mode."""
    given = network().eval()
    with pytest.raises(RuntimeError, match="changed"), kept_frozen(given):
        given.train()
        given(INPUTS)
    with kept_frozen(given):
        given(INPUTS)


def test_an_optimiser_that_makes_it_ask_for_gradients_is_noticed():
    given = network()
    with pytest.raises(RuntimeError, match="changed"), kept_frozen(given):
        given.requires_grad_(True)
        given(INPUTS).sum().backward()
        torch.optim.SGD(given.parameters(), lr=1.0).step()
