"""The report of a benchmark: one HTML file that needs nothing else, one Markdown file, one table of all numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from .. import __version__, store
from ..evaluation.tables import markdown_table, title
from .benchmark import Benchmark
from .films import PicturedFilm, pictured_films
from .page import Part, bullets, html_table, page, paragraph, picture, restriction, scrolling
from .records import Record
from .sections import TIDY, Section, overview, sections

NOT_CLINICAL = "For learning and research. Not for clinical use."
_MADE = f"Written by cxrtutor {__version__}."
VERDICTS = {"above": "Measurably better", "alike": "Not told apart", "below": "Measurably worse"}
_HOW_DECIDED = (
    "Pairs are compared by {metric} on the same samples, seed by seed: two rows are told apart where the 95 % interval "
    "of their difference leaves 0 out. No allowance is made for how many pairs there are."
)
_HOW_GLANCED = (
    "Each table by the metric that sorts it, the best value in bold with all that are not told apart from it. Compare "
    "within a row: tables have different metrics."
)
_HOW_COUNTED = "A training that several experiments measure is counted in each."


@dataclass(frozen=True, eq=False)
class BenchmarkReport:
    """Everything that a report says.

    Attributes:
        benchmark: what it is of.
        records: by file, as `Benchmark.records` gives them.
    """

    benchmark: Benchmark
    records: Mapping[str, Record]

    @cached_property
    def sections(self) -> list[Section]:
        """The tables."""
        return sections(self.benchmark, self.records)

    @cached_property
    def films(self) -> dict[str, list[PicturedFilm]]:
        """The pictures, by the title under which they stand; none where the films are not on this machine."""
        return {
            spec.title: pictured_films(self.benchmark.trials[spec.experiment], self.records, self.benchmark.spec.names)
            for spec in self.benchmark.spec.pictures
        }

    @property
    def overview(self) -> pd.DataFrame:
        """Methods in rows, tables in columns (`sections.overview`)."""
        return overview(self.sections)

    @property
    def tidy(self) -> pd.DataFrame:
        """A line for every number of every table, with the columns `sections.TIDY`."""
        parts = [section.tidy() for section in self.sections]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=TIDY)

    @cached_property
    def sources(self) -> pd.DataFrame:
        """What the report was made of: a line for each experiment."""
        lines = []
        for name, trials in self.benchmark.trials.items():
            if not trials:
                continue
            about = [self.records[trial.file].about for trial in trials if trial.file in self.records]
            made = sorted(one["made"] for one in about)
            lines.append(
                {
                    "experiment": name,
                    "records": f"{len(about)} of {len(trials)}",
                    "made": " to ".join(dict.fromkeys([made[0], made[-1]])) if made else "",
                    "machines": "; ".join(sorted({one["machine"] for one in about})),
                    "cxrtutor": ", ".join(sorted({one["package"] for one in about})),
                    "training, in seconds": f"{sum(one['seconds'] for one in about):,.0f}",
                }
            )
        return pd.DataFrame(lines)

    @property
    def left_out(self) -> list[str]:
        """What the report does without, a sentence for each reason."""
        reasons = [f"{why} (Without it: {', '.join(names)}.)" for why, names in self.benchmark.left_out.items()]
        for name, trials in self.benchmark.trials.items():
            if missing := [trial for trial in trials if trial.file not in self.records]:
                reasons.append(f"{name}: {len(missing)} of {len(trials)} trials have no record of today.")
        return reasons

    @property
    def restricted(self) -> list[str]:
        """The sets of which the report shows films though they may not be passed on."""
        return sorted({film.restricted for films in self.films.values() for film in films if film.restricted})

    def write(self, folder: Path) -> list[Path]:
        """Write `report.html`, `report.md` and `report.csv`; the files.

        Films are in the HTML file alone, which says so where they may not be passed on; the others hold no more than
        means.

        Raises:
            InputError: a file cannot be written.
        """
        content = {"html": self.to_html, "md": self.to_markdown, "csv": self.to_csv}
        files = [folder / f"report.{kind}" for kind in content]
        for path, made in zip(files, content.values(), strict=True):
            store.write_file(path, made())
        return files

    def to_csv(self) -> str:
        """All numbers, to six decimals."""
        return self.tidy.to_csv(index=False, float_format="%.6f")

    def to_markdown(self) -> str:
        """The report as GitHub shows it, without pictures."""
        spec = self.benchmark.spec
        parts = [f"# {spec.title}", f"**{NOT_CLINICAL}**", spec.about]
        if self.sections:
            parts += ["## At a glance", _HOW_GLANCED, markdown_table(self._glance())]
        for section in self.sections:
            parts += [f"## {section.title}", section.about, section.table.to_markdown()]
            if len(section.rows) > 1:
                parts += [_how_decided(section), markdown_table(_verdicts(section))]
        if self.left_out:
            parts += ["## Left out", "\n".join(f"- {one}" for one in self.left_out)]
        if len(self.sources):
            parts += ["## What it was made of", markdown_table(_lines(self.sources)), _HOW_COUNTED]
        parts.append(_MADE)
        return "\n\n".join(part.strip() for part in parts if part) + "\n"

    def to_html(self) -> str:
        """The report as one page that asks for nothing else, light or dark as the reader's system is."""
        return page(self.benchmark.spec.title, list(self._parts()), NOT_CLINICAL, self.benchmark.spec.about)

    def _parts(self) -> Iterator[Part]:
        """The parts of the page: titles and their HTML."""
        if self.sections:
            table = html_table(self._glance(), _HOW_GLANCED)
            yield Part("At a glance", table)
        for section in self.sections:
            decided = html_table(_verdicts(section), _how_decided(section)) if len(section.rows) > 1 else ""
            yield Part(section.title, paragraph(section.about) + scrolling(section.table._repr_html_()) + decided)
        for spec in self.benchmark.spec.pictures:
            if films := self.films[spec.title]:
                pictures = "".join(picture(film.figure(), film.alt, f"Asked for “{film.prompt}”") for film in films)
                yield Part(spec.title, restriction(self.restricted) + paragraph(spec.about) + pictures)
        if self.left_out:
            yield Part("Left out", bullets(self.left_out))
        if len(self.sources):
            yield Part("What it was made of", html_table(_lines(self.sources), f"{_HOW_COUNTED} {_MADE}"))

    def _glance(self) -> list[list[str]]:
        """The overview on its side, as text, the head first; in bold what is not told apart from the best."""
        values = self.overview
        rows = [["Table", "By", *map(str, values.index)]]
        for section in self.sections:
            leading, column = _leading(section), values[section.title]
            cells = ["" if math.isnan(value) else f"{value:.3f}" for value in column]
            bold = [f"**{cell}**" if name in leading else cell for name, cell in zip(column.index, cells, strict=True)]
            rows.append([section.title, title(section.metric), *bold])
        return rows


def _leading(section: Section) -> set[str]:
    """The best row, and those that are not told apart from it; of those that have a value at all."""
    best = next(iter(section.rows))
    told_apart = set(section.pairs[(section.pairs["first"] == best) & section.pairs["told_apart"]]["second"])
    values = {name: section.table.intervals[name][section.metric].value for name in section.rows}
    return {name for name, value in values.items() if name not in told_apart and not math.isnan(value)}


def _how_decided(section: Section) -> str:
    return _HOW_DECIDED.format(metric=title(section.metric))


def _verdicts(section: Section) -> list[list[str]]:
    """Which rows are told apart, as text, the head first."""
    found = section.verdicts.rename(columns=VERDICTS)
    return _lines(found.rename_axis("Method").reset_index())


def _lines(table: pd.DataFrame) -> list[list[str]]:
    """A table as text, the head first."""
    return [[str(cell) for cell in row] for row in (table.columns, *table.values.tolist())]
