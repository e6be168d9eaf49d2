"""Does a sentence look at the lesions it speaks of? Asked where those are known: in the teaching set."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from tqdm import tqdm

from ..alignment.alignment import Objective
from ..data.dataset import StudyDataset
from ..data.study import Study
from ..encoders.caching import text_source
from ..errors import InputError
from ..localization.heatmap import upsample
from ..localization.localize import in_use
from ..methods.model import AlignedModel
from .measurements import Measurements
from .metrics import pointing
from .truth import truth_mask

ONE_TO_ONE = "one lesion, one sentence"
MANY_LESIONS = "several lesions in one sentence"
MANY_SENTENCES = "one lesion over several sentences"

_BATCH = 64


def cases(study: Study) -> list[str | None]:
    """For each sentence of a report how it is linked to lesions; None where it speaks of none.

    A sentence that speaks of several lesions counts as such, however often these are spoken of.
    """
    spoken_of = Counter(lesion for sentence in study.report.sentences for lesion in sentence.findings)

    def case(lesions: tuple[int, ...]) -> str | None:
        if len(lesions) != 1:
            return MANY_LESIONS if lesions else None
        return ONE_TO_ONE if spoken_of[lesions[0]] == 1 else MANY_SENTENCES

    return [case(sentence.findings) for sentence in study.report.sentences]


def measure_links(model: AlignedModel, coupling: Objective, studies: StudyDataset) -> Measurements:
    """Where the sentences of a set look, against the lesions that they speak of.

    Rows are sentences; `finding` is the case (see `cases`), `prompt` the sentence. The metrics:

    - `pointing`: whether the highest cell of the sentence's map lies in one of its lesions.
    - `gain`: how much denser the map is in its lesions than if it were spread evenly over the image.
    - `lesions found`: the share of its lesions in which the map is denser than that.
    - `own lesion`: whether, of all lesions of the study, the map is densest in one of the sentence's own; of equals the
      share. NaN where the sentence speaks of all lesions that there are.

    Args:
        model: gives regions and sentences.
        coupling: an objective over sentences that gives one non-negative map for each, such as a plan or an attention.
            It need not be what the model was trained with.
        studies: a set with links from sentences to lesions.

    Raises:
        InputError: the coupling gives no maps of sentences, or no sentence of the set is linked to a lesion.
    """
    if getattr(coupling, "unit", None) != "sentences":
        raise InputError(f"{type(coupling).__name__} gives no maps of sentences. Make it with unit = 'sentences'.")
    images, texts = model.image_source(studies), text_source(model.text_encoder, studies)
    rows = []
    with in_use(model) as device:
        for start in tqdm(range(0, len(studies), _BATCH), desc="linking", disable=None, delay=5):
            indices = range(start, min(start + _BATCH, len(studies)))
            pairs = model(images.batch(indices).to(device), texts.batch(indices).to(device))
            [maps] = coupling(pairs).maps.values()
            for index, of_report in zip(indices, maps.cpu(), strict=True):
                rows += _linked(studies[index], of_report)
    if not rows:
        raise InputError("No sentence of this set is linked to a lesion, so there is nothing to measure.")
    return Measurements(pd.DataFrame(rows), protocol="links", prompts="sentences")


def _linked(study: Study, maps: Float[Tensor, "sentences grid_height grid_width"]) -> list[dict[str, str | float]]:
    """One row for each sentence of a study that speaks of a lesion."""
    rows = []
    masks = [truth_mask([finding], study.image.shape) for finding in study.findings]
    truths = torch.from_numpy(np.stack(masks)) if masks else torch.zeros(0, *study.image.shape, dtype=torch.bool)
    for number, (sentence, case) in enumerate(zip(study.report.sentences, cases(study), strict=True)):
        if case is None:
            continue
        heat = upsample(maps[number][None], study.image.shape, mode="nearest")
        of_all = density_gain(heat, truths)
        own = torch.zeros(len(truths), dtype=torch.bool)
        own[list(sentence.findings)] = True
        gains, union = of_all[own], truths[own].any(dim=0, keepdim=True)
        rows.append(
            {
                "study": study.id,
                "patient": study.patient,
                "finding": case,
                "lesions": f"{'+'.join(map(str, sentence.findings))} in sentence {number}",
                "prompt": sentence.text,
                "pointing": pointing(heat, union).item(),
                "gain": density_gain(heat, union).item(),
                "lesions found": (gains > 1).double().mean().item(),
                "own lesion": torch.nan if own.all() else own[of_all == of_all.max()].double().mean().item(),
            }
        )
    return rows


def density_gain(
    heat: Float[Tensor, "*#batch height width"], truth: Bool[Tensor, "*batch height width"]
) -> Float[Tensor, "*batch"]:
    """Mean of a non-negative map in the truth over its mean everywhere: 1 for an even map, NaN for an empty truth."""
    inside = (heat * truth).sum(dim=(-2, -1)) / truth.sum(dim=(-2, -1))
    return inside / heat.mean(dim=(-2, -1))
