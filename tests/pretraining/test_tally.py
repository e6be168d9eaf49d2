from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from cxrtutor.pretraining.tally import Tally

MEBIBYTE = 2**20


def block(mebibytes: int = 1) -> torch.Tensor:
    return torch.ones(mebibytes, 2**18)


def test_memory_is_counted_while_it_is_held() -> None:
    with Tally() as tally:
        first, second = block(), block(3)
        assert tally.live == 4 * MEBIBYTE
        del second
        assert tally.live == MEBIBYTE
    assert tally.peak == 4 * MEBIBYTE
    del first
    assert tally.live == 0


def test_views_and_what_was_there_before_cost_nothing() -> None:
    before = block()
    with Tally() as tally:
        seen = before.mT[:10]
        before.add_(1)
        assert tally.live == 0
        made = block()
        again = made.view(-1)[:5]
        del made
        assert tally.live == MEBIBYTE  # the view holds it
    del seen, again
    assert tally.live == 0


def test_what_autograd_keeps_is_counted() -> None:
    given = block().requires_grad_()
    with Tally() as tally:
        squares = given.exp()
        total = squares.sum()
        del squares
        assert tally.live == pytest.approx(MEBIBYTE, abs=64)  # exp keeps its result
        total.backward()
        assert tally.peak == pytest.approx(2 * MEBIBYTE, abs=64)  # and the gradient is another
    assert tally.live == pytest.approx(MEBIBYTE, abs=64)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_products_are_counted_by_their_type(kind: torch.dtype) -> None:
    with Tally() as tally, torch.autocast("cpu", torch.bfloat16, enabled=kind is torch.bfloat16):
        torch.ones(5, 7) @ torch.ones(7, 3)
    assert tally.multiplied == {kind: 2 * 5 * 7 * 3}


def test_convolutions_and_both_gradients_are_counted() -> None:
    convolution = torch.nn.Conv2d(4, 8, 3, padding=1)
    forward = 2 * 8 * 4 * 9 * 100
    with Tally() as tally:
        convolution(torch.ones(1, 4, 10, 10, requires_grad=True)).sum().backward()
    assert tally.multiplied[torch.float32] == 3 * forward


def test_attention_is_counted() -> None:
    query, key, value = (torch.ones(2, 3, 5, 8, requires_grad=True) for _ in range(3))
    with Tally() as tally:
        attended = scaled_dot_product_attention(query, key, value)
        forward = 2 * (2 * 2 * 3 * 5 * 5 * 8)
        assert tally.multiplied[torch.float32] == forward
        attended.sum().backward()
    assert tally.multiplied[torch.float32] > 2.9 * forward
