"""Full batches from any number of examples, seeded; what is frozen stays, and what is fine-tuned is a copy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import mse_loss

from cxrtutor.encoders.weights import fingerprint
from cxrtutor.methods.config import ImageEncoderConfig
from cxrtutor.transfer.representation import trunk
from cxrtutor.transfer.training import Recipe, drawn_batches, train, trainable_copy, transferred

RECIPE = Recipe(steps=60, learning_rate=0.3, encoder_learning_rate=0.03, batch_size=8)


@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=3).filter(any), batch_size=st.integers(1, 12))
def test_batches_are_full_and_hold_equally_many_of_every_pool(sizes: list[int], batch_size: int):
    ends = np.cumsum([0, *sizes])
    pools = [np.arange(start, end) for start, end in itertools.pairwise(ends)]
    batches = list(drawn_batches(pools, batch_size, steps=5, seed=1))
    assert [len(batch) for batch in batches] == [batch_size] * 5
    filled = [pool for pool in pools if len(pool)]
    for batch in batches:
        counts = [np.isin(batch, pool).sum() for pool in filled]
        assert max(counts) - min(counts) <= 1 and sum(counts) == batch_size


def test_nothing_comes_again_before_all_has_come():
    drawn = np.concatenate(list(drawn_batches([np.arange(10)], 4, steps=10, seed=0)))
    rounds = drawn.reshape(4, 10)
    assert np.array_equal(np.sort(rounds, axis=1), np.tile(np.arange(10), (4, 1)))
    assert len(np.unique(rounds, axis=0)) == 4


def line(examples: int = 20) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.linspace(-1, 1, examples)[:, None]
    return x, 3 * x + 1


def fitted(seed: int = 0, examples: int = 20, encoder: nn.Module | None = None) -> nn.Linear:
    """A line that was fitted to points, by way of an encoder where there is one."""
    torch.manual_seed(0)
    x, y = line(examples)
    decoder = nn.Linear(1, 1)

    def loss(batch: np.ndarray) -> torch.Tensor:
        assert len(batch) == RECIPE.batch_size
        return mse_loss(decoder(encoder(x[batch]) if encoder else x[batch]), y[batch])

    train(decoder, loss, [np.arange(examples)], RECIPE, encoder=encoder, seed=seed)
    return decoder


@pytest.mark.parametrize("examples", [20, 3])
def test_a_decoder_learns_also_from_fewer_examples_than_a_batch(examples: int):
    x, y = line(examples)
    assert mse_loss(fitted(examples=examples)(x), y) < 0.1


def test_equal_seeds_give_equal_decoders():
    assert fingerprint(fitted(1)) == fingerprint(fitted(1)) != fingerprint(fitted(2))


def test_randomness_within_follows_the_seed_and_leaves_the_callers():
    def masks_drawn(seed: int) -> list[float]:
        decoder, drawn = nn.Linear(1, 1), []

        def loss(batch: np.ndarray) -> torch.Tensor:
            drawn.append(torch.rand(()).item())
            return decoder(torch.ones(1, 1)).sum()

        train(decoder, loss, [np.arange(2)], RECIPE, seed=seed)
        return drawn

    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = masks_drawn(1)
    torch.set_rng_state(state)
    assert masks_drawn(1) == first != masks_drawn(2)


def test_an_encoder_is_trained_at_a_rate_of_its_own():
    torch.manual_seed(0)
    encoder = nn.Linear(1, 1)
    before = encoder.weight.item()
    x, y = line()
    steady = Recipe(steps=2, learning_rate=0.05, encoder_learning_rate=1e-5, batch_size=8, weight_decay=0.0)
    decoder = nn.Linear(1, 1)
    old = decoder.weight.item()

    def loss(batch: np.ndarray) -> torch.Tensor:
        return mse_loss(decoder(encoder(x[batch])), y[batch])

    train(decoder, loss, [np.arange(20)], steady, encoder=encoder)
    assert 0 < abs(encoder.weight.item() - before) < 1e-4 < abs(decoder.weight.item() - old)
    assert not encoder.training and not decoder.training


def test_a_loss_that_is_no_number_stops_the_training():
    decoder = nn.Linear(1, 1)
    with pytest.raises(FloatingPointError, match="step 1"):
        train(decoder, lambda batch: decoder(torch.ones(1, 1)).sum() * torch.nan, [np.arange(2)], RECIPE)


@pytest.fixture(scope="module")
def network() -> Iterator[nn.Module]:
    """A representation of 64 pixels."""
    yield trunk(ImageEncoderConfig(pretrained=False), "random", image_size=64)


def test_frozen_means_frozen(network):
    """Also the statistics of batch normalisations, and although all of it is used in training something above it."""
    before = fingerprint(network)
    decoder = nn.Linear(network.channels, 1)
    images = torch.rand(8, 1, 64, 64)
    with transferred(network, fine_tune=False) as frozen:
        assert frozen is network

        def loss(batch: np.ndarray) -> torch.Tensor:
            return decoder(frozen.maps(frozen.encoder(images[batch])).mean((2, 3))).square().mean()

        train(decoder, loss, [np.arange(8)], Recipe(2, 0.01, 0.01))
    assert fingerprint(network) == before


def test_a_frozen_network_that_changes_is_noticed(network):
    change = nn.ParameterList(network.parameters())[0]
    value = change.detach().clone()
    with pytest.raises(RuntimeError, match="stay frozen"), transferred(network, fine_tune=False):
        change.data += 1
    change.data.copy_(value)


def test_fine_tuning_changes_the_copy_and_not_the_original(network):
    before = fingerprint(network)
    with transferred(network, fine_tune=True) as copied:
        images = torch.rand(4, 1, 64, 64)
        decoder = nn.Linear(copied.channels, 1)

        def loss(batch: np.ndarray) -> torch.Tensor:
            return decoder(copied.maps(copied.encoder(images[batch])).mean((2, 3))).square().mean()

        statistics = copied.encoder.network.bn1.running_mean.clone()
        weight = copied.encoder.network.conv_stem.weight.detach().clone()
        train(decoder, loss, [np.arange(4)], Recipe(2, 0.01, 0.01, batch_size=4), encoder=copied)
    assert torch.equal(copied.encoder.network.bn1.running_mean, statistics)
    assert not torch.equal(copied.encoder.network.bn1.weight, torch.ones_like(copied.encoder.network.bn1.weight))
    assert not torch.equal(copied.encoder.network.conv_stem.weight, weight)
    assert fingerprint(network) == before
    assert not network.encoder.trainable and not any(p.requires_grad for p in network.encoder.parameters())


def test_a_trainable_copy_gives_what_the_original_gives(network):
    images = torch.rand(2, 1, 64, 64)
    given, own = (each.maps(each.encoder(images)) for each in (network, trainable_copy(network)))
    assert own.requires_grad and not given.requires_grad
    torch.testing.assert_close(own, given, atol=2e-3, rtol=2e-3)  # a frozen encoder rounds to half precision
