"""Patch reconstruction looks at hidden patches alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from batches import paired

from cxrtutor.alignment import PatchReconstruction
from cxrtutor.alignment.alignment import Reconstruction
from cxrtutor.errors import InputError


def decoded(batch=3, patches=5, pixels=4, dtype=torch.float32, ratio=0.6, seed=0):
    random = torch.Generator().manual_seed(seed)
    hidden = torch.rand(batch, patches, generator=random).argsort(1) < round(ratio * patches)
    predicted, given = (torch.randn(batch, patches, pixels, generator=random, dtype=torch.float64) for _ in range(2))
    reconstruction = Reconstruction(predicted.to(dtype).requires_grad_(), given.to(dtype), hidden)
    return replace(paired([1] * batch), reconstruction=reconstruction)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_loss_equals_the_loop(dtype):
    pairs = decoded(dtype=dtype)
    given = pairs.reconstruction
    errors = [
        (given.predicted[row, patch, pixel] - given.pixels[row, patch, pixel]) ** 2
        for row, patch in given.hidden.nonzero().tolist()
        for pixel in range(4)
    ]
    assert len(errors) == 3 * 3 * 4
    alignment = PatchReconstruction()(pairs)
    torch.testing.assert_close(alignment.loss, sum(errors) / len(errors))
    assert alignment.parts["error"] == alignment.loss and not alignment.parts["error"].requires_grad


def test_only_hidden_patches_get_a_gradient():
    pairs = decoded()
    given = pairs.reconstruction
    (gradient,) = torch.autograd.grad(PatchReconstruction()(pairs).loss, given.predicted)
    assert torch.equal((gradient != 0).any(2), given.hidden)
    torch.testing.assert_close(gradient[given.hidden], (2 / 36) * (given.predicted - given.pixels)[given.hidden])


def test_gradients_are_those_of_the_loss():
    pairs = decoded(dtype=torch.float64)

    def loss(predicted):
        return PatchReconstruction()(
            replace(pairs, reconstruction=replace(pairs.reconstruction, predicted=predicted))
        ).loss

    assert torch.autograd.gradcheck(loss, pairs.reconstruction.predicted)


def test_a_study_without_a_report_takes_part_all_the_same():
    pairs = decoded()
    empty = replace(paired([0, 0, 0]), reconstruction=pairs.reconstruction)
    assert PatchReconstruction()(empty).loss == PatchReconstruction()(pairs).loss > 0


@pytest.mark.parametrize("options", [{"ratio": 0.0}, {"batch": 0}])
def test_where_nothing_is_hidden_it_costs_nothing_and_stays_connected(options):
    pairs = decoded(**options)
    loss = PatchReconstruction()(pairs).loss
    assert loss == 0
    (gradient,) = torch.autograd.grad(loss, pairs.reconstruction.predicted)
    assert (gradient == 0).all()


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(half):
    pairs = decoded(batch=40, patches=50, pixels=64, dtype=half)
    with torch.autocast("cpu", half):
        loss = PatchReconstruction()(pairs).loss
    given = pairs.reconstruction
    exact = (given.predicted.double() - given.pixels.double())[given.hidden].square().mean()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), exact, rtol=1e-2, atol=0)


def test_pairs_without_a_reconstruction_are_refused():
    with pytest.raises(InputError, match=r"no reconstruction.*Masking\.decoder"):
        PatchReconstruction()(paired([1, 1]))
