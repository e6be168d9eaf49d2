"""What was measured, sample by sample, so that every later question can be asked of the samples and not of a mean."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .. import store
from ..errors import InputError

METRICS = ("iou", "dice", "cnr", "pointing")
SAMPLE = ["study", "lesions"]
"""What tells a sample: the study, and which of its findings are united in the truth."""

_TEXT = ("study", "patient", "finding", "lesions", "prompt")
_DECIMALS = 4


@dataclass(frozen=True, eq=False)
class Measurements:
    """The metrics of one model on one set under one protocol.

    Attributes:
        rows: one row a sample (a study asked with one prompt). Columns: `study`, `patient`, `finding` (the category),
            `lesions` (which of the study's findings the truth unites, "0+2"), `prompt`, the metrics `iou`, `dice`,
            `cnr`, `pointing` as the protocol sums them up over its thresholds, and `iou@t` at each of its thresholds t
            where it has several. NaN where a metric is undefined.
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

    def save(self, path: Path | str) -> None:
        """Write everything into one JSON file, column by column, with four decimals.

        Raises:
            InputError: the file cannot be written.
        """
        rounded = self.rows.round(_DECIMALS).astype(object).where(self.rows.notna(), None)
        content = {"protocol": self.protocol, "prompts": self.prompts, "rows": rounded.to_dict(orient="list")}
        lines = json.dumps(content, separators=(",", ":")).replace('],"', '],\n"')
        store.write_file(Path(path), lines + "\n")

    @classmethod
    def load(cls, path: Path | str) -> Measurements:
        """Read what `save` wrote.

        Raises:
            InputError: there is no such file, or it holds something else.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(
                f"There are no measurements at {path}. `Measurements.save` or `cxrtutor evaluate` writes them."
            )
        try:
            content = json.loads(path.read_text())
            columns = content["rows"]
            rows = pd.DataFrame({name: _column(name, values) for name, values in columns.items()})
            return cls(
                rows[[*_TEXT, *METRICS, *(c for c in rows if c not in (*_TEXT, *METRICS))]],
                **{key: content[key] for key in ("protocol", "prompts")},
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} does not hold measurements ({error}). Measure again.") from error


def _column(name: str, values: list) -> pd.Series:
    return pd.Series(values, dtype=object if name in _TEXT else float)


def same_samples(a: Measurements, b: Measurements) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of both in the same order.

    Raises:
        InputError: they were measured under different protocols or on different samples.
    """
    if a.protocol != b.protocol:
        raise InputError(f"Measured under different protocols ({a.protocol}, {b.protocol}); measure both under one.")
    first, second = (one.rows.set_index(SAMPLE).sort_index() for one in (a, b))
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
