"""Local alignment: the text units of a report look for their places in the regions of an image.

What the units are (words, sentences, the whole report) and how deep the map is that they look in is a choice; the
equations, which `similarity.py` has, do not change with it.
"""

from __future__ import annotations

from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor

from ..encoders.features import ImageFeatures, TextFeatures
from ..encoders.projection import Unit
from ..errors import InputError
from .alignment import Alignment, Objective, PairedFeatures
from .contrast import both_ways
from .similarity import local_similarity, matching_attention

Level = Literal["shallow", "deep", "final", "pooled"]
"""Where in the image encoder units look for their places; "pooled" is a map of one region."""


class LocalAlignment(Objective):
    """GLoRIA's local loss (Huang et al., ICCV 2021) for any text unit against any depth of the image.

    The logits are `logit_temperature * Z`, with `Z` from `similarity.py`, and the loss is the sum of cross-entropies
    both ways. A study whose report has no unit takes no part: it is neither a match nor a mismatch.

    All three temperatures *multiply*, and their meaning differs: with `N` regions an attention never exceeds
    `e^t1 / (e^t1 + N - 1)`, which at `t1 = 4` is .13 on a 19 x 19 map, so a map that looks flat has not failed.

    Two corners need no attention and come out right all the same: where a report is one unit its attention is uniform,
    so it is compared with the mean of the map; and on a pooled image every unit is compared with that one vector.

    Args:
        unit: "words", "sentences" or "report".
        depth: the map that the units look in.
        attention_temperature: `t1`, how sharply a unit chooses among regions.
        aggregation_temperature: `t2`, how far a report is judged by its best unit rather than by all of them.
        logit_temperature: `t3`, how sharply images and reports choose among each other.
        aggregation: over the units of a report, "sum" as published, which favours long reports, or "mean".
        background: let every region choose a background besides the units. Without it, as published, a report of
            one unit has an exactly uniform attention and teaches nothing about places.

    Raises:
        InputError: for a temperature that is not positive; and for images that are hidden in part.
    """

    def __init__(
        self,
        unit: Unit,
        depth: Level,
        *,
        attention_temperature: float = 4.0,
        aggregation_temperature: float = 5.0,
        logit_temperature: float = 10.0,
        aggregation: Literal["sum", "mean"] = "sum",
        background: bool = False,
    ):
        super().__init__()
        for name, temperature in (
            ("attention_temperature", attention_temperature),
            ("aggregation_temperature", aggregation_temperature),
            ("logit_temperature", logit_temperature),
        ):
            if not temperature > 0:
                raise InputError(f"{name} is {temperature}; it multiplies similarities and must be positive.")
        if aggregation not in ("sum", "mean"):
            raise InputError(f'aggregation is "{aggregation}"; it is either "sum" or "mean".')
        self.unit: Unit = unit
        self.depth: Level = depth
        self.attention_temperature = attention_temperature
        self.aggregation_temperature = aggregation_temperature
        self.logit_temperature = logit_temperature
        self.aggregation = aggregation
        self.background = background

    def forward(self, pairs: PairedFeatures) -> Alignment:
        """The loss, its two directions, and `maps["attention"]` [batch, units, height, width]."""
        if pairs.image.visible is not None and self.depth != "pooled":
            raise InputError(
                "Local alignment attends to all regions of a map, and of these images some are hidden. Leave the "
                "masking out, or match regions by TransportAlignment or TokenAlignment, which look at visible ones."
            )
        regions_map = map_of(pairs.image, self.depth)
        regions = regions_map.flatten(start_dim=2).mT
        units, mask = units_of(pairs.text, self.unit)
        attention = {"attention_temperature": self.attention_temperature, "background": self.background}
        used = mask.any(dim=1)
        similarity = local_similarity(
            regions[used],
            units[used],
            mask[used],
            aggregation_temperature=self.aggregation_temperature,
            aggregation=self.aggregation,
            **attention,
        )
        image_to_text, text_to_image = both_ways(self.logit_temperature * similarity)
        maps = matching_attention(regions, units, mask, **attention)
        return Alignment(
            loss=image_to_text + text_to_image,
            parts={"image_to_text": image_to_text.detach(), "text_to_image": text_to_image.detach()},
            maps={"attention": maps.unflatten(2, regions_map.shape[2:])},
        )


def map_of(image: ImageFeatures, depth: Level) -> Float[Tensor, "batch dim height width"]:
    """The map at a depth; the pooled vector is a map of one region."""
    return image.pooled[:, :, None, None] if depth == "pooled" else getattr(image, depth)


def units_of(text: TextFeatures, unit: Unit) -> tuple[Float[Tensor, "batch units dim"], Bool[Tensor, "batch units"]]:
    """The text units of every report and where there are any; an empty report has none, not even itself."""
    if unit == "report":
        return text.report[:, None], text.sentence_mask.any(dim=1, keepdim=True)
    return (text.words, text.word_mask) if unit == "words" else (text.sentences, text.sentence_mask)
