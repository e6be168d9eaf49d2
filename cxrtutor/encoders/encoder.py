"""What image and text encoders share: a network that is either trained on, or frozen for good."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .weights import fingerprint


class Encoder(nn.Module, ABC):
    """A network under a name.

    A frozen encoder is a fixed function: no gradient, no dropout, no moving batch statistics, no mixed precision, not
    even under `train()`, an optimiser or autocast. Its features are rounded to half precision here, and only here, so
    that features read from a cache equal features computed on the spot.

    Of a trainable encoder some parts may stay fixed: no gradient, no dropout.

    Attributes:
        name: what the encoder is asked for by.
        trainable: whether training may change it.
        cls_attention: whether its features say what the network's [CLS] attends to, in its last block.
    """

    cls_attention: bool = False

    def __init__(self, name: str, network: nn.Module, trainable: bool, fixed: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        self.name = name
        self.trainable = trainable
        self.network = network.requires_grad_(trainable)
        self._fixed = tuple(part.requires_grad_(False) for part in fixed)
        self.train(trainable)

    def train(self, mode: bool = True) -> Encoder:
        """As in every module, except that a frozen encoder, or fixed part of one, stays in evaluation mode."""
        super().train(mode and self.trainable)
        for part in self._fixed:
            part.eval()
        return self

    @abstractmethod
    def blocks(self) -> list[nn.Module]:
        """The blocks that the network is a row of, from first to last."""

    def changeable_state(self) -> dict[str, Tensor]:
        """What of `state_dict` training can change: nothing of a frozen encoder."""
        if not self.trainable:
            return {}
        fixed = {id(tensor) for part in self._fixed for tensor in (*part.parameters(), *part.buffers())}
        whole = self.state_dict(keep_vars=True)
        return {key: tensor.detach() for key, tensor in whole.items() if id(tensor) not in fixed}

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    def identity(self) -> dict[str, Any]:
        """What its features depend on, as a value that JSON can hold: part of a cache's key."""
        return {"encoder": self.name, "weights": fingerprint(self.network), "trainable": self.trainable}

    @contextmanager
    def _computing(self) -> Iterator[None]:
        """Around every use of the network."""
        if self.trainable:
            yield
            return
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            yield

    def _rounded(self, features: Tensor) -> Tensor:
        """A frozen encoder's features in half precision; a trainable one's as they are."""
        return features if self.trainable else features.half().contiguous()
