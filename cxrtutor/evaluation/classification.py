"""What a classifier answered, study by study, and how right it was: AUROC, average precision, accuracy (chapter 17).

The answers themselves are kept, not their mean, so that a bootstrap can weight patients anew. A draw of patients is a
row of weights. A study then counts as often as its patient was drawn. All draws are computed at once: scores are sorted
once for every finding, and a metric is made of sums of weights along that order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from ..errors import InputError
from .difference import Difference

METRICS = ("auroc", "average precision", "accuracy")
_FEWEST_DIGITS, _MOST_DIGITS, _APART = 4, 15, 0.99
_KNOWN = {"0": 0.0, "1": 1.0, "-": np.nan}


@dataclass(frozen=True, eq=False)
class Predictions:
    """A score for every study and every finding, beside the truth.

    Metrics, where NaN marks what is not defined and is left out of a mean over findings:

    - `auroc`: the share of pairs, one study with the finding and one without, in which the first scores higher; a tie
      counts half (Hanley & McNeil, Radiology 1982). Defined where there are both kinds. The mean over findings.
    - `average precision`: the precision at every score at which recall grows, weighted by how much it grows; studies
      that tie come at once (as scikit-learn counts). Defined where there are both kinds. The mean over findings.
    - `accuracy`: the share of right answers. Of exclusive classes, the one that scores highest is the answer, and one
      of k that tie for it counts 1/k. Else a score from `threshold` on says yes, and the mean is over findings.

    Attributes:
        study: the rows, by id.
        patient: whose they are.
        names: the columns: findings or classes.
        scores: higher where the finding is more likely.
        targets: 1 present, 0 absent, NaN not known (never among exclusive classes).
        exclusive: whether every study belongs to exactly one of the classes.
        protocol: how it was measured; only what was measured alike is compared.
        threshold: the score from which a finding counts as present; None where scores have no such point, and then
            only exclusive classes have an accuracy.

    Raises:
        InputError: parts do not fit together, an id is given twice, a score is NaN, a target is something else, or a
            study is not of one class where classes are exclusive.
    """

    study: tuple[str, ...]
    patient: tuple[str, ...]
    names: tuple[str, ...]
    scores: Float[np.ndarray, "studies names"]
    targets: Float[np.ndarray, "studies names"]
    exclusive: bool
    protocol: str
    threshold: float | None = 0.5

    def __post_init__(self) -> None:
        shape = (len(self.study), len(self.names))
        if self.scores.shape != shape or self.targets.shape != shape or len(self.patient) != len(self.study):
            raise InputError(
                f"Of {shape[0]} studies and {shape[1]} names there must be as many patients, scores and targets; given "
                f"are {len(self.patient)} patients, scores {self.scores.shape} and targets {self.targets.shape}."
            )
        if not all(shape):
            raise InputError("There is no study, or no finding, so there is nothing to measure.")
        if len(set(self.study)) < len(self.study):
            twice = next(one for one in self.study if self.study.count(one) > 1)
            raise InputError(f"Study {twice!r} stands in two rows. Score every study once.")
        if np.isnan(self.scores).any():
            row, column = np.argwhere(np.isnan(self.scores))[0]
            raise InputError(
                f"The score of study {self.study[row]!r} for {self.names[column]!r} is NaN, and what is no number has "
                "no rank. Look at what the model gives for this study, or leave it out."
            )
        if not (np.isnan(self.targets) | np.isin(self.targets, (0, 1))).all():
            raise InputError("A target is 1 (present), 0 (absent) or NaN (not known); another value is given.")
        if self.exclusive and not (self.targets.sum(axis=1) == 1).all():
            row = int(np.argmin(self.targets.sum(axis=1) == 1))
            raise InputError(f"Classes are exclusive, but study {self.study[row]!r} is not of exactly one of them.")

    @property
    def metrics(self) -> list[str]:
        """The metrics that are defined for such answers."""
        return [name for name in METRICS if name != "accuracy" or self.exclusive or self.threshold is not None]

    @property
    def samples(self) -> int:
        """How many answers are judged: one a study of exclusive classes, else one for every target that is known."""
        return int(self._judged.sum())

    @cached_property
    def patients(self) -> tuple[str, ...]:
        """All patients, each once, sorted."""
        return tuple(sorted(set(self.patient)))

    def statistic(self, metric: str, weights: Float[np.ndarray, "draws patients"]) -> Float[np.ndarray, " draws"]:
        """The metric where every patient (in the order of `patients`) counts so many times; NaN where undefined.

        Raises:
            InputError: there is no such metric.
        """
        if metric == "accuracy" and self.exclusive:
            return self._share(self._right, np.ones_like(self._right, dtype=bool), self._study_weights(weights))
        return _mean_of_defined(self._of_findings(metric, weights))

    def macro(self) -> pd.Series:
        """Every metric, where every patient counts once."""
        once = np.ones((1, len(self.patients)))
        return pd.Series({metric: self.statistic(metric, once)[0] for metric in self.metrics})

    def by_finding(self) -> pd.DataFrame:
        """Every metric of every finding alone, how many studies it was judged on, and how many of them show it.

        The accuracy of one of several exclusive classes is taken over the studies of that class.
        """
        once = np.ones((1, len(self.patients)))
        table = pd.DataFrame({metric: self._of_findings(metric, once)[0] for metric in self.metrics}, list(self.names))
        counts = {"samples": (~np.isnan(self.targets)).sum(axis=0), "positives": (self.targets == 1).sum(axis=0)}
        return table.assign(**counts).rename_axis("finding")

    def undefined(self) -> dict[str, int]:
        """How many of the `samples` each metric leaves out: those of findings for which it is not defined."""
        table = self.by_finding()
        return {metric: int(self._judged[:, table[metric].isna()].sum()) for metric in self.metrics}

    def less(self, other: Predictions) -> Difference:
        """The paired difference to other answers on the same studies.

        Raises:
            InputError: the other was measured under another protocol, or on other studies, findings or truth.
        """
        if self.protocol != other.protocol:
            raise InputError(
                f"Measured under different protocols ({self.protocol}, {other.protocol}); measure both under one."
            )
        if self.names != other.names or self.exclusive != other.exclusive:
            raise InputError(
                f"Asked for different findings ({', '.join(self.names)}; {', '.join(other.names)}). Ask both for the "
                "same, in the same order."
            )
        if odd := sorted(set(self._truth.items()) ^ set(other._truth.items())):
            raise InputError(
                f"Measured on different studies: {odd[0][0]!r} is in one of the two alone, or has another patient or "
                "truth in the other. A comparison needs the same studies."
            )
        return Difference(self, other)

    def to_json(self) -> dict[str, Any]:
        """Everything as values that JSON can hold, column by column.

        Scores have four significant digits, or as many more as keep 99 of 100 apart: cosines may lie close together.
        They are counted from the nearest whole number, as probabilities crowd at 1 as much as at 0. Targets are a
        letter each: 0, 1, or - where it is not known. Patients are left out where each is named as its only study.
        """
        letters = np.where(np.isnan(self.targets), "-", np.where(self.targets == 1, "1", "0"))
        return {
            "protocol": self.protocol,
            "exclusive": self.exclusive,
            "threshold": self.threshold,
            "study": list(self.study),
            "patient": None if self.patient == self.study else list(self.patient),
            "scores": {name: _rounded(self.scores[:, place]) for place, name in enumerate(self.names)},
            "targets": {name: "".join(letters[:, place]) for place, name in enumerate(self.names)},
        }

    @classmethod
    def from_json(cls, content: Any) -> Predictions:
        """What `to_json` gave.

        Raises:
            InputError: it is something else.
        """
        try:
            names, study, patient = tuple(content["scores"]), content["study"], content["patient"]
            threshold = content["threshold"]
            return cls(
                tuple(map(str, study)),
                tuple(map(str, study if patient is None else patient)),
                names,
                np.array([content["scores"][name] for name in names], float).T,
                np.array([[_KNOWN[letter] for letter in content["targets"][name]] for name in names], float).T,
                bool(content["exclusive"]),
                str(content["protocol"]),
                None if threshold is None else float(threshold),
            )
        except (ValueError, KeyError, TypeError, AttributeError, InputError) as error:
            raise InputError(f"These are no predictions ({error!r}). Measure again.") from error

    @cached_property
    def _truth(self) -> dict[str, tuple[str, ...]]:
        """Of every study its patient and targets, whatever the order of the studies."""
        rows = zip(self.study, self.patient, self.targets, strict=True)
        return {study: (patient, *map(str, targets)) for study, patient, targets in rows}

    @property
    def _judged(self) -> Bool[np.ndarray, "studies names"]:
        return self.targets == 1 if self.exclusive else ~np.isnan(self.targets)

    @cached_property
    def _right(self) -> Float[np.ndarray, " studies"]:
        """Of exclusive classes: 1 where the own class scores highest, 1/k where k tie for it, else 0."""
        highest = self.scores == self.scores.max(axis=1, keepdims=True)
        return (highest & (self.targets == 1)).sum(axis=1) / highest.sum(axis=1)

    def _of_findings(
        self, metric: str, weights: Float[np.ndarray, "draws patients"]
    ) -> Float[np.ndarray, "draws names"]:
        if metric not in self.metrics:
            raise InputError(f"There is no {metric!r} of these answers. There is: {', '.join(self.metrics)}.")
        drawn = self._study_weights(weights)
        return np.stack([self._of_finding(metric, place, drawn) for place in range(len(self.names))], axis=1)

    def _of_finding(
        self, metric: str, place: int, drawn: Float[np.ndarray, "draws studies"]
    ) -> Float[np.ndarray, " draws"]:
        scores, targets = self.scores[:, place], self.targets[:, place]
        if metric != "accuracy":
            return _RANKED[metric](self._ties[place], drawn)
        if self.exclusive:
            return self._share(self._right, targets == 1, drawn)
        return self._share((scores >= self.threshold) == (targets == 1), ~np.isnan(targets), drawn)

    def _study_weights(self, weights: Float[np.ndarray, "draws patients"]) -> Float[np.ndarray, "draws studies"]:
        # The draws of a study lie side by side: it is studies that are put in order.
        return weights.T[np.searchsorted(self.patients, self.patient)].T

    @staticmethod
    def _share(
        right: Float[np.ndarray, " studies"] | Bool[np.ndarray, " studies"],
        judged: Bool[np.ndarray, " studies"],
        drawn: Float[np.ndarray, "draws studies"],
    ) -> Float[np.ndarray, " draws"]:
        with np.errstate(invalid="ignore"):
            return (drawn @ (right * judged)) / (drawn @ judged.astype(float))

    @cached_property
    def _ties(self) -> tuple[_Ties, ...]:
        return tuple(_Ties.of(self.scores[:, place], self.targets[:, place]) for place in range(len(self.names)))


@dataclass(frozen=True, eq=False)
class _Ties:
    """The studies of one finding whose truth is known, from the highest score to the lowest.

    Attributes:
        order: their rows.
        present: of each, 1 where it shows the finding.
        starts: where in the order the score falls: the first of every group that ties.
    """

    order: Int[np.ndarray, " known"]
    present: Float[np.ndarray, " known"]
    starts: Int[np.ndarray, " groups"]

    @classmethod
    def of(cls, scores: Float[np.ndarray, " studies"], targets: Float[np.ndarray, " studies"]) -> _Ties:
        known = np.flatnonzero(~np.isnan(targets))
        order = known[np.argsort(-scores[known], kind="stable")]
        ranked = scores[order]
        return cls(order, targets[order], np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]][: len(order)]))


def _auroc(ties: _Ties, drawn: Float[np.ndarray, "draws studies"]) -> Float[np.ndarray, " draws"]:
    """The share of pairs, of a study with and one without the finding, that the scores put in order; half of a tie."""
    with_it, without = np.flatnonzero(ties.present), np.flatnonzero(ties.present == 0)
    group = np.searchsorted(ties.starts, with_it, side="right")
    edges = np.searchsorted(without, np.r_[ties.starts, len(ties.order)])  # how many without it stand before a group
    shown = drawn.T[ties.order[with_it]]
    up_to = np.zeros((len(without) + 1, len(drawn)))
    np.cumsum(drawn.T[ties.order[without]], axis=0, out=up_to[1:])
    higher = (up_to[edges[group - 1]] + up_to[edges[group]]) / 2
    with np.errstate(invalid="ignore"):
        return np.einsum("sd,sd->d", shown, up_to[-1] - higher) / (shown.sum(axis=0) * up_to[-1])


def _average_precision(ties: _Ties, drawn: Float[np.ndarray, "draws studies"]) -> Float[np.ndarray, " draws"]:
    """The mean of the precision at every study with the finding; studies that tie are called together."""
    if not len(ties.order):
        return np.full(len(drawn), np.nan)
    weights = drawn[:, ties.order]
    everyone = np.add.reduceat(weights, ties.starts, axis=1)
    shown = np.add.reduceat(weights * ties.present, ties.starts, axis=1)
    called = everyone.cumsum(axis=1)
    with np.errstate(invalid="ignore"):
        precision = np.where(called > 0, shown.cumsum(axis=1) / called, 0.0)
        values = (shown * precision).sum(axis=1) / shown.sum(axis=1)
    return np.where(called[:, -1] > shown.sum(axis=1), values, np.nan)


_RANKED = {"auroc": _auroc, "average precision": _average_precision}


def _mean_of_defined(values: Float[np.ndarray, "draws names"]) -> Float[np.ndarray, " draws"]:
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(defined, values, 0.0).sum(axis=1) / defined.sum(axis=1)


def _rounded(values: Float[np.ndarray, " values"]) -> list[float]:
    """The values with the fewest digits that keep them apart."""
    needed = _APART * len(np.unique(values))
    rounded = (_to_digits(values, digits) for digits in range(_FEWEST_DIGITS, _MOST_DIGITS))
    return next((short for short in rounded if len(set(short)) >= needed), values.tolist())


def _to_digits(values: Float[np.ndarray, " values"], digits: int) -> list[float]:
    whole = np.round(values)
    parts = np.array([float(f"{rest:.{digits}g}") for rest in values - whole])
    return [float(f"{value:.{_MOST_DIGITS}g}") for value in whole + parts]  # the last bit would cost twelve digits
