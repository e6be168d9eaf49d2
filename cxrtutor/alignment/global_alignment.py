"""Global alignment: one vector an image, one vector a report, and a contrast between them."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..errors import InputError
from .alignment import Alignment, Objective, PairedFeatures
from .contrast import both_ways

SMALLEST_TEMPERATURE = 0.01
"""Where a learnable temperature stops falling (Radford et al., CLIP, 2021)."""


class GlobalAlignment(Objective):
    """Symmetric InfoNCE of the cosines between pooled images and whole reports (Zhang et al., ConVIRT, 2020).

    `loss = 2 * (w * image_to_text + (1 - w) * text_to_image)`: with the default `w` of one half that is the plain sum
    of both directions. A study whose report has no sentence takes no part: it is neither a match nor a mismatch.
    Where the temperature is learnt, the parts hold it too, for the log.

    Args:
        temperature: what the cosines are divided by.
        learnable: train the temperature, by its logarithm, from that value on; it never falls below .01.
        image_to_text_weight: `w`, from 0 to 1, the share of images choosing among reports.

    Raises:
        InputError: for a temperature that is not positive or a weight outside [0, 1].
    """

    def __init__(self, temperature: float = 0.1, *, learnable: bool = False, image_to_text_weight: float = 0.5):
        super().__init__()
        if not temperature > 0:
            raise InputError(f"temperature is {temperature}; it divides the cosines and must be positive.")
        if not 0 <= image_to_text_weight <= 1:
            raise InputError(f"image_to_text_weight is {image_to_text_weight}; give a share from 0 to 1.")
        self.image_to_text_weight = image_to_text_weight
        self._fixed_temperature = temperature
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature))) if learnable else None

    @property
    def temperature(self) -> float | Tensor:
        """The temperature in use; a tensor where it is learnable."""
        return self._fixed_temperature if self.log_temperature is None else self.log_temperature.exp()

    def forward(self, pairs: PairedFeatures) -> Alignment:
        used = pairs.text.sentence_mask.any(dim=1)
        return self._align(cosines(pairs.image.pooled[used], pairs.text.report[used]))

    def loss_from_cosines(self, table: Float[Tensor, "pairs pairs"]) -> Float[Tensor, ""]:
        """The loss of a table of cosines with images as rows and reports as columns."""
        return self._align(table).loss

    def _align(self, table: Float[Tensor, "pairs pairs"]) -> Alignment:
        if self.log_temperature is not None:
            # Clamped as a value and not in the graph, where a temperature beyond the limit would never come back.
            with torch.no_grad():
                self.log_temperature.clamp_(min=math.log(SMALLEST_TEMPERATURE))
        image_to_text, text_to_image = both_ways(table / self.temperature)
        weight = self.image_to_text_weight
        parts = {"image_to_text": image_to_text.detach(), "text_to_image": text_to_image.detach()}
        if self.log_temperature is not None:
            parts["temperature"] = self.log_temperature.detach().exp()
        return Alignment(loss=2 * (weight * image_to_text + (1 - weight) * text_to_image), parts=parts)


def cosines(
    images: Float[Tensor, "images dim"], reports: Float[Tensor, "reports dim"]
) -> Float[Tensor, "images reports"]:
    """The cosine of every image with every report, in at least float32; 0 where a vector has no direction."""
    dtype = torch.promote_types(torch.promote_types(images.dtype, reports.dtype), torch.float32)
    with torch.autocast(images.device.type, enabled=False):
        return directions(images.to(dtype)) @ directions(reports.to(dtype)).T


def directions(vectors: Float[Tensor, "*vectors dim"]) -> Float[Tensor, "*vectors dim"]:
    """Unit vectors; a zero vector stays zero and gets no gradient."""
    zero = (vectors == 0).all(dim=-1, keepdim=True)
    return nn.functional.normalize(vectors.masked_fill(zero, 0.0), dim=-1)
