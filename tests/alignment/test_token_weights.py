"""What tokens count: the encoder's attention, clipped and shared out among a study's own tokens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from batches import attended, paired

from cxrtutor.alignment.token_weights import check_weights, region_weights, shares, visible_regions, word_weights
from cxrtutor.errors import InputError


def test_clipped_to_the_quantiles_of_a_rows_own_tokens_as_numpy_has_them():
    attention = torch.rand(3, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) ** 4
    mask = torch.arange(40) < torch.tensor([40, 23, 1])[:, None]
    found = shares(attention, mask)
    for row, own, got in zip(attention.numpy(), mask.numpy(), found.numpy(), strict=True):
        kept = np.clip(row[own], *np.quantile(row[own], [0.1, 0.9]))
        np.testing.assert_allclose(got[own], kept / kept.sum(), rtol=1e-12)
        assert (got[~own] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_what_stands_at_padding_is_never_read(dtype):
    attention = torch.tensor([[0.1, 0.2, 0.7]], dtype=dtype)
    mask = torch.ones(1, 3, dtype=torch.bool)
    for garbage in (torch.nan, torch.inf, 7.0):
        padded = torch.cat([attention, torch.full((1, 2), garbage, dtype=dtype)], dim=1)
        found = shares(padded, torch.cat([mask, torch.zeros(1, 2, dtype=torch.bool)], dim=1))
        assert found.dtype == torch.float32
        assert torch.equal(found[:, :3], shares(attention, mask))


def test_without_attention_to_share_all_count_alike_and_an_empty_row_is_zero():
    mask = torch.tensor([[True, True, False], [False, False, False]])
    assert shares(torch.zeros(2, 3), mask).tolist() == [[0.5, 0.5, 0], [0, 0, 0]]
    assert shares(torch.zeros(2, 0), mask[:, :0]).shape == (2, 0)
    assert shares(torch.zeros(0, 3), mask[:0]).shape == (0, 3)


def test_words_count_by_attention_only_where_there_is_one():
    pairs = attended(paired([2, 0, 3]))
    assert torch.equal(
        word_weights(pairs.text, "attention"), shares(pairs.text.word_attention.float(), pairs.text.word_mask)
    )
    uniform = word_weights(pairs.text, "uniform")
    assert uniform[0].tolist() == pytest.approx([0.25] * 4 + [0] * 2)
    assert (uniform[1] == 0).all()
    with pytest.raises(InputError, match="cls_attention"):
        word_weights(paired([1]).text, "attention")


def test_regions_count_by_attention_and_alike_without_a_cls():
    pairs = attended(paired([2, 1]))
    alike = torch.full((2, 9), 1 / 9)
    everywhere = torch.ones(2, 9, dtype=torch.bool)
    expected = shares(pairs.image.attention.flatten(1), everywhere)
    torch.testing.assert_close(region_weights(pairs.image, "deep", "attention"), expected)
    torch.testing.assert_close(region_weights(pairs.image, "deep", "uniform"), alike)
    torch.testing.assert_close(region_weights(paired([2, 1]).image, "deep", "attention"), alike)


def test_hidden_regions_weigh_nothing():
    pairs = attended(paired([2, 1]))
    visible = torch.arange(9).reshape(3, 3).expand(2, 3, 3) % 2 == 0
    image = replace(pairs.image, visible=visible)
    for weights in ("attention", "uniform"):
        found = region_weights(image, "deep", weights)
        assert ((found > 0) == visible.flatten(1)).all()
        torch.testing.assert_close(found.sum(dim=1), torch.ones(2))


def test_another_grid_takes_its_nearest():
    image = attended(paired([1], side=2)).image
    hidden = replace(image, visible=torch.tensor([[[True, False], [True, True]]]), shallow=torch.zeros(1, 8, 4, 4))
    expected = torch.ones(4, 4, dtype=torch.bool)
    expected[:2, 2:] = False
    assert torch.equal(visible_regions(hidden, "shallow").reshape(4, 4), expected)


def test_unknown_weights():
    check_weights("uniform")
    with pytest.raises(InputError, match='"tfidf"'):
        check_weights("tfidf")
