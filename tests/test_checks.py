"""The self-checks of the exercises: each is tried with wrong answers that people give, and each must earn its hint."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import expit, logsumexp, softmax
from scipy.stats import entropy
from sklearn.metrics import average_precision_score, roc_auc_score

from cxrtutor import checks as check
from cxrtutor.checks import EXERCISES, Verdict, exercise, judging
from cxrtutor.checks.comparing import same


def common(a, b, least=0):
    return np.prod([max(min(a[i] + a[i + 2], b[i] + b[i + 2]) - max(a[i], b[i]), least) for i in (0, 1)])


def iou_of_boxes(a, b, least=0):
    return common(a, b, least) / (a[2] * a[3] + b[2] * b[3] - common(a, b, least))


def ious_of(masks, truths):
    with np.errstate(invalid="ignore"):
        return (masks & truths).sum((1, 2)) / (masks | truths).sum((1, 2))


def over_rule(ious, masks, truths, over, neither):
    """The three rules, but a pair without lesion and mask scores `neither` over all."""
    there, marked = truths.any((1, 2)), masks.any((1, 2))
    if over == "all":
        return np.nan_to_num(ious, nan=neither).mean()
    return ious[there if over == "positives" else there & marked].mean()


def corners_mistaken(box):
    """The box that one sees who takes width and height for the far corner."""
    return (box[0], box[1], box[2] - box[0], box[3] - box[1])


def within(counts, cut, weighted=True):
    """The spread left in both groups when the lower one ends with bin `cut`."""
    spread = 0.0
    for part, bins in ((counts[: cut + 1], np.arange(cut + 1)), (counts[cut + 1 :], np.arange(cut + 1, len(counts)))):
        with np.errstate(invalid="ignore"):
            mean = (part * bins).sum() / part.sum()
            squares = (part * (bins - mean) ** 2).sum()
            spread += squares if weighted else squares / part.sum()
    return spread


def otsu_by(counts, choose=np.nanargmin, weighted=True):
    return int(choose([within(counts, cut, weighted) for cut in range(len(counts) - 1)]))


def macro_of(iou, findings, mean):
    return np.mean([mean(iou[findings == name], axis=0) for name in np.unique(findings)], axis=0)


def judged_sorted(heat):
    return np.sort(heat[~np.isnan(heat)])


def kept_pixels(heat, share):
    return round(share * len(judged_sorted(heat)))


OTHER_SIDE = {"left": "right", "right": "left"}


def denial(text, cues="no|without"):
    return re.search(rf"\b({cues})\b", text) is not None


def side_in(text, both):
    words = set(re.findall(r"\w+", text))
    if words & {*both} or {"left", "right"} <= words:
        return "both"
    return next((side for side in ("left", "right") if side in words), "none")


def pairs_won(with_it, without):
    return sum(float(a > b) + float(a == b) / 2 for a in with_it for b in without)


def gaps_of(said, present, bins):
    """The gap of every bin that holds answers, and how many it holds."""
    edges = np.linspace(0, 1, bins + 1)
    within = [(said >= a) & ((said < b) | (b == 1)) for a, b in pairwise(edges)]
    return [said[w].mean() - present[w].mean() for w in within if w.any()], [w.sum() for w in within if w.any()]


def forgets_certainty(said, present, bins):
    gaps, counts = gaps_of(said[said < 1], present[said < 1], bins)
    return np.abs(gaps) @ counts / len(said)


def square_of(height, width, size):
    """What lies left of and above a film in its square, and how many of its pixels one of the square's covers."""
    inner = [round(length * size / max(height, width)) for length in (width, height)]
    return [(size - length) // 2 for length in inner], [width / inner[0], height / inner[1]]


def out_of_square(box, height, width, size, shifted=lambda place, padding, ratio: (place - padding) * ratio):
    """The box on the film; `shifted` makes a place on it of a place in the square."""
    padding, ratio = square_of(height, width, size)
    return (*(shifted(box[k], padding[k], ratio[k]) for k in (0, 1)), box[2] * ratio[0], box[3] * ratio[1])


def padding_exchanged(box, height, width, size):
    (left, top), (across, down) = square_of(height, width, size)
    return (box[0] - top) * across, (box[1] - left) * down, box[2] * across, box[3] * down


def lengths_shifted(box, height, width, size):
    (left, top), (across, down) = square_of(height, width, size)
    return (*out_of_square(box, height, width, size)[:2], (box[2] - left) * across, (box[3] - top) * down)


def scaled_down(box, height, width, size):
    (left, top), (across, down) = square_of(height, width, size)
    return (box[0] - left) / across, (box[1] - top) / down, box[2] / across, box[3] / down


def scaled(box, across, down):
    return box[0] * across, box[1] * down, box[2] * across, box[3] * down


def half_a_pixel_of_padding(box, height, width, size):
    scale = size / max(height, width)
    left, top = (size - width * scale) / 2, (size - height * scale) / 2
    return scaled((box[0] - left, box[1] - top, *box[2:]), 1 / scale, 1 / scale)


def by_the_scale(box, height, width, size):
    (left, top), _ = square_of(height, width, size)
    scale = size / max(height, width)
    return scaled((box[0] - left, box[1] - top, *box[2:]), 1 / scale, 1 / scale)


def millimetres(box, spacing, unknown=min, nobody=np.nan):
    """Height and width; `unknown` of both spacings is 0 where nobody knows."""
    if spacing is None or unknown(spacing) <= 0:
        return nobody, nobody
    return box.height * spacing[0], box.width * spacing[1]


def length_one(vector):
    return vector / np.linalg.norm(vector)


def only_between_the_limits(attention):
    low, high = np.quantile(attention, [0.1, 0.9])
    kept = attention * ((low <= attention) & (attention <= high))
    return kept / kept.sum()


def cosine_of(a, b):
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


def seen(kernels, strides):
    """The receptive field, from the last layer back to the pixels."""
    pixels = 1
    for kernel, stride in reversed(list(zip(kernels, strides, strict=True))):
        pixels = (pixels - 1) * stride + kernel
    return pixels


def by_channel(maps, axes):
    with np.errstate(invalid="ignore"):
        return (maps - maps.mean(axes, keepdims=True)) / maps.std(axes, keepdims=True)


def overwritten_sums(values, group, groups):
    sums = values.new_zeros(groups, values.shape[1])
    sums[group] += values
    return sums


def choosing(table):
    return (table.logsumexp(dim=1) - table.diagonal()).mean()


def longest_first(word, vocabulary, mark="##", longest=(max, max), stuck=lambda pieces: ["[UNK]"]):
    """The pieces of a word; `longest` chooses among those that fit at the beginning, and further on."""
    pieces, start = [], 0
    while start < len(word):
        lead = mark if start else ""
        fitting = [end for end in range(start + 1, len(word) + 1) if lead + word[start:end] in vocabulary]
        if not fitting:
            return stuck(pieces)
        end = longest[start > 0](fitting)
        pieces.append(lead + word[start:end])
        start = end
    return pieces


def however_possible(word, vocabulary, mark=""):
    """The pieces of a word if there is any way to spell it: goes back where it is stuck."""
    if not word:
        return []
    for end in range(len(word), 0, -1):
        rest = however_possible(word[end:], vocabulary, "##") if mark + word[:end] in vocabulary else ["[UNK]"]
        if "[UNK]" not in rest:
            return [mark + word[:end], *rest]
    return ["[UNK]"]


def added(vectors, words, marks=False):
    """The sum of each word's vectors; with `marks`, those of -1 go where -1 leads, to the last row."""
    chosen = slice(None) if marks else words >= 0
    total = np.zeros((words.max() + 1, vectors.shape[1]))
    np.add.at(total, words[chosen], vectors[chosen])
    return total


def overwritten(vectors, words):
    total = np.zeros((words.max() + 1, vectors.shape[1]))
    total[words[words >= 0]] += vectors[words >= 0]
    return total


def edges(spans, words, of):
    return np.array([of(spans[words == word]) for word in range(words.max() + 1)])


def arrays(function):
    """`function` on arrays in place of tensors."""
    return lambda *given: function(*(np.asarray(a) if hasattr(a, "shape") else a for a in given))


def chosen(table):
    """Cross-entropy of the rows, with the diagonal as targets."""
    return -np.mean(np.diag(table - np.logaddexp.reduce(table, axis=1, keepdims=True)))


def underflowing(S, tau):
    with np.errstate(divide="ignore"):
        return -np.mean(np.log(np.diag(softmax(S / tau, axis=1))))


def others(row, own):
    return softmax(np.delete(row, own)).max()


def paid(S, axis):
    """What those pay on average who choose along an axis of a table."""
    return -np.log(np.diag(softmax(S, axis=axis))).mean()


def both_ways(S):
    return paid(S, 0) + paid(S, 1)


def gathered(maps, owner, sentences, count):
    """Maps of words added to their sentences one by one, padding too, and divided by a count of each."""
    total, number = np.zeros((sentences, *maps.shape[1:])), np.zeros(sentences)
    for values, sentence in zip(maps, owner, strict=True):
        total[sentence] += values
        number[sentence] += sentence >= 0
    return total / count(number)[:, None, None]


def added_up(maps, owner, sentences):
    return gathered(maps[owner >= 0], owner[owner >= 0], sentences, np.ones_like)


def mean_of_nothing(maps, owner, sentences):
    with np.errstate(invalid="ignore"):
        return gathered(maps[owner >= 0], owner[owner >= 0], sentences, np.copy)


def differences(a, b):
    return [a[sample] - b[sample] for sample in a if sample in b]


def normalized(table, axis):
    return table / table.sum(axis=axis, keepdims=True)


def predicted(codes, scores, tau):
    """The cost of predicting one side's codes by the other side's scores."""
    return logsumexp(scores / tau, axis=1).mean() - (codes * scores).sum(axis=1).mean() / tau


def underflowing_swap(films, reports, film_codes, report_codes, tau):
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = [np.log(softmax(scores / tau, axis=1)) for scores in (reports, films)]
        return (
            -sum((codes * log).sum(axis=1).mean() for codes, log in zip((film_codes, report_codes), logs, strict=True))
            / 2
        )


def mistaken(cosines, stories, own, tau):
    return softmax(np.delete(cosines, own) / tau)[np.delete(stories, own) == stories[own]].sum()


def unused_is_no_number(codes):
    mean = codes.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.exp(-(mean * np.log(mean)).sum())


def enlarged(hidden, truth):
    high, wide = np.array(truth.shape) // hidden.shape
    return hidden.repeat(high, axis=0).repeat(wide, axis=1)


def touched_patches(truth, hidden):
    high, wide = np.array(truth.shape) // hidden.shape
    return np.array(
        [
            [truth[r * high :, c * wide :][:high, :wide].any() for c in range(hidden.shape[1])]
            for r in range(hidden.shape[0])
        ]
    )


def quietly(function):
    """The same without NumPy's warnings, for answers that overflow or divide by nothing."""

    def called(*arguments):
        with np.errstate(all="ignore"):
            return function(*arguments)

    return called


def mean_direction(prompts):
    return np.mean([length_one(prompt) for prompt in prompts], axis=0)


def probe_errors(z, y, weights, offset):
    return expit(z @ weights + offset) - y


def precisions(scores, shown):
    """At every place of the list, the share of films so far that show it."""
    return np.cumsum(shown[np.argsort(-scores)]) / np.arange(1, len(shown) + 1)


def at_odds(probability, times):
    odds = probability / (1 - probability) * times
    return odds / (1 + odds)


def shares_right(right):
    """At every rank, the share of boxes so far that are right."""
    return np.cumsum(right) / np.arange(1, len(right) + 1)


def coco_precision(right, lesions, best=max):
    """Mean over 101 recalls of the `best` of the precisions from where each is reached; 0 where it is not."""
    reached = [shares_right(right)[np.cumsum(right) / lesions >= recall] for recall in np.linspace(0, 1, 101)]
    return np.mean([best(here) if len(here) else 0 for here in reached])


def cells_of(truth, side):
    rows, columns = truth.shape
    return truth.reshape(rows // side, side, columns // side, side).swapaxes(1, 2)


def in_pixels(cells, side):
    return cells.repeat(side, axis=0).repeat(side, axis=1)


def dice_or(nothing, mask, truth):
    """Dice of one film, or `nothing` where there is nothing to find and nothing was found."""
    areas = mask.sum() + truth.sum()
    return 2 * (mask & truth).sum() / areas if areas else nothing


def cross_entropies(S):
    """Of a table of similarities: what every film pays, and below it what every report pays."""
    return np.stack([np.log(np.exp(S).sum(axis=way)) - np.diag(S) for way in (1, 0)])


def parts_of(S, parts):
    """The tables of equal parts of a batch, in order."""
    size = len(S) // parts
    return [S[k : k + size, k : k + size] for k in range(0, len(S), size)]


def limits(gaps, reach):
    return np.mean(gaps) - reach, np.mean(gaps) + reach


WRONG_ANSWERS: dict[str, list[tuple[Callable, str]]] = {
    "window_limits": [
        (lambda c, w: (c - w / 2, c + w / 2), "LINEAR_EXACT"),
        (lambda c, w: (c - (w - 1) / 2, c + (w - 1) / 2), "*below* the centre"),
        (lambda c, w: (c - 0.5 - w / 2, c - 0.5 + w / 2), "one shorter than the width"),
        (lambda c, w: (c - 0.5 - (w - 1), c - 0.5 + (w - 1)), "half of it lies on each side"),
        (lambda c, w: (c - 0.5 + (w - 1) / 2, c - 0.5 - (w - 1) / 2), "Black first"),
        (lambda c, w: (c - w // 2, c + w // 2 - 1), "where the width is odd"),
    ],
    "to_bytes": [
        (lambda shown: shown.astype(np.uint8), "changed before the scale"),
        (lambda shown: shown.astype(np.uint8) * 255, "changed before the scale"),
        (lambda shown: np.clip(shown * 256, 0, 255).astype(np.uint8), "the highest is 255"),
        (lambda shown: (shown * 256).astype(np.uint16).astype(np.uint8), "White has become black"),
        (lambda shown: (shown * 255).astype(np.uint8), "Round first"),
        (lambda shown: shown * 255, "now round"),
        (lambda shown: np.rint(shown * 100).astype(np.uint8), "per cent"),
    ],
    "box_back": [
        (lambda *box: out_of_square(*box, lambda place, padding, ratio: place * ratio), "padding is still in it"),
        (lambda *box: out_of_square(*box, lambda place, padding, ratio: place * ratio - padding), "Shift first"),
        (lengths_shifted, "does not change a length"),
        (lambda box, *shape: (*out_of_square(box, *shape)[:2], *box[2:]), "have to be scaled, too"),
        (padding_exchanged, "you took it from `y`"),
        (scaled_down, "once more"),
        (lambda b, height, width, size: scaled(b, width / size, height / size), "undid a *stretch*"),
        (lambda *box: tuple(out_of_square(*box)[k] for k in (1, 0, 3, 2)), "the order is not"),
        (half_a_pixel_of_padding, "Padding is whole pixels"),
        (by_the_scale, "inside the square a length was rounded"),
    ],
    "size_in_mm": [
        (lambda box, spacing: (box[3] * spacing[1], box[2] * spacing[0]), "*rows* first"),
        (lambda box, spacing: (box[2] * spacing[1], box[3] * spacing[0]), "height first"),
        (lambda box, spacing: (box[1] * spacing[0], box[0] * spacing[1]), "where the box lies"),
        (lambda box, spacing: (box[3] / spacing[0], box[2] / spacing[1]), "multiply"),
        (lambda box, spacing: (box[3] * spacing[0], box[2] * spacing[1]), "means *unknown*"),
        (lambda box, spacing: millimetres(box, spacing, unknown=max), "One zero is enough"),
        (lambda box, spacing: millimetres(box, spacing, nobody=None), "give `nan`"),
    ],
    "cosine_similarity": [
        (lambda a, b: a @ b, "dot product"),
        (lambda a, b: a @ b / np.linalg.norm(b), "first vector"),
        (lambda a, b: a @ b / np.linalg.norm(a), "second vector"),
        (lambda a, b: 1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), "distance"),
        (lambda a, b: abs(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b)), "sign"),
    ],
    "mask_above": [
        (lambda heat, threshold: heat >= threshold, "equals the threshold"),
        (lambda heat, threshold: ~(heat <= threshold), "not judged"),
        (lambda heat, threshold: heat < threshold, "below"),
        (lambda heat, threshold: np.where(heat > threshold, heat, 0), "give the heat"),
        (lambda heat, threshold: heat[heat > threshold], "give the heat"),
    ],
    "share_on_left": [
        (lambda mask: mask[:, : mask.shape[1] // 2].sum() / mask.sum(), "faces you"),
        (lambda mask: mask[:, mask.shape[1] // 2 :].sum(), "how many pixels"),
        (lambda mask: mask[:, mask.shape[1] // 2 :].mean(), "share of the half"),
        (lambda mask: mask[:, mask.shape[1] // 2 :].sum() / mask.size, "all pixels of the film"),
        (lambda mask: mask[mask.shape[0] // 2 :].sum() / mask.sum(), "upper and lower"),
    ],
    "stretched": [
        (lambda heat: 2 * (heat - heat.min()) / (heat.max() - heat.min()) - 1, "spoiled"),
        (lambda heat: np.nan_to_num(2 * (heat - np.nanmin(heat)) / np.ptp(heat[heat == heat]) - 1), "stay NaN"),
        (lambda heat: (heat - np.nanmin(heat)) / (np.nanmax(heat) - np.nanmin(heat)), "from 0 to 1"),
        (lambda heat: 2 * (heat - np.nanmin(heat)) / (np.nanmax(heat) - np.nanmin(heat)), "from 0 to 2"),
        (lambda heat: heat / np.nanmax(heat), "Shift before"),
    ],
    "mean_over": [
        (lambda masks, truths, over: np.mean(ious_of(masks, truths)), "NaN"),
        (lambda masks, truths, over: ious_of(masks, truths)[masks.any((1, 2)) & truths.any((1, 2))].mean(), "miss"),
        (lambda masks, truths, over: np.nanmean(ious_of(masks, truths)), "without a lesion"),
        (lambda masks, truths, over: ious_of(masks, truths)[truths.any((1, 2))].mean(), "only if neither"),
        (lambda masks, truths, over: over_rule(ious_of(masks, truths), masks, truths, over, neither=0.0), "leaves"),
        (lambda masks, truths, over: over_rule(ious_of(masks, truths), masks, truths, over, neither=1.0), "kind"),
        (
            lambda masks, truths, over: ious_of(masks, truths)[
                truths.any((1, 2)) & (masks.any((1, 2)) | (over != "true positives"))
            ].mean(),
            "as well",
        ),
    ],
    "shifted_square_iou": [
        (lambda side, shift: max(side - shift, 0) / side, "still covered"),
        (lambda side, shift: (side - shift) ** 2 / (2 * side**2 - (side - shift) ** 2), "moved down"),
        (lambda side, shift: (side - shift) / (side + shift), "less than 0"),
        (lambda side, shift: abs(side - shift) / (side + shift), "shares nothing"),
    ],
    "box_iou": [
        (lambda a, b: common(a, b) / (a[2] * a[3] + b[2] * b[3]), "twice"),
        (lambda a, b: 2 * common(a, b) / (a[2] * a[3] + b[2] * b[3]), "Dice"),
        (lambda a, b: iou_of_boxes(corners_mistaken(a), corners_mistaken(b)), "corner"),
        (lambda a, b: iou_of_boxes(a, b, least=-np.inf), "negative"),
    ],
    "macro_mean": [
        (lambda values, names: np.mean([values[names == name].mean() for name in set(names)]), "made everything NaN"),
        (lambda values, names: np.nanmean(values), "micro"),
        (lambda values, names: np.mean([np.nan_to_num(values)[names == name].mean() for name in set(names)]), "miss"),
        (
            lambda values, names: sum(np.nanmean(values[names == n]) for n in ("heart", "nodule")) / len(set(names)),
            "without a defined sample",
        ),
    ],
    "paired_interval": [
        (lambda a, b, draws: np.quantile((b - a)[draws].mean(axis=1), [0.025, 0.975]), "signs"),
        (
            lambda a, b, draws: np.subtract(*(np.quantile(x[draws].mean(axis=1), [0.025, 0.975]) for x in (a, b))),
            "cannot be subtracted",
        ),
        (lambda a, b, draws: np.quantile((a - b)[draws].mean(axis=1), [0.05, 0.95]), "90 %"),
        (lambda a, b, draws: np.quantile(a - b, [0.025, 0.975]), "spread of patients"),
    ],
    "unit_threshold": [
        (lambda t: t, "must change"),
        (lambda t: 2 * t - 1, "way back"),
        (lambda t: t / 2, "begin"),
        (lambda t: t + 1, "end"),
    ],
    "top_mask": [
        (lambda heat, share: heat > np.quantile(heat, 1 - share), "Nothing is marked"),
        (lambda heat, share: heat <= np.nanquantile(heat, share), "coldest"),
        (lambda heat, share: heat >= judged_sorted(heat)[-round(share * heat.size)], "count NaN"),
        (lambda heat, share: heat > judged_sorted(heat)[-kept_pixels(heat, share)], "missing"),
        (lambda heat, share: heat > np.nanmax(heat) - share * np.ptp(judged_sorted(heat)), "range"),
        (lambda heat, share: heat >= judged_sorted(heat)[-kept_pixels(heat, share)], "share of 0"),
    ],
    "otsu_within": [
        (lambda counts: otsu_by(counts) + 1, "upper"),
        (lambda counts: otsu_by(counts, weighted=False), "as often"),
        (lambda counts: otsu_by(counts, np.nanargmax), "widest"),
        (lambda counts: otsu_by(counts, np.argmin), "empty"),
    ],
    "fair_threshold": [
        (lambda iou, findings, thresholds: thresholds[np.argmax(np.nanmean(iou, axis=0))], "micro"),
        (lambda iou, findings, thresholds: thresholds[np.argmax(macro_of(iou, findings, np.mean))], "NaN"),
        (lambda iou, findings, thresholds: np.argmax(macro_of(iou, findings, np.nanmean)), "column"),
        (lambda iou, findings, thresholds: macro_of(iou, findings, np.nanmean).max(), "best mean"),
    ],
    "map_side": [
        (lambda side, kernel, stride, padding: (side - kernel) // stride + 1, "pad nowhere"),
        (lambda side, kernel, stride, padding: (side + padding - kernel) // stride + 1, "two ends"),
        (lambda side, kernel, stride, padding: (side + 2 * padding - kernel) / stride + 1, "Half a step"),
        (lambda side, kernel, stride, padding: (side + 2 * padding - kernel) // stride, "fingers"),
        (lambda side, kernel, stride, padding: -(-side // stride), "outermost"),
    ],
    "receptive_field": [
        (lambda kernels, strides: 1 + sum(kernel - 1 for kernel in kernels), "never looks at the strides"),
        (
            lambda kernels, strides: 1 + sum((k - 1) * s for k, s in zip(kernels, np.cumprod(strides), strict=True)),
            "*after*",
        ),
        (lambda kernels, strides: int(np.prod(kernels)), "do not multiply"),
        (lambda kernels, strides: seen(kernels, strides) - 1, "one pixel, not none"),
        (lambda kernels, strides: int(np.prod(strides)), "lie apart"),
    ],
    "standardized": [
        (lambda maps: (maps - maps.mean()) / maps.std(), "loud"),
        (lambda maps: maps - maps.mean((0, 2, 3), keepdims=True), "Divide"),
        (lambda maps: maps / maps.std((0, 2, 3), keepdims=True), "Take the means off"),
        (lambda maps: by_channel(maps, axes=(2, 3)), "by itself"),
        (lambda maps: by_channel(maps, axes=(0, 2, 3)), "never changes"),
    ],
    "grad_cam": [
        (lambda maps, gradients: np.einsum("chw,c->hw", maps, gradients.mean((1, 2))), "cut below"),
        (lambda maps, gradients: np.maximum((maps * gradients).sum(0), 0), "One weight a channel"),
        (lambda maps, gradients: np.maximum(maps * gradients.mean((1, 2), keepdims=True), 0).sum(0), "Sum first"),
        (lambda maps, gradients: np.maximum(maps, 0).sum(0), "add up the maps"),
    ],
    "attention_ceiling": [
        (lambda t1, n: np.exp(t1) / (np.exp(t1) + n), "*other*"),
        (lambda t1, n: 1 / n, "share 1"),
        (lambda t1, n: 1.0, "$e^0$"),
        (lambda t1, n: t1 / (t1 + n - 1), "exponentials"),
    ],
    "mean_similarity": [
        (lambda cosines, t2: np.log(np.exp(t2 * cosines).sum()), "That is the sum"),
        (lambda cosines, t2: np.log(np.exp(t2 * cosines).sum()) / len(cosines), "divide the logarithm"),
        (lambda cosines, t2: t2 * cosines.mean(), "mean of the cosines"),
        (lambda cosines, t2: np.log(np.exp(t2 * cosines).mean()) / t2, "divide by $t_2$"),
        (lambda cosines, t2: float("inf") if t2 > 100 else np.log(np.exp(t2 * cosines).mean()), "overflows"),
    ],
    "masked_shares": [
        (lambda scores, mask: softmax(scores, axis=0), "takes its part"),
        (lambda scores, mask: softmax(scores, axis=0) * mask[:, None], "no longer gives out 1"),
        (lambda scores, mask: softmax(scores, axis=1) * mask[:, None], "choose among regions"),
        (lambda scores, mask: np.where(mask[:, None], softmax(scores, axis=0), np.nan), "NaN"),
    ],
    "word_shares": [
        (lambda regions, words: softmax(regions @ words.T, axis=0), "over the *regions*"),
        (lambda regions, words: softmax(words @ regions.T, axis=0), "axes"),
        (lambda regions, words: regions @ words.T / (regions @ words.T).sum(axis=1, keepdims=True), "Exponentials"),
        (
            lambda regions, words: softmax(
                [[cosine_of(region, word) for word in words] for region in regions],
                axis=1,
            ),
            "cosines",
        ),
        (lambda regions, words: softmax(4 * regions @ words.T, axis=1), "second softmax"),
    ],
    "report_score": [
        (lambda cosines, t2: logsumexp(t2 * cosines) / t2, "in front of the logarithm"),
        (lambda cosines, t2: np.log(np.mean(np.exp(t2 * cosines))), "*mean*"),
        (lambda cosines, t2: t2 * cosines.max(), "best word alone"),
        (lambda cosines, t2: np.exp(t2 * cosines).sum(), "logarithm is missing"),
        (lambda cosines, t2: float("inf") if t2 > 100 else np.log(np.exp(t2 * cosines).sum()), "overflows"),
    ],
    "effective_regions": [
        (lambda attention: entropy(attention), "That is the entropy"),
        (lambda attention: np.exp(-entropy(attention)), "sign"),
        (lambda attention: np.exp(entropy(attention, base=2)), "base 2"),
        (lambda attention: 1 / attention.max(), "largest alone"),
        (lambda attention: (attention > 0).sum(), "crumb"),
        (lambda attention: np.exp(entropy(attention)) if attention.all() else np.nan, "gives NaN"),
    ],
    "word_mask": [
        (lambda reports, columns: np.arange(columns) < [[len(text)] for text in reports], "characters"),
        (lambda reports, columns: np.arange(columns) <= [[len(text.split())] for text in reports], "One too many"),
        (lambda reports, columns: np.arange(columns) >= [[len(text.split())] for text in reports], "padding"),
        (lambda reports, columns: np.arange(columns)[:, None] < [len(text.split()) for text in reports], "One row"),
        (lambda reports, columns: np.arange(columns) < [[len(text.split(" "))] for text in reports], "empty report"),
    ],
    "context_fit": [
        (
            lambda r, a, u: a @ (r @ u / (np.linalg.norm(r, axis=1) * np.linalg.norm(u))),
            "cosine of the mean",
        ),
        (lambda r, a, u: a @ r @ u, "grows with the lengths"),
        (lambda r, a, u: cosine_of(r.mean(axis=0), u), "looks everywhere"),
        (lambda r, a, u: a @ r, "That is the context"),
    ],
    "map_to_regions": [
        (lambda maps: maps.reshape(len(maps), -1, maps.shape[1]), "scrambled"),
        (lambda maps: maps.flatten(2), "[batch, dim, regions]"),
        (lambda maps: maps.permute(0, 2, 3, 1), "still a map"),
        (lambda maps: maps.permute(0, 3, 2, 1).flatten(1, 2), "down the columns"),
    ],
    "cosine_table": [
        (lambda a, b: a @ b.T, "dot products"),
        (lambda a, b: (b / b.norm(dim=1, keepdim=True)) @ (a / a.norm(dim=1, keepdim=True)).T, "exchanged"),
        (lambda a, b: (a / a.norm(dim=0)) @ (b / b.norm(dim=0)).T, "divide columns"),
        (lambda a, b: (a / a.norm()) @ (b / b.norm()).T, "whole table"),
    ],
    "masked_mean": [
        (lambda units, mask: units.mean(dim=1), "as if it were a sentence"),
        (lambda units, mask: units.masked_fill(~mask[..., None], 0).mean(dim=1), "padded one"),
        (lambda units, mask: units.masked_fill(~mask[..., None], 0).sum(dim=1), "That is the sum"),
        (lambda units, mask: units.masked_fill(~mask[..., None], 0).sum(dim=1) / mask.sum(), "whole batch"),
        (lambda units, mask: (units * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True), "0 times NaN"),
    ],
    "log_sum_exp": [
        (lambda scores: scores.exp().sum(dim=-1).log(), "overflows"),
        (lambda scores: (scores - scores.amax(dim=-1, keepdim=True)).exp().sum(dim=-1).log(), "add it back"),
        (lambda scores: (scores - scores.max()).exp().sum(dim=-1).log() + scores.max(), "its own"),
        (
            lambda scores: (scores - scores.amax(dim=-1, keepdim=True)).exp().sum(dim=-1).log() + scores.amax(dim=-1),
            "infinity minus infinity",
        ),
    ],
    "contexts": [
        (lambda attention, regions: (attention @ regions).sum(dim=0), "batch is gone"),
        (lambda attention, regions: (attention @ regions).mT, "[batch, dim, units]"),
        (lambda attention, regions: attention @ regions.sum(dim=0), "*all* images"),
        (
            lambda attention, regions: regions.mean(dim=1, keepdim=True).expand(-1, attention.shape[1], -1),
            "see the same",
        ),
    ],
    "group_sums": [
        (overwritten_sums, "overwrite each other"),
        (
            lambda values, group, groups: values.new_zeros(groups, 2).index_add(0, group, values)[group.unique()],
            "disappeared",
        ),
        (
            lambda values, group, groups: (
                values.new_zeros(groups, 2).index_add(0, group, values)
                / group.bincount(minlength=groups).clamp(min=1)[:, None]
            ),
            "mean of each group",
        ),
        (lambda values, group, groups: values[group], "way back"),
    ],
    "matching_loss": [
        (lambda table: choosing(table), "each row chooses"),
        (lambda table: choosing(table.T), "each column chooses"),
        (lambda table: (choosing(table) + choosing(table.T)) / 2, "sum, not the mean"),
        (lambda table: len(table) * (choosing(table) + choosing(table.T)), "add up the studies"),
        (lambda table: -choosing(table) - choosing(table.T), "sign"),
    ],
    "greedy_pieces": [
        (lambda word, vocabulary: longest_first(word, vocabulary)[:1], "remaining letters"),
        (lambda word, vocabulary: longest_first(word, vocabulary, longest=(min, max)), "is longer"),
        (lambda word, vocabulary: longest_first(word, vocabulary, longest=(max, min)), "*inside* the word"),
        (
            lambda word, vocabulary: [piece.removeprefix("##") for piece in longest_first(word, vocabulary)],
            "written with `##`",
        ),
        (lambda word, vocabulary: longest_first(word, vocabulary, mark=""), "not in the vocabulary"),
        (lambda word, vocabulary: however_possible(word, vocabulary), "never goes back"),
        (lambda word, vocabulary: longest_first(word, vocabulary, stuck=lambda pieces: pieces), "*whole* word"),
    ],
    "word_means": [
        (lambda vectors, words: added(vectors, words), "That is the sum"),
        (lambda vectors, words: added(vectors, words, marks=True) / np.bincount(words % 2)[:, None], "last row"),
        (lambda vectors, words: overwritten(vectors, words), "overwrites"),
        (
            lambda vectors, words: np.stack([vectors[words == word].mean(axis=0) for word in np.unique(words)]),
            "Is -1 a word?",
        ),
        (lambda vectors, words: added(vectors, words) / len(vectors), "*all* pieces"),
    ],
    "mean_of_pieces": [
        (lambda means, counts: means.mean(axis=0), "one vote each"),
        (lambda means, counts: (means * counts[:, None]).sum(axis=0), "How many are they?"),
        (lambda means, counts: (means * counts[:, None]).mean(axis=0), "number of words"),
        (lambda means, counts: (means / counts[:, None]).mean(axis=0), "counts least"),
    ],
    "word_spans": [
        (lambda spans, words: edges(spans, words, lambda own: own[0]), "*last* piece end"),
        (lambda spans, words: edges(spans, words, lambda own: own[-1]), "*first* piece begin"),
        (lambda spans, words: edges(spans, words, lambda own: (own[0, 0], own[-1, 1] - own[0, 0])), "A length"),
        (lambda spans, words: edges(spans, words, lambda own: (own[0, 0], own[-1, 1] - 1)), "*behind* the word"),
        (
            lambda spans, words: edges(spans, words + 1, lambda own: (own[0, 0], own[-1, 1])),
            "Is -1 a word?",
        ),
        (
            lambda spans, words: edges(
                spans, np.where(words < 0, np.roll(words, 1), words), lambda own: (own[0, 0], own[-1, 1])
            ),
            "Punctuation belongs",
        ),
    ],
    "image_to_text": [
        (arrays(lambda S, tau: -np.mean(np.diag(np.log(softmax(S / tau, axis=0))))), "Which axis"),
        (arrays(lambda S, tau: chosen(S / tau) + chosen(S.T / tau)), "both halves"),
        (arrays(lambda S, tau: chosen(S)), "does not change when tau does"),
        (arrays(lambda S, tau: chosen(S * tau)), "*divided*"),
        (arrays(lambda S, tau: len(S) * chosen(S / tau)), "Twice the studies"),
        (arrays(lambda S, tau: -chosen(S / tau)), "sign"),
        (arrays(underflowing), "softmax and logarithm at once"),
    ],
    "hardest_share": [
        (arrays(lambda row, own, tau: np.delete(softmax(row / tau), own).max()), "Leave it out"),
        (
            lambda row, own, tau: softmax(row / tau).max() if row[own] == row.max() else others(row / tau, own),
            "*others*",
        ),
        (arrays(lambda row, own, tau: others(row, own)), "does not change when tau does"),
        (
            arrays(lambda row, own, tau: np.delete(row / tau, own).max() / np.delete(row / tau, own).sum()),
            "exponentials",
        ),
        (arrays(lambda row, own, tau: np.argmax(np.where(np.arange(len(row)) == own, -np.inf, row))), "*which*"),
    ],
    "recall_at_k": [
        (arrays(lambda S, k: float((np.sum(np.diag(S) < S, axis=0) < k).mean())), "look along its row"),
        (arrays(lambda S, k: float((np.sum(np.diag(S)[:, None] < S, axis=1) < k).sum())), "Which share"),
        (arrays(lambda S, k: float((np.sum(np.diag(S)[:, None] < S, axis=1) < k - 1).mean())), "second"),
        (arrays(lambda S, k: float((np.sum(np.diag(S)[:, None] < S, axis=1) <= k).mean())), "third"),
    ],
    "false_negatives": [
        (lambda stories: sum(a == b for a in stories for b in stories), "diagonal"),
        (lambda stories: sum(a == b for a in stories for b in stories) - len(stories), "twice"),
        (lambda stories: len(stories) - len(set(stories)), "*three* pairs"),
        (lambda stories: sum(bool(a & b) for i, a in enumerate(stories) for b in stories[:i]) - 1, "*equal*"),
        (lambda stories: sum(bool(a) and a == b for i, a in enumerate(stories) for b in stories[:i]), "healthy"),
    ],
    "six_terms": [
        (lambda tables: sum(paid(S, 1) for S in tables), "Films choose"),
        (lambda tables: sum(paid(S, 0) for S in tables), "Reports choose"),
        (lambda tables: sum(both_ways(S) / 2 for S in tables), "not averaged"),
        (lambda tables: np.mean([both_ways(S) for S in tables]), "over levels"),
        (lambda tables: sum(len(S) * both_ways(S) for S in tables), "over its pairs"),
        (lambda tables: both_ways(np.sum(tables, axis=0)), "tables first"),
        (lambda tables: -sum(both_ways(S) for S in tables), "negative"),
    ],
    "report_logit": [
        (lambda r, u, t2, t3: t3 * t2 * np.mean([cosine_of(one, u) for one in r]), "mean of the cosines"),
        (lambda r, u, t2, t3: t3 * t2 * max(cosine_of(one, u) for one in r), "cannot choose"),
        (lambda r, u, t2, t3: t3 * cosine_of(r.mean(axis=0), u), "t2"),
        (lambda r, u, t2, t3: t3 * np.exp(t2 * cosine_of(r.mean(axis=0), u)), "logarithm"),
        (lambda r, u, t2, t3: t3 * t2 * r.mean(axis=0) @ u, "dot product"),
    ],
    "sentence_maps": [
        (mean_of_nothing, "without words"),
        (lambda maps, owner, n: gathered(maps, owner, n, lambda number: np.maximum(number, 1)), "the last one"),
        (added_up, "add up"),
        (lambda maps, owner, n: added_up(maps, owner, n) / len(owner), "all words"),
        (lambda maps, owner, n: maps * (owner >= 0)[:, None, None], "for each word"),
    ],
    "paired_gain": [
        (lambda a, b: np.mean(differences(a, b)), "One NaN"),
        (lambda a, b: np.nanmean(differences(b, a)), "turned round"),
        (lambda a, b: np.nanmean(list(a.values())) - np.nanmean(list(b.values())), "its own samples"),
        (lambda a, b: np.nanmean([a.get(s, 0) - b.get(s, 0) for s in a.keys() | b.keys()]), "counts as 0"),
        (lambda a, b: np.nansum(differences(a, b)) / len(differences(a, b)), "no difference"),
    ],
    "token_context": [
        (lambda word, regions, a: softmax(regions @ word / a) @ regions, "normalised once more"),
        (lambda word, regions, a: length_one(softmax(regions @ word * a) @ regions), "*divides*"),
        (lambda word, regions, a: length_one(softmax(regions @ word) @ regions), "not hear of the temperature"),
        (lambda word, regions, a: length_one(regions.T @ (regions @ word)), "a softmax makes them"),
        (lambda word, regions, a: regions[np.argmax(regions @ word)], "best region alone"),
    ],
    "token_weights": [
        (lambda attention: attention / attention.sum(), "clip first"),
        (lambda attention: np.clip(attention, *np.quantile(attention, [0.1, 0.9])), "not one"),
        (
            lambda attention: np.clip(attention / attention.sum(), *np.quantile(attention, [0.1, 0.9])),
            "*then* share out",
        ),
        (only_between_the_limits, "not to drop it"),
        (
            lambda attention: (cut := np.minimum(attention, np.quantile(attention, 0.9))) / cut.sum(),
            "lower limit",
        ),
    ],
    "token_choice": [
        (lambda table, weights: -weights @ np.log(np.diag(softmax(table, axis=1))), "columns pay"),
        (lambda table, weights: -weights @ np.log(np.diag(softmax(table, axis=0))), "rows pay"),
        (
            lambda table, weights: -weights @ sum(np.log(np.diag(softmax(table, axis=axis))) for axis in (0, 1)),
            "*halved*",
        ),
        (
            lambda table, weights: -sum(np.log(np.diag(softmax(table, axis=axis))).mean() for axis in (0, 1)) / 2,
            "weights are missing",
        ),
        (
            lambda table, weights: weights @ sum(np.log(np.diag(softmax(table, axis=axis))) for axis in (0, 1)) / 2,
            "never negative",
        ),
    ],
    "stranger_share": [
        (lambda table: np.mean(table < np.diag(table)), "no stranger"),
        (lambda table: (np.diag(table)[:, None] > table).sum() / (len(table) * (len(table) - 1)), "Films lie in rows"),
        (lambda table: (table > np.diag(table)).sum() / (len(table) * (len(table) - 1)), "fit *better*"),
        (lambda table: np.mean(table.argmax(axis=0) == np.arange(len(table))), "how often the own film"),
    ],
    "sinkhorn_round": [
        (lambda table: table / table.sum(axis=0), "What do the rows sum to"),
        (lambda table: table / table.sum(axis=1)[:, None], "each study by itself"),
        (lambda table: normalized(normalized(table, 1), 0), "the other way round"),
        (lambda table: table / table.sum(axis=0) / table.sum(axis=1)[:, None], "Sum them again"),
    ],
    "swapped_loss": [
        (lambda a, b, p, q, tau: (predicted(p, a, tau) + predicted(q, b, tau)) / 2, "the swap"),
        (lambda a, b, p, q, tau: predicted(p, b, tau) + predicted(q, a, tau), "halved"),
        (lambda a, b, p, q, tau: (predicted(p, b, tau) + predicted(q, a, tau)) / 2 * len(a), "mean over studies."),
        (
            lambda a, b, p, q, tau: (predicted(p, b, tau) + predicted(q, a, tau)) / 2 / a.shape[1],
            "*sum* over prototypes",
        ),
        (lambda a, b, p, q, tau: (predicted(p, b, 1) + predicted(q, a, 1)) / 2, "does not change when tau does"),
        (lambda a, b, p, q, tau: -(predicted(p, b, tau) + predicted(q, a, tau)) / 2, "The sign"),
        (arrays(underflowing_swap), "softmax and logarithm at once"),
    ],
    "mistaken_push": [
        (lambda c, s, own, tau: softmax(c / tau)[s == s[own]].sum(), "pulled, not pushed"),
        (lambda c, s, own, tau: softmax(c / tau)[s == s[own]].sum() - softmax(c / tau)[own], "*pushed*"),
        (lambda c, s, own, tau: np.mean(np.delete(s, own) == s[own]), "How hard"),
        (lambda c, s, own, tau: mistaken(c, s, own, 1), "does not change when tau does"),
        (lambda c, s, own, tau: 1 - mistaken(c, s, own, tau), "*other* stories"),
    ],
    "kinds_in_use": [
        (lambda codes: entropy(codes.mean(axis=0)), "That is the entropy"),
        (lambda codes: np.exp(entropy(codes, axis=1).mean()), "First the mean code"),
        (lambda codes: 2 ** entropy(codes.mean(axis=0)), "Base and logarithm"),
        (lambda codes: np.exp(-entropy(codes.mean(axis=0))), "The sign"),
        (arrays(unused_is_no_number), "counts as 0"),
    ],
    "hidden_share": [
        (lambda truth, hidden: (truth & enlarged(hidden, truth)).sum(), "counted pixels"),
        (lambda truth, hidden: truth[enlarged(hidden, truth)].mean(), "share of the *mask*"),
        (
            lambda truth, hidden: (truth & enlarged(hidden, truth)).sum() / (truth | enlarged(hidden, truth)).sum(),
            "IoU",
        ),
        (lambda truth, hidden: (truth & enlarged(hidden, truth)).mean(), "all pixels"),
        (lambda truth, hidden: 1 - enlarged(hidden, truth)[truth].mean(), "in sight"),
        (lambda truth, hidden: hidden[touched_patches(truth, hidden)].mean(), "counted patches"),
    ],
    "sample_weights": [
        (lambda likeness, tau: softmax(likeness / tau), "add up to 1"),
        (lambda likeness, tau: len(likeness) * softmax(likeness * tau), "*divides*"),
        (lambda likeness, tau: len(likeness) * softmax(likeness), "not hear of the temperature"),
        (lambda likeness, tau: likeness / likeness.mean(), "Exponentials"),
        (lambda likeness, tau: len(likeness) * softmax(-likeness / tau), "counts *more*"),
        (lambda likeness, tau: np.exp((likeness - likeness.max()) / tau), "not by the largest"),
        (
            lambda likeness, tau: np.full(2, np.nan) if tau < 0.01 else len(likeness) * softmax(likeness / tau),
            "overflow",
        ),
    ],
    "effective_studies": [
        (lambda weights: 1 / (weights @ weights), "only for those"),
        (lambda weights: ((weights / weights.sum()) ** 2).sum(), "Turn it round"),
        (lambda weights: np.exp(entropy(weights)), "entropy"),
        (lambda weights: weights.sum() / weights.max(), "largest weight alone"),
        (lambda weights: np.count_nonzero(weights), "crumb"),
        (lambda weights: weights.sum() / (weights @ weights), "squared, too"),
    ],
    "hidden_error": [
        (lambda predicted, pixels, hidden: np.mean((predicted - pixels) ** 2), "visible patches are in it"),
        (lambda predicted, pixels, hidden: np.mean((predicted - pixels)[~hidden] ** 2), "Those are the visible"),
        (lambda predicted, pixels, hidden: np.sum((predicted - pixels)[hidden] ** 2), "You summed"),
        (lambda predicted, pixels, hidden: np.sum((predicted - pixels)[hidden] ** 2) / pixels.size, "all pixels"),
        (
            lambda predicted, pixels, hidden: np.abs(predicted - pixels)[hidden].sum() / max(1, 2 * hidden.sum()),
            "absolute",
        ),
        (
            lambda predicted, pixels, hidden: np.mean((predicted - pixels)[hidden] ** 2) if hidden.any() else np.nan,
            "nothing is hidden",
        ),
    ],
    "row_scaling": [
        (lambda K, v, a: 1 / (K @ v), "*should* it have"),
        (lambda K, v, a: (K @ v) / a, "Upside down"),
        (lambda K, v, a: a / K.sum(axis=1), "what is there *now*"),
        (lambda K, v, a: a * (K @ v), "still more"),
    ],
    "row_potential": [
        (lambda C, g, b, eps: eps * logsumexp((g - C) / eps, axis=1, b=b), "The sign"),
        (lambda C, g, b, eps: -logsumexp((g - C) / eps, axis=1, b=b), "units of the cost"),
        (lambda C, g, b, eps: -eps * logsumexp((g - C) / eps, axis=1), "Where are their masses"),
        (lambda C, g, b, eps: -eps * logsumexp(-C / eps, axis=1, b=b), "is not in it"),
        (quietly(lambda C, g, b, eps: -eps * np.log(np.exp((g - C) / eps) @ b)), "Use a log-sum-exp"),
    ],
    "plan_as_attention": [
        (lambda plan: plan / plan.sum(axis=1)[:, None], "how each *region* shares"),
        (lambda plan: plan / plan.max(axis=0), "It is the *sum*"),
        (lambda plan: plan * plan.shape[1], "an even share of the mass"),
        (quietly(lambda plan: plan / plan.sum(axis=0)), "Let it look nowhere"),
    ],
    "unplaced": [
        (lambda plan, wanted: plan.sum(axis=0) / wanted, "*did* find"),
        (lambda plan, wanted: wanted - plan.sum(axis=0), "That is mass"),
        (lambda plan, wanted: 1 - plan.sum(axis=0), "with its own"),
        (lambda plan, wanted: 1 - plan.sum(axis=1)[:, None] / wanted, "Regions are in the rows"),
        (lambda plan, wanted: 1 - plan.sum(axis=0) / plan.sum() / wanted, "hid what is missing"),
    ],
    "auroc": [
        (lambda with_it, without: (with_it[:, None] > without).mean(), "nobody's win"),
        (lambda with_it, without: (with_it[:, None] >= without).mean(), "every tie to the finding"),
        (lambda with_it, without: 1 - pairs_won(with_it, without) / (len(with_it) * len(without)), "Upside down"),
        (lambda with_it, without: pairs_won(with_it, without), "the number of pairs"),
        (lambda with_it, without: float(with_it.mean() > without.mean()), "two means"),
    ],
    "answering_threshold": [
        (lambda scores, kept: np.sort(scores)[-int(kept * len(scores))], "Rounded down"),
        (lambda scores, kept: np.sort(scores)[int(np.ceil(kept * len(scores))) - 1], "wrong end"),
        (lambda scores, kept: np.quantile(scores, kept), "most are declined"),
        (lambda scores, kept: np.quantile(scores, 1 - kept), "makes one up"),
        (lambda scores, kept: scores.min(), "answers everybody"),
    ],
    "calibration_gap": [
        (lambda said, present, bins: np.mean(np.abs(gaps_of(said, present, bins)[0])), "counts alike"),
        (lambda said, present, bins: abs(said.mean() - present.mean()), "they cancel"),
        (lambda said, present, bins: np.abs(said - present).mean(), "single answer"),
        (lambda said, present, bins: np.square(said - present).mean(), "Brier"),
        (lambda said, present, bins: forgets_certainty(said, present, bins), "exactly 1"),
    ],
    "side_parts": [
        (lambda a, b, c, d: (a + b - c - d, a + b + c + d, a - b - c + d), "Divide by four"),
        (lambda a, b, c, d: ((a + b - c - d) / 2, (a + b + c + d) / 2, (a - b - c + d) / 2), "All *four* films"),
        (lambda a, b, c, d: ((a + b + c + d) / 4, (a + b - c - d) / 4, (a - b - c + d) / 4), "one for the other"),
        (lambda a, b, c, d: ((a + b - c - d) / 4, (a + b + c + d) / 4, (a - b + c - d) / 4), "*with* the body"),
        (lambda a, b, c, d: ((a - c) / 2, (a + c) / 2, (a - b) / 2), "Use all four"),
    ],
    "swap_sides": [
        (lambda text: text.replace("left", "right").replace("right", "left"), "in one pass"),
        (lambda text: re.sub("left|right", lambda word: OTHER_SIDE[word[0]], text), "whole words"),
        (lambda text: re.sub(r"\b(left|right)\b", lambda word: OTHER_SIDE[word[0]], text), "has a capital"),
        (
            lambda text: re.sub(r"\b(left|right)\b", lambda word: OTHER_SIDE[word[0].lower()], text, flags=re.I),
            "small letter",
        ),
    ],
    "split_at_stops": [
        (lambda text: [one.strip() + "." for one in text.split(".") if one.strip()], "decimal point"),
        (lambda text: re.split(r"(?<=\.)\s+", text.strip()), "Dr. Lee"),
        (lambda text: re.split(r"(?<!Dr)\.\s+", text.strip()), "looks at one"),
        (lambda text: re.split(r"(?<=\.)(?<!Dr\.) +", text.strip()), "any white space"),
        (lambda text: re.split(r"(?<=\.)(?<!Dr\.)\s+", text), "is empty"),
    ],
    "is_denied": [
        (lambda sentence, finding: "no" in sentence.lower().split(finding)[0] + finding, 'begins with "no"'),
        (lambda sentence, finding: denial(sentence.lower().split(finding)[0]), 'ends at "but"'),
        (lambda sentence, finding: denial(sentence.lower().split(" but ")[-1]), "denies what follows"),
        (lambda sentence, finding: denial(sentence.split(finding)[0].split("but")[-1]), "has a capital"),
        (
            lambda sentence, finding: denial(sentence.lower().split(finding)[0].split("but")[-1], "no"),
            '"without" denies too',
        ),
        (lambda sentence, finding: denial(sentence.lower().split(finding)[0].split("but")[-1]), 'holds a "but"'),
    ],
    "side_named": [
        (lambda sentence: next((s for s in ("left", "right") if s in sentence.lower()), "none"), "bright"),
        (lambda sentence: (re.findall(r"\b(left|right|both)\b", sentence.lower()) or ["none"])[0], "not the only one"),
        (lambda sentence: side_in(sentence.lower(), ("both",)), "means both"),
        (lambda sentence: side_in(sentence.replace("Bi", "bi"), ("both", "bilateral")), "has a capital"),
    ],
    "prompt_ensemble": [
        (lambda film, prompts: cosine_of(film, prompts.mean(axis=0)), "longest prompt"),
        (lambda film, prompts: np.mean([cosine_of(film, one) for one in prompts]), "mean of the cosines"),
        (lambda film, prompts: max(cosine_of(film, one) for one in prompts), "best prompt"),
        (lambda film, prompts: film @ mean_direction(prompts), "A dot product"),
    ],
    "probe_gradient": [
        (
            lambda z, y, w, b, c: (w - c * probe_errors(z, y, w, b) @ z, -c * probe_errors(z, y, w, b).sum()),
            "other sign",
        ),
        (lambda z, y, w, b, c: (c * probe_errors(z, y, w, b) @ z, c * probe_errors(z, y, w, b).sum()), "the penalty?"),
        (
            lambda z, y, w, b, c: (w + c * probe_errors(z, y, w, b) @ z, b + c * probe_errors(z, y, w, b).sum()),
            "offset too",
        ),
        (
            lambda z, y, w, b, c: (w + c * probe_errors(z, y, w, b) @ z / len(z), c * probe_errors(z, y, w, b).mean()),
            "*sum*",
        ),
        (
            lambda z, y, w, b, c: (c * w + probe_errors(z, y, w, b) @ z, probe_errors(z, y, w, b).sum()),
            "not to the penalty",
        ),
    ],
    "list_precision": [
        (lambda scores, shown: average_precision_score(shown, -scores), "*up* the list"),
        (lambda scores, shown: precisions(scores, shown).mean(), "every place"),
        (lambda scores, shown: (precisions(scores, shown) * shown[np.argsort(-scores)]).mean(), "how many these are"),
        (lambda scores, shown: roc_auc_score(shown, scores), "counts pairs"),
        (lambda scores, shown: precisions(scores, shown)[shown.sum() - 1], "one place"),
    ],
    "at_prevalence": [
        (lambda p, taught, here: p * here / taught, "no longer add up"),
        (lambda p, taught, here: at_odds(p, (1 - here) / here * taught / (1 - taught)), "wrong way round"),
        (lambda p, taught, here: p / (1 - p) * (1 - taught) / taught * here / (1 - here), "Those are the odds"),
        (lambda p, taught, here: p + here - taught, "below 0 or above 1"),
        (lambda p, taught, here: at_odds(p, here / taught), "q / (1 - q)"),
    ],
    "boxes_precision": [
        (lambda right, lesions: coco_precision(right, np.sum(right)), "*all* lesions"),
        (lambda right, lesions: coco_precision(right, lesions, best=lambda here: here[0]), "goes on to rank 5"),
        (lambda right, lesions: (shares_right(right) * right).sum() / lesions, "101 recalls"),
        (lambda right, lesions: shares_right(right).mean(), "mean over ranks"),
    ],
    "on_grid": [
        (lambda truth, side: cells_of(truth, side).mean(axis=(2, 3)) > 0.5, "value a cell"),
        (lambda truth, side: in_pixels(cells_of(truth, side).any(axis=(2, 3)), side), "One pixel"),
        (lambda truth, side: in_pixels(cells_of(truth, side).all(axis=(2, 3)), side), "need not be full"),
        (lambda truth, side: in_pixels(cells_of(truth, side).mean(axis=(2, 3)) >= 0.5, side), "Exactly half"),
        (lambda truth, side: in_pixels(truth[side // 2 :: side, side // 2 :: side], side), "one pixel of each cell"),
    ],
    "margin_iou": [
        (lambda margin: 1 / (1 + margin) ** 2, "on both sides"),
        (lambda margin: 1 / (1 + 2 * margin), "the height does too"),
        (lambda margin: (1 + 2 * margin) ** 2, "smaller area over larger"),
        (lambda margin: 2 / (1 + (1 + 2 * margin) ** 2), "That is the Dice"),
    ],
    "dice_over_films": [
        (lambda masks, truths: np.mean([dice_or(np.nan, *one) for one in zip(masks, truths, strict=True)]), "is 0/0"),
        (lambda masks, truths: np.mean([dice_or(1, *one) for one in zip(masks, truths, strict=True)]), "Silence"),
        (lambda masks, truths: np.mean([dice_or(0, *one) for one in zip(masks, truths, strict=True)]), "counted as 0"),
        (lambda masks, truths: 2 * (masks & truths).sum() / (masks.sum() + truths.sum()), "pixels together"),
        (lambda masks, truths: np.mean(ious_of(masks, truths)[truths.any(axis=(1, 2))]), "That is the IoU"),
    ],
    "cut_contrast": [
        (lambda S, parts: cross_entropies(S).mean(axis=1).sum(), "rows *and* columns"),
        (lambda S, parts: sum(cross_entropies(own).mean(axis=1).sum() for own in parts_of(S, parts)), "Summed over"),
        (lambda S, parts: np.mean([cross_entropies(own) for own in parts_of(S, parts)]), "not averaged"),
        (lambda S, parts: np.mean([cross_entropies(own)[0] for own in parts_of(S, parts)]), "reports choose films"),
        (lambda S, parts: cross_entropies(S)[0].mean(), "reports choose films"),
        (lambda S, parts: 2 * np.mean([cross_entropies(S[k::parts, k::parts]) for k in range(parts)]), "In order"),
    ],
    "weight_gradient": [
        (lambda films, cache, size: cache.T @ films, "rows of `dim`"),
        (lambda films, cache, size: films[-1:].T @ cache[-1:], "last piece's alone"),
        (lambda films, cache, size: films.T @ cache / -(-len(films) // size), "mean over the pieces"),
        (
            lambda films, cache, size: films[: len(films) // size * size].T @ cache[: len(films) // size * size],
            "smaller and counts",
        ),
    ],
    "seed_interval": [
        (lambda gaps, factor: limits(gaps, factor * np.std(gaps, ddof=1)), "*single* seed"),
        (lambda gaps, factor: limits(gaps, factor * np.std(gaps, ddof=1) / len(gaps)), "*root*"),
        (lambda gaps, factor: limits(gaps, factor * np.std(gaps) / len(gaps) ** 0.5), "n - 1"),
        (lambda gaps, factor: limits(gaps, 1.96 * np.std(gaps, ddof=1) / len(gaps) ** 0.5), "many seeds"),
        (lambda gaps, factor: factor * np.std(gaps, ddof=1) / len(gaps) ** 0.5, "both limits"),
    ],
    "winners_luck": [
        (lambda chosen, fresh: (chosen.max(axis=0) - fresh.max(axis=0)).mean(), "*same* method"),
        (
            lambda chosen, fresh: np.mean([f[c.argmax()] - c.max() for c, f in zip(chosen.T, fresh.T, strict=True)]),
            "other way round",
        ),
        (
            lambda chosen, fresh: np.mean([c[f.argmax()] - f.max() for c, f in zip(chosen.T, fresh.T, strict=True)]),
            "not by the fresh",
        ),
        (lambda chosen, fresh: (chosen - fresh)[chosen.mean(axis=1).argmax()].mean(), "winner of its own"),
        (lambda chosen, fresh: (chosen - fresh).mean(), "Only the winner"),
    ],
}
"""For every exercise: wrong answers, each with a piece of the hint that it must earn. All hints must be earned."""


def test_every_exercise_has_wrong_answers():
    assert set(WRONG_ANSWERS) == set(EXERCISES)


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_the_right_answer_is_right(name):
    verdict = EXERCISES[name](EXERCISES[name].right)
    assert verdict, verdict.message
    assert verdict.message == "Right."


@pytest.mark.parametrize(
    ("name", "answer", "piece"), [(name, *wrong) for name, all_wrong in WRONG_ANSWERS.items() for wrong in all_wrong]
)
def test_a_wrong_answer_earns_its_hint(name, answer, piece):
    verdict = getattr(check, name)(answer)
    assert not verdict
    assert piece in verdict.message
    assert verdict.message in EXERCISES[name].hints()


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_no_hint_is_idle(name):
    earned = {EXERCISES[name](answer).message for answer, _ in WRONG_ANSWERS[name]}
    assert earned == set(EXERCISES[name].hints())


@pytest.fixture
def doubled(monkeypatch):
    """An exercise that asks for twice a number or an array, and knows one slip."""
    monkeypatch.setattr(judging, "EXERCISES", {})

    @exercise(right=lambda x: 2 * x, inputs=[(3.0,), (np.array([1.0, np.nan]),)])
    def doubled(answer):
        """Twice."""
        yield same(answer(3.0), 9.0), "That is the *square*."

    return doubled


def test_the_first_slip_ends_the_check_with_its_hint(doubled):
    assert doubled(lambda x: x * x).message == "That is the *square*."


def test_a_wrong_answer_that_nobody_foresaw_is_shown_beside_the_right_one(doubled):
    assert doubled(lambda x: x + 1).message == "Not yet. For (3.0) your function gives 4.0; wanted is 6.0."


def test_all_inputs_count(doubled):
    assert doubled(lambda x: 6.0 if same(x, 3.0) else x).message.startswith("Not yet. For ([ 1., nan])")


def test_a_wrong_shape_is_named(doubled):
    assert "shape (1, 2) where (2,)" in doubled(lambda x: 2 * x if np.ndim(x) == 0 else 2 * x[None]).message


def test_nothing_returned_is_noticed(doubled):
    assert "forget `return`" in doubled(lambda x: None).message


def test_an_exception_is_the_readers_and_is_told(doubled):
    assert "`ZeroDivisionError: " in doubled(lambda x: x / 0).message


def test_a_result_instead_of_a_function_is_noticed(doubled):
    assert "the function itself" in doubled(6.0).message


def test_an_answer_that_writes_into_its_input_cannot_disturb_the_check(doubled):
    def in_place(x):
        x *= 2
        return x

    assert doubled(in_place)
    assert doubled(in_place)


def test_tensors_are_handed_over_where_an_exercise_asks_for_them():
    verdict = check.contexts(lambda attention, regions: attention.bmm(regions))  # an array has no `bmm`
    assert verdict, verdict.message


def test_two_exercises_of_one_name_are_refused(doubled):
    with pytest.raises(ValueError, match="doubled"):
        exercise(right=abs, inputs=[(1,)])(doubled.slips)


def test_a_verdict_shows_its_message_and_can_be_asserted():
    verdict = Verdict(False, "Try *again*.")
    assert not verdict
    assert repr(verdict) == verdict._repr_markdown_() == "Try *again*."


@pytest.mark.parametrize(
    ("given", "wanted", "equal"),
    [
        (1, 1.0, True),
        (1.0, 1.1, False),
        ([1, 2], [1, 2], True),
        ([1, 2], [1, 2, 3], False),
        (float("nan"), float("nan"), True),
        ("left", "left", True),
        ("left", 1.0, False),
        ({"IoU": 1}, {"IoU": 1}, True),
        (np.ones((2, 1)), np.ones(2), False),
        (object(), 1.0, False),
        ((np.ones(2), 3), (np.ones(2), 3), True),
        (np.array([1.0, 2.0]), (1, 2), True),
        (np.array([1.0, 2.0]), (2, 1), False),
        (np.array(1.0), (1,), False),
    ],
)
def test_same(given, wanted, equal):
    assert same(given, wanted) is equal


def test_a_tensor_with_a_gradient_is_compared_by_its_values():
    torch = pytest.importorskip("torch")
    assert same(torch.ones(2, requires_grad=True) * 2, np.full(2, 2.0))
