"""MGCA's token-wise loss against loops, against the authors' form for one pair, and where there is little to choose."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from batches import attended, paired, select
from hypothesis import given
from hypothesis import strategies as st
from loops import token_loss_loop
from torch.nn.functional import cross_entropy, normalize

from cxrtutor.alignment import PairedFeatures, TokenAlignment, token_alignment
from cxrtutor.alignment.token_alignment import token_losses
from cxrtutor.alignment.token_weights import region_weights, word_weights
from cxrtutor.errors import InputError


def loop_of(pairs, depth="deep", weights="attention", **temperatures):
    """The two sides by loops, averaged over the studies with words."""
    counts = word_weights(pairs.text, weights), region_weights(pairs.image, depth, weights)
    sides = []
    for row, mask in enumerate(pairs.text.word_mask):
        if mask.any():
            regions = getattr(pairs.image, depth)[row].flatten(1).T
            visible = torch.ones(len(regions), dtype=torch.bool)
            if pairs.image.visible is not None:
                visible = pairs.image.visible[row].flatten()
            tokens = pairs.text.words[row][mask], regions[visible], counts[0][row][mask], counts[1][row][visible]
            sides.append(torch.stack(token_loss_loop(*tokens, **temperatures)))
    return torch.stack(sides).mean(dim=0)


@pytest.fixture(params=["all at once", "one study at a time"])
def chunks(request, monkeypatch):
    if request.param == "one study at a time":
        monkeypatch.setattr(token_alignment, "CHUNK_ELEMENTS", 1)


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("weights", ["attention", "uniform"])
@pytest.mark.parametrize("depth", ["shallow", "deep"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-10)])
def test_loss_equals_loop_in_value_and_gradient(depth, weights, dtype, tolerance):
    pairs = attended(paired([2, 1, 0, 3], dtype=dtype))
    leaves = getattr(pairs.image, depth), pairs.text.words
    found = TokenAlignment(depth, weights=weights, temperature=0.2, attention_temperature=0.15)(pairs)
    sides = loop_of(pairs, depth, weights, tau=0.2, attention_tau=0.15)
    torch.testing.assert_close(found.loss, sides.sum(), rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(torch.stack(list(found.parts.values())), sides.detach(), rtol=tolerance, atol=tolerance)
    assert list(found.parts) == ["words_to_regions", "regions_to_words"]
    gradients = [torch.autograd.grad(2.5 * loss, leaves) for loss in (found.loss, sides.sum())]
    torch.testing.assert_close(*gradients, rtol=10 * tolerance, atol=tolerance)


@pytest.mark.parametrize("side", ["words_to_regions", "regions_to_words"])
def test_each_side_alone(side):
    pairs = attended(paired([2, 3], dtype=torch.float64))
    both = TokenAlignment()(pairs)
    alone = TokenAlignment(**{"words_to_regions": False, "regions_to_words": False, side: True})(pairs)
    assert list(alone.parts) == [side]
    torch.testing.assert_close(alone.loss, both.parts[side])


def test_one_pair_as_the_authors_code_has_it():
    """Their batched form, with their targets and reductions, for a study without padding."""
    pairs = attended(paired([4], dim=16, side=4))
    words, regions = (normalize(x, dim=-1) for x in (pairs.text.words, pairs.image.deep.flatten(2).mT))
    attention = [pairs.text.word_attention, pairs.image.attention.flatten(1)]
    expected = 0
    for queries, keys, weight in ((words, regions, attention[0]), (regions, words, attention[1])):
        weight = weight.clip(weight.quantile(0.1), weight.quantile(0.9))
        weight = weight / weight.sum(dim=1, keepdim=True)
        found = normalize(torch.bmm((torch.bmm(queries, keys.mT) / 0.1).softmax(dim=-1), keys), dim=-1)
        table = torch.bmm(queries, found.mT) / 0.1
        targets = torch.arange(queries.shape[1])
        for rows in (table[0], table[0].T):
            expected += (cross_entropy(rows, targets, reduction="none") * weight.view(-1)).sum() / 2
    torch.testing.assert_close(TokenAlignment()(pairs).loss, expected)


@pytest.mark.parametrize("sides", [(True, True), (True, False), (False, True)])
def test_gradient_is_the_slope(sides):
    pairs = attended(paired([2, 1, 0], dtype=torch.float64, dim=4, side=2))
    words, regions = pairs.text.words, pairs.image.deep
    visible = torch.tensor([[True, True, True, False], [True] * 4, [False] * 4])
    counts = torch.rand(3, 4, dtype=torch.float64), torch.rand(3, 4, dtype=torch.float64)

    def losses(w, r):
        masks = pairs.text.word_mask, visible
        return token_losses(
            w, r.flatten(2).mT, *masks, *counts, temperature=0.5, attention_temperature=0.3, sides=sides
        )[0]

    assert torch.autograd.gradcheck(losses, (words, regions))


def test_no_gradient_is_computed_where_none_is_asked_for(monkeypatch):
    pairs = attended(paired([2, 3]))
    with_gradient = TokenAlignment()(pairs)
    asked = []
    monkeypatch.setattr(torch.autograd, "grad", lambda *a, **k: asked.append(a))
    image, text = pairs.image.to(), pairs.text.to()
    still = PairedFeatures(replace(image, deep=image.deep.detach()), replace(text, words=text.words.detach()))
    found = TokenAlignment()(still)
    assert not asked
    assert not found.loss.requires_grad
    torch.testing.assert_close(found.loss, with_gradient.loss.detach())


@given(lengths=st.lists(st.integers(0, 3), min_size=1, max_size=4), padding=st.integers(1, 40))
def test_pitfall_5_padding_changes_nothing(lengths, padding):
    pairs, padded = (attended(paired(lengths, padding=columns)) for columns in (0, padding))
    kept = pairs.text.word_mask.shape[1]
    attention = torch.nn.functional.pad(pairs.text.word_attention, (0, padding), value=math.nan)
    garbage = padded.text.words.detach().masked_fill(~padded.text.word_mask[..., None], math.nan).requires_grad_()
    padded = PairedFeatures(
        replace(padded.image, attention=pairs.image.attention),
        replace(padded.text, words=garbage, word_attention=attention),
    )
    plain, more = TokenAlignment()(pairs), TokenAlignment()(padded)
    torch.testing.assert_close(plain.loss, more.loss)
    torch.testing.assert_close(more.maps["attention"][:, :kept], plain.maps["attention"])
    assert (more.maps["attention"][:, kept:] == 0).all()
    slopes = [torch.autograd.grad(a.loss, (p.image.deep, p.text.words)) for a, p in ((plain, pairs), (more, padded))]
    torch.testing.assert_close(slopes[0][0], slopes[1][0])
    torch.testing.assert_close(slopes[0][1], slopes[1][1][:, :kept])
    assert (slopes[1][1][:, kept:] == 0).all()


def test_hidden_regions_are_neither_looked_at_nor_in_the_way():
    pairs = attended(paired([2, 1, 3], dtype=torch.float64))
    visible = torch.rand(3, 3, 3, generator=torch.Generator().manual_seed(4)) < 0.6
    visible[2] = False
    hidden = PairedFeatures(replace(pairs.image, visible=visible), pairs.text)
    found = TokenAlignment()(hidden)
    torch.testing.assert_close(found.loss, loop_of(select(hidden, [0, 1])).sum())
    slope = torch.autograd.grad(found.loss, pairs.image.deep)[0]
    assert (slope.permute(0, 2, 3, 1)[~visible] == 0).all()
    assert (found.maps["attention"].permute(0, 2, 3, 1)[~visible] == 0).all()


def test_padding_and_hidden_regions_draw_no_attention_from_tokens_that_fit_badly():
    """A zero vector's score, 0, is far above those of words and regions that are opposites."""
    generator = torch.Generator().manual_seed(0)
    words, regions = torch.zeros(2, 5, 4), torch.zeros(2, 6, 4)
    word_mask, region_mask = (torch.arange(n) < torch.tensor([[n - 2], [n]]) for n in (5, 6))
    words[word_mask] = torch.tensor([1.0, 0, 0, 0]) + 0.1 * torch.randn(8, 4, generator=generator)
    regions[region_mask] = torch.tensor([-1.0, 0, 0, 0]) + 0.1 * torch.randn(10, 4, generator=generator)
    counts = word_mask.float(), region_mask.float()
    settings = {"temperature": 0.5, "attention_temperature": 0.005}
    together = token_losses(words, regions, word_mask, region_mask, *counts, **settings)[0]
    alone = token_losses(
        words[:1, :3],
        regions[:1, :4],
        word_mask[:1, :3],
        region_mask[:1, :4],
        counts[0][:1, :3],
        counts[1][:1, :4],
        **settings,
    )[0]
    torch.testing.assert_close(together[:1], alone)


@given(seed=st.integers(0, 2**16), lengths=st.lists(st.integers(0, 3), min_size=2, max_size=4))
def test_order_of_studies_words_and_regions(seed, lengths):
    pairs = attended(paired(lengths, dtype=torch.float64))
    generator = torch.Generator().manual_seed(seed)
    studies, words, cells = (
        torch.randperm(n, generator=generator) for n in (len(lengths), pairs.text.word_mask.shape[1], 9)
    )
    shuffled = select(pairs, studies.tolist())
    image, text = shuffled.image, shuffled.text
    moved = PairedFeatures(
        replace(
            image,
            deep=image.deep.flatten(2)[..., cells].unflatten(2, (3, 3)),
            attention=image.attention.flatten(1)[:, cells].unflatten(1, (3, 3)),
        ),
        replace(
            text,
            words=text.words[:, words],
            word_mask=text.word_mask[:, words],
            word_attention=text.word_attention[:, words],
        ),
    )
    plain, other = TokenAlignment()(pairs), TokenAlignment()(moved)
    torch.testing.assert_close(plain.loss, other.loss)
    expected = plain.maps["attention"].flatten(2)[studies][:, words][..., cells]
    torch.testing.assert_close(other.maps["attention"].flatten(2), expected)


def test_length_of_vectors_does_not_matter():
    pairs = attended(paired([2, 3], dtype=torch.float64))
    longer = PairedFeatures(
        replace(pairs.image, deep=7 * pairs.image.deep), replace(pairs.text, words=pairs.text.words / 100)
    )
    torch.testing.assert_close(TokenAlignment()(pairs).loss, TokenAlignment()(longer).loss)


@pytest.mark.parametrize("sentences", [[1], [3], [0], [2, 0, 3], [0, 0], [1, 1], []])
def test_empty_reports_and_small_batches_give_a_number_and_a_gradient(sentences):
    pairs = attended(paired(sentences))
    loss = TokenAlignment()(pairs).loss
    slopes = torch.autograd.grad(loss, (pairs.image.deep, pairs.text.words))
    assert loss.isfinite()
    assert all(slope.isfinite().all() for slope in slopes)
    present = [row for row, count in enumerate(sentences) if count]
    torch.testing.assert_close(loss, TokenAlignment()(select(pairs, present)).loss)
    assert present or loss == 0


def test_a_report_of_one_word_has_nothing_to_choose_on_its_side():
    pairs = attended(paired([1]))
    fields = ("words", "word_mask", "word_sentence", "word_span", "word_attention")
    one = replace(pairs.text, **{name: getattr(pairs.text, name)[:, :1] for name in fields})
    found = TokenAlignment()(PairedFeatures(pairs.image, one))
    assert found.parts["words_to_regions"].item() == pytest.approx(0, abs=1e-6)
    assert found.parts["regions_to_words"] > 0
    assert torch.autograd.grad(found.loss, pairs.image.deep)[0].isfinite().all()


def test_a_zero_vector_gets_no_gradient_and_breaks_none():
    pairs = attended(paired([2, 2]))
    with torch.no_grad():
        pairs.text.words[0, 1] = 0
        pairs.image.deep[1, :, 2, 0] = 0
    words, deep = torch.autograd.grad(TokenAlignment()(pairs).loss, (pairs.text.words, pairs.image.deep))
    assert words.isfinite().all()
    assert deep.isfinite().all()
    assert (words[0, 1] == 0).all()
    assert (deep[1, :, 2, 0] == 0).all()


def test_attention_lies_on_the_grid_and_sums_to_one():
    attention = TokenAlignment()(attended(paired([2, 0], side=3))).maps["attention"]
    assert attention.shape == (2, 4, 3, 3)
    torch.testing.assert_close(attention.sum(dim=(2, 3)), torch.tensor([[1.0] * 4, [0.0] * 4]))
    assert not attention.requires_grad


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_pitfall_7_half_precision_is_reduced_in_float32(half):
    """exp(1 / .01) is beyond float16, whose largest number is 65504."""
    pairs = attended(paired([1, 2, 3], dtype=half))
    exact = PairedFeatures(pairs.image.to(dtype=torch.float64), pairs.text.to(dtype=torch.float64))
    objective = TokenAlignment(temperature=0.01, attention_temperature=0.05)
    with torch.autocast("cpu", half):
        loss = objective(pairs).loss
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), objective(exact).loss, rtol=1e-4, atol=1e-4)
    slopes = torch.autograd.grad(loss, (pairs.image.deep, pairs.text.words))
    assert all(slope.isfinite().all() and slope.any() for slope in slopes)


def test_training_makes_words_find_their_regions():
    """Words and regions that mean the same start in other places and end in the same."""
    generator = torch.Generator().manual_seed(0)
    pairs = attended(paired([2, 2]))
    words, deep = pairs.text.words.detach(), pairs.image.deep.detach()
    heads = torch.nn.ModuleList([torch.nn.Linear(8, 8, bias=False), torch.nn.Linear(8, 8, bias=False)])
    for head in heads:
        torch.nn.init.normal_(head.weight, std=0.3, generator=generator)
    optimizer = torch.optim.Adam(heads.parameters(), lr=0.03)
    losses = []
    for _ in range(60):
        image = replace(pairs.image, deep=heads[0](deep.movedim(1, -1)).movedim(-1, 1))
        loss = TokenAlignment()(PairedFeatures(image, replace(pairs.text, words=heads[1](words)))).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def test_what_cannot_be():
    with pytest.raises(InputError, match="temperature is 0"):
        TokenAlignment(temperature=0.0)
    with pytest.raises(InputError, match="attention_temperature is -1"):
        TokenAlignment(attention_temperature=-1.0)
    with pytest.raises(InputError, match="both false"):
        TokenAlignment(words_to_regions=False, regions_to_words=False)
    with pytest.raises(InputError, match="cls_attention"):
        TokenAlignment()(paired([1]))
