from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest
import timm
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from cxrtutor.data.masks import blank
from cxrtutor.encoders import image as image_module
from cxrtutor.encoders.features import mean_over_regions
from cxrtutor.encoders.image import ImageEncoder, image_encoder, lite0_weights
from cxrtutor.errors import InputError


@pytest.fixture(scope="module")
def lite0() -> ImageEncoder:
    return image_encoder("efficientnet-lite0")


def images(count: int, side: int = 96) -> Tensor:
    return torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(3))


def test_the_weights_are_the_published_ones():
    """The file's name ends in the first digits of its hash, as PyTorch's hub names weights."""
    digest = sha256(lite0_weights().read_bytes()).hexdigest()
    assert digest == "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def test_the_weights_reach_the_right_places():
    """Logits equal those that the package's own network (efficientnet-lite-pytorch 0.1.0) gave for this input."""
    network = timm.create_model("tf_efficientnet_lite0").eval()
    image_module._load_in_order(network, lite0_weights())
    wave = torch.sin(torch.arange(3 * 96 * 96, dtype=torch.float64) * 0.37).float().reshape(1, 3, 96, 96)
    with torch.no_grad():
        logits = network(wave)[0]
    expected = [-0.8773401379585266, 0.08452609181404114, -0.6080498695373535, -3.420454263687134, 0.4961615800857544]
    torch.testing.assert_close(logits[:5], torch.tensor(expected), atol=1e-4, rtol=0)
    assert logits.argmax() == 904
    own = network.state_dict()
    encoder = image_encoder("efficientnet-lite0").network.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in encoder.items())


def test_weights_that_do_not_fit_are_refused(tmp_path):
    file = tmp_path / "weights.pth"
    torch.save({"stem": torch.zeros(3)}, file)
    with pytest.raises(InputError, match=r"weights\.pth does not hold"):
        image_module._load_in_order(timm.create_model("tf_efficientnet_lite0"), file)


def test_lite0_levels(lite0: ImageEncoder):
    shots = images(2, side=128)
    stride_8, stride_16, stride_32 = lite0.pyramid(shots)
    assert [tuple(m.shape) for m in (stride_8, stride_16, stride_32)] == [
        (2, 40, 16, 16),
        (2, 112, 8, 8),
        (2, 320, 4, 4),
    ]
    assert {m.dtype for m in (stride_8, stride_16, stride_32)} == {torch.float16}
    features = lite0(shots)
    assert torch.equal(features.shallow, stride_8.float())
    assert torch.equal(features.deep[:, :40], stride_8.float())
    assert torch.equal(features.deep[:, 40:152], interpolate(stride_16.float(), (16, 16), mode="bilinear"))
    assert torch.equal(features.deep[:, 152:], interpolate(stride_32.float(), (16, 16), mode="bilinear"))
    assert torch.equal(features.final, stride_32.float())
    torch.testing.assert_close(features.pooled, stride_32.float().mean((2, 3)))
    maps = features.shallow, features.deep, features.final
    assert all(each.is_contiguous(memory_format=torch.channels_last) for each in maps), "heads take longer otherwise"


def test_the_network_sees_what_it_was_trained_on(lite0: ImageEncoder):
    """Grey on all three channels, mapped from [0, 1] to [-1, 1], which is Lite0's own normalisation."""
    shots = images(16)
    with torch.no_grad():
        expected = lite0.network((shots.expand(-1, 3, -1, -1) - 0.5) / 0.5)[0]
    torch.testing.assert_close(lite0(shots).shallow, expected.half().float(), atol=2e-2, rtol=2e-3)


@pytest.mark.parametrize(
    ("name", "shallow", "deep", "final"),
    [
        ("efficientnet-lite0", (16, 16), (16, 16), (4, 4)),
        ("resnet50", (38, 38), (19, 19), (10, 10)),
        ("vit-b16", (8, 8), (8, 8), (8, 8)),
    ],
)
def test_shapes_and_gradients(name: str, shallow: tuple, deep: tuple, final: tuple):
    encoder = image_encoder(name, pretrained=False, trainable=True)
    features = encoder(images(1, side=128))
    assert features.shallow.shape == (1, encoder.dims[0], *shallow)
    assert features.deep.shape == (1, encoder.dims[1], *deep)
    assert features.final.shape == (1, encoder.dims[2], *final)
    torch.testing.assert_close(features.pooled, features.final.mean((2, 3)))
    levels = [features.shallow, features.deep, features.final, features.pooled]
    assert all(level.isfinite().all() and level.dtype == torch.float32 for level in levels)
    assert features.attention is features.visible is None
    sum(level.square().mean() for level in levels).backward()
    gradients = [parameter.grad for parameter in encoder.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    assert gradients[0].abs().sum() > 0


def test_resnets_depths_are_its_layers_on_an_image_of_299_pixels():
    """`layer2`, `layer3`, `layer4` of ResNet-50 walked by hand, on an image enlarged corner on corner."""
    encoder = image_encoder("resnet50", pretrained=False, trainable=True).eval()
    shots = images(1, side=224)
    features = encoder(shots)

    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    maps = interpolate(shots, (299, 299), mode="bilinear", align_corners=True)
    assert maps[0, 0, -1, -1] == shots[0, 0, -1, -1]
    maps = (maps - mean[:, None, None]) / std[:, None, None]
    walked = {}
    for name, part in encoder.network.named_children():
        maps = walked[name] = part(maps)
    for depth, layer, side in (("shallow", "layer2", 38), ("deep", "layer3", 19), ("final", "layer4", 10)):
        assert torch.equal(getattr(features, depth), walked[layer])
        assert walked[layer].shape[2:] == (side, side)
    torch.testing.assert_close(features.pooled, walked["layer4"].mean((2, 3)))


def test_a_transformers_depths_are_its_blocks():
    """The eighth block of twelve, walked by hand; the last one after its normalisation, without the [CLS] token."""
    encoder = image_encoder("vit-b16", pretrained=False, trainable=True).eval()
    network, shots = encoder.network, images(1, side=64)
    features = encoder(shots)

    tokens = network._pos_embed(network.patch_embed((shots - encoder.mean) / encoder.std))
    walked = []
    for block in network.blocks:
        tokens = block(tokens)
        walked.append(tokens)
    assert len(walked) == 12
    for given, tokens in ((features.shallow, walked[7]), (features.final, network.norm(walked[11]))):
        torch.testing.assert_close(given, tokens[:, 1:].mT.unflatten(2, (4, 4)))
    assert torch.equal(features.deep, features.final)


def test_a_transformers_grid_keeps_its_orientation():
    """The patch that is bright in the image, and no other, is the one whose features change most."""
    encoder = image_encoder("vit-b16", pretrained=False, trainable=True)  # not frozen: no filling of blocks
    dark = torch.zeros(1, 1, 64, 96)
    spot = dark.clone()
    spot[:, :, 16:32, 64:80] = 1  # patch (1, 4)
    change = (encoder(spot).shallow - encoder(dark).shallow).detach().norm(dim=1)[0]
    assert divmod(int(change.argmax()), change.shape[1]) == (1, 4)


def test_a_transformer_refuses_images_it_would_have_to_cut():
    with pytest.raises(InputError, match="100 x 96"):
        image_encoder("vit-b16", pretrained=False)(torch.zeros(1, 1, 100, 96))


@pytest.mark.parametrize("count", [1, 2, 16])
def test_an_image_gets_the_same_numbers_alone_as_in_company(lite0: ImageEncoder, count: int):
    shots = images(17, side=64)
    company = lite0.pyramid(shots)
    for alone, among in zip(lite0.pyramid(shots[:count]), company, strict=True):
        assert torch.equal(alone, among[:count])


def test_the_same_random_weights_every_time():
    first, second = (image_encoder("efficientnet-lite0", pretrained=False)(images(2)) for _ in range(2))
    assert torch.equal(first.deep, second.deep)


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("cls_attention", [True, False])
def test_a_transformers_pooled_vector_may_be_its_cls(trainable: bool, cls_attention: bool):
    options = {"pretrained": False, "trainable": trainable, "cls_attention": cls_attention}
    mean, cls = (image_encoder("vit-mini", pooled=pooled, **options).eval() for pooled in ("mean", "cls"))
    shots = images(2, side=64)
    features, usual = cls(shots), mean(shots)
    with torch.no_grad():
        expected = cls.network((shots - cls.mean) / cls.std)[:, 0]
    torch.testing.assert_close(features.pooled, expected, atol=2e-3, rtol=2e-3)
    assert not torch.allclose(features.pooled, usual.pooled, atol=0.1)
    for name in ("shallow", "deep", "final", "attention"):
        one, other = getattr(features, name), getattr(usual, name)
        assert one is other is None or torch.equal(one, other)
    assert (features.attention is not None) == cls_attention
    assert cls.identity() == {**mean.identity(), "pooled": "cls"}


@pytest.mark.parametrize("pooled", ["cls", "max"])
def test_a_pooled_vector_that_is_not_there_is_refused(pooled: str):
    with pytest.raises(InputError, match=r"efficientnet-lite0 has no \[CLS\]" if pooled == "cls" else "not 'max'"):
        image_encoder.__wrapped__("efficientnet-lite0", pretrained=False, pooled=pooled)


def test_an_unknown_encoder_is_named_with_the_known():
    with pytest.raises(InputError, match=r"'resnet18'.*efficientnet-lite0, resnet50, vit-b16"):
        image_encoder("resnet18")


def test_weights_that_cannot_be_fetched_are_explained(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", _unreachable)
    with pytest.raises(InputError, match=r"resnet50\.tv_in1k.*'efficientnet-lite0'"):
        image_encoder("resnet50")


def _unreachable(*_: object, **__: object) -> None:
    from huggingface_hub.errors import LocalEntryNotFoundError

    raise LocalEntryNotFoundError("not in the cache, and no network")


@pytest.fixture(scope="module")
def mini() -> ImageEncoder:
    return image_encoder("vit-mini", pretrained=False, trainable=True)


HIDDEN = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(5)).flatten(1).argsort(1).argsort(1).lt(40)
HIDDEN = HIDDEN.unflatten(1, (8, 8))


class TestHiddenInPart:
    """40 of 64 patches of 8 x 8 pixels."""

    def test_a_transformer_sees_the_visible_patches_alone(self, mini: ImageEncoder) -> None:
        """Block by block, one image at a time: only the tokens of visible patches, at their places."""
        network, shots = mini.network, images(3, side=64)
        features = mini(shots, HIDDEN)
        for row in range(3):
            tokens = network._pos_embed(network.patch_embed((shots[[row]] - 0.5) / 0.5))
            seen = [place for place in range(64) if not HIDDEN[row].flatten()[place]]
            tokens = torch.cat([tokens[:, :1], tokens[:, 1:][:, seen]], dim=1)
            walked = []
            for block in network.blocks:
                tokens = block(tokens)
                walked.append(tokens)
            for given, expected in ((features.shallow, walked[1]), (features.final, network.norm(walked[3]))):
                torch.testing.assert_close(given[row].flatten(1)[:, seen], expected[0, 1:].mT, rtol=1e-4, atol=1e-5)
                assert (given[row][:, HIDDEN[row]] == 0).all()
            pooled = network.norm(walked[3])[0, 1:].mean(0)
            torch.testing.assert_close(features.pooled[row], pooled, rtol=1e-4, atol=1e-5)
        assert torch.equal(features.deep, features.final)
        assert torch.equal(features.visible, ~HIDDEN)

    def test_what_is_hidden_of_a_patch_changes_nothing(self, mini: ImageEncoder) -> None:
        shots = images(3, side=64)
        covered = HIDDEN.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, None]
        for name in ("efficientnet-lite0", "resnet50", "vit-b16", "vit-mini"):
            encoder = mini if name == "vit-mini" else image_encoder(name, pretrained=False, trainable=True).eval()
            hidden = HIDDEN if name != "vit-b16" else HIDDEN[:1, ::2, ::2].expand(3, -1, -1)
            covered = interpolate(hidden[:, None].float(), (64, 64), mode="nearest").bool()
            with torch.no_grad():
                features, other = encoder(shots, hidden), encoder(torch.where(covered, 1 - shots, shots), hidden)
                whole = encoder(shots)
            assert torch.equal(features.pooled, other.pooled), name
            assert not torch.allclose(features.pooled, whole.pooled, rtol=1e-2, atol=1e-3), name

    @pytest.mark.parametrize("name", ["efficientnet-lite0", "vit-mini"])
    def test_where_nothing_is_hidden_features_are_those_of_the_whole(self, name: str) -> None:
        encoder, shots = image_encoder(name, pretrained=False, trainable=True).eval(), images(2, side=64)
        with torch.no_grad():
            whole, features = encoder(shots), encoder(shots, torch.zeros(2, 8, 8, dtype=torch.bool))
        for depth in ("shallow", "deep", "final", "pooled"):
            torch.testing.assert_close(getattr(features, depth), getattr(whole, depth), rtol=0, atol=1e-6)
        assert features.visible.all() and whole.visible is None

    def test_larger_patches_hide_several_of_a_transformers(self, mini: ImageEncoder) -> None:
        shots, coarse = images(2, side=64), torch.zeros(2, 4, 4, dtype=torch.bool)
        coarse[0, 1, 2] = coarse[1, 3, 0] = True
        fine = torch.zeros(2, 8, 8, dtype=torch.bool)
        fine[0, 2:4, 4:6] = fine[1, 6:8, 0:2] = True
        features = mini(shots, coarse)
        assert torch.equal(features.final, mini(shots, fine).final)
        assert torch.equal(features.visible, ~fine)

    def test_patches_that_a_transformer_cannot_leave_out_are_refused(self, mini: ImageEncoder) -> None:
        uneven = torch.zeros(2, 8, 8).bool()
        uneven[1, 0, 0] = True
        for hidden in (torch.zeros(2, 5, 8).bool(), torch.zeros(2, 16, 16).bool(), uneven):
            with pytest.raises(InputError, match=r"vit-mini sees 8 x 8 patches of 8 pixels .* equally many"):
                mini(images(2, side=64), hidden)

    def test_gradients_reach_every_parameter_from_what_is_visible(self, mini: ImageEncoder) -> None:
        features = mini(images(3, side=64), HIDDEN)
        sum(getattr(features, d).square().mean() for d in ("shallow", "final")).backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in mini.parameters())
        mini.zero_grad()

    def test_attention_of_cls_is_shared_out_among_the_visible(self) -> None:
        encoder = image_encoder("vit-mini", pretrained=False, trainable=True, cls_attention=True)
        attention = encoder(images(3, side=64), HIDDEN).attention
        assert (attention[HIDDEN] == 0).all() and (attention[~HIDDEN] > 0).all()
        assert (attention.sum((1, 2)) <= 1).all()

    @pytest.mark.parametrize("name", ["efficientnet-lite0", "vit-mini"])
    def test_a_frozen_encoder_gives_what_it_gives_of_a_blanked_picture(self, name: str) -> None:
        """So features of a cached view, whose pictures are blanked, are those of images masked on the spot."""
        encoder = image_encoder(name, pretrained=False)
        pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 64)).astype(np.uint8)
        stored = np.stack([blank(picture, mask) for picture, mask in zip(pictures, HIDDEN.numpy(), strict=True)])
        live, cached = (torch.from_numpy(each)[:, None].float() / 255 for each in (pictures, stored))
        torch.testing.assert_close(image_module.blanked(live, HIDDEN), cached)
        features, expected = encoder(live, HIDDEN), encoder.levels(encoder.pyramid(cached), HIDDEN)
        for one, other in zip(vars(features).values(), vars(expected).values(), strict=True):
            assert one is other is None or torch.equal(one, other)

    def test_a_convolutions_regions_are_visible_where_their_centres_are(self) -> None:
        """ResNet's deep map has 19 x 19 cells whatever the image."""
        hidden = torch.zeros(1, 2, 2, dtype=torch.bool)
        hidden[0, 0, 1] = True
        features = image_encoder("resnet50", pretrained=False)(images(1, side=64), hidden)
        expected = torch.ones(19, 19, dtype=torch.bool)
        expected[:9, 10:] = False
        off = (features.visible[0] != expected).nonzero()
        assert features.visible.shape == (1, 19, 19)
        assert all(9 in place for place in off.tolist())  # the middle cells lie on the edge

    def test_pooled_each_region_counts_by_how_much_of_it_is_visible(self) -> None:
        maps, visible = torch.randn(1, 3, 1, 2), torch.ones(1, 2, 4, dtype=torch.bool)
        visible[0, 0, 0] = visible[0, 1, :2] = False  # a quarter of the left region, all of the right
        expected = (0.25 * maps[..., 0] + maps[..., 1])[..., 0] / 1.25
        torch.testing.assert_close(mean_over_regions(maps, visible), expected)
        assert torch.equal(mean_over_regions(maps), maps.mean((2, 3)))


def test_the_small_transformer_has_no_weights_but_the_same_random_ones() -> None:
    with pytest.raises(InputError, match=r"no pre-trained weights of vit-mini.*pretrained: false"):
        image_encoder("vit-mini")
    first, second = (image_encoder("vit-mini", pretrained=False)(images(2)) for _ in range(2))
    assert torch.equal(first.deep, second.deep)


def test_the_small_transformers_depths_are_its_blocks() -> None:
    encoder = image_encoder("vit-mini", pretrained=False, trainable=True)
    network, shots = encoder.network, images(1, side=64)
    features = encoder(shots)
    tokens = network._pos_embed(network.patch_embed((shots - 0.5) / 0.5))
    walked = [tokens := block(tokens) for block in network.blocks]
    assert len(walked) == 4
    for given, tokens in ((features.shallow, walked[1]), (features.final, network.norm(walked[3]))):
        torch.testing.assert_close(given, tokens[:, 1:].mT.unflatten(2, (8, 8)))
    nearby, far = (network.pos_embed[0, 1] @ network.pos_embed[0, place] for place in (2, 200))
    assert nearby > far  # neighbours are told apart from strangers before training
