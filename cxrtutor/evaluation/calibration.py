"""From a score to a probability, and whether it keeps its word: of all "70 %", do seven in ten show the finding?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from ..errors import InputError
from .presence_scores import PresenceScores
from .splits import check_validation

Shape = Literal["isotonic", "platt"]
_Curve = Callable[[Float[np.ndarray, " scores"]], Float[np.ndarray, " scores"]]


@dataclass(frozen=True, eq=False)
class Calibration:
    """For every finding a rising curve from presence score to probability."""

    curves: Mapping[str, _Curve]

    def probability(self, scored: PresenceScores) -> Float[np.ndarray, "studies findings"]:
        """How probable it is that each study shows each finding.

        Raises:
            InputError: a finding has no curve.
        """
        missing = [finding for finding in scored.findings if finding not in self.curves]
        if missing:
            raise InputError(f"There is no curve for {', '.join(missing)}: the validation split did not ask for it.")
        columns = [self.curves[name](scored.scores[:, place]) for place, name in enumerate(scored.findings)]
        return np.stack(columns, axis=1)


def calibrate(validation: PresenceScores, shape: Shape = "isotonic") -> Calibration:
    """Fit a curve for every finding.

    Args:
        validation: scores of the validation split.
        shape: "isotonic", any rising staircase (Zadrozny & Elkan, KDD 2002), or "platt", a logistic curve of two
            numbers (Platt, 1999), which few studies suffice for.

    Raises:
        InputError: the scores are not of the validation split, or a finding is shown by all of its studies or by none.
    """
    check_validation(validation.split, "calibration")
    curves = {}
    for column, finding in enumerate(validation.findings):
        present = validation.present[:, column]
        if present.all() or not present.any():
            raise InputError(
                f"Calibration needs studies with and without each finding; {finding} is shown by {present.sum()} of "
                f"{len(present)}. Leave it out of `findings`."
            )
        curves[finding] = _FITS[shape](validation.scores[:, column], present)
    return Calibration(curves)


def _isotonic(scores: np.ndarray, present: np.ndarray) -> _Curve:
    from sklearn.isotonic import IsotonicRegression

    return IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(scores, present.astype(float)).predict


def _platt(scores: np.ndarray, present: np.ndarray) -> _Curve:
    from sklearn.linear_model import LogisticRegression

    centre, spread = scores.mean(), scores.std() or 1.0  # the fit's penalty must not depend on the scores' unit
    positives, negatives = present.sum(), (~present).sum()
    # Platt's own remedy against overconfidence: targets a little inside 0 and 1, as weighted copies of each study.
    high, low = (positives + 1) / (positives + 2), 1 / (negatives + 2)
    target = np.where(present, high, low)
    inputs = np.tile((scores - centre) / spread, 2)[:, None]
    labels = np.repeat([1, 0], len(scores))
    fit = LogisticRegression(C=1e6).fit(inputs, labels, sample_weight=np.concatenate([target, 1 - target]))
    if fit.coef_[0, 0] <= 0:  # a score that falls where the finding is there tells nothing: the share of all
        return lambda values: np.full(len(values), present.mean())
    return lambda values: fit.predict_proba((values[:, None] - centre) / spread)[:, 1]


_FITS = {"isotonic": _isotonic, "platt": _platt}


def reliability(
    probability: Float[np.ndarray, "*shape"], present: Bool[np.ndarray, "*shape"], bins: int = 10
) -> pd.DataFrame:
    """The reliability curve: what was said, what came true, and how often, in bins of equal width.

    Returns:
        A row for each bin that is not empty: `said` (mean probability), `true` (share present), `count`.
    """
    place = np.minimum((probability.ravel() * bins).astype(int), bins - 1)
    frame = pd.DataFrame({"bin": place, "said": probability.ravel(), "true": present.ravel().astype(float)})
    groups = frame.groupby("bin")
    return groups[["said", "true"]].mean().assign(count=groups.size())


def calibration_error(
    probability: Float[np.ndarray, "*shape"], present: Bool[np.ndarray, "*shape"], bins: int = 10
) -> float:
    """Expected calibration error (Naeini et al., AAAI 2015): the mean distance, over answers, of `said` from `true`."""
    curve = reliability(probability, present, bins)
    return float(((curve["said"] - curve["true"]).abs() * curve["count"]).sum() / curve["count"].sum())


def brier_score(probability: Float[np.ndarray, "*shape"], present: Bool[np.ndarray, "*shape"]) -> float:
    """Mean squared distance of the probability from what is (Brier, 1950): 0 is best; it asks for calibration and for
    telling apart at once."""
    return float(((probability - present) ** 2).mean())
