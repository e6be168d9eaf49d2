"""Prototype alignment: an image and its report should be of the same kind.

Instance contrast pushes every other report away, also one that says the same of another patient. Prototypes stand for
kinds of studies that nobody named: each side of a study is assigned to them, and the other side has to predict that.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..errors import InputError
from .alignment import Alignment, Objective, PairedFeatures
from .global_alignment import directions
from .sinkhorn import sinkhorn
from .token_weights import Weights, check_weights, region_weights, visible_regions, word_weights

ROUNDING = 1e-6
"""How far from 1 the length of a unit vector in float32 may be."""


class PrototypeAlignment(Objective):
    """MGCA's prototype-wise loss, "CPA" (Wang et al., NeurIPS 2022, arXiv 2210.06044, as in its authors' code).

    Scores are the cosines of a batch's images and reports with `prototypes`. Each side's scores become codes, by
    `codes`, and each side's softmax has to predict the other's codes, by `swapped_prediction`: the loss is half of the
    sum of both cross-entropies (Caron et al., SwAV, NeurIPS 2020, with a report in the place of a second view). Codes
    have no gradient. Prototypes are set back to length 1 at every step; in the first epochs they get a gradient of
    zero, so that encoders settle before kinds do. A study without text takes no part.

    The parts hold `perplexity` too: how many prototypes are the nearest of some image or report, counted as if they
    were so alike often. Codes would not show it, since Sinkhorn's algorithm makes their mean nearly even whatever the
    scores.

    Args:
        dim: dimensions of the joint space.
        prototypes: how many kinds there are.
        epsilon: how soft codes are; their scores are divided by it.
        iterations: of Sinkhorn's algorithm.
        temperature: what the predictions' scores are divided by.
        frozen_epochs: so many epochs pass before prototypes learn.
        of: what is assigned. "instances", as published, are the pooled image and the whole report. "tokens" is a
            hierarchical variant of ours: the weighted means of the deep map's regions and of the words, each of unit
            length, so that this level stands on that of token alignment and not beside it.
        weights: of these tokens, as `TokenAlignment` has them; instances need none.

    Raises:
        InputError: for a number out of its range, or unknown weights.
    """

    def __init__(
        self,
        dim: int,
        prototypes: int = 500,
        *,
        epsilon: float = 0.05,
        iterations: int = 3,
        temperature: float = 0.2,
        frozen_epochs: int = 1,
        of: Literal["instances", "tokens"] = "instances",
        weights: Weights = "attention",
    ) -> None:
        super().__init__()
        for name, value in (("epsilon", epsilon), ("temperature", temperature)):
            if not value > 0:
                raise InputError(f"{name} is {value}; it divides scores and must be positive.")
        for name, value in (("prototypes", prototypes), ("iterations", iterations)):
            if value < 1:
                raise InputError(f"{name} is {value}; it must be at least 1.")
        check_weights(weights)
        self.epsilon = epsilon
        self.iterations = iterations
        self.temperature = temperature
        self.frozen_epochs = frozen_epochs
        self.of: Literal["instances", "tokens"] = of
        self.weights: Weights = weights
        self.prototypes = nn.Parameter(directions(torch.randn(prototypes, dim)))
        self.on_epoch(0)

    def on_epoch(self, epoch: int) -> None:
        self.frozen = epoch < self.frozen_epochs

    def forward(self, pairs: PairedFeatures) -> Alignment:
        images, reports = self.assigned(pairs)
        self._set_back_to_length_one()
        # Frozen, they get zeros and not nothing: data-parallel training waits for a gradient of every parameter.
        learning = 0.0 if self.frozen else 1.0
        prototypes = self.prototypes.detach() + learning * (self.prototypes - self.prototypes.detach())
        scores = _scores(images, prototypes), _scores(reports, prototypes)
        image_codes, report_codes = (codes(side, self.epsilon, self.iterations) for side in scores)
        image_to_text, text_to_image = swapped_prediction(*scores, image_codes, report_codes, self.temperature)
        return Alignment(
            loss=(image_to_text + text_to_image) / 2,
            parts={
                "image_to_text": image_to_text.detach(),
                "text_to_image": text_to_image.detach(),
                "perplexity": perplexity(nearest(torch.cat(scores))),
            },
        )

    def assigned(self, pairs: PairedFeatures) -> tuple[Float[Tensor, "studies dim"], Float[Tensor, "studies dim"]]:
        """What is assigned to prototypes of every study with text: one vector an image, one a report."""
        if self.of == "instances":
            used = pairs.text.sentence_mask.any(dim=1)
            return pairs.image.pooled[used], pairs.text.report[used]
        used = pairs.text.word_mask.any(dim=1) & visible_regions(pairs.image, "deep").any(dim=1)
        regions = pairs.image.deep.flatten(start_dim=2).mT
        of_regions = region_weights(pairs.image, "deep", self.weights)
        of_words = word_weights(pairs.text, self.weights)
        return _mean_direction(regions[used], of_regions[used]), _mean_direction(pairs.text.words[used], of_words[used])

    def scores(self, vectors: Float[Tensor, "studies dim"]) -> Float[Tensor, "studies prototypes"]:
        """The cosine of every vector with every prototype."""
        return _scores(vectors, directions(self.prototypes))

    @torch.no_grad()
    def _set_back_to_length_one(self) -> None:
        """Set as a value and not in the graph, as in SwAV: the gradient is that of free vectors.

        Vectors of length 1 are let be, so that a model which is only looked at does not change.
        """
        if ((self.prototypes.norm(dim=1) - 1).abs() > ROUNDING).any():
            self.prototypes.copy_(directions(self.prototypes))


@torch.no_grad()
def codes(
    scores: Float[Tensor, "studies prototypes"], epsilon: float = 0.05, iterations: int = 3
) -> Float[Tensor, "studies prototypes"]:
    """How a batch is shared out among prototypes, such that all are used alike: each row sums to 1 (SwAV, eq. 3 to 5).

    Codes are the plan of entropic transport with the cost `-scores` from prototypes to studies, scaled. With few
    iterations prototypes are only nearly used alike. A batch of one has to be shared out evenly, whatever its scores.
    At least float32, detached.
    """
    studies, prototypes = scores.shape
    if studies == 0:
        return scores.to(torch.promote_types(scores.dtype, torch.float32))
    of_prototypes = scores.new_full((prototypes,), 1 / prototypes, dtype=torch.float64)
    of_studies = scores.new_full((studies,), 1 / studies, dtype=torch.float64)
    return studies * sinkhorn(-scores.T, of_prototypes, of_studies, epsilon=epsilon, iterations=iterations).plan.T


def swapped_prediction(
    image_scores: Float[Tensor, "studies prototypes"],
    report_scores: Float[Tensor, "studies prototypes"],
    image_codes: Float[Tensor, "studies prototypes"],
    report_codes: Float[Tensor, "studies prototypes"],
    temperature: float = 0.2,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Cross-entropies of one side's codes with the other side's softmax: image to text, and text to image.

    Where images are known by their codes, reports have to predict these, and the other way round (SwAV, eq. 1 and 2).
    """

    def cross_entropy(known: Tensor, predicting: Tensor) -> Tensor:
        dtype = torch.promote_types(predicting.dtype, torch.float32)
        logarithms = (predicting.to(dtype) / temperature).log_softmax(dim=1)
        return -(known * logarithms).sum() / max(1, len(known))

    return cross_entropy(image_codes, report_scores), cross_entropy(report_codes, image_scores)


@torch.no_grad()
def nearest(scores: Float[Tensor, "studies prototypes"]) -> Float[Tensor, "studies prototypes"]:
    """1 for the prototype that a study is nearest to, 0 for all others."""
    return nn.functional.one_hot(scores.argmax(dim=1), scores.shape[1]).to(scores.dtype)


@torch.no_grad()
def perplexity(assigned: Float[Tensor, "studies prototypes"]) -> Float[Tensor, ""]:
    """How many prototypes would be in use, were those in use used alike: `exp` of the entropy of the mean assignment.

    From 1, where all studies share one prototype, to the number of prototypes; 0 where there is no study. Of codes, or
    of `nearest`.
    """
    if len(assigned) == 0:
        return assigned.sum()
    return torch.special.entr(assigned.mean(dim=0)).sum().exp()


def _scores(vectors: Tensor, prototypes: Tensor) -> Tensor:
    """Cosines with prototypes of length 1, in at least float32."""
    dtype = torch.promote_types(torch.promote_types(vectors.dtype, prototypes.dtype), torch.float32)
    with torch.autocast(vectors.device.type, enabled=False):
        return directions(vectors.to(dtype)) @ prototypes.to(dtype).T


def _mean_direction(vectors: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean of the directions of tokens [studies, tokens, dim]; what weighs nothing is never read."""
    dtype = torch.promote_types(vectors.dtype, weights.dtype)
    with torch.autocast(vectors.device.type, enabled=False):
        tokens = directions(vectors.to(dtype).masked_fill((weights == 0)[..., None], 0.0))
        return (weights[:, None].to(dtype) @ tokens).squeeze(1)
