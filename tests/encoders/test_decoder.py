"""The decoder sees what is visible and where, and nothing of what is hidden."""

from __future__ import annotations

import pytest
import torch

from cxrtutor.encoders.decoder import PatchDecoder, standardized_patches
from cxrtutor.errors import InputError


def decoder(depth: int = 1) -> PatchDecoder:
    torch.manual_seed(0)
    return PatchDecoder(channels=6, patch=4, dim=32, depth=depth)


def regions(side: int = 3, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 6, side, side + 1, generator=torch.Generator().manual_seed(1))


def some_hidden(batch: int = 2) -> torch.Tensor:
    hidden = torch.zeros(batch, 3, 4, dtype=torch.bool)
    hidden[0, 0, 1] = hidden[0, 2, 3] = hidden[1, 1, 1] = True
    return hidden


def test_every_patch_is_painted_whatever_the_encoders_grid() -> None:
    for side in (3, 6, 5):
        assert decoder()(regions(side), some_hidden()).shape == (2, 12, 16)


def test_a_finer_map_is_averaged_within_each_patch() -> None:
    fine = regions(6)[:, :, :, :4].repeat_interleave(2, 3)
    coarse = fine.unflatten(3, (4, 2)).mean(4).unflatten(2, (3, 2)).mean(3)
    torch.testing.assert_close(decoder()(fine, some_hidden()), decoder()(coarse, some_hidden()))


def test_what_the_encoder_has_at_hidden_patches_is_not_looked_at() -> None:
    given, hidden = regions(), some_hidden()
    other = torch.where(hidden[:, None], 100.0, given)
    assert torch.equal(decoder()(given, hidden), decoder()(other, hidden))
    assert not torch.allclose(decoder()(given, hidden), decoder()(given, ~hidden))


def test_hidden_patches_are_told_apart_by_their_places_and_know_the_visible() -> None:
    given, hidden = regions(), some_hidden()
    painted = decoder()(given, hidden)
    assert not torch.allclose(painted[0, 1], painted[0, 11], atol=1e-3)
    changed = given.clone()
    changed[0, :, 1, 0] += 1
    moved = (decoder()(changed, hidden) - painted).abs().amax(2)
    assert moved[0, 1] > 1e-4 and (moved[1] == 0).all()


def test_gradients_reach_every_parameter_and_the_visible_regions_alone() -> None:
    model, given, hidden = decoder(2), regions().requires_grad_(), some_hidden()
    model(given, hidden).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.parameters())
    reached = given.grad.abs().sum(1) > 0
    assert torch.equal(reached, ~hidden)


@pytest.mark.parametrize(("dim", "depth"), [(48, 1), (0, 1), (32, 0)])
def test_an_impossible_decoder_is_refused(dim: int, depth: int) -> None:
    with pytest.raises(InputError, match=f"width {dim} and depth {depth}"):
        PatchDecoder(6, 4, dim, depth)


def test_patches_are_cut_row_by_row_and_standardised_one_by_one() -> None:
    image = torch.arange(24.0).reshape(1, 1, 4, 6)
    patches = standardized_patches(image, (2, 3))
    assert patches.shape == (1, 6, 4)
    first = torch.tensor([0.0, 1.0, 6.0, 7.0])
    torch.testing.assert_close(patches[0, 0], (first - 3.5) / first.std(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(patches[0, 5], patches[0, 0], rtol=1e-3, atol=1e-4)  # a ramp is a ramp, however bright
    order = standardized_patches(torch.arange(6.0).reshape(1, 1, 1, 6).expand(1, 1, 4, 6) ** 2, (2, 3))
    torch.testing.assert_close(order[0, :3], order[0, 3:])
    assert (order[0, 1] - order[0, 0]).abs().max() < 1e-3  # two values each, standardised alike


def test_a_patch_of_one_grey_is_zero() -> None:
    assert (standardized_patches(torch.full((1, 1, 4, 4), 0.3), (2, 2)).abs() < 1e-3).all()
