"""Self-checks for the exercises: `check.image_to_text(my_function)` says "Right." or gives one hint.

An exercise is a function that knows the right answer, some inputs, and the slips that people make:

    @exercise(right=lambda x: x.mean(), inputs=[(np.array([1.0, 2.0, 6.0]),)])
    def average(answer):
        x = np.array([1.0, 2.0, 6.0])
        yield same(answer(x), x.sum()), "Twice the numbers, twice the average? Divide by how many there are."

Each `yield` is a pair (was this slip made?, hint). The first slip that was made ends the check with its hint. Where
none was made, the answer is compared with `right` on all `inputs`, so that a wrong answer nobody foresaw is caught too.

Checks stand beside the rooms and import none of them: the right answer is written here, again and independently.
"""

from __future__ import annotations

import copy
import re
from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Slips = Callable[[Callable[..., Any]], Iterator[tuple[bool, str]]]

_Box = namedtuple("Box", "x y width height")

EXERCISES: dict[str, Exercise] = {}
"""Every exercise by its name; the tests hold that each one has wrong answers that earn each of its hints."""


@dataclass(frozen=True)
class Verdict:
    """What a check says. True where the answer is right, so that a solution cell can `assert` it."""

    right: bool
    message: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return self.message

    def _repr_markdown_(self) -> str:
        """How JupyterLab and the book show the verdict: hints may use *emphasis* and `code`."""
        return self.message


class Exercise:
    """One exercise: the right answer, inputs to compare on, and the slips it recognises. Call it with an answer."""

    def __init__(
        self, slips: Slips, right: Callable[..., Any], inputs: Sequence[tuple], tolerance: float, tensors: bool
    ) -> None:
        self.slips = slips
        self.right = right
        self.inputs = inputs
        self.tolerance = tolerance
        self.tensors = tensors
        self.__name__ = slips.__name__
        self.__doc__ = slips.__doc__

    def __call__(self, answer: Any) -> Verdict:
        """Judge `answer`, the function that the reader wrote."""
        if not callable(answer):
            return Verdict(
                False, f"Hand over the function itself, `check.{self.__name__}(my_function)`, not its result."
            )
        try:
            return self._judge(answer)
        except Exception as error:  # The reader's code may raise anything; each kind is an answer to them.
            return Verdict(False, f"Your function raised `{type(error).__name__}: {error}`.")

    def hints(self) -> list[str]:
        """All hints that this exercise can give for a recognised slip."""
        return [hint for _, hint in self.slips(self.right)]

    def _judge(self, answer: Callable[..., Any]) -> Verdict:
        answer = on_copies(on_tensors(answer) if self.tensors else answer)
        if answer(*self.inputs[0]) is None:
            return Verdict(False, "Your function returns nothing. Did you forget `return`?")
        for made, hint in self.slips(answer):
            if made:
                return Verdict(False, hint)
        for arguments in self.inputs:
            given, wanted = answer(*arguments), self.right(*arguments)
            if not same(given, wanted, self.tolerance):
                return Verdict(False, difference(given, wanted, arguments))
        return Verdict(True, "Right.")


def exercise(
    right: Callable[..., Any], inputs: Sequence[tuple], tolerance: float = 1e-5, tensors: bool = False
) -> Callable[[Slips], Exercise]:
    """Turn a generator of (slip made?, hint) pairs into a registered `Exercise` of the same name.

    Args:
        right: computes the right answer.
        inputs: argument tuples on which an answer is compared with `right`; at least one.
        tolerance: relative and absolute difference that still counts as equal.
        tensors: hand the answer torch tensors where `inputs` and the slips have arrays.
    """

    def register(slips: Slips) -> Exercise:
        if slips.__name__ in EXERCISES:
            raise ValueError(f"two exercises are called {slips.__name__!r}")
        made = EXERCISES[slips.__name__] = Exercise(slips, right, inputs, tolerance, tensors)
        return made

    return register


def same(given: Any, wanted: Any, tolerance: float = 1e-5) -> bool:
    """Whether two answers (numbers, arrays, tensors, sequences of them) have one shape and equal values; NaN = NaN."""
    if isinstance(wanted, str | dict | set) or isinstance(given, str | dict | set):
        return type(given) is type(wanted) and given == wanted
    if isinstance(wanted, tuple | list):
        if hasattr(given, "shape") and len(given.shape):
            given = list(as_array(given))
        pairs = isinstance(given, tuple | list) and len(given) == len(wanted)
        return pairs and all(same(g, w, tolerance) for g, w in zip(given, wanted, strict=True))
    given, wanted = as_array(given), as_array(wanted)
    if given.shape != wanted.shape or given.dtype.kind not in "biuf":
        return False
    return np.allclose(given.astype(float), wanted.astype(float), rtol=tolerance, atol=tolerance, equal_nan=True)


def as_array(value: Any) -> np.ndarray:
    """A number, array or tensor as a NumPy array; a tensor may carry gradients."""
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def on_copies(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` on copies of its arguments, so that an answer that writes into its input cannot disturb the check."""
    return lambda *arguments: function(*copy.deepcopy(arguments))


def on_tensors(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` on torch tensors in place of arrays. Only a call loads torch, so that this module stays light."""

    def called(*arguments: Any) -> Any:
        import torch

        return function(*(torch.from_numpy(a) if isinstance(a, np.ndarray) else a for a in arguments))

    return called


def difference(given: Any, wanted: Any, arguments: tuple) -> str:
    """A hint of last resort: what the answer gave and what was wanted, on which input."""
    asked = ", ".join(brief(argument) for argument in arguments)
    if hasattr(wanted, "shape") and tuple(np.shape(as_array(given))) != tuple(wanted.shape):
        shapes = f"an array of shape {np.shape(as_array(given))} where {tuple(wanted.shape)} is wanted"
        return f"Not yet. For ({asked}) your function gives {shapes}."
    return f"Not yet. For ({asked}) your function gives {brief(given)}; wanted is {brief(wanted)}."


def brief(value: Any) -> str:
    """A value in few characters: small ones whole, large arrays by their shape."""
    if hasattr(value, "shape"):
        array = as_array(value)
        return (
            np.array2string(array, precision=4, separator=", ") if array.size <= 9 else f"array of shape {array.shape}"
        )
    return repr(value)


@exercise(
    right=lambda a, b: float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b))),
    inputs=[
        (np.array([3.0, 4.0]), np.array([4.0, 3.0])),
        (np.array([1.0, 0.0, 2.0]), np.array([-2.0, 0.5, 0.0])),
        (np.array([0.0, 5.0]), np.array([0.0, -0.1])),
    ],
)
def cosine_similarity(answer):
    """How to use this book: the cosine of the angle between two vectors."""
    a, b = np.array([3.0, 4.0]), np.array([4.0, 3.0])
    yield same(answer(a, b), a @ b), "That is the dot product: it grows with the lengths. Divide by *both* lengths."
    yield not same(answer(2 * a, b), answer(a, b)), "Make the first vector twice as long: your answer changes."
    yield not same(answer(a, 2 * b), answer(a, b)), "Make the second vector twice as long: your answer changes."
    yield same(answer(a, b), 1 - a @ b / 25), "That is the cosine *distance*: 0 for the same direction. Turn it round."
    yield same(answer(a, -b), answer(a, b)), "Opposite directions should give -1. Did the sign get lost?"


@exercise(
    right=lambda heat, threshold: heat > threshold,
    inputs=[
        (np.array([[np.nan, 0.25, 0.75], [-0.9, 1.0, -0.25]]), 0.25),
        (np.array([[-0.5, -0.1], [np.nan, -1.0]]), -0.25),
    ],
)
def mask_above(answer):
    """See it first: the judged pixels whose heat is above the threshold."""
    heat, threshold = mask_above.inputs[0]
    given = answer(heat, threshold)
    yield same(given, heat >= threshold), "A pixel that equals the threshold is not above it."
    yield same(given, ~(heat <= threshold)), "A pixel that is not judged is in your mask: NaN is not at most anything."
    yield same(given, heat < threshold), "These are the pixels below."
    yield (
        same(given, np.where(heat > threshold, heat, 0)) or same(given, heat[heat > threshold]),
        "You give the heat. Wanted is a *mask*: true or false for each pixel.",
    )


@exercise(
    right=lambda mask: mask[:, mask.shape[1] // 2 :].sum() / mask.sum(),
    inputs=[
        (np.array([[1, 1, 0, 1], [1, 1, 0, 1], [0, 0, 1, 1], [1, 0, 0, 0]], bool),),
        (np.array([[0, 0, 0, 0, 1, 1]] * 2, bool),),
    ],
)
def share_on_left(answer):
    """See it first: how much of a mask lies on the patient's left."""
    mask = share_on_left.inputs[0][0]
    given = answer(mask)
    yield same(given, 5 / 9), "That is the left half of the *picture*. The patient faces you."
    yield same(given, 4), "That is how many pixels. Which share of the mask are they?"
    yield same(given, 4 / 8), "That is the share of the half that is covered. Divide by the pixels of the mask."
    yield same(given, 4 / 16), "You divide by all pixels of the film. Divide by those of the mask."
    yield same(given, 3 / 9), "You cut between upper and lower. Columns are the second axis."


@exercise(
    right=lambda heat: 2 * (heat - np.nanmin(heat)) / (np.nanmax(heat) - np.nanmin(heat)) - 1,
    inputs=[(np.array([[np.nan, 1.0], [2.0, 5.0]]),), (np.array([[-0.3, -0.1], [np.nan, -0.25]]),)],
)
def stretched(answer):
    """See it first: a heat map from -1 to 1, whatever its values were."""
    heat = stretched.inputs[0][0]
    given = as_array(answer(heat))
    yield np.isnan(given).all(), "All is NaN: one pixel that is not judged has spoiled the smallest and the largest."
    yield not np.isnan(given[0, 0]), "NaN should stay NaN: nobody judged that pixel."
    yield same(given, (heat - 1) / 4), "Yours goes from 0 to 1. The scale wanted is twice as long."
    yield same(given, (heat - 1) / 2), "The length is right, the beginning is not: yours goes from 0 to 2."
    yield same(given, heat / 5), "The largest is 1 now, but the smallest is not -1. Shift before you scale."


@exercise(
    right=lambda centre, width: (centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2),
    inputs=[(2048, 4096), (5, 7), (-300, 1001)],
)
def window_limits(answer):
    """Radiographs: the ends of a LINEAR window's ramp."""
    given = answer(2048, 4096)
    yield same(given, (0, 4096)), "Those are the ends of LINEAR_EXACT. LINEAR's ramp is one shorter, half a step lower."
    yield same(given, (0.5, 4095.5)), "The length is right. The middle of the ramp is half a step *below* the centre."
    yield same(given, (-0.5, 4095.5)), "The middle is right. The ramp is one shorter than the width."
    yield (
        same(given, (-2047.5, 6142.5)),
        "The width is the whole way from black to white: half of it lies on each side.",
    )
    yield same(given, (4095, 0)), "Black first, then white."
    yield same(answer(5, 7), (2, 7)), "`//` loses a half where the width is odd: the ends need not be whole. Use `/`."


@exercise(
    right=lambda shown: np.rint(shown * 255).astype(np.uint8),
    inputs=[(np.array([[0.0, 0.2, 0.5018], [0.99, 0.999, 1.0]]),), (np.array([[0.003, 0.996]]),)],
)
def to_bytes(answer):
    """Radiographs: greys in [0, 1] as 0 to 255."""
    (shown,) = to_bytes.inputs[0]
    given = answer(shown)
    white = (shown == 1).astype(int)
    yield same(given, white) or same(given, 255 * white), "All is 0 but white: the type was changed before the scale."
    yield same(given, (shown * 256).astype(int) % 256), "White has become black: 256 begins again at 0."
    yield (
        same(given, np.minimum(shown * 256, 255).astype(int)),
        "256 greys, but the highest is 255: times 255.",
    )
    yield same(given, (shown * 255).astype(int)), "A type change cuts off what is behind the point. Round first."
    yield same(given, shown * 255), "Scaled; now round, to whole numbers."
    yield same(given, np.rint(shown * 100)), "That is per cent. A byte goes to 255."


@exercise(
    right=lambda box, height, width, size: _out_of_the_square(box, height, width, size),
    inputs=[
        (_Box(22.0, 20.0, 5.0, 15.0), 200, 100, 50),
        (_Box(10.0, 30.0, 8.0, 4.0), 300, 400, 64),
        (_Box(11.0, 4.0, 5.0, 6.0), 97, 61, 32),
    ],
)
def box_back(answer):
    """Radiographs: a box in a letterboxed square, on the film."""
    given = answer(*box_back.inputs[0])
    yield same(given, (88, 80, 20, 60)), "The padding is still in it: `x` counts from the square's edge."
    yield same(given, (76, 80, 20, 60)), "Shift first, then scale: the padding is in pixels of the *square*."
    yield same(given, (40, 80, -28, 60)), "A shift does not change a length: the width is only scaled."
    yield same(given, (40, 80, 5, 15)), "The corner is right. Width and height have to be scaled, too."
    yield same(given, (88, 32, 20, 60)), "Here the padding is left and right, and you took it from `y`."
    yield same(given, (2.5, 5, 1.25, 3.75)), "You scaled down once more. The film is larger than the square."
    yield same(given, (44, 80, 10, 60)), "You undid a *stretch*. A letterbox has one scale, and padding."
    yield same(given, (80, 40, 60, 20)), "The numbers are right, the order is not: x, y, width, height."
    yield (
        same(given, (38, 80, 20, 60)),
        "Padding is whole pixels: of 25 columns, 12 go to the left, 13 to the right.",
    )
    rounded = 97 / 32 * np.array([11 - 6, 4, 5, 6])
    yield (
        same(answer(*box_back.inputs[2]), rounded),
        "Nearly: inside the square a length was rounded. Divide by what it is (`width / w`), not by the scale.",
    )


@exercise(
    right=lambda box, spacing: (
        (np.nan, np.nan) if spacing is None or min(spacing) <= 0 else (box[3] * spacing[0], box[2] * spacing[1])
    ),
    inputs=[(_Box(7, 9, 20, 30), spacing) for spacing in ((0.5, 0.2), None, (0.0, 0.0), (0.2, 0.0))],
)
def size_in_mm(answer):
    """Radiographs: height and width in millimetres, where anybody knows."""
    box, spacing = size_in_mm.inputs[0]
    given = answer(box, spacing)
    yield same(given, (6.0, 10.0)), "Spacing names *rows* first: its first number belongs to the height."
    yield same(given, (4.0, 15.0)), "The numbers are right. Asked for was the height first."
    yield same(given, (4.5, 1.4)), "That is where the box lies. Its size is in the last two numbers."
    yield same(given, (60.0, 100.0)), "Millimetres *per pixel*: multiply."
    yield same(answer(box, (0.0, 0.0)), (0.0, 0.0)), "Nothing is 0 mm large. Zero spacing means *unknown*."
    yield same(answer(box, (0.2, 0.0)), (6.0, 0.0)), "One zero is enough: who knows only one spacing knows no size."
    unknown = answer(box, None)
    yield isinstance(unknown, tuple) and None in unknown, "Where nobody knows give `nan`: a number that spoils a sum."


def _out_of_the_square(box: Sequence[float], height: int, width: int, size: int) -> tuple[float, ...]:
    """The box of a letterboxed square in pixels of the film."""
    scale = size / max(height, width)
    inner = [max(1, round(length * scale)) for length in (width, height)]
    starts = [(box[k] - (size - inner[k]) // 2) * (width, height)[k] / inner[k] for k in (0, 1)]
    return (*starts, box[2] * width / inner[0], box[3] * height / inner[1])


_FOUR_MASKS = np.array([[[1, 1, 0]], [[0, 0, 0]], [[1, 1, 1]], [[0, 0, 0]]], dtype=bool)
_FOUR_TRUTHS = np.array([[[0, 1, 0]], [[1, 1, 0]], [[0, 0, 0]], [[0, 0, 0]]], dtype=bool)


@exercise(
    right=lambda masks, truths, over: _mean_over(masks, truths, over),
    inputs=[(_FOUR_MASKS, _FOUR_TRUTHS, over) for over in ("positives", "true positives", "all")]
    + [(_FOUR_TRUTHS, _FOUR_MASKS, over) for over in ("positives", "true positives", "all")],
)
def mean_over(answer):
    """Measuring localization: mean IoU over the films that count under a rule."""
    positives, true_positives, everything = (
        answer(_FOUR_MASKS, _FOUR_TRUTHS, over) for over in ("positives", "true positives", "all")
    )
    yield (
        bool(np.isnan([positives, true_positives, everything]).any()),
        "0/0 has made a mean NaN. Choose the films that count before you average.",
    )
    yield same(positives, 1 / 2), "A lesion without a mask is a miss: over positives it counts, with 0."
    yield same(positives, 1 / 6), "Over positives, a film without a lesion does not count, whatever the mask."
    yield same(true_positives, 1 / 4), "Over true positives, a film counts only if neither truth nor mask is empty."
    yield same(everything, 1 / 8), "Neither a lesion nor a mask: nothing to divide. It leaves the mean, even over all."
    yield (
        same(everything, 3 / 8),
        "You called a right silence a success. That is kind; these rules leave it out.",
    )
    yield same(everything, 1 / 4), "Over all, a mask where nothing is counts as well, with 0."


@exercise(
    right=lambda side, shift: max(side - shift, 0) / (2 * side - max(side - shift, 0)),
    inputs=[(10, 4), (12, 4), (3, 8), (7, 0)],
)
def shifted_square_iou(answer):
    """Measuring localization: IoU of a square and the same square moved to the right."""
    yield (
        same(answer(10, 4), 0.6),
        "That is the share of the lesion still covered. The union is larger than the lesion.",
    )
    yield same(answer(10, 4), 36 / 164), "Yours has moved down as well as to the right."
    yield answer(3, 8) < 0, "A square of 3 moved by 8 gives less than 0. How much can two squares share at least?"
    yield not same(answer(3, 8), 0.0), "A square of 3 moved by 8 shares nothing with itself any more."


@exercise(
    right=lambda a, b: _common_area(a, b) / (a[2] * a[3] + b[2] * b[3] - _common_area(a, b)),
    inputs=[
        ((1, 1, 4, 4), (3, 3, 4, 4)),
        ((0, 0, 2, 2), (5, 6, 3, 2)),
        ((0, 0, 2, 9), (5, 1, 2, 2)),
        ((0, 0, 10, 10), (2.5, 3, 4, 2)),
    ],
)
def box_iou(answer):
    """Measuring localization: IoU of two boxes (x, y, width, height)."""
    a, b = (1, 1, 4, 4), (3, 3, 4, 4)
    yield same(answer(a, b), 4 / 32), "Adding both areas counts the common part twice: it is in the union once."
    yield same(answer(a, b), 8 / 32), "That is Dice. The union goes into the denominator."
    yield same(answer(a, b), 1 / 9), "Did you take the last two numbers for a corner? They are width and height."
    yield (
        not same(answer((0, 0, 2, 2), (5, 6, 3, 2)), 0.0),
        "These two boxes lie apart on both axes and share nothing. Did two negative lengths multiply?",
    )


@exercise(
    right=lambda values, categories: float(
        np.mean([np.mean(group) for group in _defined_groups(values, categories).values()])
    ),
    inputs=[
        (np.array([0.5, 0.7, 0.1, np.nan, np.nan]), np.array(["heart", "heart", "nodule", "nodule", "edema"])),
        (np.array([1.0, 0.0, 0.25]), np.array(["mass", "mass", "edema"])),
    ],
)
def macro_mean(answer):
    """Measuring localization: mean in every category, then over categories, undefined samples left out."""
    values = np.array([0.5, 0.7, 0.1, np.nan, np.nan])
    categories = np.array(["heart", "heart", "nodule", "nodule", "edema"])
    yield (
        same(answer(values, categories), np.nan),
        "One NaN has made everything NaN. Leave undefined samples out first.",
    )
    yield (
        same(answer(values, categories), 1.3 / 3),
        "That is the micro mean: a common category counts more than a rare one.",
    )
    yield same(answer(values, categories), 0.65 / 3), "You counted undefined as 0. Nothing to find is not a miss."
    yield same(answer(values, categories), 0.7 / 3), "A category without a defined sample counts as 0. Leave it out."


@exercise(
    right=lambda a, b, draws: np.quantile((a - b)[draws].mean(axis=1), [0.025, 0.975]),
    inputs=[
        (
            np.array([0.2, 0.4, 0.6, 0.8, 0.3]),
            np.array([0.1, 0.35, 0.5, 0.75, 0.32]),
            np.random.default_rng(0).integers(5, size=(400, 5)),
        )
    ],
)
def paired_interval(answer):
    """Measuring localization: the 95 % bootstrap interval of a mean paired difference."""
    (a, b, draws) = paired_interval.inputs[0]
    means_a, means_b, difference = a[draws].mean(axis=1), b[draws].mean(axis=1), (a - b)[draws].mean(axis=1)
    given, limits = answer(a, b, draws), [0.025, 0.975]
    yield same(given, np.quantile(-difference, limits)), "The signs are turned round: that is `b - a`."
    yield (
        same(given, np.quantile(means_a, limits) - np.quantile(means_b, limits)),
        "Limits cannot be subtracted. Subtract patient by patient, and take the limits last.",
    )
    yield same(given, np.quantile(difference, [0.05, 0.95])), "You left 5 % on each side, which makes a 90 % interval."
    yield (
        same(given, np.quantile(a - b, limits)),
        "That is the spread of patients. Take the *mean* of every draw first.",
    )


def _mean_over(masks: np.ndarray, truths: np.ndarray, over: str) -> float:
    there, marked = truths.any(axis=(1, 2)), masks.any(axis=(1, 2))
    counts = {"positives": there, "true positives": there & marked, "all": there | marked}[over]
    common, union = (masks & truths).sum(axis=(1, 2)), (masks | truths).sum(axis=(1, 2))
    return float(np.mean(common[counts] / union[counts]))


def _common_area(a: Sequence[float | int], b: Sequence[float | int]) -> float:
    lengths = (min(a[i] + a[i + 2], b[i] + b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
    return float(np.prod([max(length, 0) for length in lengths]))


def _defined_groups(values: np.ndarray, categories: np.ndarray) -> dict[str, list[float]]:
    groups: dict[str, list[float]] = {}
    for value, category in zip(values, categories, strict=True):
        if not np.isnan(value):
            groups.setdefault(str(category), []).append(float(value))
    return groups


@exercise(right=lambda t: (t + 1) / 2, inputs=[(0.3,), (-1.0,), (np.array([0.1, 0.5, 1.0]),)])
def unit_threshold(answer):
    """Heat maps and thresholds: a threshold on [-1, 1] as one on [0, 1]."""
    yield same(answer(0.3), 0.3), "The coldest pixel is -1 on one scale and 0 on the other: the number must change."
    yield same(answer(0.3), -0.4), "That is the way back, from [0, 1] to [-1, 1]."
    yield same(answer(0.3), 0.15), "The length is right now, but where does your scale begin? Try t = -1."
    yield same(answer(0.3), 1.3), "It begins at 0 now, but where does your scale end? Try t = 1."


@exercise(
    right=lambda heat, share: _hottest(heat, round(share * int((~np.isnan(heat)).sum()))),
    inputs=[
        (np.array([[np.nan, np.nan, np.nan, np.nan], [0.9, 0.1, 0.2, 0.8], [0.3, -1.0, 0.6, 1.0]]), 0.25),
        (np.array([[0.9, 0.1], [np.nan, 0.8]]), 0.0),
        (np.array([[0.9, 0.1], [np.nan, 0.8]]), 1.0),
    ],
)
def top_mask(answer):
    """Heat maps and thresholds: the hottest share of the judged pixels."""
    heat, share = top_mask.inputs[0]
    given = np.asarray(answer(heat, share))
    yield not given.any(), "Nothing is marked. A quantile or a sort that meets NaN may return NaN."
    yield same(given, ~np.isnan(heat) & ~_hottest(heat, 6)), "These are the *coldest* pixels."
    yield same(given, _hottest(heat, 3)), "One quarter of 8 judged pixels is 2, not 3. Do you count NaN as pixels?"
    yield same(given, _hottest(heat, 1)), "One pixel is missing. Is it the one that equals your threshold?"
    yield (
        same(given, heat > 0.5),
        "You cut the *range* of values. The share is one of pixels, wherever their values lie.",
    )
    yield np.asarray(answer(heat, 0.0)).any(), "A share of 0 should mark nothing. Note that `x[-0]` is `x[0]`."


@exercise(
    right=lambda counts: _narrowest(counts),
    inputs=[(np.array([1, 1, 1, 1, 5]),), (np.array([0, 0, 9, 1, 6, 2, 0]),), (np.array([1, 1]),)],
)
def otsu_within(answer):
    """Heat maps and thresholds: Otsu's cut as the one that leaves the narrowest groups."""
    counts = otsu_within.inputs[0][0]
    right = _narrowest(counts)
    yield (
        same(answer(counts), right + 1),
        "That is the first bin of the *upper* group. Wanted is the last of the lower.",
    )
    yield (
        same(answer(counts), _narrowest(counts, weighted=False)),
        "Each variance counts as often as its group has values.",
    )
    yield same(answer(counts), _narrowest(counts, sign=-1)), "Yours leaves the *widest* groups."
    yield (
        answer(np.array([0, 0, 9, 1, 6, 2, 0])) not in (2, 3, 4),
        "Your cut leaves a group empty where a histogram begins or ends with empty bins. The mean of nothing is NaN, "
        "and `argmin` takes NaN for the smallest.",
    )


@exercise(
    right=lambda iou, findings, thresholds: thresholds[np.argmax(_macro_by_column(iou, findings))],
    inputs=[
        (
            np.array([[0.1, 0.5, 0.4]] * 4 + [[0.2, 0.0, 0.3], [np.nan] * 3]),
            np.array(["pleural effusion"] * 4 + ["nodule"] * 2),
            np.array([0.2, 0.4, 0.6]),
        ),
        (
            np.array([[0.0, 0.5, 0.3], [0.3, 0.0, 0.25], [np.nan] * 3]),
            np.array(["edema", "mass", "mass"]),
            np.array([0.1, 0.3, 0.5]),
        ),
    ],
)
def fair_threshold(answer):
    """Heat maps and thresholds: one threshold for all findings, by the macro mean."""
    given = answer(*fair_threshold.inputs[0])
    yield same(given, 0.4), "The four effusions outvoted the nodule: that is the best *micro* mean."
    yield same(given, 0.2), "A row of NaN made means NaN, and `argmax` takes NaN for the largest."
    yield same(given, 2), "That is the number of the column. Which threshold stands there?"
    yield same(given, 0.35), "That is the best mean IoU. At which threshold is it reached?"


def _hottest(heat: np.ndarray, number: int) -> np.ndarray:
    order = np.argsort(np.nan_to_num(heat, nan=-np.inf), axis=None)
    mask = np.zeros(heat.shape, bool)
    mask.flat[order[heat.size - number :]] = True
    return mask


def _narrowest(counts: np.ndarray, weighted: bool = True, sign: int = 1) -> int:
    values = np.repeat(np.arange(len(counts)), counts)

    def spread(cut: int) -> float:
        groups = values[values <= cut], values[values > cut]
        return sign * sum(np.var(group) * (len(group) if weighted else 1) for group in groups)

    return min(range(values.min(), values.max()), key=spread)


def _macro_by_column(values: np.ndarray, categories: np.ndarray) -> np.ndarray:
    defined = ~np.isnan(values).any(axis=1)
    means = [values[defined & (categories == name)].mean(axis=0) for name in np.unique(categories[defined])]
    return np.mean(means, axis=0)


@exercise(
    right=lambda side, kernel, stride, padding: (side + 2 * padding - kernel) // stride + 1,
    inputs=[(224, 7, 2, 3), (10, 3, 1, 0), (75, 3, 2, 1), (128, 16, 16, 0)],
)
def map_side(answer):
    """The image encoder: the side of a convolution's map."""
    given = answer(224, 7, 2, 3)
    yield same(answer(10, 3, 1, 0), 7), "10 pixels, a kernel of 3: yours has 7 places. Count them on your fingers."
    yield same(given, 109), "You pad nowhere. How many pixels does the padding add to a row?"
    yield same(given, 111), "A row has two ends, and both are padded."
    yield same(given, 111.5) or same(given, 112.5), "Half a step is no step: the kernel must fit whole. Round down."
    yield same(answer(10, 3, 1, 0), 10), "A kernel of 3 without padding cannot be centred on the outermost pixels."


@exercise(
    right=lambda kernels, strides: _seen_pixels(kernels, strides),
    inputs=[([3, 3, 3], [1, 2, 2]), ([7, 3, 1, 3], [2, 2, 1, 1]), ([16], [16]), ([], [])],
)
def receptive_field(answer):
    """The image encoder: how many pixels in a row one region sees."""
    given = answer([3, 3, 3], [1, 2, 2])
    yield same(given, 7), "Yours never looks at the strides. After a stride of 2, one step on the map is 2 pixels."
    yield same(given, 15), "A layer's stride widens the steps of the layers *after* it, not its own."
    yield same(given, 27), "Fields add up, they do not multiply: each layer reaches `kernel - 1` steps further."
    yield same(given, 8), "Before any layer a region sees one pixel, not none."
    yield same(given, 4), "That is how far two neighbouring regions lie apart. How much does one of them see?"


@exercise(
    right=lambda maps: _standardized(maps),
    inputs=[
        (np.array([[[[1.0, 3.0]], [[10.0, 30.0]]], [[[5.0, 3.0]], [[50.0, 30.0]]]]),),
        (np.array([[[[2.0, 2.0]], [[0.0, 1.0]]]]),),
    ],
)
def standardized(answer):
    """The image encoder: every channel with mean 0 and deviation 1 over a sample of maps."""
    maps = standardized.inputs[0][0]
    given = as_array(answer(maps))
    centred = maps - maps.mean(axis=(0, 2, 3), keepdims=True)
    alone = (maps - maps.mean(axis=(2, 3), keepdims=True)) / maps.std(axis=(2, 3), keepdims=True)
    yield same(given, (maps - maps.mean()) / maps.std()), "One mean for all channels: the loud ones stay loud."
    yield same(given, centred), "The means are 0 now. Divide by the deviations, too."
    yield (
        same(given, maps / maps.std(axis=(0, 2, 3), keepdims=True)),
        "The deviations are 1 now. Take the means off, too.",
    )
    yield same(given, alone), "Each image by itself? An image that is bright all over must stay brighter than others."
    constant = as_array(answer(standardized.inputs[1][0]))
    yield not np.isfinite(constant).all(), "A channel that never changes has deviation 0. Leave its scale alone."


@exercise(
    right=lambda maps, gradients: np.maximum(np.einsum("chw,c->hw", maps, gradients.mean(axis=(1, 2))), 0),
    inputs=[
        (
            np.array([[[1.0, 2.0, 0.0]], [[0.0, 2.0, 4.0]]]),
            np.array([[[0.0, 2.0, 1.0]], [[-1.0, -1.0, 0.5]]]),
        ),
    ],
)
def grad_cam(answer):
    """The image encoder: Grad-CAM from a layer's maps and the gradients of a score."""
    maps, gradients = grad_cam.inputs[0]
    weighted = maps * gradients.mean(axis=(1, 2), keepdims=True)
    given = answer(maps, gradients)
    yield same(given, weighted.sum(axis=0)), "Grad-CAM shows what speaks *for* the class: cut below at 0."
    yield (
        same(given, np.maximum((maps * gradients).sum(axis=0), 0)),
        "One weight a channel: average its gradient over all regions first.",
    )
    yield (
        same(given, np.maximum(weighted, 0).sum(axis=0)),
        "Sum first, then cut: a channel may speak against the class.",
    )
    yield (
        same(given, np.maximum(maps.sum(axis=0), 0)),
        "You add up the maps. Each is weighed by what it does to the score.",
    )


def _seen_pixels(kernels: Sequence[int], strides: Sequence[int]) -> int:
    return 1 + sum((kernel - 1) * int(np.prod(strides[:layer])) for layer, kernel in enumerate(kernels))


def _standardized(maps: np.ndarray) -> np.ndarray:
    deviation = maps.std(axis=(0, 2, 3), keepdims=True)
    return (maps - maps.mean(axis=(0, 2, 3), keepdims=True)) / np.where(deviation > 0, deviation, 1)


@exercise(right=lambda t1, n: np.exp(t1) / (np.exp(t1) + n - 1), inputs=[(4.0, 256), (0.0, 4), (9.0, 361)])
def attention_ceiling(answer):
    """Sentence alignment: the most attention that one of n regions can receive."""
    given = answer(4.0, 256)
    yield same(given, np.exp(4) / (np.exp(4) + 256)), "You count 256 *other* regions. The winner is one of the 256."
    yield (
        same(given, np.exp(4) / (256 * np.exp(4))),
        "There all regions have the share 1. Only one of them can win all.",
    )
    yield same(given, np.exp(4) / (np.exp(4) + 0)), "The others have a share of 0, and $e^0$ is not 0."
    yield same(given, 4 / (4 + 255)), "A softmax weighs exponentials."


@exercise(
    right=lambda cosines, t2: _log_sum_exp(t2 * cosines) - np.log(len(cosines)),
    inputs=[(np.array([0.9, 0.2, -0.1]), 5.0), (np.array([0.4]), 5.0), (np.array([1.0, 0.5] * 4), 900.0)],
)
def mean_similarity(answer):
    """Sentence alignment: a report's score that does not grow when everything is said twice."""
    cosines, t2 = np.array([0.9, 0.2, -0.1]), 5.0
    given, summed = answer(cosines, t2), _log_sum_exp(t2 * cosines)
    yield same(given, summed), "Say everything twice and yours rises by $\\ln 2$. That is the sum."
    yield same(given, summed / 3), "You divide the logarithm. Divide what it is taken of, or subtract $\\ln n$."
    yield same(given, t2 * cosines.mean()), "That is the mean of the cosines: a best sentence no longer counts most."
    yield same(given, (summed - np.log(3)) / t2), "You divide by $t_2$ at the end, which GLoRIA's formula does not."
    large = answer(np.array([1.0, 0.5] * 4), 900.0)
    yield (
        not np.isfinite(as_array(large)).all(),
        "Right for small numbers; $e^{900}$ overflows. Subtract the largest first.",
    )


@exercise(
    right=lambda scores, mask: _softmax(np.where(mask[:, None], scores, -np.inf)),
    inputs=[
        (np.array([[1.0, 0.0], [0.5, -1.0], [0.0, 0.0]]), np.array([True, True, False])),
        (np.array([[1.0, 0.0, 3.0], [0.5, -1.0, 2.0]]), np.array([True, True])),
        (np.array([[-60.0, -50.0], [7.0, 9.0]]), np.array([True, False])),
    ],
)
def masked_shares(answer):
    """Sentence alignment: how regions share themselves out among the real sentences of a padded report."""
    scores, mask = np.array([[1.0, 0.0], [0.5, -1.0], [0.0, 0.0]]), np.array([True, True, False])
    given, zeroed = as_array(answer(scores, mask)), _softmax(scores)
    yield same(given, zeroed), "The padding takes its part: a score of 0 is not nothing, $e^0=1$."
    yield (
        same(given, zeroed * mask[:, None]),
        "Padding gets nothing now, but a region no longer gives out 1. Mask *before* the softmax.",
    )
    yield (
        same(given, np.where(mask[:, None], _softmax(scores.T).T, 0.0)),
        "You let a sentence choose among regions. Here a region chooses among sentences.",
    )
    yield np.isnan(as_array(given)).any(), "There is a NaN. Was minus infinity multiplied by 0?"


@exercise(
    right=lambda regions, attention, sentence: _cosine(attention @ regions, sentence),
    inputs=[
        (np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([0.25, 0.75]), np.array([1.0, 2.0])),
        (np.array([[1.0, 0.0, 1.0], [0.0, -1.0, 3.0], [0.5, 0.5, 0.0]]), np.array([0.2, 0.3, 0.5]), np.ones(3)),
    ],
)
def context_fit(answer):
    """Sentence alignment: the cosine of a sentence with the regions that it attends to."""
    regions, attention, sentence = context_fit.inputs[0]
    given, context = answer(regions, attention, sentence), attention @ regions
    cosines = np.array([_cosine(region, sentence) for region in regions])
    yield same(given, attention @ cosines), "That is the mean of the cosines. Wanted is the cosine of the mean."
    yield same(given, context @ sentence), "A dot product grows with the lengths. Divide by both."
    yield same(given, _cosine(regions.mean(axis=0), sentence)), "Your answer looks everywhere alike: use the attention."
    yield same(given, context), "That is the context. How well does the sentence fit it?"


def _softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=0))
    return powers / powers.sum(axis=0)


def _log_sum_exp(values: np.ndarray) -> float:
    return float(values.max() + np.log(np.exp(values - values.max()).sum()))


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


@exercise(
    right=lambda maps: np.asarray(maps).reshape(*maps.shape[:2], -1).swapaxes(1, 2),
    inputs=[(np.arange(24.0).reshape(2, 3, 2, 2),), (np.arange(60.0).reshape(1, 5, 3, 4),)],
    tensors=True,
)
def map_to_regions(answer):
    """Tensors for this book: a map [batch, dim, height, width] as regions [batch, height * width, dim]."""
    maps = map_to_regions.inputs[1][0]
    given = answer(maps)
    yield (
        same(given, maps.reshape(1, 12, 5)),
        "The shape is right and the numbers are scrambled: a reshape only cuts the row of numbers anew. "
        "Move `dim` to the end before you join height and width.",
    )
    yield same(given, maps.reshape(1, 5, 12)), "That is [batch, dim, regions]. Which two axes must change places?"
    yield same(given, maps.transpose(0, 2, 3, 1)), "Yours is still a map: join height and width into one axis."
    yield (
        same(given, maps.transpose(0, 3, 2, 1).reshape(1, 12, 5)),
        "Your regions run down the columns. Region 1 should be the right neighbour of region 0.",
    )


@exercise(
    right=lambda a, b: _rows_of_length_one(np.asarray(a)) @ _rows_of_length_one(np.asarray(b)).T,
    inputs=[
        (np.array([[3.0, 4.0], [1.0, 0.0], [-2.0, 2.0]]), np.array([[4.0, 3.0], [0.0, 0.5]])),
        (np.array([[1.0, 2.0]]), np.array([[2.0, 1.0]])),
    ],
    tensors=True,
)
def cosine_table(answer):
    """Tensors for this book: the cosine of every row of one table with every row of another."""
    a, b = cosine_table.inputs[0]
    given = answer(a, b)
    yield same(given, a @ b.T), "These are dot products: a long vector wins everywhere. Divide by the lengths."
    yield same(given, cosine_table.right(b, a)), "Rows and columns are exchanged: `a` belongs in the rows."
    yield (
        same(given, (a / np.linalg.norm(a, axis=0)) @ (b / np.linalg.norm(b, axis=0)).T),
        "You divide columns by their lengths. A vector is a *row*: its length is a sum over the last axis.",
    )
    yield (
        same(given, a @ b.T / (np.linalg.norm(a) * np.linalg.norm(b))),
        "You divide by the length of the whole table. Each row has its own: keep that axis (`keepdim=True`).",
    )


@exercise(
    right=lambda units, mask: np.stack(
        [u[m].mean(axis=0) for u, m in zip(np.asarray(units), np.asarray(mask), strict=True)]
    ),
    inputs=[
        (
            np.array(
                [
                    [[1.0, 2.0], [3.0, 6.0], [9.0, 9.0]],
                    [[4.0, 0.0], [9.0, 9.0], [9.0, 9.0]],
                    [[1.0, 1.0], [2.0, 0.0], [9.0, 9.0]],
                ]
            ),
            np.array([[True, True, False], [True, False, False], [True, True, False]]),
        ),
        (np.array([[[1.0, 2.0], [np.nan, np.nan]]]), np.array([[True, False]])),
    ],
    tensors=True,
)
def masked_mean(answer):
    """Tensors for this book: the mean of the real units of each report."""
    units, mask = masked_mean.inputs[0]
    given = answer(units, mask)
    real = units * mask[..., None]
    yield same(given, units.mean(axis=1)), "Padding is counted as if it were a sentence. Use the mask."
    yield (
        same(given, real.mean(axis=1)),
        "The sum is right. Divide by the number of *real* units, not by the padded one.",
    )
    yield same(given, real.sum(axis=1)), "That is the sum. How many real units has each report?"
    yield same(given, real.sum(axis=1) / mask.sum()), "You divide by the real units of the whole batch."
    yield (
        np.isnan(as_array(answer(*masked_mean.inputs[1]))).any(),
        "Right while padding holds numbers. Where it holds NaN your answer is NaN, because 0 times NaN is NaN: "
        "*replace* padding (`masked_fill`), do not multiply it away.",
    )


@exercise(
    right=lambda scores: np.logaddexp.reduce(np.asarray(scores), axis=-1),
    inputs=[
        (np.log(np.array([[1.0, 3.0], [2.0, 6.0]], np.float32)),),
        (np.array([[1000.0, 1000.0], [0.0, 0.0]], np.float32),),
        (np.array([[-np.inf, 0.0], [-np.inf, -np.inf]], np.float32),),
    ],
    tensors=True,
)
def log_sum_exp(answer):
    """Tensors for this book: the logarithm of a sum of exponentials along the last axis, for any size of score."""
    small, large, empty = (arguments[0] for arguments in log_sum_exp.inputs)
    given = as_array(answer(large))
    yield np.isposinf(given).any(), "At a score of 1000 yours overflows. Subtract the largest score first."
    yield same(answer(small), np.log([4 / 3, 4 / 3])), "The largest score is missing: add it back at the end."
    yield (
        np.isneginf(given).any(),
        "Two scores of 0 give ln 2, beside a row of 1000s too. You subtract *one* maximum from the whole table; "
        "each row needs its own.",
    )
    yield (
        np.isnan(as_array(answer(empty))).any(),
        "A row of nothing but minus infinity (every unit masked) gives NaN: infinity minus infinity. "
        "Let the maximum you subtract be at least the smallest finite number.",
    )


@exercise(
    right=lambda attention, regions: np.stack(
        [a @ r for a, r in zip(np.asarray(attention), np.asarray(regions), strict=True)]
    ),
    inputs=[
        (
            np.array([[[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]], [[0.0, 0.0, 1.0], [0.2, 0.2, 0.6]]]),
            np.arange(24.0).reshape(2, 3, 4),
        )
    ],
    tensors=True,
)
def contexts(answer):
    """Tensors for this book: each unit's average of the regions of its own image, weighted by attention."""
    attention, regions = contexts.inputs[0]
    given, right = answer(attention, regions), contexts.right(attention, regions)
    yield same(given, right.sum(axis=0)), "The batch is gone: name it behind the arrow too, and images stay apart."
    yield same(given, right.swapaxes(1, 2)), "That is [batch, dim, units]. Wanted is [batch, units, dim]."
    yield (
        same(given, np.einsum("bum,md->bud", attention, regions.sum(axis=0))),
        "Each unit looks at the regions of *all* images. Give both factors the same letter for the batch.",
    )
    yield (
        same(given, np.broadcast_to(regions.mean(axis=1)[:, None], right.shape)),
        "All units see the same. Where does attention come in?",
    )


@exercise(
    right=lambda values, group, groups: np.stack(
        [np.asarray(values)[np.asarray(group) == g].sum(axis=0) for g in range(groups)]
    ),
    inputs=[(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]), np.array([2, 0, 2, 0]), 4)],
    tensors=True,
)
def group_sums(answer):
    """Tensors for this book: the sum of the rows of each group, where groups have different sizes."""
    values, group, groups = group_sums.inputs[0]
    given, right = answer(values, group, groups), group_sums.right(values, group, groups)
    yield (
        same(given, np.stack([values[3], 0 * values[0], values[2], 0 * values[0]])),
        "Each group holds only its last row: `sums[group] += values` reads, adds and writes once for all rows, and "
        "rows of one group overwrite each other. `index_add` adds one after the other.",
    )
    yield same(given, right[[0, 2]]), "Groups without a row have disappeared. They should be rows of zeros."
    yield (
        same(given, right / np.array([2, 1, 2, 1])[:, None]),
        "That is the mean of each group. Wanted is the sum.",
    )
    yield (
        same(given, values[group]),
        "You *take* rows by their group's number. Wanted is the way back: add them into it.",
    )


@exercise(
    right=lambda table: float(_matching(np.asarray(table)) + _matching(np.asarray(table).T)),
    inputs=[(np.array([[2.0, 0.0, 1.0], [0.0, 1.0, 0.5], [0.0, 3.0, 0.0]]),), (np.array([[1.6, 0.4], [1.2, 1.4]]),)],
    tensors=True,
)
def matching_loss(answer):
    """Tensors for this book: cross-entropy of a table whose targets are the diagonal, both ways, summed."""
    table = matching_loss.inputs[0][0]
    given, rows, columns = answer(table), _matching(table), _matching(table.T)
    yield same(given, rows), "That is one way: each row chooses a column. Columns must choose a row as well."
    yield same(given, columns), "That is one way: each column chooses a row. Rows must choose a column as well."
    yield same(given, (rows + columns) / 2), "In this book *both ways* means the sum, not the mean."
    yield (
        same(given, 3 * (rows + columns)),
        "You add up the studies. The mean keeps batches of different size comparable.",
    )
    yield same(given, -rows - columns), "The sign: a loss is smaller where the diagonal is larger."


def _rows_of_length_one(table: np.ndarray) -> np.ndarray:
    return table / np.linalg.norm(table, axis=1, keepdims=True)


def _matching(table: np.ndarray) -> float:
    return float(np.mean(np.logaddexp.reduce(table, axis=1) - np.diag(table)))


@exercise(
    right=lambda word, vocabulary: _longest_first(word, vocabulary),
    inputs=[
        ("nodules", frozenset({"no", "nod", "##d", "##ul", "##ule", "##e", "##s"})),
        ("edema", frozenset({"ed", "##ema", "ema", "edema"})),
        ("nodal", frozenset({"no", "nod", "##d", "##dal"})),
        ("apex", frozenset({"a", "##p", "##e", "##pe", "##x"})),
    ],
)
def greedy_pieces(answer):
    """The text encoder: a word cut into pieces, the longest first."""
    word, vocabulary = greedy_pieces.inputs[0]
    given = answer(word, vocabulary)
    yield same(given, ["no"]) or same(given, ["nod"]), "That is where the word begins. What of its remaining letters?"
    yield given[:1] == ["no"], "`no` fits, but `nod` fits too, and is longer."
    yield given[1:2] == ["##ul"], "Longest first holds *inside* the word, too."
    yield same(given, ["nod", "ule", "s"]), "A piece that goes on with a word is written with `##` before it."
    yield same(given, ["[UNK]"]), "Inside a word, look for `##` and the letters: `ule` itself is not in the vocabulary."
    stuck = answer("nodal", frozenset({"no", "nod", "##d", "##dal"}))
    yield same(stuck, ["no", "##dal"]), "You went back and tried a shorter piece. Greedy never goes back: `[UNK]`."
    yield (
        same(stuck, ["nod"]) or same(stuck, ["nod", "[UNK]"]),
        "Where one place cannot be spelled, the *whole* word is `[UNK]`.",
    )


@exercise(
    right=lambda vectors, words: np.stack([vectors[words == word].mean(axis=0) for word in range(words.max() + 1)]),
    inputs=[
        (np.array([[9.0, 9.0], [2.0, 0.0], [0.0, 1.0], [0.0, 3.0], [5.0, 7.0]]), np.array([-1, 0, 1, 1, -1])),
        (np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]), np.array([0, 0])),
    ],
)
def word_means(answer):
    """The text encoder: one vector a word, the mean of its pieces."""
    vectors, words = word_means.inputs[0]
    given, right = as_array(answer(vectors, words)), word_means.right(vectors, words)
    yield same(given, right * [[1.0], [2.0]]), "That is the sum. *Effusion* has two pieces: divide by two."
    yield (
        same(given, np.array([[2.0, 0.0], [14.0 / 4, 20.0 / 4]])),
        "Punctuation ended up in the last word: as an index, -1 is the last row.",
    )
    yield (
        same(given, np.array([[2.0, 0.0], [0.0, 3.0]])),
        "Each piece overwrites the one before: `total[words] += ...` adds once.",
    )
    yield given.shape == (3, 2), "Two words, and three rows. Is -1 a word?"
    yield (
        same(given, right * [[1.0 / 5], [2.0 / 5]]),
        "Each word is divided by the number of *all* pieces, not of its own.",
    )


@exercise(
    right=lambda means, counts: np.repeat(means, counts, axis=0).mean(axis=0),
    inputs=[
        (np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([1, 3])),
        (np.array([[1.0, 2.0, 3.0], [0.0, -1.0, 4.0], [2.0, 2.0, 2.0]]), np.array([6, 1, 2])),
    ],
)
def mean_of_pieces(answer):
    """The text encoder: the mean over all pieces, from the words' means."""
    means, counts = mean_of_pieces.inputs[0]
    given = answer(means, counts)
    yield (
        same(given, means.mean(axis=0)),
        "That is the mean of the words: one vote each. Here a word has a vote for each piece.",
    )
    yield same(given, counts @ means), "That adds up all pieces. How many are they?"
    yield same(given, counts @ means / len(means)), "You divide by the number of words. Divide by the number of pieces."
    yield (
        same(given, (means / counts[:, None]).mean(axis=0)),
        "You divide by the counts: now the longest word counts least.",
    )


@exercise(
    right=lambda spans, words: np.array(
        [[spans[words == word, 0].min(), spans[words == word, 1].max()] for word in range(words.max() + 1)]
    ),
    inputs=[
        (
            np.array([[0, 2], [2, 4], [4, 5], [6, 7], [7, 9], [9, 11], [11, 12]]),  # "edema, mild." in seven pieces
            np.array([0, 0, -1, 1, 1, 1, -1]),
        ),
        (np.array([[0, 6], [6, 7], [7, 12]]), np.array([0, -1, 1])),
        (np.array([[3, 9]]), np.array([0])),
    ],
)
def word_spans(answer):
    """The text encoder: where each word stands, from where its pieces stand."""
    spans, words = word_spans.inputs[0]
    given = as_array(answer(spans, words))
    yield same(given, np.array([[0, 2], [6, 7]])), "That is each word's first piece. Where does its *last* piece end?"
    yield (
        same(given, np.array([[2, 4], [9, 11]])),
        "That is each word's last piece. Where does its *first* piece begin?",
    )
    yield same(given, np.array([[0, 4], [6, 5]])), "A length where an end belongs: the second number is a place, too."
    yield (
        same(given, np.array([[0, 3], [6, 10]])),
        "The end is the first letter *behind* the word, so that `text[start:end]` is whole.",
    )
    yield given.shape == (3, 2), "Two words, and three rows. Is -1 a word?"
    yield (
        same(given, np.array([[0, 5], [6, 12]])),
        "`text[start:end]` holds the mark behind the word. Punctuation belongs to no word.",
    )


def _longest_first(word: str, vocabulary: frozenset[str]) -> list[str]:
    pieces: list[str] = []
    start = 0
    while start < len(word):
        mark = "##" if start else ""
        ends = [end for end in range(len(word), start, -1) if mark + word[start:end] in vocabulary]
        if not ends:
            return ["[UNK]"]
        pieces.append(mark + word[start : ends[0]])
        start = ends[0]
    return pieces


@exercise(
    right=lambda S, tau: _matching(np.asarray(S) / tau),
    inputs=[
        (np.array([[0.8, 0.2], [0.6, 0.7]]), 0.5),
        (np.array([[0.9, 0.1, -0.3], [0.2, 0.4, 0.5], [0.0, 0.3, 0.1]]), 0.1),
        (np.array([[0.4]]), 0.1),
    ],
    tensors=True,
)
def image_to_text(answer):
    """Global alignment: the half of the loss in which films choose reports."""
    S, tau = image_to_text.inputs[0]
    given, half = answer(S, tau), _matching(S / tau)
    other = _matching(S.T / tau)
    yield same(given, other), "You let reports choose films. Which axis holds the candidates of *one film*?"
    yield same(given, half + other), "That is both halves. Here only films choose."
    yield same(given, answer(S, tau / 2)), "Your value does not change when tau does."
    yield same(given, _matching(S * tau)), "You multiply by tau. Cosines are *divided* by it."
    yield same(given, len(S) * half), "Twice the studies, twice the loss? The mean keeps batches comparable."
    yield same(given, -half), "The sign: a film that surely knows its report pays nothing, and one that does not pays."
    small = answer(np.array([[0.1, 0.95], [0.6, 0.7]]), 0.001)
    yield (
        not np.isfinite(as_array(small)).all(),
        "Right at tau = 0.5, but no number at 0.001. Is there a function that does softmax and logarithm at once?",
    )


@exercise(
    right=lambda row, own, tau: _hardest_share(np.asarray(row), own, tau),
    inputs=[
        (np.array([0.5, 0.6, 0.1, 0.2]), 0, 0.1),
        (np.array([0.2, 0.9, 0.3]), 1, 0.5),
        (np.array([0.3, 0.3]), 1, 1.0),
    ],
    tensors=True,
)
def hardest_share(answer):
    """Global alignment: of what the loss pushes away from one film, the share that falls on the hardest negative."""
    row, own, tau = np.array([0.5, 0.6, 0.1, 0.2]), 0, 0.1
    given, p = answer(row, own, tau), _softmax(row / tau)
    yield same(given, p[1]), "Its own report takes part of that softmax, but it is not pushed away. Leave it out."
    own_is_best = np.array([0.9, 0.6, 0.1, 0.2])
    yield (
        same(answer(own_is_best, own, tau), _softmax(own_is_best / tau)[0]),
        "The largest of all may be the film's own report. Which is the largest of the *others*?",
    )
    yield same(given, 0.6 / 0.9), "A softmax weighs exponentials, not cosines."
    yield same(given, 1), "That is *which* report is the hardest. How much of the push does it get?"
    yield same(given, answer(row, own, 2 * tau)), "Your share does not change when tau does."


@exercise(
    right=lambda S, k: float((_ahead(np.asarray(S)) < k).mean()),
    inputs=[
        (np.array([[0.5, 0.95, 0.7, 0.8], [0.6, 0.9, 0.2, 0.3], [0.55, 0.95, 0.2, 0.1], [0.0, 0.1, 0.3, 0.2]]), 2),
        (np.array([[0.2, 0.9], [0.8, 0.1]]), 1),
        (np.array([[0.2, 0.9], [0.8, 0.1]]), 2),
    ],
    tensors=True,
)
def recall_at_k(answer):
    """Global alignment: the share of films whose own report is among the best k."""
    S, k = recall_at_k.inputs[0]
    given, ahead = answer(S, k), _ahead(S)
    yield (
        same(given, float((_ahead(S.T) < k).mean())),
        "You rank films for a report. Here a film ranks reports: look along its row.",
    )
    yield same(given, float((ahead < k).sum())), "That is how many films. Which share is it?"
    yield same(given, float((ahead < k - 1).mean())), "A report with one better one ahead is second, and so among two."
    yield same(given, float((ahead <= k).mean())), "A report with two better ones ahead is third, and not among two."


@exercise(
    right=lambda stories: sum(a == b for i, a in enumerate(stories) for b in stories[:i]),
    inputs=[
        ([frozenset({"mass"}), frozenset(), frozenset({"mass"}), frozenset({"edema", "mass"}), frozenset({"mass"})],),
        ([frozenset(), frozenset({"edema"}), frozenset()],),
    ],
)
def false_negatives(answer):
    """Global alignment: how many pairs of studies in a batch tell the same story."""
    stories = [frozenset({"mass"}), frozenset(), frozenset({"mass"}), frozenset({"edema", "mass"}), frozenset({"mass"})]
    given = answer(stories)
    yield same(given, 11), "Every study tells its own story, but it is not its own negative. Leave the diagonal out."
    yield same(given, 6), "You count each pair twice: first with second, and second with first."
    yield same(given, 2), "That is how many studies repeat a story. Three that tell the same make *three* pairs."
    yield same(given, 5), "A mass beside an edema is another story than a mass alone: the sets must be *equal*."
    healthy = answer([frozenset(), frozenset({"edema"}), frozenset()])
    yield same(healthy, 0), "Two healthy patients tell the same story too: that nothing was found."


@exercise(
    right=lambda tables: float(sum(_columns_cost(S) + _columns_cost(S.T) for S in tables)),
    inputs=[
        (
            [
                np.array([[2.0, 0.5, -1.0], [0.0, 1.0, 1.5], [0.3, -0.4, 0.9]]),
                np.array([[0.2, 1.1, 0.0], [1.0, 3.0, -2.0], [0.6, 0.1, 0.4]]),
                np.array([[1.0, -1.0, 0.5], [0.7, 0.7, 0.2], [-0.3, 0.8, 2.0]]),
            ],
        ),
        ([np.zeros((2, 2))],),
    ],
)
def six_terms(answer):
    """Several levels: the loss from the tables of all levels, each asked both ways."""
    [tables] = six_terms.inputs[0]
    given, films = answer(tables), [_columns_cost(S.T) for S in tables]
    reports = [_columns_cost(S) for S in tables]
    terms = sum(films) + sum(reports)
    yield same(given, sum(films)), "Films choose among reports. Who else chooses?"
    yield same(given, sum(reports)), "Reports choose among films. Who else chooses?"
    yield same(given, terms / 2), "That is half. Both ways are *added*, not averaged."
    yield same(given, terms / 3) or same(given, terms / 6), "You average over levels. The loss is their sum."
    yield same(given, 3 * terms), "Three times as large: within one table, take the *mean* over its pairs."
    total = np.sum(tables, axis=0)
    yield (
        same(given, _columns_cost(total) + _columns_cost(total.T)),
        "You add the tables first. Each level plays a game of its own: cross-entropy first, then the sum.",
    )
    yield same(given, -terms), "The sign: a cross-entropy is the *negative* logarithm of a probability."


@exercise(
    right=lambda regions, report, t2, t3: t3 * t2 * _cosine(regions.mean(axis=0), report),
    inputs=[
        (np.array([[2.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), np.array([1.0, 3.0]), 5.0, 10.0),
        (np.array([[0.5, -1.0, 1.0], [1.0, 0.0, 2.0]]), np.array([-1.0, 1.0, 1.0]), 2.0, 3.0),
    ],
)
def report_logit(answer):
    """Several levels: the logit of a whole report against a map, where there is nothing to choose."""
    regions, report, t2, t3 = report_logit.inputs[0]
    given, cosine = answer(regions, report, t2, t3), _cosine(regions.mean(axis=0), report)
    cosines = np.array([_cosine(region, report) for region in regions])
    yield same(given, t3 * t2 * cosines.mean()), "That is the mean of the cosines. Wanted is the cosine with the mean."
    yield same(given, t3 * t2 * cosines.max()), "You let the report find its best region. A single unit cannot choose."
    yield same(given, t3 * cosine), "Where did t2 go? The logarithm of $e^{t_2\\cos}$ is $t_2\\cos$."
    yield same(given, t3 * np.exp(t2 * cosine)), "Take the logarithm of that exponential before you multiply by t3."
    yield same(given, t3 * t2 * regions.mean(axis=0) @ report), "That is a dot product. Divide by both lengths."


@exercise(
    right=lambda maps, owner, sentences: np.stack([_mean_map(maps, owner == k) for k in range(sentences)]),
    inputs=[
        (np.arange(16.0).reshape(4, 2, 2) ** 2, np.array([0, 0, 1, -1]), 3),
        (np.arange(6.0).reshape(3, 1, 2), np.array([1, 0, 1]), 2),
    ],
)
def sentence_maps(answer):
    """Several levels: the map of a sentence from those of its words."""
    maps, owner, sentences = sentence_maps.inputs[0]
    given, right = as_array(answer(maps, owner, sentences)), sentence_maps.right(maps, owner, sentences)
    yield np.isnan(given).any(), "There is a NaN: a sentence without words has nothing to average. Leave it at zero."
    with_padding = right + np.where(np.arange(sentences) == sentences - 1, 1, 0)[:, None, None] * maps[3]
    yield same(given, with_padding), "Padding has landed in the last sentence: in Python, -1 means the last one."
    summed = np.stack([maps[owner == k].sum(axis=0) for k in range(sentences)])
    yield same(given, summed), "You add up. A sentence of many words should not glow for that: take the mean."
    yield (
        same(given, summed / len(owner)) or same(given, summed / 3),
        "Divide by the words of *that* sentence, not by all words.",
    )
    yield given.shape == maps.shape, "You give a map for each word. Wanted is one for each sentence."


@exercise(
    right=lambda a, b: float(np.nanmean([a[sample] - b[sample] for sample in a if sample in b])),
    inputs=[
        ({"1": 0.5, "2": 0.7, "3": np.nan, "4": 0.9}, {"1": 0.4, "2": 0.3, "3": 0.6, "5": 0.1}),
        ({"x": 1.0, "y": 0.0}, {"y": 0.5, "x": 0.0}),
    ],
)
def paired_gain(answer):
    """Several levels: the mean difference over the samples that two ways of asking have in common."""
    a, b = paired_gain.inputs[0]
    given = answer(a, b)
    yield same(given, np.nan), "One NaN has made everything NaN. Leave undefined samples out."
    yield same(given, -0.25), "The signs are turned round: that is `b - a`."
    yield same(given, 0.7 - 1.4 / 4), "Each mean is over its own samples. Compare sample by sample, on those of both."
    yield same(given, 1.3 / 4), "A sample that one side lacks counts as 0 there. Leave it out."
    yield same(given, 0.5 / 3), "You counted undefined as no difference. Leave it out of the number as well."


def _columns_cost(table: np.ndarray) -> float:
    """What reports pay on average who choose among films: softmax down the columns."""
    return float(-np.log(np.diag(_softmax(table))).mean())


def _mean_map(maps: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return maps[chosen].mean(axis=0) if chosen.any() else np.zeros(maps.shape[1:])


def _ahead(table: np.ndarray) -> np.ndarray:
    """How many candidates of each row are better than the one on the diagonal."""
    return np.sum(np.diag(table)[:, None] < table, axis=1)


def _hardest_share(row: np.ndarray, own: int, tau: float) -> float:
    return float(_softmax(np.delete(row, own) / tau).max())


@exercise(
    right=lambda regions, words: _shares(regions @ words.T),
    inputs=[
        (np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]), np.array([[np.log(4), 0.0], [0.5, 1.0]])),
        (np.array([[0.0, -1.0]]), np.array([[3.0, 0.0], [0.0, 2.0], [1.0, 1.0]])),
    ],
)
def word_shares(answer):
    """Words as local units: how each region shares itself out among the words."""
    regions, words = word_shares.inputs[0]
    scores = regions @ words.T
    directions = [vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (regions, words)]
    given = answer(regions, words)
    yield same(given, _softmax(scores)), "Yours sums to one over the *regions*. Each region hands out one whole."
    yield same(given, _shares(scores).T), "The numbers are right; the axes are wanted the other way round."
    yield same(given, scores / scores.sum(axis=1, keepdims=True)), "Shares of what? Exponentials come first."
    yield (
        same(given, _shares(directions[0] @ directions[1].T)),
        "Those are cosines. Here vectors keep their length.",
    )
    yield same(given, _shares(4 * scores)), "$t_1$ belongs to the second softmax, over regions."


@exercise(
    right=lambda cosines, t2: float(_log_sum_exp(t2 * cosines)),
    inputs=[(np.array([0.9, 0.2, -0.4]), 5.0), (np.array([0.5]), 2.0), (np.array([0.99, 0.1]), 1000.0)],
)
def report_score(answer):
    """Words as local units: the score of a report from the cosines of its words."""
    cosines, t2 = report_score.inputs[0]
    given, right = answer(cosines, t2), _log_sum_exp(t2 * cosines)
    yield same(given, right / t2), "GLoRIA has no $1/t_2$ in front of the logarithm."
    yield same(given, right - np.log(3)), "That is the variant with the *mean*. The published one sums."
    yield same(given, t2 * 0.9), "That is the best word alone. The others count too, if less."
    yield same(given, np.exp(right)), "The logarithm is missing."
    yield not np.isfinite(answer(*report_score.inputs[2])), "At $t_2=1000$ yours overflows: take the largest out first."


@exercise(
    right=lambda attention: float(np.exp(_entropy(attention))),
    inputs=[
        (np.array([0.5, 0.25, 0.25]),),
        (np.full(10, 0.1),),
        (np.array([1.0, 0.0, 0.0]),),
        (np.array([0.7, 0.2, 0.1, 0.0]),),
    ],
)
def effective_regions(answer):
    """Words as local units: over how many regions an attention is spread."""
    attention = effective_regions.inputs[0][0]
    given = answer(attention)
    yield same(given, _entropy(attention)), "That is the entropy. Its exponential counts regions."
    yield same(given, np.exp(-_entropy(attention))), "A sign got lost: the entropy is never negative."
    yield same(given, np.exp(_entropy(attention) / np.log(2))), "You mix base 2 and base $e$: use one for both steps."
    yield same(given, 1 / attention.max()), "That looks at the largest alone. Take all regions into account."
    yield same(given, 3), "You count the regions that get anything at all. A crumb is not a loaf."
    yield (
        not np.isfinite(answer(np.array([1.0, 0.0, 0.0]))),
        "A region without attention gives NaN: leave it out.",
    )


@exercise(
    right=lambda reports, columns: np.arange(columns) < np.array([len(report.split()) for report in reports])[:, None],
    inputs=[
        (["Small left effusion.", "Normal.", ""], 5),
        (["Clear lungs.", "No pneumothorax or effusion."], 4),
    ],
)
def word_mask(answer):
    """Words as local units: where a padded table holds a word."""
    reports, columns = word_mask.inputs[0]
    given, places = as_array(answer(reports, columns)), np.arange(columns)
    characters = np.array([len(report) for report in reports])[:, None]
    words = np.array([len(report.split()) for report in reports])[:, None]
    yield same(given, places < characters), "You counted characters. Padding would take part in the softmax."
    yield same(given, places <= words), "One too many: columns are counted from 0."
    yield same(given, places >= words), "Yours is true at the padding."
    yield given.shape == (columns, len(reports)), "One row for each report, please."
    split = np.array([len(report.split(" ")) for report in reports])[:, None]
    yield (
        same(given, places < split),
        "An empty report holds no word, but `''.split(' ')` is not empty.",
    )


def _shares(scores: np.ndarray) -> np.ndarray:
    """Softmax over the words, `scores` being [regions, words]."""
    return _softmax(scores.T).T


def _entropy(shares: np.ndarray) -> float:
    return -sum(share * np.log(share) for share in shares if share > 0)


@exercise(
    right=lambda word, regions, a: _length_one(_softmax(regions @ word / a) @ regions),
    inputs=[
        (np.array([0.6, 0.8]), np.array([[1.0, 0.0], [0.0, 1.0], [0.6, -0.8]]), 0.5),
        (np.array([1.0, 0.0]), np.array([[0.8, 0.6], [0.0, 1.0]]), 0.1),
    ],
)
def token_context(answer):
    """Words and regions of one study: what a word gathers from the regions of its film."""
    word, regions, a = token_context.inputs[0]
    given, cosines = answer(word, regions, a), regions @ word
    gathered = _softmax(cosines / a) @ regions
    yield same(given, gathered), "Right but for its length: what is gathered is normalised once more."
    yield same(given, _length_one(_softmax(cosines * a) @ regions)), "This temperature *divides*."
    yield same(given, _length_one(_softmax(cosines) @ regions)), "Your answer does not hear of the temperature."
    yield same(given, _length_one(cosines @ regions)), "Shares sum to one: a softmax makes them of the cosines."
    yield same(given, regions[cosines.argmax()]), "That is the best region alone. The others count too, if less."


@exercise(
    right=lambda attention: _shared_out(np.clip(attention, *np.quantile(attention, [0.1, 0.9]))),
    inputs=[
        (np.array([0.02, 0.4, 0.05, 0.08, 0.1]),),
        (np.array([0.3, 0.3, 0.3]),),
        (np.array([0.0, 0.01, 0.2, 0.03, 0.04, 0.6]),),
    ],
)
def token_weights(answer):
    """Words and regions of one study: from [CLS] attention to the weights of a report's words."""
    (attention,) = token_weights.inputs[0]
    given, (low, high) = answer(attention), np.quantile(attention, [0.1, 0.9])
    clipped = np.clip(attention, low, high)
    inner = np.where((attention >= low) & (attention <= high), attention, 0.0)
    yield same(given, _shared_out(attention)), "One word may still have nearly all: clip first."
    yield same(given, clipped), "Clipped, but their sum is not one."
    yield same(given, np.clip(_shared_out(attention), low, high)), "Clip, *then* share out."
    yield same(given, _shared_out(inner)), "To clip is to move what lies outside to the limit, not to drop it."
    yield same(given, _shared_out(np.minimum(attention, high))), "There is a lower limit too."


@exercise(
    right=lambda table, weights: float(weights @ (_row_costs(table) + _row_costs(table.T)) / 2),
    inputs=[
        (np.array([[2.0, 0.5, 1.0], [0.0, 1.0, 3.0], [1.0, -1.0, 0.5]]), np.array([0.5, 0.3, 0.2])),
        (np.array([[1.0, 4.0], [0.0, 1.0]]), np.array([0.5, 0.5])),
        (np.array([[1000.0]]), np.array([1.0])),
    ],
)
def token_choice(answer):
    """Words and regions of one study: the weighted cost of a table in which every token looks for itself."""
    table, weights = token_choice.inputs[0]
    given, rows, columns = answer(table, weights), _row_costs(table), _row_costs(table.T)
    yield same(given, weights @ rows), "The rows have paid. What do the columns pay?"
    yield same(given, weights @ columns), "The columns have paid. What do the rows pay?"
    yield same(given, weights @ (rows + columns)), "Both ways are *halved* here."
    yield same(given, np.mean(rows + columns) / 2), "Every token counted alike: the weights are missing."
    yield same(given, -weights @ (rows + columns) / 2), "A cost is never negative: a sign got lost."


@exercise(
    right=lambda table: float(np.mean(_others(table) < np.diag(table)[None])),
    inputs=[
        (np.array([[5.0, 3.0, 6.0, 8.0], [1.0, 4.0, 1.0, 9.0], [2.0, 7.0, 5.0, 3.0], [3.0, 5.0, 2.0, 6.0]]),),
        (np.array([[1.0, 5.0], [0.0, 6.0]]),),
    ],
)
def stranger_share(answer):
    """Words and regions of one study: how many strangers' films fit a report worse than its own."""
    (table,) = stranger_share.inputs[0]
    given, own = answer(table), np.diag(table)
    yield same(given, np.mean(table < own[None])), "Leave a report's own film out: it is no stranger."
    yield same(given, np.mean(_others(table.T) < own[None])), "You let films choose among reports. Films lie in rows."
    yield same(given, np.mean(_others(table) > own[None])), "That is the share of strangers that fit *better*."
    yield (
        same(given, np.mean(table.argmax(axis=0) == np.arange(len(table)))),
        "That is how often the own film is *best*.",
    )


def _length_one(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def _shared_out(values: np.ndarray) -> np.ndarray:
    return values / values.sum()


def _row_costs(table: np.ndarray) -> np.ndarray:
    """What each row pays to choose its own column."""
    return np.logaddexp.reduce(table, axis=1) - np.diag(table)


def _others(table: np.ndarray) -> np.ndarray:
    """Every column without the element on the diagonal."""
    return np.stack([np.delete(column, k) for k, column in enumerate(table.T)], axis=1)


@exercise(
    right=lambda table: _rows_of_sum_one(_rows_of_sum_one(np.asarray(table).T).T),
    inputs=[
        (np.array([[12.0, 1.0, 1.0], [6.0, 1.0, 4.0], [3.0, 2.0, 1.0], [3.0, 1.0, 2.0]]),),
        (np.array([[1.0, 2.0], [3.0, 5.0]]),),
        (np.array([[4.0, 1.0, 3.0]]),),
    ],
)
def sinkhorn_round(answer):
    """Prototypes: one round of Sinkhorn's algorithm, columns first, then rows."""
    (table,) = sinkhorn_round.inputs[0]
    given, columns = answer(table), _rows_of_sum_one(table.T).T
    yield same(given, columns), "Columns are done. What do the rows sum to?"
    yield same(given, _rows_of_sum_one(table)), "That is each study by itself. Take out first how popular a column is."
    yield same(given, _rows_of_sum_one(_rows_of_sum_one(table).T).T), "Rows first, then columns: the other way round."
    once = table / table.sum(axis=0) / table.sum(axis=1)[:, None]
    yield same(given, once), "The rows' sums have changed once columns are done. Sum them again."


@exercise(
    right=lambda film_scores, report_scores, film_codes, report_codes, tau: (
        (_coded_cost(film_codes, report_scores / tau) + _coded_cost(report_codes, film_scores / tau)) / 2
    ),
    inputs=[
        (
            np.array([[0.5, -0.2, 0.1], [0.0, 0.3, 0.2], [0.4, 0.4, -0.1]]),
            np.array([[0.4, 0.1, -0.3], [0.2, -0.1, 0.6], [0.1, 0.5, 0.2]]),
            np.array([[0.8, 0.1, 0.1], [0.1, 0.6, 0.3], [0.4, 0.5, 0.1]]),
            np.array([[0.6, 0.3, 0.1], [0.2, 0.1, 0.7], [0.1, 0.7, 0.2]]),
            0.2,
        ),
        (np.array([[0.9, -0.9]]), np.array([[0.1, 0.2]]), np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]]), 0.05),
        (np.array([[0.9, -0.9]]), np.array([[0.9, -0.8]]), np.array([[0.9, 0.1]]), np.array([[0.5, 0.5]]), 0.001),
    ],
)
def swapped_loss(answer):
    """Prototypes: each side's codes are predicted by the other side."""
    films, reports, film_codes, report_codes, tau = arguments = swapped_loss.inputs[0]
    given, wanted = answer(*arguments), swapped_loss.right(*arguments)
    unswapped = (_coded_cost(film_codes, films / tau) + _coded_cost(report_codes, reports / tau)) / 2
    yield same(given, unswapped), "You let each side predict its own code. The point is the swap."
    yield same(given, 2 * wanted), "That is the sum of both. Here it is halved."
    yield same(given, len(films) * wanted), "Twice the studies, twice the loss? Take the mean over studies."
    yield (
        same(given, wanted / films.shape[1]),
        "A study's cross-entropy is a *sum* over prototypes; the mean is over studies.",
    )
    yield (
        same(given, answer(films, reports, film_codes, report_codes, 2 * tau)),
        "Your loss does not change when tau does.",
    )
    yield same(given, -wanted), "The sign: logarithms of shares are negative, and a cost is not."
    yield (
        not np.isfinite(as_array(answer(*swapped_loss.inputs[2]))).all(),
        "Right at tau = 0.2, but no number at 0.001. Is there a function that does softmax and logarithm at once?",
    )


@exercise(
    right=lambda cosines, stories, own, tau: _mistaken(cosines, stories, own, tau),
    inputs=[
        (np.array([0.7, 0.6, 0.1, 0.5, 0.3]), np.array([2, 1, 2, 2, 0]), 0, 0.1),
        (np.array([0.2, 0.9, 0.3]), np.array([0, 0, 1]), 1, 0.5),
        (np.array([0.2, 0.9, 0.3]), np.array([0, 1, 2]), 1, 0.5),
    ],
)
def mistaken_push(answer):
    """Prototypes: of what the loss pushes away from one film, the share that falls on its own story."""
    cosines, stories, own, tau = arguments = mistaken_push.inputs[0]
    given, weights = answer(*arguments), _softmax(cosines / tau)
    alike = stories == stories[own]
    yield same(given, weights[alike].sum()), "The film's own report is pulled, not pushed. Leave it out."
    others = alike & (np.arange(len(stories)) != own)
    yield (
        same(given, weights[others].sum()),
        "A share of all that is *pushed*: the own report is in your softmax still.",
    )
    yield same(given, others.sum() / (len(stories) - 1)), "That is the share of reports. How hard is each pushed?"
    yield same(given, answer(cosines, stories, own, 2 * tau)), "Your share does not change when tau does."
    yield same(given, 1 - _mistaken(*arguments)), "That is the share of the *other* stories."


@exercise(
    right=lambda codes: float(np.exp(_entropy(np.asarray(codes).mean(axis=0)))),
    inputs=[
        (np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.2, 0.2]]),),
        (np.array([[1.0, 0.0], [1.0, 0.0]]),),
        (np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),),
    ],
)
def kinds_in_use(answer):
    """Prototypes: how many are in use, by the entropy of the mean code."""
    (codes,) = kinds_in_use.inputs[0]
    given, mean = answer(codes), codes.mean(axis=0)
    yield same(given, _entropy(mean)), "That is the entropy. How many even shares would have it?"
    yield (
        same(given, np.exp(np.mean([_entropy(code) for code in codes]))),
        "You ask how much each *single* code hesitates. First the mean code, then its entropy.",
    )
    yield same(given, 2 ** _entropy(mean)), "Base and logarithm must agree: two with base 2, e with the natural one."
    yield same(given, np.exp(-_entropy(mean))), "The sign: more kinds in use, a larger number."
    yield (
        not np.isfinite(as_array(answer(kinds_in_use.inputs[1][0]))).all(),
        "A kind that nobody uses has share 0, and 0 times its logarithm counts as 0.",
    )


def _rows_of_sum_one(table: np.ndarray) -> np.ndarray:
    return table / table.sum(axis=1, keepdims=True)


def _coded_cost(codes: np.ndarray, scores: np.ndarray) -> float:
    """The mean cross-entropy of codes with the softmax of scores."""
    logarithms = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
    return float(-(codes * logarithms).sum(axis=1).mean())


def _mistaken(cosines: np.ndarray, stories: np.ndarray, own: int, tau: float) -> float:
    others = np.arange(len(stories)) != own
    return float(_softmax(cosines[others] / tau)[stories[others] == stories[own]].sum())


@exercise(
    right=lambda truth, hidden: float((truth & _enlarged(hidden, truth.shape)).sum() / truth.sum()),
    inputs=[
        (np.array([[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1]], bool), np.array([[1, 0], [0, 1]], bool)),
        (np.array([[0, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]], bool), np.array([[0, 1], [1, 1]], bool)),
        (np.array([[1, 0, 0, 1, 0, 1], [1, 1, 0, 0, 0, 0]], bool), np.array([[1, 0, 0], [0, 0, 1]], bool)),
    ],
)
def hidden_share(answer):
    """Masked contrast: how much of a lesion lies under hidden patches."""
    truth, hidden = hidden_share.inputs[0]
    given, covered = answer(truth, hidden), _enlarged(hidden, truth.shape)
    both = truth & covered
    yield same(given, both.sum()), "You counted pixels. Which share of the lesion's are they?"
    yield same(given, both.sum() / covered.sum()), "That is the share of the *mask* that is lesion. Turn it round."
    yield same(given, both.sum() / (truth | covered).sum()), "That is the IoU. Only the lesion's pixels are judged."
    yield same(given, both.mean()), "The share of all pixels? Only the lesion's are judged."
    yield same(given, 1 - both.sum() / truth.sum()), "That is what stays in sight."
    touched = truth.reshape(2, 2, 2, 2).any(axis=(1, 3))
    yield same(given, (touched & hidden).sum() / touched.sum()), "You counted patches. Count the lesion's pixels."


@exercise(
    right=lambda likeness, tau: len(likeness) * _softmax(likeness / tau),
    inputs=[
        (np.array([0.8, 0.4, 0.5]), 0.2),
        (np.array([0.1, -0.3, 0.9, 0.9]), 1.0),
        (np.array([0.99, 0.1]), 0.001),
    ],
)
def sample_weights(answer):
    """Masked contrast: the weights of a batch, by how much masked films look like themselves."""
    likeness, tau = sample_weights.inputs[0]
    given, right = answer(likeness, tau), 3 * _softmax(likeness / tau)
    yield same(given, right / 3), "Yours add up to 1. So that a batch counts as before, their *mean* is 1."
    yield same(given, 3 * _softmax(likeness * tau)), "The temperature *divides*."
    yield same(given, 3 * _softmax(likeness)), "Yours do not hear of the temperature."
    yield same(given, 3 * likeness / likeness.sum()), "Shares of what? Exponentials come first."
    yield same(given, 3 * _softmax(-likeness / tau)), "A sign: what looks like itself counts *more*."
    yield same(given, right / right.max()), "Divide by the mean, not by the largest."
    yield (
        not np.isfinite(as_array(answer(*sample_weights.inputs[2]))).all(),
        "At $\\tau_\\omega=.001$ yours overflow: take the largest exponent out first.",
    )


@exercise(
    right=lambda weights: float(weights.sum() ** 2 / (weights**2).sum()),
    inputs=[
        (np.array([2.0, 1.0, 0.5, 0.5]),),
        (np.array([0.5, 0.5]),),
        (np.array([0.0, 0.0, 3.0]),),
    ],
)
def effective_studies(answer):
    """Masked contrast: of how many studies a weighted mean is worth."""
    (weights,) = effective_studies.inputs[0]
    given, shares = answer(weights), weights / weights.sum()
    yield same(given, 1 / (weights**2).sum()), "Right for weights that add up to 1, and only for those."
    yield same(given, (shares**2).sum()), "Turn it round: the more even the weights, the *more* studies count."
    yield same(given, np.exp(_entropy(shares))), "That is the exponential of the entropy, another way to count."
    yield same(given, weights.sum() / weights.max()), "That looks at the largest weight alone."
    yield same(given, (weights > 0).sum()), "You count the studies with any weight at all. A crumb is not a loaf."
    yield same(given, weights.sum() / (weights**2).sum()), "The sum above is squared, too."


@exercise(
    right=lambda predicted, pixels, hidden: _hidden_error(predicted, pixels, hidden),
    inputs=[
        (
            np.array([[1.0, 0.0], [2.0, 2.0], [0.0, -1.0], [0.5, 0.5]]),
            np.array([[0.0, 0.0], [0.0, 2.0], [1.0, -1.0], [0.5, 1.5]]),
            np.array([True, True, False, False]),
        ),
        (np.ones((3, 2)), np.zeros((3, 2)), np.zeros(3, bool)),
        (np.array([[3.0], [1.0]]), np.array([[0.0], [1.0]]), np.array([True, True])),
    ],
)
def hidden_error(answer):
    """Masked contrast: the decoder's mean square error, on hidden patches only."""
    predicted, pixels, hidden = arguments = hidden_error.inputs[0]
    given, squares = answer(*arguments), (predicted - pixels) ** 2
    yield same(given, squares.mean()), "The visible patches are in it. They could be copied: leave them out."
    yield same(given, squares[~hidden].mean()), "Those are the visible patches."
    yield same(given, squares[hidden].sum()), "You summed. The mean keeps masks of different ratios comparable."
    yield same(given, squares[hidden].sum() / squares.size), "You divided by all pixels: count the hidden ones only."
    yield same(given, np.abs(predicted - pixels)[hidden].mean()), "Those are absolute errors. Square them."
    yield (
        not np.isfinite(as_array(answer(*hidden_error.inputs[1]))).all(),
        "Where nothing is hidden yours is not a number. It should be 0.",
    )


def _enlarged(patches: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A grid of patches at the size of its image."""
    return np.kron(patches, np.ones((shape[0] // patches.shape[0], shape[1] // patches.shape[1]), bool)).astype(bool)


def _hidden_error(predicted: np.ndarray, pixels: np.ndarray, hidden: np.ndarray) -> float:
    errors = (predicted - pixels)[hidden]
    return float((errors**2).sum() / max(1, errors.size))


@exercise(
    right=lambda kernel, columns, row_mass: row_mass / (kernel @ columns),
    inputs=[
        (np.array([[0.5, 0.25, 1.0], [0.1, 0.7, 0.2]]), np.array([1.0, 2.0, 0.5]), np.array([0.4, 0.6])),
        (np.array([[1.0, 3.0], [2.0, 1.0], [0.5, 0.5]]), np.array([0.2, 0.3]), np.array([0.2, 0.3, 0.5])),
    ],
)
def row_scaling(answer):
    """Transport: the scaling of the rows that gives every row its mass."""
    kernel, columns, row_mass = row_scaling.inputs[0]
    given = answer(kernel, columns, row_mass)
    yield same(given, 1 / (kernel @ columns)), "Now every row has mass 1. How much *should* it have?"
    yield same(given, (kernel @ columns) / row_mass), "Upside down: a row that has too much must be scaled down."
    yield same(given, row_mass / kernel.sum(axis=1)), "The columns have been scaled already. Sum what is there *now*."
    yield same(given, row_mass * (kernel @ columns)), "Multiplied: a row that has too much would get still more."


@exercise(
    right=lambda cost, column_potential, column_mass, epsilon: (
        -epsilon * np.logaddexp.reduce((column_potential - cost) / epsilon + np.log(column_mass), axis=1)
    ),
    inputs=[
        (np.array([[0.9, 0.1], [0.2, 0.7], [0.5, 0.5]]), np.array([0.1, -0.2]), np.array([0.25, 0.75]), 0.1),
        (np.array([[0.5, 1.5]]), np.array([0.0, 0.3]), np.array([0.5, 0.5]), 0.3),
        (np.array([[0.9, 0.6], [0.2, 0.7]]), np.array([0.0, 0.0]), np.array([0.5, 0.5]), 0.0005),
    ],
)
def row_potential(answer):
    """Transport: the same scaling as a potential, in the log domain."""
    cost, potential, mass, epsilon = arguments = row_potential.inputs[0]
    given = answer(*arguments)

    def soft(exponents):
        return np.logaddexp.reduce(exponents, axis=1)

    exponents = (potential - cost) / epsilon + np.log(mass)
    yield same(given, epsilon * soft(exponents)), "The sign: where everything is dear the potential must be *high*."
    yield same(given, -soft(exponents)), "A potential is in units of the cost. Which factor brings it back there?"
    yield same(given, -epsilon * soft(exponents - np.log(mass))), "All columns count alike. Where are their masses?"
    yield same(given, -epsilon * soft(-cost / epsilon + np.log(mass))), "The columns' potential is not in it."
    yield (
        not np.isfinite(as_array(answer(*row_potential.inputs[2]))).all(),
        "At $\\varepsilon=.0005$ every exponential is 0, and so is their sum. Use a log-sum-exp.",
    )


@exercise(
    right=lambda plan: np.divide(plan, plan.sum(axis=0), out=np.zeros_like(plan), where=plan.sum(axis=0) > 0),
    inputs=[
        (np.array([[0.1, 0.2], [0.3, 0.0], [0.0, 0.4]]),),
        (np.array([[0.5, 0.0, 0.1], [0.1, 0.0, 0.3]]),),
    ],
)
def plan_as_attention(answer):
    """Transport: where each sentence's mass comes from, as shares of that sentence's mass."""
    (plan,) = plan_as_attention.inputs[0]
    given = answer(plan)
    yield (
        same(given, plan / plan.sum(axis=1)[:, None]),
        "That is how each *region* shares itself. Sum over regions.",
    )
    yield same(given, plan / plan.max(axis=0)), "The largest is 1 now. It is the *sum* that attention has at 1."
    yield same(given, plan * plan.shape[1]), "Right only while every sentence has an even share of the mass."
    yield (
        not np.isfinite(as_array(answer(plan_as_attention.inputs[1][0]))).all(),
        "A sentence that gets no mass, as in partial transport, gives 0 / 0. Let it look nowhere: zeros.",
    )


@exercise(
    right=lambda plan, wanted: 1 - plan.sum(axis=0) / wanted,
    inputs=[
        (np.array([[0.2, 0.05, 0.0], [0.1, 0.05, 0.1]]), np.array([0.4, 0.2, 0.4])),
        (np.array([[0.25, 0.0], [0.25, 0.0]]), np.array([0.5, 0.5])),
    ],
)
def unplaced(answer):
    """Transport: the share of each sentence's mass that found no place."""
    plan, wanted = unplaced.inputs[0]
    given, got = answer(plan, wanted), plan.sum(axis=0)
    yield same(given, got / wanted), "That is the share that *did* find a place."
    yield same(given, wanted - got), "That is mass. Which share of what the sentence should have got is it?"
    yield same(given, 1 - got), "Sentences have different masses here: compare each with its own."
    yield same(given, 1 - plan.sum(axis=1)[:, None] / wanted), "You summed over sentences. Regions are in the rows."
    yield same(given, 1 - got / got.sum() / wanted), "You brought the plan to mass 1 first, and so hid what is missing."


# ------------------------------------------------------------------------------------------------ chapter 16


@exercise(
    right=lambda with_it, without: ((1 + np.sign(with_it[:, None] - without)) / 2).mean(),
    inputs=[
        (np.array([3.0, 5.0, 4.0]), np.array([1.0, 2.0, 4.0, 3.0, 0.5])),
        (np.array([0.0, 0.0]), np.array([0.0, 1.0, -1.0])),
    ],
)
def auroc(answer):
    """Stress tests: of all pairs, the share in which the patient with the finding scores higher."""
    with_it, without = arguments = auroc.inputs[0]
    given, difference = answer(*arguments), with_it[:, None] - without
    yield same(given, (difference > 0).mean()), "A tie is nobody's win, and nobody's loss. It counts half."
    yield same(given, (difference >= 0).mean()), "You give every tie to the finding. It counts half."
    yield same(given, ((1 - np.sign(difference)) / 2).mean()), "Upside down: higher is who *has* the finding."
    yield same(given, (1 + np.sign(difference)).sum() / 2), "That is the number of pairs. Which share of all is it?"
    yield (
        same(given, float(with_it.mean() > without.mean())),
        "You compared two means. Ask of every pair which of its two is higher.",
    )


@exercise(
    right=lambda scores, kept: np.sort(scores)[-int(np.ceil(kept * len(scores)))],
    inputs=[
        (np.array([9.0, 1.0, 4.0, 7.0, 2.0, 8.0, 5.0]), 0.75),
        (np.array([3.0, 1.0, 2.0]), 1.0),
        (np.array([6.0, 2.0, 5.0, 1.0]), 0.5),
    ],
)
def answering_threshold(answer):
    """Stress tests: the highest threshold at which a share of those with the finding is still answered."""
    scores, kept = arguments = answering_threshold.inputs[0]
    given, ordered = answer(*arguments), np.sort(scores)
    yield (
        same(given, ordered[-int(kept * len(scores))]),
        "Rounded down: a patient too few is answered. The share is what must *at least* be kept.",
    )
    yield (
        same(given, ordered[int(np.ceil(kept * len(scores))) - 1]),
        "From the wrong end: it is the *lowest* scores that may be lost.",
    )
    yield same(given, np.quantile(scores, kept)), "At that quantile most are declined. Which share lies *above* it?"
    yield (
        same(given, np.quantile(scores, 1 - kept)),
        "Between two patients' scores the quantile makes one up; the highest threshold is somebody's own score.",
    )
    yield same(given, ordered[0]), "That answers everybody. A higher threshold keeps enough, too."


@exercise(
    right=lambda said, present, bins: _binned_gap(said, present, bins),
    inputs=[
        (np.array([0.05, 0.15, 0.95, 1.0, 0.85, 0.12, 0.55]), np.array([0, 1, 1, 0, 1, 0, 1], bool), 5),
        (np.array([0.3, 0.35, 0.9]), np.array([0, 1, 1], bool), 2),
    ],
)
def calibration_gap(answer):
    """Stress tests: the expected calibration error."""
    said, present, bins = arguments = calibration_gap.inputs[0]
    given = answer(*arguments)
    yield (
        same(given, _binned_gap(said, present, bins, even=True)),
        "Every bin counts alike in yours. A bin with many answers counts for more.",
    )
    yield (
        same(given, abs(_binned_gap(said, present, bins, absolute=False))),
        "What one bin says too much, another says too little, and in yours they cancel. Take each gap's size first.",
    )
    yield same(given, np.abs(said - present).mean()), "A single answer cannot keep its word. Ask a bin of them."
    yield same(given, ((said - present) ** 2).mean()), "That is the Brier score, which asks for more than calibration."
    yield (
        same(given, _binned_gap(said[said < 1], present[said < 1], bins) * (said < 1).mean()),
        "A probability of exactly 1 fell out of your bins. It belongs to the last.",
    )


@exercise(
    right=lambda d00, d01, d10, d11: (
        (d00 + d01 - d10 - d11) / 4,
        (d00 + d01 + d10 + d11) / 4,
        (d00 - d01 - d10 + d11) / 4,
    ),
    inputs=[(0.5, 0.4, -0.3, 0.1), (1.0, -1.0, -1.0, 1.0)],
)
def side_parts(answer):
    """Stress tests: place, anatomy and letter from four differences."""
    d00, d01, d10, d11 = side_parts.inputs[0]
    place, anatomy, letter = side_parts.right(d00, d01, d10, d11)
    given = answer(d00, d01, d10, d11)
    yield same(given, (4 * place, 4 * anatomy, 4 * letter)), "Each of the four holds every part once. Divide by four."
    yield same(given, (2 * place, 2 * anatomy, 2 * letter)), "All *four* films speak of each part: it is their mean."
    yield (
        same(given, (anatomy, place, letter)),
        "Which of them changes sign when the body is mirrored, and which never does? You took one for the other.",
    )
    yield (
        same(given, (place, anatomy, (d00 - d01 + d10 - d11) / 4)),
        "The letter speaks for the own word where it went *with* the body: in the first film and in the last.",
    )
    yield (
        same(given, ((d00 - d10) / 2, (d00 + d10) / 2, (d00 - d01) / 2)),
        "Half of the films would do only if nothing else changed in them. Use all four.",
    )


@exercise(
    right=lambda text: _exchanged(text),
    inputs=[
        ("Left effusion, larger than on the right.",),
        ("Upright film. Nodule on the right; the left lung is clear.",),
        ("Right base is clear. No change on the left.",),
    ],
)
def swap_sides(answer):
    """Stress tests: left and right exchanged in a text."""
    simple, upright, capital = (text for (text,) in swap_sides.inputs)
    yield (
        answer("The left and the right.") in ("The left and the left.", "The right and the right."),
        "Two replacements in a row: the second undoes the first. Do both in one pass.",
    )
    yield (
        answer(upright).startswith(("Upleft", "upleft")),
        'Who is "upleft"? Look for whole words (`\\b` in a regular expression).',
    )
    yield (
        answer(simple) == "Left effusion, larger than on the left.",
        "At the beginning of a sentence the word has a capital.",
    )
    yield (
        answer(capital) in (_exchanged(capital).lower(), _exchanged(capital).replace("Left base", "left base")),
        "The words are right; now the sentence begins with a small letter.",
    )


@exercise(
    right=lambda text: re.split(r"(?<=\.)(?<!Dr\.)\s+", text.strip()),
    inputs=[
        ("Told Dr. Lee of a 1.5 cm nodule. No mass.",),
        ("Clear lungs.\nNormal heart.  No mass. ",),
        ("Normal.",),
    ],
)
def split_at_stops(answer):
    """Reports: a sentence ends at a full stop with white space behind it, and not after "Dr."."""
    (text,) = split_at_stops.inputs[0]
    given = answer(text)
    given = [str(one) for one in given] if isinstance(given, list | tuple) else []
    yield (
        any(one.strip().startswith("5 cm") for one in given),
        "The decimal point is no end. What stands behind a true one?",
    )
    yield any(one.strip() in ("Told Dr.", "Told Dr") for one in given), 'Dr. Lee lost his name. "Dr." ends no sentence.'
    yield (
        len(given) == 2 and not given[0].endswith("."),
        "The full stops are gone. `(?<=[.])` looks at one without taking it.",
    )
    lines = answer(split_at_stops.inputs[1][0])
    yield (
        isinstance(lines, list) and sum(map(bool, lines)) == 2,
        "A line may end where a sentence does: any white space counts, not only a space.",
    )
    yield isinstance(lines, list) and "" in lines, "The last sentence is empty. `strip` the text first."


@exercise(
    right=lambda sentence, finding: _is_denied(sentence, finding),
    inputs=[
        ("There is a nodule.", "nodule"),
        ("No effusion, but a small nodule.", "nodule"),
        ("An effusion without consolidation.", "effusion"),
        ("No effusion or nodule.", "nodule"),
        ("An effusion without consolidation.", "consolidation"),
        ("Large effusion.", "effusion"),
        ("No evenly distributed nodule.", "nodule"),
    ],
)
def is_denied(answer):
    """Reports: a cue before the name denies it, up to "but"."""
    (plain, _), (but, _), (behind, _), *_ = is_denied.inputs
    yield bool(answer(plain, "nodule")), '"nodule" begins with "no". A cue is a word: `\\b` marks its borders.'
    yield bool(answer(but, "nodule")), 'The scope of "No" ends at "but".'
    yield bool(answer(behind, "effusion")), '"without" stands *behind* the effusion. It denies what follows it.'
    yield not answer("No effusion.", "effusion"), 'At the beginning of a sentence "No" has a capital.'
    yield not answer(behind, "consolidation"), '"without" denies too.'
    yield (
        not answer("No evenly distributed nodule.", "nodule"),
        '"distributed" holds a "but". That ends a scope only as a word of its own: `re.split(r"\\bbut\\b", ...)`.',
    )


@exercise(
    right=lambda sentence: _side_named(sentence),
    inputs=[
        ("Left pleural effusion.",),
        ("Effusion on the left and nodule on the right.",),
        ("Bilateral effusions.",),
        ("Bright film, upright.",),
        ("Both lungs are clear.",),
        ("Nodule in the right lung, upright film.",),
    ],
)
def side_named(answer):
    """Reports: the side that a sentence names."""
    yield answer("Bright film, upright.") == "right", 'Who is "bright"? Look for whole words (`\\b`).'
    yield (
        answer("Effusion on the left and nodule on the right.") in ("left", "right"),
        "Both words stand there. The first one found is not the only one.",
    )
    yield answer("Bilateral effusions.") in ("none", "bilateral"), '"bilateral" means both.'
    yield answer("Left pleural effusion.") == "none", "At the beginning of a sentence the word has a capital."


def _is_denied(sentence: str, finding: str) -> bool:
    """Whether "no" or "without" is among the words before a finding, behind the last "but" there."""
    before = re.findall(r"\w+", sentence[: sentence.lower().index(finding)].lower())
    if "but" in before:
        before = before[len(before) - before[::-1].index("but") :]
    return bool({"no", "without"} & {*before})


def _side_named(sentence: str) -> str:
    words = {*re.findall(r"\w+", sentence.lower())}
    left, right = "left" in words, "right" in words
    if words & {"bilateral", "both"} or (left and right):
        return "both"
    return "left" if left else "right" if right else "none"


def _binned_gap(said: np.ndarray, present: np.ndarray, bins: int, even: bool = False, absolute: bool = True) -> float:
    """The distance of what was said from what came true, over bins of equal width."""
    place = np.minimum((said * bins).astype(int), bins - 1)
    used = np.unique(place)
    gaps = np.array([said[place == one].mean() - present[place == one].mean() for one in used])
    shares = np.full(len(used), 1 / len(used)) if even else np.array([(place == one).mean() for one in used])
    return float(((np.abs(gaps) if absolute else gaps) * shares).sum())


def _exchanged(text: str) -> str:
    """The text with left and right exchanged, word by word."""
    pairs = {"left": "right", "right": "left", "Left": "Right", "Right": "Left"}
    return "".join(pairs.get(word, word) for word in re.split(r"(\W+)", text))


@exercise(
    right=lambda film, prompts: _prompt_ensemble(film, prompts),
    inputs=[
        (np.array([1.0, 2.0, 0.0]), np.array([[3.0, 0.0, 0.0], [0.0, 1.0, 1.0]])),
        (np.array([0.6, 0.8]), np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]])),
        (np.array([-1.0, 0.5]), np.array([[0.2, 0.1]])),
    ],
)
def prompt_ensemble(answer):
    """Transfer: the cosine of a film with the mean of several prompts' directions."""
    film, prompts = arguments = prompt_ensemble.inputs[0]
    given = answer(*arguments)
    lengths = np.linalg.norm(prompts, axis=1)
    cosines = prompts @ film / lengths / np.linalg.norm(film)
    mean = (prompts / lengths[:, None]).mean(axis=0)
    yield (
        same(given, _cosine(film, prompts.mean(axis=0))),
        "You took the mean of the vectors as they are: the longest prompt has the most say. Length 1 first.",
    )
    yield (
        same(given, cosines.mean()),
        "That is the mean of the cosines. Take one cosine with the mean *prompt*; its length is not 1.",
    )
    yield same(given, cosines.max()), "That is the best prompt's cosine. All are to have a say."
    yield same(given, film @ mean), "A dot product. A cosine divides by *both* lengths, the film's and the mean's."


@exercise(
    right=lambda z, y, weights, offset, strength: (
        weights + strength * _probe_errors(z, y, weights, offset) @ z,
        strength * _probe_errors(z, y, weights, offset).sum(),
    ),
    inputs=[
        (np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), np.array([1.0, 1.0, 0.0]), np.array([0.5, -0.3]), 0.4, 3.0),
        (np.array([[1.0], [-1.0]]), np.array([0.0, 1.0]), np.array([0.0]), 0.0, 1.0),
    ],
)
def probe_gradient(answer):
    """Transfer: the gradient of the penalised logistic loss, of weights and offset."""
    z, y, weights, offset, strength = arguments = probe_gradient.inputs[0]
    errors = _probe_errors(z, y, weights, offset)
    given = answer(*arguments)
    yield (
        same(given, (weights - strength * errors @ z, -strength * errors.sum())),
        "A film's error is what was said *less* what is true; yours has the other sign.",
    )
    yield (
        same(given, (strength * errors @ z, strength * errors.sum())),
        "Where is the penalty? Its gradient is the weights.",
    )
    yield (
        same(given, (weights + strength * errors @ z, offset + strength * errors.sum())),
        "You penalised the offset too. Only the weights are pulled back.",
    )
    yield (
        same(given, (weights + strength * errors @ z / len(z), strength * errors.mean())),
        "The loss is a *sum* over films here: more labels weigh more against the penalty.",
    )
    yield (
        same(given, (strength * weights + errors @ z, errors.sum())),
        "The strength belongs to the labels, and not to the penalty.",
    )


@exercise(
    right=lambda scores, shown: _list_precision(scores, shown),
    inputs=[
        (np.array([0.9, 0.7, 0.4, 0.3, 0.1]), np.array([True, False, False, True, False])),
        (np.array([1.0, 5.0, 2.0, 4.0]), np.array([False, True, False, True])),
        (np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, False, False, False])),
    ],
)
def list_precision(answer):
    """Transfer: the average precision of a list of films."""
    scores, shown = arguments = list_precision.inputs[0]
    given, ranked = answer(*arguments), shown[np.argsort(-scores)]
    so_far = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    yield same(given, _list_precision(-scores, shown)), "You went *up* the list. Begin with the highest score."
    yield same(given, so_far.mean()), "Ask only where a film *with* the finding comes up, and not at every place."
    yield (
        same(given, so_far[ranked].sum() / len(ranked)),
        "A mean over the films with the finding: divide by how many these are.",
    )
    pairs = scores[shown][:, None] > scores[~shown]
    yield same(given, pairs.mean()), "That is the AUROC, which counts pairs. Here you count down the list."
    yield same(given, so_far[ranked.sum() - 1]), "That is the precision of one place. Take the mean over all hits."


@exercise(
    right=lambda probability, taught, here: _at_prevalence(probability, taught, here),
    inputs=[
        (np.array([0.5, 0.8, 0.1]), 0.5, 0.1),
        (np.array([0.5, 0.2]), 0.2, 0.2),
        (np.array([0.3, 0.6]), 0.2, 0.4),
    ],
)
def at_prevalence(answer):
    """Transfer: what a probability means where the finding is rarer or more frequent than in training."""
    probability, taught, here = arguments = at_prevalence.inputs[2]
    given = answer(*arguments)
    odds = probability / (1 - probability) * (1 - taught) / taught * here / (1 - here)
    yield (
        same(given, probability * here / taught),
        "The probabilities of yes and of no no longer add up to 1. Multiply the *odds*, p / (1 - p).",
    )
    yield same(given, _at_prevalence(probability, here, taught)), "The wrong way round: from `here` to `taught`."
    yield same(given, odds), "Those are the odds. Odds o are a probability of o / (1 + o)."
    yield (
        same(given, probability + here - taught),
        "A difference may lead below 0 or above 1. What is multiplied are the odds.",
    )
    scaled = probability / (1 - probability) * here / taught
    yield same(given, scaled / (1 + scaled)), "The odds of a prevalence q are q / (1 - q), and not q."


def _prompt_ensemble(film: np.ndarray, prompts: np.ndarray) -> float:
    mean = (prompts / np.linalg.norm(prompts, axis=1, keepdims=True)).mean(axis=0)
    return _cosine(film, mean)


def _probe_errors(z: np.ndarray, y: np.ndarray, weights: np.ndarray, offset: float) -> np.ndarray:
    return 1 / (1 + np.exp(-(z @ weights + offset))) - y


def _list_precision(scores: np.ndarray, shown: np.ndarray) -> float:
    ranked = shown[np.argsort(-scores)]
    return float((np.cumsum(ranked) / np.arange(1, len(ranked) + 1))[ranked].mean())


def _at_prevalence(probability: np.ndarray, taught: float, here: float) -> np.ndarray:
    with_it, without = probability * here / taught, (1 - probability) * (1 - here) / (1 - taught)
    return with_it / (with_it + without)


@exercise(
    right=lambda right, lesions: _boxes_precision(right, lesions),
    inputs=[
        (np.array([1, 0, 0, 1, 1]), 4),
        (np.array([0, 1]), 2),
        (np.array([1, 1]), 2),
        (np.array([0, 0]), 3),
    ],
)
def boxes_precision(answer):
    """Segmentation and detection: COCO's average precision of ranked boxes."""
    right, lesions = arguments = boxes_precision.inputs[0]
    given = answer(*arguments)
    found = np.cumsum(right)
    precision = found / np.arange(1, len(right) + 1)
    at_hits = precision[right == 1]
    yield (
        same(given, at_hits.mean()) or same(given, _boxes_precision(right, int(found[-1]))),
        "Recall is of *all* lesions, also of those that no box found.",
    )
    yield (
        same(given, _boxes_precision(right, lesions, onwards=False)),
        "Between recalls of ¼ and ½, 2/4 is not the best: who goes on to rank 5 has 3/5.",
    )
    yield (
        same(given, at_hits.sum() / lesions) or same(given, np.maximum.accumulate(at_hits[::-1]).sum() / lesions),
        "Close: COCO takes the mean over the 101 recalls 0, .01, …, 1.",
    )
    yield same(given, precision.mean()), "That is the mean over ranks. Take it over recalls."


_QUARTERS = np.zeros((8, 8), bool)
_QUARTERS[:3, :3] = True  # more than half of a cell, and its middle
_QUARTERS[:2, 4:] = True  # half of a cell
_QUARTERS[4:, :4] = True  # all of one
_QUARTERS[5:7, 5:7] = True  # the middle of one


@exercise(
    right=lambda truth, side: _on_grid(truth, side, lambda shares: shares > 0.5),
    inputs=[
        (_QUARTERS, 4),
        (np.eye(4, 6).astype(bool) | np.eye(4, 6, 1).astype(bool), 2),
    ],
)
def on_grid(answer):
    """Segmentation and detection: the mask of whole cells that has the most pixels right."""
    truth, side = arguments = on_grid.inputs[0]
    given = answer(*arguments)
    yield np.shape(given) == (2, 2), "A value a cell. Enlarge it: as many pixels as the truth has."
    yield same(given, _on_grid(truth, side, lambda shares: shares > 0)), "One pixel is not more than half of a cell."
    yield (
        same(given, _on_grid(truth, side, lambda shares: shares == 1)),
        "A cell need not be full, only more than half.",
    )
    yield same(given, _on_grid(truth, side, lambda shares: shares >= 0.5)), "Exactly half is not *more* than half."
    sampled = truth[side // 2 :: side, side // 2 :: side]
    yield (
        same(given, sampled.repeat(side, axis=0).repeat(side, axis=1)),
        "You looked at one pixel of each cell. Take the mean over all of them.",
    )


@exercise(right=lambda margin: 1 / (1 + 2 * margin) ** 2, inputs=[(0.1,), (0.25,), (0.0,)])
def margin_iou(answer):
    """Segmentation and detection: the IoU of a box with itself and a margin."""
    given = answer(0.1)
    yield same(given, 1 / 1.1**2), "There is a margin on both sides: the width grows by twice the share."
    yield same(given, 1 / 1.2), "Not only the width grows, the height does too."
    yield same(given, 1.2**2), "Above 1? The box lies inside: smaller area over larger."
    yield same(given, 2 / (1 + 1.2**2)), "That is the Dice coefficient. IoU divides by the union alone."


@exercise(
    right=lambda masks, truths: _dices(masks, truths)[truths.any(axis=(1, 2))].mean(),
    inputs=[
        (
            np.array([[[1, 1], [0, 0]], [[0, 0], [0, 0]], [[0, 1], [0, 0]], [[1, 1], [1, 1]]], dtype=bool),
            np.array([[[1, 0], [1, 0]], [[0, 0], [0, 0]], [[0, 0], [0, 0]], [[1, 1], [1, 0]]], dtype=bool),
        ),
        (np.zeros((2, 2, 2), bool), np.ones((2, 2, 2), bool)),
    ],
)
def dice_over_films(answer):
    """Segmentation and detection: mean Dice over the films that have something to find."""
    masks, truths = arguments = dice_over_films.inputs[0]
    with np.errstate(invalid="ignore"):
        given = answer(*arguments)
    dices, there = _dices(masks, truths), truths.any(axis=(1, 2))
    both, areas = (masks & truths).sum(), masks.sum() + truths.sum()
    yield bool(np.isnan(as_array(given)).any()), "A film with nothing to find is 0/0. Leave it out first."
    yield (
        same(given, np.where(there | masks.any(axis=(1, 2)), dices, 1).mean()),
        "Silence on a healthy film counted as 1. Then it wins wherever most films are healthy.",
    )
    yield same(given, dices.mean()), "Healthy films counted as 0. They have nothing to find, so leave them out."
    of_those = masks[there].sum() + truths[there].sum()
    yield (
        same(given, 2 * both / areas) or same(given, 2 * both / of_those),
        "You counted all pixels together: the largest lesion decides. One Dice a film, then the mean.",
    )
    yield same(given, (dices / (2 - dices))[there].mean()), "That is the IoU. Dice counts the common pixels twice."


def _boxes_precision(right: np.ndarray, lesions: int, onwards: bool = True) -> float:
    """COCO's; without `onwards`, of each recall the precision at which it is first reached."""
    found = np.cumsum(right)
    precision, recall = found / np.arange(1, len(right) + 1), found / lesions
    best = np.maximum.accumulate(precision[::-1])[::-1] if onwards else precision
    return float(np.append(best, 0.0)[np.searchsorted(recall, np.linspace(0, 1, 101))].mean())


def _on_grid(truth: np.ndarray, side: int, belongs: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    rows, columns = truth.shape
    shares = truth.reshape(rows // side, side, columns // side, side).mean(axis=(1, 3))
    return belongs(shares).repeat(side, axis=0).repeat(side, axis=1)


def _dices(masks: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Film by film; 0 where there is nothing at all."""
    both, areas = (masks & truths).sum(axis=(1, 2)), masks.sum(axis=(1, 2)) + truths.sum(axis=(1, 2))
    return 2 * both / np.maximum(areas, 1)


_LOGITS = np.array([[2.0, 0.5, 1.5, 0.0], [1.0, 1.2, 0.3, 0.8], [0.2, 0.9, 2.5, 1.1], [0.4, 0.1, 0.6, 1.8]])


@exercise(
    right=lambda S, parts: _cut_contrast(S, parts),
    inputs=[(_LOGITS, 2), (_LOGITS, 1), (_LOGITS, 4), (np.log(3) * np.eye(6), 3)],
)
def cut_contrast(answer):
    """Pre-training at full size: the loss of a batch of which each part contrasts its own pairs alone."""
    S, parts = cut_contrast.inputs[0]
    given = answer(S, parts)
    yield (
        same(given, _cut_contrast(S, 1)),
        "That is the loss of the whole batch. Each part may look at its own rows *and* columns alone.",
    )
    rows = np.log(np.exp(S).sum(axis=1)) - np.diag(S)
    yield (
        same(given, parts * _cut_contrast(S, parts)),
        "Summed over the parts? Take their mean: that is what processes agree on.",
    )
    yield same(given, _cut_contrast(S, parts) / 2), "Both ways are summed in this book, not averaged."
    yield (
        same(given, _cut_contrast(S, parts, columns=False)) or same(given, rows.mean()),
        "Films choose reports; now let reports choose films, too, and add.",
    )
    strided = np.mean([_cut_contrast(S[k::parts, k::parts], 1) for k in range(parts)])
    yield same(given, strided), "In order: the first part has the first pairs, not every other one."


@exercise(
    right=lambda films, cache, size: films.T @ cache,
    inputs=[
        (np.arange(15.0).reshape(5, 3), np.array([[1.0, 0.5], [0.0, 2.0], [-1.0, 1.0], [3.0, 0.0], [0.5, -2.0]]), 2),
        (np.eye(4), np.arange(8.0).reshape(4, 2), 4),
        (np.ones((3, 1)), np.array([[1.0], [2.0], [4.0]]), 1),
    ],
)
def weight_gradient(answer):
    """Pre-training at full size: from the cached gradients of vectors to that of the encoder's weights."""
    films, cache, size = weight_gradient.inputs[0]
    given = answer(films, cache, size)
    pieces = [films[k : k + size].T @ cache[k : k + size] for k in range(0, len(films), size)]
    yield same(given, cache.T @ films), "Right numbers, in rows of `dim`. The weight has `inputs` rows."
    yield same(given, pieces[-1]), "That is the last piece's alone. Add it to what the others left."
    yield same(given, np.mean(pieces, axis=0)), "A mean over the pieces? The cache has divided already: add them up."
    yield same(given, sum(pieces[:-1])), "The last piece is smaller and counts all the same."


@exercise(
    right=lambda gaps, factor: _spread_limits(gaps, factor / np.sqrt(len(gaps))),
    inputs=[
        (np.array([0.2, 0.5, 0.8]), 4.3),
        (np.array([1.0, 1.5]), 12.7),
        (np.array([-0.1, 0.3, 0.0, 0.2, 0.1]), 2.8),
    ],
)
def seed_interval(answer):
    """Pre-training at full size: Student's interval of a mean over seeds."""
    gaps, factor = seed_interval.inputs[0]
    given = answer(gaps, factor)
    yield (
        same(given, _spread_limits(gaps, factor)),
        "That says where a *single* seed may fall. A mean of n seeds varies less, by the root of n.",
    )
    yield (
        same(given, _spread_limits(gaps, factor / len(gaps))),
        "By the *root* of the number of seeds, not by the number.",
    )
    yield (
        same(given, _spread_limits(gaps, factor / np.sqrt(len(gaps)), ddof=0)),
        "Divide the squares by n - 1: the mean was taken from the same values (`ddof=1`).",
    )
    yield (
        same(given, _spread_limits(gaps, 1.96 / np.sqrt(len(gaps)))),
        "1.96 is for many seeds. So few do not tell their own deviation well; that is what `factor` is for.",
    )
    reach = factor * np.std(gaps, ddof=1) / np.sqrt(len(gaps))
    yield same(given, reach), "That is how far it reaches. Give both limits, low and high."


_CHOSEN = np.array([[0.9, 0.2, 0.5, 0.6], [0.4, 0.8, 0.6, 0.5], [0.1, 0.3, 0.7, 0.2]])
_FRESH = np.array([[0.5, 0.6, 0.4, 0.5], [0.6, 0.5, 0.7, 0.4], [0.2, 0.1, 0.3, 0.3]])


@exercise(
    right=lambda chosen, fresh: _luck(chosen, fresh, chosen.argmax(axis=0)),
    inputs=[(_CHOSEN, _FRESH), (_CHOSEN[:1], _FRESH[:1]), (_FRESH, _CHOSEN)],
)
def winners_luck(answer):
    """Pre-training at full size: how much better a winner looks where it was chosen."""
    given = answer(_CHOSEN, _FRESH)
    yield (
        same(given, _CHOSEN.max(axis=0).mean() - _FRESH.max(axis=0).mean()),
        "You let somebody else win on the fresh patients. Ask the *same* method there.",
    )
    yield same(given, -winners_luck.right(_CHOSEN, _FRESH)), "The other way round: where it was chosen, less fresh."
    yield (
        same(given, _luck(_CHOSEN, _FRESH, _FRESH.argmax(axis=0))),
        "The winner is chosen by `chosen`, not by the fresh patients.",
    )
    overall = np.full(_CHOSEN.shape[1], _CHOSEN.mean(axis=1).argmax())
    yield same(given, _luck(_CHOSEN, _FRESH, overall)), "Every draw of patients has a winner of its own."
    yield same(given, (_CHOSEN - _FRESH).mean()), "That is the mean over all methods. Only the winner is lucky."


def _cut_contrast(S: np.ndarray, parts: int, columns: bool = True) -> float:
    size = len(S) // parts
    tables = [S[k : k + size, k : k + size] for k in range(0, len(S), size)]
    ways = (1, 0) if columns else (1,)
    return float(np.mean([np.log(np.exp(T).sum(axis=way)) - np.diag(T) for way in ways for T in tables]) * len(ways))


def _spread_limits(gaps: np.ndarray, factor: float, ddof: int = 1) -> tuple[float, float]:
    mean, reach = np.mean(gaps), factor * np.std(gaps, ddof=ddof)
    return float(mean - reach), float(mean + reach)


def _luck(chosen: np.ndarray, fresh: np.ndarray, winners: np.ndarray) -> float:
    draws = np.arange(chosen.shape[1])
    return float((chosen[winners, draws] - fresh[winners, draws]).mean())
