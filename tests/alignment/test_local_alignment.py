"""Any unit against any depth: the loop's loss, and the two corners that need no attention."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from batches import paired
from loops import info_nce_loop, local_loss_loop

from cxrtutor.alignment import LocalAlignment
from cxrtutor.alignment.local_alignment import map_of, units_of
from cxrtutor.errors import InputError


@pytest.mark.parametrize("depth", ["shallow", "deep", "final", "pooled"])
@pytest.mark.parametrize("unit", ["words", "sentences", "report"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_loss_equals_loop_in_value_and_gradient(unit, depth, dtype, tolerance):
    pairs = paired([2, 1, 3], dtype=dtype)
    leaves = (
        pairs.image.pooled if depth in ("final", "pooled") else getattr(pairs.image, depth),
        getattr(pairs.text, unit),
    )
    units, mask = units_of(pairs.text, unit)
    expected = local_loss_loop(map_of(pairs.image, depth).flatten(2).transpose(1, 2), units, mask)
    loss = LocalAlignment(unit, depth)(pairs).loss
    torch.testing.assert_close(loss, expected, rtol=tolerance, atol=tolerance)
    found, wanted = (torch.autograd.grad(value, leaves) for value in (loss, expected))
    torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("unit", ["words", "sentences", "report"])
def test_attention_lies_on_the_grid_of_its_depth(unit):
    pairs = paired([2, 1, 3], side=3)
    units = units_of(pairs.text, unit)[1].shape[1]
    shapes = {
        depth: LocalAlignment(unit, depth)(pairs).maps["attention"].shape for depth in ("shallow", "deep", "pooled")
    }
    assert shapes == {"shallow": (3, units, 4, 4), "deep": (3, units, 3, 3), "pooled": (3, units, 1, 1)}


def test_a_report_as_one_unit_is_compared_with_the_mean_of_the_map():
    """InfoNCE of cosines with temperature 1 / (t2 t3)."""
    pairs = paired([2, 1, 3], dtype=torch.float64)
    mean = torch.nn.functional.normalize(pairs.image.deep.mean((2, 3)))
    table = mean @ torch.nn.functional.normalize(pairs.text.report).T
    expected = info_nce_loop(table.tolist(), 1 / 50)
    assert LocalAlignment("report", "deep")(pairs).loss.item() == pytest.approx(expected, rel=1e-10)


def test_an_empty_report_is_no_unit_of_itself():
    units, mask = units_of(paired([2, 0]).text, "report")
    assert units.shape[1] == 1
    assert mask.tolist() == [[True], [False]]


def test_images_hidden_in_part_are_refused_unless_they_are_pooled():
    pairs = paired([1, 2])
    hidden = replace(pairs, image=replace(pairs.image, visible=torch.ones(2, 3, 3, dtype=torch.bool)))
    with pytest.raises(InputError, match="some are hidden"):
        LocalAlignment("sentences", "deep")(hidden)
    assert LocalAlignment("sentences", "pooled")(hidden).loss == LocalAlignment("sentences", "pooled")(pairs).loss
