"""The sentence-level local loss."""

from __future__ import annotations

import pytest
import torch
from batches import paired, select
from hypothesis import given
from hypothesis import strategies as st
from loops import local_loss_loop

from cxrtutor.alignment import SentenceAlignment
from cxrtutor.errors import InputError

counts = st.lists(st.integers(0, 4), min_size=1, max_size=5)


def gradients(alignment, pairs):
    return torch.autograd.grad(alignment.loss, (pairs.image.deep, pairs.text.sentences))


@pytest.mark.parametrize("aggregation", ["sum", "mean"])
@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_loss_equals_loop_in_value_and_gradient(dtype, tolerance, background, aggregation):
    pairs = paired([2, 1, 4, 3], dtype=dtype)
    regions = pairs.image.deep.flatten(2).transpose(1, 2)
    text, mean = pairs.text, aggregation == "mean"
    expected = local_loss_loop(regions, text.sentences, text.sentence_mask, background=background, mean=mean)
    alignment = SentenceAlignment(aggregation=aggregation, background=background)(pairs)
    torch.testing.assert_close(alignment.loss, expected, rtol=tolerance, atol=tolerance)
    expected = torch.autograd.grad(expected, (pairs.image.deep, text.sentences))
    torch.testing.assert_close(gradients(alignment, pairs), expected, rtol=tolerance, atol=tolerance)


def test_temperatures_reach_their_places():
    pairs = paired([2, 3], dtype=torch.float64)
    regions = pairs.image.deep.flatten(2).transpose(1, 2)
    expected = local_loss_loop(regions, pairs.text.sentences, pairs.text.sentence_mask, t1=9.0, t2=2.0, t3=3.0)
    objective = SentenceAlignment(attention_temperature=9.0, aggregation_temperature=2.0, logit_temperature=3.0)
    torch.testing.assert_close(objective(pairs).loss, expected)


def test_parts_are_the_two_directions():
    alignment = SentenceAlignment()(paired([2, 1, 4]))
    assert alignment.parts.keys() == {"image_to_text", "text_to_image"}
    torch.testing.assert_close(sum(alignment.parts.values()), alignment.loss.detach())
    assert alignment.parts["image_to_text"] != alignment.parts["text_to_image"]


def test_maps_lie_on_the_grid_of_their_own_image():
    pairs = paired([2, 1], side=4)
    with torch.no_grad():
        # Each image shows each sentence in one cell of its own, (row, column), and nothing elsewhere.
        pairs.image.deep.zero_()
        for study, sentence, row, column in ((0, 0, 0, 3), (0, 1, 2, 1)):
            pairs.image.deep[study, :, row, column] = 5 * pairs.text.sentences[study, sentence]
    attention = SentenceAlignment()(pairs).maps["attention"]
    assert attention.shape == (2, 2, 4, 4)
    assert divmod(attention[0, 0].argmax().item(), 4) == (0, 3)
    assert divmod(attention[0, 1].argmax().item(), 4) == (2, 1)
    torch.testing.assert_close(attention.sum(dim=(2, 3)), pairs.text.sentence_mask.float())


@given(lengths=counts, padding=st.integers(1, 40))
def test_pitfall_5_padding_changes_nothing(lengths, padding):
    pairs, padded = paired(lengths), paired(lengths, padding=padding)
    alignment, padded_alignment = SentenceAlignment()(pairs), SentenceAlignment()(padded)
    assert torch.equal(alignment.loss, padded_alignment.loss)
    here, there = gradients(alignment, pairs), gradients(padded_alignment, padded)
    assert torch.equal(here[0], there[0])
    assert torch.equal(here[1], there[1][:, : max(lengths)])
    assert (there[1][:, max(lengths) :] == 0).all()


@given(lengths=counts, seed=st.integers(0, 2**16))
def test_order_of_studies_does_not_matter(lengths, seed):
    pairs = paired(lengths)
    order = torch.randperm(len(lengths), generator=torch.Generator().manual_seed(seed)).tolist()
    torch.testing.assert_close(SentenceAlignment()(select(pairs, order)).loss, SentenceAlignment()(pairs).loss)


def test_pitfall_4_empty_reports_take_no_part():
    pairs = paired([2, 0, 3, 0, 1])
    alignment = SentenceAlignment()(pairs)
    torch.testing.assert_close(alignment.loss, SentenceAlignment()(select(pairs, [0, 2, 4])).loss)
    assert (alignment.maps["attention"][[1, 3]] == 0).all()
    for gradient in gradients(alignment, pairs):
        assert gradient.isfinite().all()
        assert (gradient[[1, 3]] == 0).all()
        assert (gradient[[0, 2, 4]].flatten(1) != 0).any(dim=1).all()


@pytest.mark.parametrize("lengths", [[1], [3], [0], [0, 0], [0, 2], []])
def test_pitfall_4_fewer_than_two_reports_cost_nothing_and_stay_connected(lengths):
    pairs = paired(lengths)
    alignment = SentenceAlignment()(pairs)
    assert alignment.loss == 0
    assert all((gradient == 0).all() for gradient in gradients(alignment, pairs))


def test_pitfall_2_one_sentence_reports_teach_nothing_about_places_unless_there_is_a_background():
    """The gradient that a lone sentence sends to the regions is the same everywhere; with a background it is not."""
    pairs = paired([1, 1, 1])
    published = gradients(SentenceAlignment()(pairs), pairs)[0].flatten(2)
    torch.testing.assert_close(published, published[:, :, :1].expand_as(published))
    background = gradients(SentenceAlignment(background=True)(pairs), pairs)[0].flatten(2)
    assert background.std(dim=2).min() > 0
    assert background.std(dim=2).mean() > 0.1 * background.abs().mean()


def test_pitfall_10_sum_favours_the_longer_report_and_mean_does_not():
    """Two reports of one sentence, the second saying it three times, and two images that show the same."""
    pairs = paired([1, 3])
    with torch.no_grad():
        pairs.image.deep[1] = pairs.image.deep[0]
        pairs.text.sentences[1] = pairs.text.sentences[0, 0]
    # Both images find the longer report e^(10 ln 3) times as likely under "sum"; under "mean" they cannot tell.
    cost = SentenceAlignment()(pairs).parts["image_to_text"].item()
    assert cost == pytest.approx(10 * torch.tensor(3.0).log().item() / 2, rel=1e-3)
    cost = SentenceAlignment(aggregation="mean")(pairs).parts["image_to_text"].item()
    assert cost == pytest.approx(torch.tensor(2.0).log().item(), rel=1e-3)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_pitfall_7_half_precision_reduces_in_float32(half):
    pairs = paired([1, 2, 3], dtype=half)
    with torch.autocast("cpu", half):
        alignment = SentenceAlignment()(pairs)
        assert alignment.loss.dtype == torch.float32
        assert all(gradient.isfinite().all() for gradient in gradients(alignment, pairs))
    exact = SentenceAlignment()(type(pairs)(pairs.image.to(dtype=torch.float64), pairs.text.to(dtype=torch.float64)))
    torch.testing.assert_close(alignment.loss.double(), exact.loss, rtol=1e-5, atol=1e-5)


def test_a_few_steps_find_the_pairs():
    """From noise, gradient descent on the features alone tells four studies apart."""
    pairs = paired([2, 1, 3, 2])
    leaves = [pairs.image.deep, pairs.text.sentences]
    optimizer = torch.optim.Adam(leaves, lr=0.05)
    objective = SentenceAlignment()
    first = objective(pairs).loss.item()
    for _ in range(40):
        optimizer.zero_grad()
        objective(pairs).loss.backward()
        optimizer.step()
    assert objective(pairs).loss.item() < 0.05 < first


@pytest.mark.parametrize(
    "settings",
    [
        {"attention_temperature": 0.0},
        {"aggregation_temperature": -1.0},
        {"logit_temperature": float("nan")},
    ],
)
def test_impossible_settings(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        SentenceAlignment(**settings)
