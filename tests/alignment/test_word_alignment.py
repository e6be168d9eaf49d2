"""The word-level local loss."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from batches import paired, select
from hypothesis import given
from hypothesis import strategies as st
from loops import local_loss_loop

from cxrtutor.alignment import PairedFeatures, SentenceAlignment, WordAlignment
from cxrtutor.alignment.similarity import local_similarity

lengths = st.lists(st.integers(0, 7), min_size=1, max_size=5)


def worded(words_a_report, padding=0, garbage=0.0, dtype=torch.float32, seed=0):
    """A batch with so many words a report, one sentence each; `garbage` stands where there is no word."""
    pairs = paired([min(count, 1) for count in words_a_report], dtype=dtype)
    generator = torch.Generator().manual_seed(seed)
    counts = torch.tensor(words_a_report)
    words = torch.randn(len(counts), max(words_a_report), 8, generator=generator, dtype=torch.float64)
    words = torch.nn.functional.pad(words, (0, 0, 0, padding))
    mask = torch.arange(words.shape[1]) < counts[:, None]
    words = words.where(mask[..., None], garbage).to(dtype).requires_grad_()
    span = torch.full((*mask.shape, 2), -1)
    text = replace(pairs.text, words=words, word_mask=mask, word_sentence=mask.long() - 1, word_span=span)
    return PairedFeatures(pairs.image, text)


def regions_of(pairs):
    return pairs.image.deep.flatten(2).mT


def gradients(loss, pairs):
    return torch.autograd.grad(loss, (pairs.image.deep, pairs.text.words))


@pytest.mark.parametrize("aggregation", ["sum", "mean"])
@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_loss_equals_loop_in_value_and_gradient(dtype, tolerance, background, aggregation):
    pairs = worded([3, 1, 5, 2], dtype=dtype)
    expected = local_loss_loop(
        regions_of(pairs), pairs.text.words, pairs.text.word_mask, background=background, mean=aggregation == "mean"
    )
    loss = WordAlignment(aggregation=aggregation, background=background)(pairs).loss
    torch.testing.assert_close(loss, expected, rtol=tolerance, atol=tolerance)
    found, wanted = gradients(loss, pairs), gradients(expected, pairs)
    torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance)


def test_gradient_is_that_of_finite_differences():
    pairs = worded([2, 1, 3], dtype=torch.float64)

    def loss(deep, words):
        return WordAlignment()(PairedFeatures(replace(pairs.image, deep=deep), replace(pairs.text, words=words))).loss

    assert torch.autograd.gradcheck(loss, (pairs.image.deep, pairs.text.words), atol=1e-6)


def test_words_and_not_sentences_are_the_units():
    pairs = worded([3, 2, 4])
    assert WordAlignment()(pairs).maps["attention"].shape == (3, 4, 3, 3)
    as_sentences = replace(pairs.text, sentences=pairs.text.words, sentence_mask=pairs.text.word_mask)
    expected = SentenceAlignment()(PairedFeatures(pairs.image, as_sentences)).loss
    torch.testing.assert_close(WordAlignment()(pairs).loss, expected)


def test_the_map_can_be_chosen():
    pairs = worded([3, 2, 4])
    as_deep = PairedFeatures(replace(pairs.image, deep=pairs.image.shallow), pairs.text)
    shallow = WordAlignment("shallow")(pairs)
    torch.testing.assert_close(shallow.loss, WordAlignment()(as_deep).loss)
    assert shallow.maps["attention"].shape == (3, 4, 4, 4)


@given(lengths=lengths.filter(max), padding=st.integers(1, 40), garbage=st.sampled_from([0.0, 7.0, float("nan")]))
def test_pitfall_5_padding_changes_nothing(lengths, padding, garbage):
    pairs, padded = worded(lengths), worded(lengths, padding, garbage)
    loss, padded_loss = WordAlignment()(pairs).loss, WordAlignment()(padded).loss
    assert torch.equal(loss, padded_loss)
    here, there = gradients(loss, pairs), gradients(padded_loss, padded)
    assert torch.equal(here[0], there[0])
    assert torch.equal(here[1], there[1][:, : max(lengths)])
    assert (there[1][:, max(lengths) :] == 0).all()


@given(lengths=lengths.filter(max), seed=st.integers(0, 2**16))
def test_order_of_studies_does_not_matter(lengths, seed):
    pairs = worded(lengths)
    order = torch.randperm(len(lengths), generator=torch.Generator().manual_seed(seed)).tolist()
    torch.testing.assert_close(WordAlignment()(select(pairs, order)).loss, WordAlignment()(pairs).loss)


@given(seed=st.integers(0, 2**16))
def test_attention_follows_the_words_and_the_loss_does_not_care(seed):
    pairs = worded([5, 5, 5])
    order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
    shuffled = PairedFeatures(pairs.image, replace(pairs.text, words=pairs.text.words[:, order]))
    before, after = WordAlignment()(pairs), WordAlignment()(shuffled)
    torch.testing.assert_close(after.loss, before.loss)
    torch.testing.assert_close(after.maps["attention"], before.maps["attention"][:, order])


def test_pitfall_4_empty_reports_take_no_part():
    pairs = worded([2, 0, 3, 0, 1])
    loss = WordAlignment()(pairs).loss
    torch.testing.assert_close(loss, WordAlignment()(select(pairs, [0, 2, 4])).loss)
    for gradient in gradients(loss, pairs):
        assert gradient.isfinite().all()
        assert (gradient[[1, 3]] == 0).all()


@pytest.mark.parametrize("lengths", [[1], [5], [0], [0, 4], [0, 0]])
def test_pitfall_4_fewer_than_two_reports_cost_nothing_and_stay_connected(lengths):
    pairs = worded(lengths)
    loss = WordAlignment()(pairs).loss
    assert loss == 0
    assert all((gradient == 0).all() for gradient in gradients(loss, pairs))


def test_pitfall_2_one_word_reports_learn_no_place_unless_there_is_a_background():
    pairs = worded([1, 1, 1])
    published = gradients(WordAlignment()(pairs).loss, pairs)[0].flatten(2)
    torch.testing.assert_close(published, published[:, :, :1].expand_as(published))
    assert gradients(WordAlignment(background=True)(pairs).loss, pairs)[0].flatten(2).std(dim=2).min() > 0


@pytest.mark.parametrize("lengths", [[1], [1, 1, 1], [3, 0, 5]])
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_pitfall_7_half_precision_reduces_in_float32(half, lengths):
    pairs = worded(lengths, dtype=half)
    with torch.autocast("cpu", half):
        loss = WordAlignment()(pairs).loss
        assert loss.dtype == torch.float32
        assert all(gradient.isfinite().all() for gradient in gradients(loss, pairs))
    exact = WordAlignment()(PairedFeatures(pairs.image.to(dtype=torch.float64), pairs.text.to(dtype=torch.float64)))
    torch.testing.assert_close(loss.double(), exact.loss, rtol=1e-5, atol=1e-5)


def test_the_logits_are_t3_times_the_similarity():
    pairs = worded([3, 1, 5], dtype=torch.float64)
    table = 2.0 * local_similarity(regions_of(pairs), pairs.text.words, pairs.text.word_mask)
    target = torch.arange(3)
    expected = torch.nn.functional.cross_entropy(table, target) + torch.nn.functional.cross_entropy(table.T, target)
    torch.testing.assert_close(WordAlignment(logit_temperature=2.0)(pairs).loss, expected)
