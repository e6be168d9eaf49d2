"""Masked contrast: InfoNCE in which a study counts by how much of its image's meaning the mask has left."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from batches import paired, select
from loops import masked_contrast_loop

from cxrtutor.alignment import GlobalAlignment, MaskedContrast
from cxrtutor.alignment.masked_contrast import integrity_weights
from cxrtutor.errors import InputError


def masked_pairs(lengths, noise=1.0, **options):
    """A batch whose whole images are like the masked ones, some more than others."""
    pairs = paired(lengths, **options)
    masked = pairs.image.pooled.detach()
    step = torch.arange(1, len(masked) + 1)[:, None].to(masked.dtype)
    draw = torch.randn(masked.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    return replace(pairs, whole=masked + noise * step / len(masked) * draw.to(masked.dtype))


def rows_of(pairs, rows):
    return replace(select(pairs, rows), whole=pairs.whole[torch.tensor(rows, dtype=torch.long)])


def gradients(alignment, pairs):
    return torch.autograd.grad(alignment.loss, (pairs.image.pooled, pairs.text.report))


@pytest.mark.parametrize("stop_gradient", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-10)], ids=str)
@pytest.mark.parametrize("lengths", [[1, 1], [2, 1, 3, 1, 4], [2, 0, 3]])
def test_loss_and_gradients_equal_the_loop(lengths, dtype, tolerance, stop_gradient):
    pairs = masked_pairs(lengths, dtype=dtype)
    alignment = MaskedContrast(0.2, weight_temperature=0.3, stop_gradient=stop_gradient)(pairs)
    used = torch.tensor(lengths) > 0
    expected = masked_contrast_loop(
        pairs.image.pooled[used], pairs.text.report[used], pairs.whole[used], 0.2, 0.3, stop_gradient
    )
    close = {"rtol": tolerance, "atol": tolerance}
    torch.testing.assert_close(alignment.loss, expected, **close)
    wanted = torch.autograd.grad(expected, (pairs.image.pooled, pairs.text.report))
    torch.testing.assert_close(gradients(alignment, pairs), wanted, **close)


def test_uniform_weights_are_the_plain_contrast_and_need_no_whole_images():
    pairs = paired([2, 1, 3])
    alignment, plain = MaskedContrast(0.2, weights="uniform")(pairs), GlobalAlignment(0.2)(pairs)
    torch.testing.assert_close(alignment.loss, plain.loss)
    torch.testing.assert_close(gradients(alignment, pairs), gradients(plain, pairs))
    assert alignment.parts["smallest_weight"] == alignment.parts["largest_weight"] == 1


def test_images_whose_masks_hid_nothing_weigh_alike():
    pairs = masked_pairs([2, 1, 3], noise=0.0)
    torch.testing.assert_close(MaskedContrast()(pairs).loss, GlobalAlignment()(pairs).loss)


def test_gradients_are_those_of_the_loss():
    pairs = masked_pairs([1, 2, 1], dim=3, dtype=torch.float64)
    objective = MaskedContrast(0.5, stop_gradient=False)

    def loss(images, reports):
        features = replace(pairs.image, pooled=images), replace(pairs.text, report=reports)
        return objective(replace(pairs, image=features[0], text=features[1])).loss

    assert torch.autograd.gradcheck(loss, (pairs.image.pooled, pairs.text.report))


def test_the_parts_are_the_loss_and_the_extreme_weights():
    pairs = masked_pairs([1, 2, 1, 3])
    alignment = MaskedContrast()(pairs)
    parts = dict(alignment.parts)
    weights = integrity_weights(pairs.image.pooled, pairs.whole, 0.1)
    assert parts.pop("smallest_weight") == weights.min() < 1 < weights.max() == parts.pop("largest_weight")
    torch.testing.assert_close(sum(parts.values()), alignment.loss.detach())
    assert not any(part.requires_grad for part in alignment.parts.values())


class TestWeights:
    def test_by_hand(self):
        """Cosines 1, 0 and -1 at temperature 1: e, 1 and 1/e, with the mean 1."""
        masked, whole = torch.tensor([[2.0, 0.0]]).repeat(3, 1), torch.tensor([[3.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
        total = math.e + 1 + 1 / math.e
        expected = torch.tensor([3 * math.e / total, 3 / total, 3 / math.e / total])
        torch.testing.assert_close(integrity_weights(masked, whole, 1.0), expected)

    def test_the_more_is_left_the_more_a_study_counts(self):
        whole = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
        noise = torch.linspace(0, 2, 6)[:, None] * torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
        sharp, soft = (integrity_weights(whole + noise, whole, temperature) for temperature in (0.05, 5.0))
        assert sharp.argmax() == 0
        assert sharp.max() / sharp.min() > soft.max() / soft.min() > 1
        assert sharp.mean().item() == pytest.approx(1) == soft.mean().item()

    def test_no_image_no_weight_and_one_image_weight_one(self):
        assert integrity_weights(torch.zeros(0, 4), torch.zeros(0, 4), 0.1).shape == (0,)
        assert integrity_weights(torch.randn(1, 4), torch.randn(1, 4), 0.1) == 1

    def test_a_vector_without_direction_is_unlike_anything(self):
        weights = integrity_weights(torch.zeros(2, 4), torch.randn(2, 4), 0.1)
        assert weights.tolist() == [1, 1]


def test_weights_are_taken_as_given_unless_told_otherwise():
    pairs = masked_pairs([1, 1, 1], dtype=torch.float64)
    weights = integrity_weights(pairs.image.pooled, pairs.whole, 0.1)
    kept, changed = (gradients(MaskedContrast(stop_gradient=stop)(pairs), pairs)[0] for stop in (True, False))
    assert weights.requires_grad and not torch.allclose(kept, changed)
    with torch.no_grad():
        likeness = pairs.image.pooled.clone()
    likeness.requires_grad_()
    assert torch.autograd.grad(integrity_weights(likeness, pairs.whole, 0.1)[0], likeness)[0].abs().sum() > 0


def test_empty_reports_take_no_part():
    pairs = masked_pairs([2, 0, 3, 0, 1])
    alignment, alone = MaskedContrast()(pairs), MaskedContrast()(rows_of(pairs, [0, 2, 4]))
    torch.testing.assert_close(alignment.loss, alone.loss)
    assert alignment.parts.keys() == alone.parts.keys()
    torch.testing.assert_close(dict(alignment.parts), dict(alone.parts))
    for gradient in gradients(alignment, pairs):
        assert gradient.isfinite().all() and (gradient[[1, 3]] == 0).all()


def test_order_of_studies_does_not_matter():
    pairs = masked_pairs([2, 1, 3, 1])
    torch.testing.assert_close(MaskedContrast()(rows_of(pairs, [2, 0, 3, 1])).loss, MaskedContrast()(pairs).loss)


def test_padding_is_not_looked_at():
    short, long = masked_pairs([2, 1, 0, 3], dtype=torch.float64), paired([2, 1, 0, 3], dtype=torch.float64, padding=9)
    with torch.no_grad():
        long.text.sentences[~long.text.sentence_mask] = math.nan
    text = replace(long.text, report=short.text.report)
    assert MaskedContrast()(replace(short, text=text)).loss == MaskedContrast()(short).loss


@pytest.mark.parametrize("weights", ["integrity", "uniform"])
@pytest.mark.parametrize("lengths", [[1], [0], [0, 0], [0, 2], []])
def test_fewer_than_two_reports_cost_nothing_and_stay_connected(lengths, weights):
    pairs = masked_pairs(lengths)
    alignment = MaskedContrast(weights=weights)(pairs)
    assert alignment.loss == 0 and alignment.parts["smallest_weight"] == 1
    assert all((gradient == 0).all() for gradient in gradients(alignment, pairs))


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("lengths", [[1], [0, 0], [1, 0, 2], [1, 1, 1, 1]])
def test_autocast_is_finite_and_reduces_in_float32(half, lengths):
    pairs = masked_pairs(lengths, dtype=half)
    with torch.autocast("cpu", half):
        alignment = MaskedContrast(0.01, weight_temperature=0.01, stop_gradient=False)(pairs)
    assert alignment.loss.dtype == torch.float32 and alignment.loss.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients(alignment, pairs))


def test_pairs_without_whole_images_are_refused():
    with pytest.raises(InputError, match=r"no whole images.*Masking\.whole.*uniform"):
        MaskedContrast()(paired([1, 1]))


@pytest.mark.parametrize("settings", [{"temperature": 0.0}, {"weight_temperature": math.nan}])
def test_impossible_settings(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        MaskedContrast(**settings)
