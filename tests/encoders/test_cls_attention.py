"""[CLS] attention is that of the networks' own slow way of computing it, and asking for it changes nothing else."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor

from cxrtutor.encoders.image import ImageEncoder, image_encoder
from cxrtutor.encoders.text import Pooling, TextEncoder, text_encoder

REPORTS = [
    # The longest first: shorter ones go through the network before it.
    ["The heart is normal; ground-glass opacity of 1.5 cm at the right base.", "", "...", "No pneumothorax."],
    [],
    ["Small left pleural effusion.", "No pneumothorax."],
]


def of_words(encoder: TextEncoder, text: str) -> list[float]:
    """How much [CLS] attends to each word of a text, by transformers' eager way, pieces of a word summed."""
    eager = deepcopy(encoder.network).eval()
    eager.set_attn_implementation("eager")
    encoding = encoder.pieces.tokenizer.encode(text)
    with torch.no_grad():
        [attention] = eager(torch.tensor([encoding.ids]), output_attentions=True).attentions[-1]
    words: list[float] = []
    for token, weight in zip(encoding.tokens[1:-1], attention[:, 0, 1:-1].mean(0).tolist(), strict=True):
        if token.startswith("##"):
            words[-1] += weight
        elif any(map(str.isalnum, token)):
            words.append(weight)
    return words


@pytest.fixture(scope="module", params=["sentence", "report"])
def text(request: pytest.FixtureRequest) -> TextEncoder:
    # Words are means of their pieces here, and their attention is a sum all the same.
    return text_encoder("minilm", context=request.param, cls_attention=True)


@pytest.fixture(scope="module", params=[True, False], ids=["trainable", "frozen"])
def vit(request: pytest.FixtureRequest) -> ImageEncoder:
    encoder = image_encoder("vit-b16", pretrained=False, trainable=request.param, cls_attention=True).eval()
    with torch.no_grad():  # random weights attend to all patches nearly alike
        encoder.network.blocks[-1].attn.qkv.weight.mul_(8)
    return encoder


def images(count: int = 2) -> Tensor:
    return torch.rand(count, 1, 64, 96, generator=torch.Generator().manual_seed(3))


def test_words_get_what_the_eager_network_gives_them(text: TextEncoder) -> None:
    features = text(REPORTS)
    for row, report in enumerate(REPORTS):
        spoken = [sentence for sentence in report if any(map(str.isalnum, sentence))]
        passages = spoken if text.pieces.context == "sentence" else [" ".join(spoken)] * bool(spoken)
        expected = [weight for passage in passages for weight in of_words(text, passage)]
        found = features.word_attention[row, features.word_mask[row]]
        torch.testing.assert_close(found, torch.tensor(expected), atol=1e-4, rtol=2e-3)
    assert features.word_attention.dtype == torch.float32
    assert torch.equal(features.word_attention > 0, features.word_mask)


def test_company_and_padding_do_not_change_the_attention_to_words(text: TextEncoder) -> None:
    together = text([*REPORTS, ["Edema."] * 9])
    for row, report in enumerate(REPORTS):
        alone = text([report]).word_attention[0]
        assert torch.equal(alone, together.word_attention[row, : len(alone)])


def test_reports_without_words_have_no_attention(text: TextEncoder) -> None:
    assert torch.equal(text([[], ["..."]]).word_attention, torch.zeros(2, 1))


def test_in_training_the_attention_is_without_gradient_and_asking_changes_no_feature() -> None:
    asked, unasked = (
        text_encoder("minilm", trainable=True, cls_attention=cls_attention).train() for cls_attention in (True, False)
    )
    features = []
    for encoder in (asked, unasked):
        torch.manual_seed(0)  # dropout
        features.append(encoder(REPORTS))
    with_attention, without = features
    assert without.word_attention is None
    assert not with_attention.word_attention.requires_grad
    for name in ("words", "sentences", "report"):
        assert torch.equal(getattr(with_attention, name), getattr(without, name))
    # What the last layer was given saw dropout, the attention itself did not: of one [CLS], no more than one in all.
    first = with_attention.word_attention.where(with_attention.word_sentence == 0, 0).sum(1)
    assert ((first > 0) == torch.tensor([True, False, True])).all()
    assert (first < 1).all()


def test_asking_changes_no_feature_of_frozen_encoders() -> None:
    pooling = Pooling(layers=4, words="sum", sentences="words", report="words")
    encoders = [text_encoder("minilm", pooling=pooling, cls_attention=asked) for asked in (True, False)]
    first, second = (encoder(REPORTS) for encoder in encoders)
    assert second.word_attention is None
    assert all(torch.equal(getattr(first, name), getattr(second, name)) for name in ("words", "sentences", "report"))
    first, second = (image_encoder("vit-b16", pretrained=False, cls_attention=a)(images()) for a in (True, False))
    assert second.attention is None
    assert all(torch.equal(getattr(first, name), getattr(second, name)) for name in ("shallow", "deep", "pooled"))


def test_patches_get_what_the_unfused_transformer_gives_them(vit: ImageEncoder) -> None:
    features = vit(images())
    slow = deepcopy(vit.network)
    last = slow.blocks[-1].attn
    last.fused_attn = False
    weights: list[Tensor] = []
    last.attn_drop.register_forward_hook(lambda module, given, output: weights.append(output))
    with torch.no_grad():
        slow((images() - vit.mean) / vit.std)
    expected = weights[0][:, :, 0].mean(1)
    assert expected.std() > 1e-3
    torch.testing.assert_close(features.attention, expected[:, 1:].unflatten(1, (4, 6)), atol=1e-5, rtol=2e-3)
    torch.testing.assert_close(features.attention.sum((1, 2)), 1 - expected[:, 0], atol=1e-3, rtol=0)
    assert not features.attention.requires_grad
    assert features.attention.dtype == torch.float32


def test_under_mixed_precision_the_attention_stays_in_float32(vit: ImageEncoder) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        attention = vit(images()).attention
    assert attention.dtype == torch.float32
    torch.testing.assert_close(attention, vit(images()).attention, atol=5e-2, rtol=0.2)


def test_a_convolutional_network_has_no_cls() -> None:
    assert image_encoder("efficientnet-lite0", cls_attention=True)(images()).attention is None


def test_hooks_do_not_stay(vit: ImageEncoder, text: TextEncoder) -> None:
    vit(images()), text(REPORTS)
    modules = [*vit.modules(), *text.modules()]
    assert not any(module._forward_pre_hooks for module in modules)
