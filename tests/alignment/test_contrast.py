"""Cross-entropy both ways."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from cxrtutor.alignment.contrast import both_ways


def test_each_direction_is_cross_entropy_with_the_diagonal_as_target():
    logits, target = torch.randn(5, 5, dtype=torch.float64), torch.arange(5)
    image_to_text, text_to_image = both_ways(logits)
    torch.testing.assert_close(image_to_text, cross_entropy(logits, target))
    torch.testing.assert_close(text_to_image, cross_entropy(logits.T, target))


def test_rows_are_images():
    """Image 0 is at a loss between the reports; every report knows its image."""
    image_to_text, text_to_image = both_ways(torch.tensor([[9.0, 9.0], [-99.0, 99.0]]))
    assert image_to_text == pytest.approx(torch.tensor(2.0).log().item() / 2)
    assert text_to_image == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("pairs", [0, 1])
def test_nothing_to_choose_costs_nothing_and_stays_connected(pairs):
    logits = torch.full((pairs, pairs), 3.0, requires_grad=True)
    for loss in both_ways(logits):
        assert loss == 0
        assert torch.equal(torch.autograd.grad(loss, logits)[0], torch.zeros(pairs, pairs))
