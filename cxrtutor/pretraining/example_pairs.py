"""Made-up pairs that cost what real ones do."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..data.masks import patch_grid, patch_mask
from ..encoders.text import TextEncoder
from ..methods.config import TrainingText
from ..methods.model import AlignedModel

_SENTENCES = (
    "The heart is mildly enlarged, unchanged from before.",
    "There is a small left pleural effusion.",
    "No pneumothorax is seen on either side.",
    "The right jugular line ends in the upper cava.",
    "Patchy opacity at the right base may be pneumonia.",
    "Mediastinal and hilar contours are within normal limits.",
    "There is mild vascular congestion without edema.",
    "Linear scars are seen in the left lower lobe.",
    "The tube ends well above the carina.",
    "No acute fracture of the ribs is seen.",
    "The wires over the breast bone are intact.",
    "Compared with the prior film, aeration is better.",
)
"""Of about ten pieces each, in our own words."""


def example_inputs(model: AlignedModel, text: TrainingText, count: int, pieces: int) -> tuple[Any, ...]:
    """What a training step gives the model: images, reports, what is hidden, and features of masked images.

    Images are noise. Reports are everyday sentences, each in another order and about as long as the others, since a few
    are to stand for a large batch; of each as many sentences are shown as `text` shows on average.

    Args:
        model: what is frozen of it has encoded them already.
        text: what of a report is shown.
        count: how many pairs.
        pieces: of a report, at most: the sentences from the first that does not fit on are left out.
    """
    side, masking = model.image_size, model.architecture.masking
    images, reports = torch.rand(count, 1, side, side), _reports(model.text_encoder, text, count, pieces)
    hidden = masked = None
    if masking is not None:
        hidden = torch.from_numpy(patch_mask(range(count), 0, patch_grid((side, side), masking.patch), masking.ratio))
    if not model.image_encoder.trainable:
        masked = None if hidden is None else model.image_encoder(images, hidden)
        images, hidden = model.image_encoder(images), None
    return images, reports if model.text_encoder.trainable else model.text_encoder(reports), hidden, masked


def _reports(encoder: TextEncoder, text: TrainingText, count: int, pieces: int) -> list[list[str]]:
    cut = encoder.pieces.passages([(sentence,) for sentence in _SENTENCES])
    lengths = np.resize([len(passage.ids) - 2 for passage in cut], 1 + pieces)  # a sentence has one piece at least
    room = (min(pieces, encoder.pieces.limit) if encoder.pieces.context == "report" else pieces) - 2
    fitting = max(1, int((lengths.cumsum() <= room).sum()))
    shown = {"all": fitting, "one": 1, "subset": (fitting + 2) // 2}[text.sentences]
    # The same sentences in every order that starts at another of them, then from the next sentence on.
    orders = (np.roll(np.arange(shown), number) + number // shown for number in range(count))
    return [[_SENTENCES[place % len(_SENTENCES)] for place in order] for order in orders]
