"""To say "probably not there" instead of pointing anywhere: when, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from ..errors import InputError
from .measurements import Measurements
from .presence_scores import PresenceScores
from .splits import check_validation


@dataclass(frozen=True)
class Abstention:
    """For every finding the presence score below which a model says "this finding is probably not here".

    Attributes:
        thresholds: by finding, in the unit of the presence score.
    """

    thresholds: Mapping[str, float]

    def abstains(self, scored: PresenceScores) -> Bool[np.ndarray, "studies findings"]:
        """Where the model would say so.

        Raises:
            InputError: a finding has no threshold.
        """
        missing = [finding for finding in scored.findings if finding not in self.thresholds]
        if missing:
            raise InputError(f"There is no threshold for {', '.join(missing)}: the validation split did not show it.")
        return scored.scores < np.array([self.thresholds[finding] for finding in scored.findings])


def choose_abstention(validation: PresenceScores, kept: float = 0.95) -> Abstention:
    """For every finding the highest threshold at which at least a share `kept` of those who have it is still answered.

    Raises:
        InputError: the scores are not of the validation split, nobody has one of the findings, or `kept` is no share.
    """
    check_validation(validation.split, "abstention")
    if not 0 < kept <= 1:
        raise InputError(f"kept is {kept}; give the share of findings that must still be answered, above 0, up to 1.")
    thresholds = {}
    for column, finding in enumerate(validation.findings):
        with_it = np.sort(validation.scores[validation.present[:, column], column])
        if not len(with_it):
            raise InputError(f"Nobody in the validation split has {finding}. Leave it out of `findings`.")
        thresholds[finding] = float(with_it[len(with_it) - int(np.ceil(kept * len(with_it)))])
    return Abstention(thresholds)


def measure_abstention(abstention: Abstention, scored: PresenceScores) -> dict[str, Measurements]:
    """How often a model abstains: for findings that are there, where it is a miss, and for those that are not.

    Returns:
        "present" and "absent", each with the metric `abstains`, one row for each study and finding.
    """
    frame = _answers(scored).assign(abstains=abstention.abstains(scored).ravel().astype(float))
    truth = scored.present.ravel()
    return {
        name: Measurements(frame[rows].reset_index(drop=True), protocol="abstention", prompts="simple")
        for name, rows in (("present", truth), ("absent", ~truth))
    }


def risk_coverage(confidence: Float[np.ndarray, "*shape"], present: Bool[np.ndarray, "*shape"]) -> pd.DataFrame:
    """What abstaining buys, the surest questions answered first (El-Yaniv & Wiener, JMLR 2010).

    Args:
        confidence: that the finding is there; calibrated, so that findings can be compared.
        present: whether it is.

    Returns:
        A row for each number of answers that the confidence can part: `coverage`, the share of questions answered, and
        `risk`, the share of these in which the model points at something that is not there.
    """
    order = np.argsort(-confidence.ravel(), kind="stable")
    ranked, wrong = confidence.ravel()[order], ~present.ravel()[order]
    answered = np.arange(1, len(ranked) + 1)
    last_of_tie = np.append(ranked[1:] != ranked[:-1], True)
    frame = pd.DataFrame({"coverage": answered / len(ranked), "risk": wrong.cumsum() / answered})
    return frame[last_of_tie].reset_index(drop=True)


def _answers(scored: PresenceScores) -> pd.DataFrame:
    """Every study and finding as a row, study by study."""
    number = len(scored.findings)
    return pd.DataFrame(
        {
            "study": np.repeat(scored.studies, number),
            "patient": np.repeat(scored.patients, number),
            "finding": np.tile(scored.findings, len(scored.studies)),
            "lesions": np.tile(scored.findings, len(scored.studies)),
            "prompt": np.tile(scored.findings, len(scored.studies)),
        }
    ).astype(object)
