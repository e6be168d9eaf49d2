"""How much a transformer's [CLS] attends to each token, whatever way the network itself computes attention.

Fast kernels do not give the weights away, and the way that does is slower and differs in the last bits. So one query is
computed once more, beside the network, from what its last attention was given: features do not change by asking.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


@contextmanager
def noting_input(module: nn.Module | None) -> Iterator[list[Tensor]]:
    """While this lasts, the first argument of every call of `module`, if there is one, is appended to the list."""
    noted: list[Tensor] = []
    if module is None:
        yield noted
        return
    hook = module.register_forward_pre_hook(lambda _, given: noted.append(given[0]))
    try:
        yield noted
    finally:
        hook.remove()


@torch.no_grad()
def bert_cls_attention(
    attention: nn.Module, states: Float[Tensor, "batch tokens dim"], mask: Bool[Tensor, "batch tokens"]
) -> Float[Tensor, "batch tokens"]:
    """The first token's attention in a layer of transformers' BERT: mean over heads, float32, sum 1, no dropout.

    Args:
        attention: the layer's `attention.self`.
        states: what it was given.
        mask: False for padding, which gets zero.
    """
    with torch.autocast(states.device.type, enabled=False):
        states = states.float()
        query, keys = (
            part.unflatten(2, (attention.num_attention_heads, -1)).transpose(1, 2)
            for part in (attention.query(states[:, :1]), attention.key(states))
        )
        return _mean_over_heads(query, keys, mask)


@torch.no_grad()
def vit_cls_attention(attention: nn.Module, states: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens"]:
    """The first token's attention in a block of timm's ViT: mean over heads, float32, sum 1, no dropout.

    Args:
        attention: the block's `attn`.
        states: what it was given.
    """
    with torch.autocast(states.device.type, enabled=False):
        parts = attention.qkv(states.float()).unflatten(2, (3, attention.num_heads, -1))
        queries, keys, _ = parts.permute(2, 0, 3, 1, 4)
        return _mean_over_heads(attention.q_norm(queries[:, :, :1]), attention.k_norm(keys), None)


def _mean_over_heads(
    query: Float[Tensor, "batch heads 1 head_dim"],
    keys: Float[Tensor, "batch heads tokens head_dim"],
    mask: Bool[Tensor, "batch tokens"] | None,
) -> Float[Tensor, "batch tokens"]:
    scores = (query @ keys.mT)[:, :, 0] / query.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask[:, None], -torch.inf)
    return scores.softmax(-1).mean(1)
