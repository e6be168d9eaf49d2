"""The tables of a benchmark, made of its records: seeds pooled, rows sorted, and which of them can be told apart."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ..data.prepared import read_card
from ..data.sets import open_studies
from ..evaluation.bootstrap import Interval, interval, paired_difference
from ..evaluation.published import Published, published
from ..evaluation.results import Repeats, Result
from ..evaluation.tables import ResultTable
from ..transfer.comparisons import NO_TEST
from ..transfer.tasks import TEACHING, open_split, set_name, task_named
from .benchmark import Benchmark, BenchmarkSpec, TableSpec
from .experiments import Trial
from .records import Record

PAIRS = ("first", "second", "difference", "low", "high", "told_apart")
TIDY = (
    *("table", "method", "metric", "mean", "low", "high", "seeds", "samples", "undefined"),
    *("protocol", "dataset", "source", "certainty"),
)


@dataclass(frozen=True)
class Row:
    """What one run was measured to do: a result for each of its seeds, of which each may be repeats.

    Attributes:
        by_seed: the results.
        trained: whether seeds are of trainings; what was not trained is the same beside every seed of another run.
    """

    by_seed: Mapping[int, Result | Repeats]
    trained: bool = True

    @property
    def pooled(self) -> Result | Repeats:
        """All seeds as one result; what there is once, as it is."""
        seeds = tuple(self.by_seed.values())
        if len(seeds) > 1:
            return Repeats(seeds)
        [one] = seeds
        return one.results[0] if isinstance(one, Repeats) and len(one.results) == 1 else one

    def of(self, seeds: Iterable[int]) -> Repeats:
        """These seeds of it; of what was not trained the same for each."""
        first = next(iter(self.by_seed.values()))
        return Repeats(tuple(self.by_seed[seed] if self.trained else first for seed in seeds))


@dataclass(frozen=True, eq=False)
class Section:
    """A table of the report.

    Attributes:
        title, about: what stands above it.
        metric: the one by which it is sorted and decided.
        rows: by name, the best first.
        table: the same, to be shown.
    """

    title: str
    about: str
    metric: str
    rows: Mapping[str, Row]
    table: ResultTable

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """Every pair of rows, the better one first: the paired difference with its interval, seed by seed and sample
        by sample, and whether the interval leaves 0 out; NaN where no seed is of both. No allowance is made for how
        many pairs there are."""
        found = []
        for first, second in itertools.combinations(self.rows, 2):
            cell = _difference(self.rows[first], self.rows[second], self.metric)
            found.append((first, second, cell.value, cell.low, cell.high, cell.excludes(0)))
        return pd.DataFrame(found, columns=PAIRS)

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """For every row, which others are measurably above it, not told apart from it, and measurably below it."""
        others = {name: {"above": [], "alike": [], "below": []} for name in self.rows}
        for pair in self.pairs.itertuples():
            above, below = (pair.first, pair.second) if pair.difference > 0 else (pair.second, pair.first)
            others[above]["below" if pair.told_apart else "alike"].append(below)
            others[below]["above" if pair.told_apart else "alike"].append(above)
        return pd.DataFrame.from_dict(
            {name: {kind: "; ".join(found) for kind, found in kinds.items()} for name, kinds in others.items()}, "index"
        )

    def tidy(self) -> pd.DataFrame:
        """A line for every number, ours and published, with the columns `TIDY`."""
        lines: list[dict[str, Any]] = []
        for name, row in self.rows.items():
            result = self.table.methods[name]
            undefined = result.undefined()
            for metric, cell in self.table.intervals[name].items():
                counts = {"seeds": len(row.by_seed), "samples": result.samples, "undefined": int(undefined[metric])}
                about = {"protocol": result.protocol, "dataset": self.table.dataset, "source": "measured here"}
                lines.append({"method": name, "metric": metric, **_limits(cell), **counts, **about})
        for one in self.table.published:
            named = {"method": one.called, "metric": one.metric, **_limits(one)}
            lines.append(named | {key: getattr(one, key) for key in ("protocol", "dataset", "source", "certainty")})
        return pd.DataFrame(lines, columns=TIDY[1:]).assign(table=self.title)[list(TIDY)].convert_dtypes()


def sections(benchmark: Benchmark, records: Mapping[str, Record]) -> list[Section]:
    """The tables of a benchmark, in order; those of which nothing is recorded are left out.

    Args:
        benchmark: which tables.
        records: by file, as `Benchmark.records` gives them.
    """
    made = []
    for spec in benchmark.spec.tables:
        known = [(trial, records[trial.file]) for trial in benchmark.trials[spec.experiment] if trial.file in records]
        beside = [
            (trial, records[trial.file])
            for name, runs in spec.baselines.items()
            for trial in benchmark.trials[name]
            if trial.run in runs and trial.file in records
        ]
        if known and known[0][0].transfer:
            made += _of_tasks(spec, benchmark.spec, known, beside)
        elif known := [(trial, record) for trial, record in (*known, *beside) if spec.split in record.measurements]:
            made.append(_of_localization(spec, benchmark.spec, known))
    return made


def overview(made: Sequence[Section]) -> pd.DataFrame:
    """The value by which each table is sorted: methods in rows, tables in columns; NaN where one was not measured."""
    return pd.DataFrame(
        {one.title: {name: one.table.intervals[name][one.metric].value for name in one.rows} for one in made}
    )


def _of_localization(spec: TableSpec, about: BenchmarkSpec, known: Sequence[tuple[Trial, Record]]) -> Section:
    rows = _rows(about, [(trial, record.measurements[spec.split]) for trial, record in known])
    beside: Sequence[Published] = ()
    if spec.published is not None:
        beside = published(dataset=spec.published.dataset, protocol=spec.published.protocol)
        beside = [one for one in beside if one.metric in spec.metrics and one.finding is None]
    name, edition = known[0][0].measured_on
    unit = _unit(name, spec.split, edition)
    dataset = f"{_dataset(name)}, {spec.split}"
    return _section(spec.title, spec.about, spec.metrics, spec.sort, rows, beside, dataset, unit)


def _of_tasks(
    spec: TableSpec,
    about: BenchmarkSpec,
    known: Sequence[tuple[Trial, Record]],
    beside: Sequence[tuple[Trial, Record]],
) -> Iterator[Section]:
    trial = known[0][0]
    name, edition = trial.measured_on
    studies = open_split(name, "test", edition) if name != "teaching" else None
    remarks = (NO_TEST,) if studies is not None and studies.split == "validation" else ()
    for case, asked in trial.transfer.cases().items():
        task = task_named(asked["task"])
        held = [(trial, record) for trial, record in (*known, *beside) if case in record.transfer]
        draws = min(len(record.transfer[case].results) for _, record in held)
        rows = _rows(about, [(trial, Repeats(record.transfer[case].results[:draws])) for trial, record in held])
        yield _section(
            f"{spec.title}: {case}",
            f"{task.about[0].upper()}{task.about[1:]} {spec.about}",
            (task.metric,),
            None,
            rows,
            task.published(asked["labels"]) if "labels" in asked else (),
            _dataset(name),
            "patients" if studies is None or studies.ids() != studies.patients() else "images",
            remarks,
        )


def _rows(about: BenchmarkSpec, known: Sequence[tuple[Trial, Result | Repeats]]) -> dict[str, Row]:
    """Results by what their runs are called, and by seed."""
    found: dict[str, dict[int, Result | Repeats]] = {}
    trained = {}
    for trial, result in known:
        called = about.names.get(trial.run, trial.run)
        found.setdefault(called, {})[trial.seed] = result
        trained[called] = trial.stage == "trained"
    return {called: Row(by_seed, trained[called]) for called, by_seed in found.items()}


def _section(
    title: str,
    about: str,
    metrics: Sequence[str],
    sort: str | None,
    rows: Mapping[str, Row],
    beside: Sequence[Published],
    dataset: str,
    unit: str,
    remarks: Sequence[str] = (),
) -> Section:
    metric = sort or metrics[0]
    values = {name: interval(row.pooled, metric, resamples=1).value for name, row in rows.items()}
    best_first = sorted(rows, key=lambda name: (math.isnan(values[name]), -values[name], name))
    rows = {name: rows[name] for name in best_first}
    pooled = {name: row.pooled for name, row in rows.items()}
    table = ResultTable(pooled, metrics, dataset=dataset, unit=unit, remarks=(*_repeats(rows), *remarks))
    return Section(title, about, metric, rows, table.beside(beside) if beside else table)


def _difference(first: Row, second: Row, metric: str) -> Interval:
    """Over the seeds that both have."""
    seeds = [dict.fromkeys(row.by_seed) for row in (first, second) if row.trained] or [{0: None}]
    both = [seed for seed in seeds[0] if seed in seeds[-1]]
    if not both:
        return Interval(math.nan, math.nan, math.nan)
    return paired_difference(first.of(both), second.of(both), metric)


def _repeats(rows: Mapping[str, Row]) -> Iterator[str]:
    """How often was trained, and how often labels were drawn."""
    counts = {name: len(row.by_seed) for name, row in rows.items() if row.trained}
    if len(set(counts.values())) > 1:
        yield "seeds: " + ", ".join(f"{number} of {name}" for name, number in counts.items())
    elif counts:
        number = next(iter(counts.values()))
        yield "one seed each" if number == 1 else f"{number} seeds each"
    one = next(iter(next(iter(rows.values())).by_seed.values()))
    if isinstance(one, Repeats) and len(one.results) > 1:
        yield f"labels drawn {len(one.results)} times"


def _dataset(name: str) -> str:
    return TEACHING if name == "teaching" else set_name(read_card(Path(name)))


def _unit(name: str, split: str, edition: str) -> str:
    if name == "teaching":
        return "patients"
    studies = open_studies(name, split, edition)
    return "images" if studies.ids() == studies.patients() else "patients"


def _limits(cell: Any) -> dict[str, float | None]:
    return {"mean": cell.value, "low": cell.low, "high": cell.high}
