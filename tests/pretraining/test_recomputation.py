"""In pieces and recomputed, a step is the same step, and needs less memory at a time."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from whole_methods import NAMES, REPORTS, SIDE, assert_same, batch, loss_and_gradients, training

from cxrtutor.encoders.image import image_encoder
from cxrtutor.methods.config import ComputeConfig
from cxrtutor.pretraining.computing import arrange
from cxrtutor.pretraining.recomputation import recomputed

RECOMPUTE = ComputeConfig(recompute=True)


@pytest.mark.parametrize("name", NAMES)
def test_pieces_of_any_size_give_the_loss_and_gradient_of_the_whole_batch(name: str) -> None:
    whole = training(name)
    expected = loss_and_gradients(whole, batch(whole))
    assert {part.split(".")[1] for part in expected[1]} >= {"image_encoder", "text_encoder", "image_projection"}
    for piece in (1, 2, 3, 4):
        cut = training(name, piece)
        assert_same(loss_and_gradients(cut, batch(cut)), expected)


@pytest.mark.parametrize("piece", [None, 2])
@pytest.mark.parametrize("name", NAMES)
def test_recomputed_blocks_give_the_same_too(name: str, piece: int | None) -> None:
    whole, again = training(name), training(name, piece)
    arrange(again.model, RECOMPUTE)
    assert_same(loss_and_gradients(again, batch(again)), loss_and_gradients(whole, batch(whole)))


@pytest.mark.parametrize("name", ["efficientnet-lite0", "resnet50"])
def test_recomputed_convolutions_have_the_same_gradient(name: str) -> None:
    given = image_encoder(name, trainable=True, pretrained=False)
    owned = {id(parameter) for block in given.blocks() for parameter in block.parameters()}
    assert len(owned) > 0.9 * len(list(given.network.parameters()))
    images, gradients = torch.rand(2, 3, SIDE, SIDE), []
    for recompute in (False, True):
        given.zero_grad()
        if recompute:
            for block in given.blocks():
                block.forward = recomputed(block.forward, block)
        sum(maps.square().mean() for maps in given._maps(images)).backward()
        gradients.append({n: p.grad.clone() for n, p in given.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys() and len(gradients[0]) > 100
    assert all(torch.equal(gradients[0][each], gradients[1][each]) for each in gradients[0])


def statistics(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.named_buffers() if "running" in name or "batches" in name}


@pytest.mark.parametrize("recompute", [False, True])
def test_batch_statistics_move_once_a_piece(recompute: bool) -> None:
    given = training("lsm", 3, "efficientnet-lite0").train()
    plain = training("lsm", None, "efficientnet-lite0").train()
    if recompute:
        arrange(given.model, RECOMPUTE)
    images, reports, hidden = batch(plain)
    with torch.no_grad():
        for piece in (slice(0, 3), slice(3, 6)):
            plain(images[piece], reports[piece], hidden)
    before = statistics(given)
    loss_and_gradients(given, (images, reports, hidden))
    found, expected = statistics(given), statistics(plain)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert any(not torch.equal(found[name], before[name]) for name in before)
    assert {int(value) for name, value in found.items() if name.endswith("batches_tracked")} == {2}


def test_a_lone_vector_is_normalised_by_the_statistics_of_its_time() -> None:
    # In a piece of one pair there is one report: MGCA's head then takes the running statistics, which go on moving.
    head = training("mgca").model.text_projection.heads["report"].double().train()
    lone, others = torch.randn(1, 32, dtype=torch.float64), torch.randn(3, 32, dtype=torch.float64)
    expected = torch.autograd.functional.jacobian(lambda one: head(one).square().sum(), lone)
    lone.requires_grad_()
    piecewise = recomputed(head, head)
    loss = piecewise(lone).square().sum()
    with torch.no_grad():
        moved = piecewise(others).mean()
    loss.backward()
    assert moved.isfinite() and head.layers[1].num_batches_tracked == 1
    torch.testing.assert_close(lone.grad, expected)


@pytest.mark.parametrize("compute", [ComputeConfig(piece=2), RECOMPUTE, ComputeConfig(piece=2, recompute=True)])
@pytest.mark.parametrize("autocast", [False, True])
def test_dropout_and_mixed_precision_are_the_same_the_second_time(compute: ComputeConfig, autocast: bool) -> None:
    """A forward pass is seen by a hook in the middle of a block; the second time it must see what it saw the first."""
    given = training("lsm", compute.piece).train()
    arrange(given.model, compute)
    seen: list[torch.Tensor] = []
    layer = given.model.text_encoder.blocks()[0].output
    assert isinstance(layer.dropout, nn.Dropout) and layer.dropout.p > 0 and layer.dropout.training
    layer.dropout.register_forward_hook(lambda module, taken, made: seen.append(made.detach().clone()))
    state = torch.get_rng_state()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        loss = given(*batch(given))["loss"]
    first, after = list(seen), torch.get_rng_state()
    assert not torch.equal(state, after)
    seen.clear()
    loss.backward()
    assert torch.equal(torch.get_rng_state(), after)
    assert len(seen) >= len(first) and {made.dtype for made in seen} == {made.dtype for made in first}
    for made in seen:
        assert any(made.shape == other.shape and torch.equal(made, other) for other in first)
    assert all(p.grad.isfinite().all() for p in given.parameters() if p.grad is not None)


def test_in_validation_nothing_is_recomputed() -> None:
    given = training("lsm", 2).eval()
    arrange(given.model, RECOMPUTE)
    plain = training("lsm").eval()
    with torch.no_grad():
        torch.testing.assert_close(given(*batch(given))["loss"], plain(*batch(plain))["loss"])


class PeakBytes(TorchDispatchMode):
    """The most bytes that tensors made in it took up at one time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self._note(tensor.untyped_storage())
        return made

    def _note(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._known:
            self._known.add(key)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def peak(compute: ComputeConfig, pairs: int = 16) -> int:
    """Of one forward and backward pass over a batch of so many pairs."""
    given = training("lsm", compute.piece)
    arrange(given.model, compute)
    images = torch.rand(pairs, 1, 64, 64)
    reports = [REPORTS[index % len(REPORTS)] for index in range(pairs)]
    with PeakBytes() as memory:
        given(images, reports)["loss"].backward()
    return memory.peak


def test_memory_falls_with_the_size_of_a_piece_and_with_recomputation() -> None:
    whole = peak(ComputeConfig())
    in_pieces = {size: peak(ComputeConfig(piece=size)) for size in (2, 8)}
    # What is left are gradients of weights, and the vectors of all pairs.
    assert in_pieces[2] < 0.8 * in_pieces[8] < 0.6 * whole
    assert peak(RECOMPUTE) < 0.5 * whole
    assert peak(ComputeConfig(piece=8, recompute=True)) < 0.8 * in_pieces[8]
