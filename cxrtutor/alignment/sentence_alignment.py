"""Sentence-level local alignment: each sentence of a report looks for its place in the image."""

from __future__ import annotations

from typing import Literal

from ..errors import InputError
from .alignment import Alignment, Objective, PairedFeatures
from .contrast import both_ways
from .similarity import local_similarity, matching_attention


class SentenceAlignment(Objective):
    """GLoRIA's local loss with full sentences as its units, against the deep map.

    This is the local term of "LSM" (arXiv 2401.01524) as its authors' later code computes it; `similarity.py` has the
    equations. The logits are `logit_temperature * Z`, and the loss is the sum of cross-entropies both ways. A study
    whose report has no sentence takes no part: it is neither a match nor a mismatch.

    All three temperatures *multiply*, and their meaning differs: with `N` regions an attention never exceeds
    `e^t1 / (e^t1 + N - 1)`, which at `t1 = 4` is .13 on a 19 x 19 map, so a map that looks flat has not failed.

    Args:
        attention_temperature: `t1`, how sharply a sentence chooses among regions.
        aggregation_temperature: `t2`, how far a report is judged by its best sentence rather than by all of them.
        logit_temperature: `t3`, how sharply images and reports choose among each other.
        aggregation: over the sentences of a report, "sum" as published, which favours long reports, or "mean".
        background: let every region choose a background besides the sentences. Without it, as published, a report of
            one sentence has an exactly uniform attention and teaches nothing about places.

    Raises:
        InputError: for a temperature that is not positive.
    """

    def __init__(
        self,
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
        self.attention_temperature = attention_temperature
        self.aggregation_temperature = aggregation_temperature
        self.logit_temperature = logit_temperature
        self.aggregation = aggregation
        self.background = background

    def forward(self, pairs: PairedFeatures) -> Alignment:
        """The loss, its two directions, and `maps["attention"]` [batch, sentences, height, width]."""
        regions = pairs.image.deep.flatten(start_dim=2).mT
        sentences, mask = pairs.text.sentences, pairs.text.sentence_mask
        attention = {"attention_temperature": self.attention_temperature, "background": self.background}
        used = mask.any(dim=1)
        similarity = local_similarity(
            regions[used],
            sentences[used],
            mask[used],
            aggregation_temperature=self.aggregation_temperature,
            aggregation=self.aggregation,
            **attention,
        )
        image_to_text, text_to_image = both_ways(self.logit_temperature * similarity)
        maps = matching_attention(regions, sentences, mask, **attention)
        return Alignment(
            loss=image_to_text + text_to_image,
            parts={"image_to_text": image_to_text.detach(), "text_to_image": text_to_image.detach()},
            maps={"attention": maps.unflatten(2, pairs.image.deep.shape[2:])},
        )
