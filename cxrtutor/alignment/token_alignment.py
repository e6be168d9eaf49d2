"""Token alignment: inside one study, every word finds its regions and every region its words.

Local alignment asks which report of a batch belongs to an image. This loss never leaves the study: its negatives are
the other tokens of the same report, or of the same image.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..encoders.projection import Depth
from ..errors import InputError
from .alignment import Alignment, Objective, PairedFeatures
from .global_alignment import directions
from .token_weights import Weights, check_weights, region_weights, visible_regions, word_weights

CHUNK_ELEMENTS = 2**19
"""Regions x regions handled at once: 2 MiB of float32, which stay in a core's cache."""


class TokenAlignment(Objective):
    """MGCA's token-wise loss, "CTA" (Wang et al., NeurIPS 2022, arXiv 2210.06044, as its authors' code computes it).

    For the words `w_k` and regions `p_m` of one study, all unit vectors, with temperatures `a` and `t` that *divide*:

        o_k = norm(sum_m softmax_m(<w_k, p_m> / a) p_m)      each word gathers what it finds in the image
        s_kl = <w_k, o_l> / t
        L_words = sum_k c_k (CE_l(s_k., k) + CE_l(s_.k, k)) / 2

    so `w_k` must know its own `o_k` among those of all words of its report, and the other way round; `c_k`, which sum
    to 1, say how much a word counts (`token_weights.py`). `L_regions` is the mirror image, with regions that gather
    words. The loss is the mean over studies of their sum. A study without words, or whose regions are all hidden,
    takes no part; a report of one word has nothing to choose, and its `L_words` is 0.

    What MGCA's code leaves open or does otherwise, and what this reading does: padding words take part nowhere (there
    they are negatives of `L_words`), and what regions gather is always normalised (there for a ResNet only, not for a
    ViT).

    Args:
        depth: the map that words look in.
        temperature: `t`, of the choice among the tokens of a study.
        attention_temperature: `a`, of the attention.
        weights: "attention" counts words as their encoder's [CLS] attends to them, and regions too where the image
            encoder has a [CLS]; "uniform" counts all alike.
        words_to_regions, regions_to_words: which of the two sides to add up.

    Raises:
        InputError: for a temperature that is not positive, unknown weights, or neither side; and in use, where words
            are to be weighted by an attention that the features do not hold.
    """

    unit = "words"

    def __init__(
        self,
        depth: Depth = "deep",
        *,
        temperature: float = 0.1,
        attention_temperature: float = 0.1,
        weights: Weights = "attention",
        words_to_regions: bool = True,
        regions_to_words: bool = True,
    ) -> None:
        super().__init__()
        for name, value in (("temperature", temperature), ("attention_temperature", attention_temperature)):
            if not value > 0:
                raise InputError(f"{name} is {value}; it divides similarities and must be positive.")
        check_weights(weights)
        if not (words_to_regions or regions_to_words):
            raise InputError("words_to_regions and regions_to_words are both false; there is no loss without a side.")
        self.depth: Depth = depth
        self.temperature = temperature
        self.attention_temperature = attention_temperature
        self.weights: Weights = weights
        self.words_to_regions = words_to_regions
        self.regions_to_words = regions_to_words

    def forward(self, pairs: PairedFeatures) -> Alignment:
        """The loss, its sides, and `maps["attention"]` [batch, words, height, width], words' attention over regions."""
        regions_map = getattr(pairs.image, self.depth)
        regions, visible = regions_map.flatten(start_dim=2).mT, visible_regions(pairs.image, self.depth)
        words, present = pairs.text.words, pairs.text.word_mask
        weights = word_weights(pairs.text, self.weights), region_weights(pairs.image, self.depth, self.weights)
        used = present.any(dim=1) & visible.any(dim=1)
        sides = self.words_to_regions, self.regions_to_words
        losses = token_losses(
            words[used],
            regions[used],
            present[used],
            visible[used],
            weights[0][used],
            weights[1][used],
            temperature=self.temperature,
            attention_temperature=self.attention_temperature,
            sides=sides,
        )
        loss, *of_sides = (values.sum() / max(1, len(values)) for values in losses)
        named = zip(("words_to_regions", "regions_to_words"), sides, of_sides, strict=True)
        attention = word_attention(
            words, regions, present, visible, attention_temperature=self.attention_temperature
        ).unflatten(2, regions_map.shape[2:])
        return Alignment(
            loss=loss,
            parts={name: value.detach() for name, wanted, value in named if wanted},
            maps={"attention": attention},
        )


def token_losses(
    words: Float[Tensor, "pairs words dim"],
    regions: Float[Tensor, "pairs regions dim"],
    word_mask: Bool[Tensor, "pairs words"],
    region_mask: Bool[Tensor, "pairs regions"],
    word_weights: Float[Tensor, "pairs words"],
    region_weights: Float[Tensor, "pairs regions"],
    *,
    temperature: float = 0.1,
    attention_temperature: float = 0.1,
    sides: tuple[bool, bool] = (True, True),
) -> tuple[Float[Tensor, " pairs"], Float[Tensor, " pairs"], Float[Tensor, " pairs"]]:
    """Each study's loss, and of it, without gradient, the words' and the regions' side: zero where it is not wanted.

    Vectors need not be normalised; what stands where a mask is False is never read. Half-precision inputs are computed
    in float32, under autocast too; float64 stays float64. It can be differentiated once, not twice.
    """
    dtype = torch.promote_types(torch.promote_types(words.dtype, regions.dtype), torch.float32)
    words, word_mask, word_weights = _packed(words.to(dtype), word_mask, word_weights.to(dtype))
    regions, region_mask, region_weights = _packed(regions.to(dtype), region_mask, region_weights.to(dtype))
    masks_and_weights = word_mask, region_mask, word_weights, region_weights
    settings = temperature, attention_temperature, sides
    return _TokenLosses.apply(words, regions, *masks_and_weights, settings)


@torch.no_grad()
def word_attention(
    words: Float[Tensor, "pairs words dim"],
    regions: Float[Tensor, "pairs regions dim"],
    word_mask: Bool[Tensor, "pairs words"],
    region_mask: Bool[Tensor, "pairs regions"],
    *,
    attention_temperature: float = 0.1,
) -> Float[Tensor, "pairs words regions"]:
    """`softmax_m(<w_k, p_m> / a)` of each report's words in its own image, for drawing: float32, detached, zero at
    padding and at hidden regions."""
    with torch.autocast(regions.device.type, enabled=False):
        scores = directions(words.float()) @ directions(regions.float()).mT / attention_temperature
        attention = _masked(scores, region_mask[:, None]).softmax(dim=-1)
        return attention.masked_fill(~(word_mask[..., None] & region_mask[:, None]), 0.0)


class _TokenLosses(torch.autograd.Function):
    """The losses of all pairs, a few at a time.

    A pair's loss is one number that depends on that pair alone. So its gradient is taken at once, in the forward pass,
    and nothing as large as regions x regions outlives its chunk; the backward pass only scales what is kept.
    """

    @staticmethod
    def forward(ctx, words, regions, word_mask, region_mask, word_weights, region_weights, settings):
        pairs = len(words)
        losses = words.new_zeros(3, pairs)
        with_gradient = any(ctx.needs_input_grad)
        gradients = (torch.zeros_like(words), torch.zeros_like(regions)) if with_gradient else ()
        lengths = word_mask.sum(dim=1)
        order = lengths.argsort(stable=True)
        at_once = max(1, CHUNK_ELEMENTS // max(1, regions.shape[1] ** 2))
        for chunk in order.split(at_once) if pairs else ():
            longest = int(lengths[chunk[-1]])
            w, w_mask, w_weights = (x[chunk, :longest] for x in (words, word_mask, word_weights))
            r, r_mask, r_weights = (x[chunk] for x in (regions, region_mask, region_weights))
            with torch.set_grad_enabled(with_gradient), torch.autocast(words.device.type, enabled=False):
                leaves = [x.detach().requires_grad_(with_gradient) for x in (w, r)]
                total, *sides = _losses(*leaves, w_mask, r_mask, w_weights, r_weights, *settings)
                found = torch.autograd.grad(total.sum(), leaves) if with_gradient else ()
            losses[:, chunk] = torch.stack([total, *sides]).detach()
            for kept, gradient in zip(gradients, found, strict=True):
                kept[chunk, : gradient.shape[1]] = gradient
        ctx.save_for_backward(*gradients)
        ctx.mark_non_differentiable(losses[1], losses[2])
        return losses[0], losses[1], losses[2]

    @staticmethod
    @once_differentiable
    def backward(ctx, d_losses, *_):
        return *(d_losses[:, None, None] * gradient for gradient in ctx.saved_tensors), *[None] * 5


def _losses(words, regions, word_mask, region_mask, word_weights, region_weights, temperature, attention, sides):
    """The losses of a chunk of pairs: their sum, the words' side, the regions' side."""
    words, regions = directions(words), directions(regions)
    scores = torch.bmm(words / attention, regions.mT)
    of_words = of_regions = words.new_zeros(len(words))
    if sides[0]:
        found = directions(torch.bmm(_masked(scores, region_mask[:, None]).softmax(dim=2), regions))
        of_words = _choice(torch.bmm(words, found.mT / temperature), word_mask, word_weights)
    if sides[1]:
        found = directions(torch.bmm(_masked(scores, word_mask[..., None]).softmax(dim=1).mT, words))
        of_regions = _choice(torch.bmm(regions, found.mT / temperature), region_mask, region_weights)
    return of_words + of_regions, of_words, of_regions


def _choice(table: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy both ways, halved, of tables [pairs, tokens, tokens] with the diagonal as the target, weighted."""
    table = _masked(_masked(table, mask[:, None]), mask[..., None])
    chosen = [table.log_softmax(dim).diagonal(dim1=1, dim2=2) for dim in (1, 2)]
    return -(weights * (chosen[0] + chosen[1])).sum(dim=1) / 2


def _masked(scores: Tensor, mask: Tensor) -> Tensor:
    """Scores so low where the mask is False that a softmax gives them nothing.

    They are finite, and may still be added up, so that rows which are masked as a whole stay numbers, which their
    weights of zero then drop.
    """
    return scores if mask.all() else scores.masked_fill(~mask, torch.finfo(scores.dtype).min / 8)


def _packed(vectors: Tensor, mask: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens with those that are there first, and no more columns than the longest row needs; zero at padding."""
    if mask.all():
        return vectors, mask, weights
    longest = int(mask.sum(dim=1).amax())
    order = mask.int().argsort(dim=1, descending=True, stable=True)[:, :longest]
    mask, weights = mask.gather(1, order), weights.gather(1, order)
    vectors = vectors.gather(1, order[..., None].expand(-1, -1, vectors.shape[2]))
    return vectors.masked_fill(~mask[..., None], 0.0), mask, weights
