from __future__ import annotations

import pytest
import torch
from torch import nn

from cxrtutor.encoders.encoder import Encoder
from cxrtutor.encoders.image import ImageEncoder, image_encoder
from cxrtutor.encoders.text import text_encoder
from cxrtutor.encoders.weights import fingerprint

IMAGES = torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
REPORTS = [["Small left effusion.", "No pneumothorax."], ["Clear lungs."]]


def made(kind: str, trainable: bool) -> Encoder:
    if kind == "image":
        return image_encoder("efficientnet-lite0", trainable=trainable)
    return text_encoder("minilm", trainable=trainable)


def report_or_pooled(encoder: Encoder) -> torch.Tensor:
    return encoder(IMAGES).pooled if isinstance(encoder, ImageEncoder) else encoder(REPORTS).report


def step(encoder: Encoder) -> torch.Tensor:
    """One optimiser step with weight decay, of a model in training mode, that all parameters are handed to."""
    head = nn.Linear(report_or_pooled(encoder).shape[1], 2)
    model = nn.ModuleList([encoder, head]).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    loss = head(report_or_pooled(encoder)).square().sum()
    loss.backward()
    optimizer.step()
    return loss


@pytest.mark.parametrize("kind", ["image", "text"])
def test_a_frozen_encoder_never_changes(kind: str):
    encoder = made(kind, trainable=False)
    before, features = fingerprint(encoder.network), report_or_pooled(encoder)
    step(encoder)
    assert not any(module.training for module in encoder.modules())
    assert fingerprint(encoder.network) == before
    assert torch.equal(report_or_pooled(encoder), features)
    assert not features.requires_grad


@pytest.mark.parametrize("kind", ["image", "text"])
def test_a_trainable_encoder_learns(kind: str):
    encoder = made(kind, trainable=True)
    before = fingerprint(encoder.network)
    step(encoder)
    assert all(parameter.grad is not None for parameter in encoder.parameters())
    assert encoder.training
    assert fingerprint(encoder.network) != before


@pytest.mark.parametrize("kind", ["image", "text"])
def test_mixed_precision_does_not_reach_a_frozen_encoder(kind: str):
    encoder = made(kind, trainable=False)
    expected = report_or_pooled(encoder)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(report_or_pooled(encoder), expected)


def test_the_identity_tells_weights_apart_and_training_from_freezing():
    made_from = [
        image_encoder("efficientnet-lite0"),
        image_encoder("efficientnet-lite0", pretrained=False),
        image_encoder("efficientnet-lite0", trainable=True),
    ]
    identities = [encoder.identity() for encoder in made_from]
    assert identities[0] == image_encoder("efficientnet-lite0").identity()
    assert identities[0]["weights"] == identities[2]["weights"] != identities[1]["weights"]
    assert identities[0] != identities[2]
