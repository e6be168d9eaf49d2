"""What was measured, sample by sample, so that every later question can be asked of the samples and not of a mean."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped

from .. import store
from ..errors import InputError

METRICS = ("iou", "dice", "cnr", "pointing")
SAMPLE = ["study", "lesions"]
"""What tells a sample: the study, and which of its findings are united in the truth."""

_TEXT = ("study", "patient", "finding", "lesions", "prompt")
_DECIMALS = 4


@dataclass(frozen=True, eq=False)
class Measurements:
    """The metrics of one model on one set under one protocol: of localization, or of retrieval.

    Attributes:
        rows: one row a sample (a study asked with one prompt). Columns: `study`, `patient`, `finding` (the category),
            `lesions` (which of the study's findings the truth unites, "0+2"), `prompt`, the metrics `iou`, `dice`,
            `cnr`, `pointing` as the protocol sums them up over its thresholds, and `iou@t` at each of its thresholds t
            where it has several; of retrieval, the metrics that `retrieval.py` describes. NaN where a metric is
            undefined.
        protocol: the protocol's name.
        prompts: the name of the way to ask.
    """

    rows: pd.DataFrame
    protocol: str
    prompts: str

    @property
    def metrics(self) -> list[str]:
        """The names of the metric columns."""
        return [column for column in self.rows.columns if column not in _TEXT]

    def by_finding(self) -> pd.DataFrame:
        """Mean of every metric over the samples of a category where it is defined, and how many samples it has."""
        groups = self.rows.groupby("finding")
        return groups[self.metrics].mean().assign(samples=groups.size())

    def macro(self) -> pd.Series:
        """Mean over samples in a category, then over categories: a rare finding counts as much as a common one."""
        return self.by_finding()[self.metrics].mean()

    def undefined(self) -> pd.Series:
        """How many samples each metric leaves out."""
        return self.rows[self.metrics].isna().sum()

    def of_findings(self, names: Sequence[str]) -> Measurements:
        """The samples of some categories alone."""
        return Measurements(
            self.rows[self.rows.finding.isin(names)].reset_index(drop=True), self.protocol, self.prompts
        )

    @cached_property
    def sorted_rows(self) -> pd.DataFrame:
        """The rows by their sample, in order: what is compared with many others is sorted once."""
        return self.rows.set_index(SAMPLE).sort_index()

    @property
    def samples(self) -> int:
        """How many there are."""
        return len(self.rows)

    @property
    def patients(self) -> tuple[str, ...]:
        """Whose samples they are, each once, in sorted order."""
        return tuple(np.unique(self.rows.patient.to_numpy(str)).tolist())

    def statistic(self, metric: str, weights: Float[np.ndarray, "draws patients"]) -> Float[np.ndarray, " draws"]:
        """The macro mean of a metric in every draw (see `results.Result`)."""
        values, finding, patient = self.rows[metric], self.rows.finding, self.rows.patient
        return macro_means(values.to_numpy(float), finding.to_numpy(str), patient.to_numpy(str), weights)

    def less(self, other: Measurements) -> Measurements:
        """Sample by sample, every metric that both have less the other's; undefined where either is.

        Raises:
            InputError: they were measured under different protocols or on different samples.
        """
        first, second = same_samples(self, other)
        metrics = [metric for metric in self.metrics if metric in other.metrics]
        differences = (first[metrics] - second[metrics]).astype(float)
        return Measurements(first[list(_TEXT)].join(differences), self.protocol, self.prompts)

    def to_json(self) -> dict[str, Any]:
        """Everything as values that JSON can hold: column by column, numbers to four decimals, undefined as None."""
        values = self.rows.round(_DECIMALS).astype(object).where(self.rows.notna(), None)
        return {"protocol": self.protocol, "prompts": self.prompts, "rows": values.to_dict(orient="list")}

    @classmethod
    def from_json(cls, content: Any) -> Measurements:
        """What `to_json` gave.

        Raises:
            InputError: it is something else.
        """
        try:
            columns = {name: np.asarray(values, _type(name)) for name, values in content["rows"].items()}
            rows = pd.DataFrame({name: columns[name] for name in _TEXT} | columns)
            return cls(rows, str(content["protocol"]), str(content["prompts"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"These are no measurements ({error!r}). Measure again.") from error

    def save(self, path: Path | str) -> None:
        """Write `to_json` into a file, a column a line.

        Raises:
            InputError: the file cannot be written.
        """
        text = json.dumps(self.to_json(), separators=(",", ":"), allow_nan=False)
        store.write_file(Path(path), text.replace('],"', '],\n"') + "\n")

    @classmethod
    def load(cls, path: Path | str) -> Measurements:
        """Read what `save` wrote.

        Raises:
            InputError: there is no such file, or it holds something else.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"There are no measurements at {path}. `Measurements.save` writes them.")
        try:
            return cls.from_json(json.loads(path.read_text()))
        except ValueError as error:  # no JSON, or JSON of something else
            raise InputError(f"{path} does not hold measurements: {error}") from error


def _type(column: str) -> type:
    return object if column in _TEXT else float


def macro_means(
    values: Float[np.ndarray, " samples"],
    categories: Shaped[np.ndarray, " samples"],
    patients: Shaped[np.ndarray, " samples"],
    weights: Float[np.ndarray, "draws patients"],
) -> Float[np.ndarray, " draws"]:
    """The macro mean in every draw, where `weights` says how often each patient (in sorted order) was drawn.

    Sums and counts a patient and category are taken once; a draw is then one row of two matrix products. A category of
    which a draw holds no sample is left out of that draw's mean, and so are NaN values.
    """
    defined = ~np.isnan(values)
    _, category = np.unique(categories, return_inverse=True)
    _, patient = np.unique(patients, return_inverse=True)
    sums = np.zeros((patient.max() + 1, category.max() + 1))
    counts = np.zeros_like(sums)
    np.add.at(sums, (patient[defined], category[defined]), values[defined])
    np.add.at(counts, (patient[defined], category[defined]), 1.0)
    drawn = weights @ counts
    with np.errstate(invalid="ignore"):
        means = np.where(drawn > 0, (weights @ sums) / drawn, 0.0)
        return means.sum(axis=1) / (drawn > 0).sum(axis=1)


def same_samples(a: Measurements, b: Measurements) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of both in the same order.

    Raises:
        InputError: they were measured under different protocols or on different samples.
    """
    if a.protocol != b.protocol:
        raise InputError(f"Measured under different protocols ({a.protocol}, {b.protocol}); measure both under one.")
    first, second = a.sorted_rows, b.sorted_rows
    if not first.index.equals(second.index):
        odd = first.index.symmetric_difference(second.index)
        raise InputError(
            f"Measured on different samples: {len(odd)} are in one of the two alone, such as {odd[0]}. "
            "A comparison needs the same studies, asked for the same findings."
        )
    return first.reset_index(), second.reset_index()


def average_runs(runs: Sequence[Measurements]) -> Measurements:
    """The mean of every sample over several runs of one method (seeds): what an interval over patients is taken of.

    Raises:
        InputError: no run is given, or they differ in protocol or samples.
    """
    if not runs:
        raise InputError("There is no run to average.")
    rows = [same_samples(runs[0], run)[1] for run in runs]
    metrics = runs[0].metrics
    mean = sum(frame[metrics] for frame in rows) / len(rows)
    return Measurements(rows[0].assign(**mean), runs[0].protocol, runs[0].prompts)
