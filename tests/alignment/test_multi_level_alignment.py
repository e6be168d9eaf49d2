"""Three levels at once, and any other pairing of unit and depth."""

from __future__ import annotations

import itertools

import pytest
import torch
from batches import paired, select
from hypothesis import given
from hypothesis import strategies as st
from loops import info_nce_loop, local_loss_loop
from torch.nn.functional import normalize

from cxrtutor.alignment import GlobalAlignment, LocalAlignment, MultiLevelAlignment
from cxrtutor.alignment.multi_level_alignment import parsed_level
from cxrtutor.errors import InputError

LEAVES = ("image.shallow", "image.deep", "image.pooled", "text.words", "text.sentences", "text.report")


def gradients(loss, pairs):
    leaves = [getattr(getattr(pairs, side), name) for side, name in (leaf.split(".") for leaf in LEAVES)]
    return torch.autograd.grad(loss, leaves)


def six_terms(pairs):
    """AFLoc's loss by loops: words in the shallow map, sentences in the deep one, the report against the whole."""
    image, text = pairs.image, pairs.text
    words = local_loss_loop(image.shallow.flatten(2).mT, text.words, text.word_mask)
    sentences = local_loss_loop(image.deep.flatten(2).mT, text.sentences, text.sentence_mask)
    cosines = 10 * normalize(image.pooled) @ normalize(text.report).T
    target = torch.arange(len(cosines))
    whole = sum(torch.nn.functional.cross_entropy(table, target) for table in (cosines, cosines.T))
    return words + sentences + whole


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_loss_equals_loop_in_value_and_gradient(dtype, tolerance):
    pairs = paired([2, 1, 4, 3], dtype=dtype)
    expected, loss = six_terms(pairs), MultiLevelAlignment()(pairs).loss
    torch.testing.assert_close(loss, expected, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(gradients(loss, pairs), gradients(expected, pairs), rtol=tolerance, atol=tolerance)


def test_each_level_is_that_loss_alone_and_its_weight():
    pairs = paired([2, 1, 4])
    names = [f"{u}-{d}" for u, d in itertools.product(("words", "sentences"), ("shallow", "deep", "pooled"))]
    levels = {name: 0.5 + index for index, name in enumerate(names)}
    expected = sum(weight * LocalAlignment(*name.split("-"))(pairs).loss for name, weight in levels.items())
    torch.testing.assert_close(MultiLevelAlignment(levels)(pairs).loss, expected)


def test_report_and_pooled_are_the_global_contrast():
    pairs = paired([2, 1, 4])
    table = normalize(pairs.image.pooled) @ normalize(pairs.text.report).T
    level = MultiLevelAlignment({"report-pooled": 1.0}, logit_temperature=4.0)(pairs)
    torch.testing.assert_close(level.loss, GlobalAlignment(0.25)(pairs).loss)
    assert level.loss.item() == pytest.approx(info_nce_loop(table.tolist(), 0.25), rel=1e-5)


def test_settings_reach_every_level():
    pairs = paired([2, 3])
    settings = {"attention_temperature": 9.0, "aggregation_temperature": 2.0, "logit_temperature": 3.0}
    settings["aggregation"] = "mean"
    for name in ("words-shallow", "sentences-deep"):
        level = MultiLevelAlignment({name: 1.0}, **settings)(pairs).loss
        torch.testing.assert_close(level, LocalAlignment(*name.split("-"), **settings)(pairs).loss)


def test_parts_and_maps_are_named_after_their_level():
    alignment = MultiLevelAlignment()(paired([2, 1]))
    levels = ("words-shallow", "sentences-deep", "report-pooled")
    assert set(alignment.parts) == {f"{level}/{way}" for level in levels for way in ("image_to_text", "text_to_image")}
    assert set(alignment.maps) == {"words-shallow/attention", "sentences-deep/attention"}


@given(lengths=st.lists(st.integers(0, 3), min_size=1, max_size=4), padding=st.integers(1, 20))
def test_pitfall_5_padding_changes_nothing(lengths, padding):
    loss, padded = (MultiLevelAlignment()(paired(lengths, padding=width)).loss for width in (0, padding))
    assert torch.equal(loss, padded)


@given(lengths=st.lists(st.integers(0, 3), min_size=1, max_size=4), seed=st.integers(0, 2**16))
def test_order_of_studies_does_not_matter(lengths, seed):
    pairs = paired(lengths)
    order = torch.randperm(len(lengths), generator=torch.Generator().manual_seed(seed)).tolist()
    torch.testing.assert_close(MultiLevelAlignment()(select(pairs, order)).loss, MultiLevelAlignment()(pairs).loss)


@pytest.mark.parametrize("lengths", [[1], [3], [0], [0, 0], [0, 2], [1, 1, 1], [2, 0, 1]])
@pytest.mark.parametrize("half", [None, torch.float16, torch.bfloat16])
def test_pitfalls_4_and_7_small_batches_and_half_precision_stay_finite(lengths, half):
    pairs = paired(lengths, dtype=half or torch.float32)
    with torch.autocast("cpu", half or torch.bfloat16, enabled=half is not None):
        loss = MultiLevelAlignment()(pairs).loss
        assert loss.dtype == torch.float32
        assert loss.isfinite()
        assert all(gradient.isfinite().all() for gradient in gradients(loss, pairs))


def test_gradient_is_that_of_finite_differences():
    pairs = paired([1, 2], dim=3, side=2, dtype=torch.float64)

    def loss(*leaves):
        image, text = dict(vars(pairs.image)), dict(vars(pairs.text))
        for leaf, value in zip(LEAVES, leaves, strict=True):
            side, name = leaf.split(".")
            (image if side == "image" else text)[name] = value
        return MultiLevelAlignment()(type(pairs)(type(pairs.image)(**image), type(pairs.text)(**text))).loss

    leaves = [getattr(getattr(pairs, side), name) for side, name in (leaf.split(".") for leaf in LEAVES)]
    # What stands at padding is never read, so that its difference is zero as its gradient is.
    assert torch.autograd.gradcheck(loss, [leaf.detach().requires_grad_() for leaf in leaves])


@pytest.mark.parametrize("name", ["words", "word-deep", "words-deeper", "deep-words", "words_deep", ""])
def test_a_level_that_there_is_not_is_named(name):
    with pytest.raises(InputError, match=f"no level '{name}'"):
        parsed_level(name)


def test_at_least_one_level():
    with pytest.raises(InputError, match="levels is empty"):
        MultiLevelAlignment({})
