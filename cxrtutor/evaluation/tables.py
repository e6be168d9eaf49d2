"""Methods side by side, in every form a reader may need."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ..errors import InputError
from ..localization.protocols import PROTOCOLS
from .bootstrap import Interval, interval, paired_difference
from .measurements import METRICS
from .published import Published
from .results import Repeats, Result

_TITLES = {"iou": "IoU", "dice": "Dice", "cnr": "CNR", "pointing": "Pointing", "auroc": "AUROC", "map": "mAP"}
_PUBLISHED = "Published: other films, other training. Not to be compared number by number with the rows above"
_NOTHING = "-"


@dataclass(frozen=True, eq=False)
class ResultTable:
    """Methods in rows, metrics in columns, macro means with 95 % intervals over patients.

    Shows itself as text (`print`), HTML (in a notebook), LaTeX (`to_latex`) and CSV (`to_csv`). Below it stands how
    many samples there are, and how many of them a metric leaves out.

    Attributes:
        methods: a row's name to what was measured.
        metrics: the columns.
        reference: the row that all others are compared with, on the same samples: beside every metric, the paired
            difference to it. Where its interval holds 0, the two rows do not measurably differ.
        across_protocols: lets rows of different protocols stand in one table, which then says so, and each row how it
            was measured. That is a table about protocols and not about methods.
        published: figures that stand below a rule; see `beside`.
        dataset: what the rows were measured on, said where published figures of other sets stand below.
        remarks: what else the caption has to say of all rows.
        unit: whose ids the intervals are over: patients, or images where a set does not say whose they are.

    Raises:
        InputError: there is no row, or one lacks a metric; the rows were measured under different protocols, and nobody
            asked for that; the reference is no row, or was measured on other samples than another row.
    """

    methods: Mapping[str, Result | Repeats]
    metrics: Sequence[str] = METRICS
    reference: str | None = None
    across_protocols: bool = False
    published: Sequence[Published] = ()
    dataset: str = "this set"
    unit: str = "patients"
    remarks: Sequence[str] = ()

    def __post_init__(self) -> None:
        protocols = {name: measured.protocol for name, measured in self.methods.items()}
        if not protocols:
            raise InputError("A table needs at least one row.")
        for name, measured in self.methods.items():
            if lacking := [metric for metric in self.metrics if metric not in measured.metrics]:
                raise InputError(
                    f"{name} was not measured by {', '.join(lacking)}, but by: {', '.join(measured.metrics)}."
                )
        if len(set(protocols.values())) > 1:
            named = ", ".join(f"{name}: {protocol}" for name, protocol in protocols.items())
            if not self.across_protocols:
                raise InputError(
                    f"These rows were measured under different protocols and say nothing together ({named}). "
                    "If the protocols are what the table is about, say across_protocols=True."
                )
            if self.reference is not None:
                raise InputError(
                    f"Rows of different protocols ({named}) have no paired difference. Leave out the reference."
                )
        if self.reference is not None and self.reference not in protocols:
            raise InputError(f"The reference {self.reference!r} is no row. The rows are: {', '.join(protocols)}.")

    def beside(self, published: Sequence[Published], dataset: str | None = None) -> ResultTable:
        """The table with published figures below a rule, each row with its data set, protocol, source and certainty.

        They take part in nothing that the table says about differences.

        Args:
            published: such as `published.published(dataset="MS-CXR")`; figures of other metrics are left out.
            dataset: what this table's own rows were measured on.

        Raises:
            InputError: none of the figures is of one of the table's metrics.
        """
        ours = [row for row in published if row.metric in self.metrics]
        if not ours:
            raise InputError(f"None of these figures is of the table's metrics ({', '.join(self.metrics)}).")
        return replace(self, published=tuple(ours), dataset=dataset or self.dataset)

    @cached_property
    def intervals(self) -> dict[str, dict[str, Interval]]:
        """Every cell: method, then metric."""
        return {
            name: {metric: interval(measured, metric) for metric in self.metrics}
            for name, measured in self.methods.items()
        }

    @cached_property
    def differences(self) -> dict[str, dict[str, Interval]]:
        """Every row but the reference, less the reference: method, then metric; empty without a reference."""
        if self.reference is None:
            return {}
        base = self.methods[self.reference]
        return {
            name: {metric: paired_difference(measured, base, metric) for metric in self.metrics}
            for name, measured in self.methods.items()
            if name != self.reference
        }

    @property
    def caption(self) -> str:
        """What the numbers are."""
        names = list(dict.fromkeys(map(_marked, self._protocols.values())))
        under = f"protocol {names[0]}" if len(names) == 1 else f"rows of different protocols: {', '.join(names)}"
        drawn = self.unit + (" and repeats" if any(isinstance(one, Repeats) for _, one in self._all) else "")
        caption = f"Macro mean over findings (95 % interval over {drawn}), {under}"
        if self.reference is not None:
            caption += f"; Δ: less {self.reference} on the same samples"
        return "; ".join([caption, *self.remarks])

    @property
    def note(self) -> str:
        """How many samples of how many patients there are, and how many of them each metric leaves out."""
        sizes = {name: f"{one.samples} samples of {len(one.patients)} {self.unit}" for name, one in self._all}
        parts = [_by_row(sizes)]
        for metric in self.metrics:
            missing = {name: int(one.undefined()[metric]) for name, one in self._all}
            if any(missing.values()):
                parts.append(f"{title(metric)} undefined and left out: {_by_row(missing)}")
            if fewer := self._counting_for_both(metric):
                parts.append(f"Δ {title(metric)} over the samples that count for both rows: {_listed(fewer)}")
        return ". ".join(parts) + "."

    def __str__(self) -> str:
        cells = [self._head, *self._rows, *self._published_rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        head, *lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
        ]
        rule = "-" * max(map(len, [head, *lines]))
        ours, others = lines[: len(self.methods)], lines[len(self.methods) :]
        below = [rule, f"{_PUBLISHED}:", *others] if others else []
        return "\n".join([self.caption, "", head, rule, *ours, *below, "", self.note])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        # Jupyter's themes know tables of results, in light and dark, by the class that pandas gives them.
        lines = ['<table class="dataframe">', f"<caption>{html.escape(self.caption)}</caption>", "<thead><tr>"]
        lines += [f'<th scope="col">{html.escape(cell)}</th>' for cell in self._head]
        lines += ["</tr></thead>", "<tbody>", *map(_html_row, self._rows), "</tbody>"]
        across = f'colspan="{len(self._head)}"'
        if self.published:
            lines += ["<tbody>", f'<tr><th scope="rowgroup" {across}>{html.escape(_PUBLISHED)}</th></tr>']
            lines += [*map(_html_row, self._published_rows), "</tbody>"]
        lines.append(f"<tfoot><tr><td {across}>{html.escape(self.note)}</td></tr></tfoot>")
        return "\n".join([*lines, "</table>"])

    def to_latex(self) -> str:
        """A `tabular` in booktabs' style; caption and note stand above it as comments."""
        columns = "l" + "c" * (len(self._head) - 1)
        lines = [f"% {self.caption}", f"% {self.note}", rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
        lines += [_latex_row(self._head), r"\midrule", *map(_latex_row, self._rows)]
        if self.published:
            rule = rf"\multicolumn{{{len(self._head)}}}{{l}}{{\emph{{{_latex(_PUBLISHED)}}}}} \\"
            lines += [r"\midrule", rule, *map(_latex_row, self._published_rows)]
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])

    def to_markdown(self) -> str:
        """Tables as GitHub shows them: ours, and published rows in one of their own; caption and note stand around."""
        parts = [self.caption + ":", markdown_table([self._head, *self._rows]), self.note]
        if self.published:
            parts += [f"*{_PUBLISHED}:*", markdown_table([self._head, *self._published_rows])]
        return "\n\n".join(parts) + "\n"

    def to_csv(self) -> str:
        """Every number with its limits in columns of its own, to six decimals; then protocol, samples, and how many of
        them each metric leaves out. Published rows name their source, ours have none."""
        import pandas as pd

        rows = []
        for name, measured in self._all:
            row: dict[str, str | float] = {"method": name}
            for metric, cell in self.intervals[name].items():
                row |= _limits(metric, cell.value, cell.low, cell.high)
            for metric, cell in self.differences.get(name, {}).items():
                row |= _limits(f"{metric}_difference", cell.value, cell.low, cell.high)
            missing = {f"{metric}_undefined": int(measured.undefined()[metric]) for metric in self.metrics}
            rows.append(row | {"protocol": measured.protocol, "samples": measured.samples, **missing})
        for figures in self._published_groups:
            row = {"method": figures[0].called}
            for one in figures:
                row |= _limits(one.metric, one.value, one.low, one.high)
            about = {key: getattr(figures[0], key) for key in ("protocol", "dataset", "source", "certainty")}
            rows.append(row | about)
        # Counts of ours stay whole numbers where published rows have none.
        return pd.DataFrame(rows).convert_dtypes().to_csv(index=False, float_format="%.6f")

    def _counting_for_both(self, metric: str) -> dict[str, int]:
        """How many samples the difference of a row to the reference is taken over, where a column has more: under a
        protocol over all pairs, a method that is rightly silent is not credited for it in a difference."""
        if self.reference is None:
            return {}
        reference, fewer = self.methods[self.reference], {}
        for name in self.differences:
            one = self.methods[name]
            left_out = int(one.less(reference).undefined()[metric])
            if left_out > min(int(one.undefined()[metric]), int(reference.undefined()[metric])):
                fewer[name] = one.samples - left_out
        return fewer

    @property
    def _all(self) -> list[tuple[str, Result | Repeats]]:
        return list(self.methods.items())

    @property
    def _protocols(self) -> dict[str, str]:
        return {name: measured.protocol for name, measured in self._all}

    @property
    def _head(self) -> list[str]:
        head = ["Method"]
        for metric in self.metrics:
            head += [title(metric)] + ([f"Δ {title(metric)}"] if self.reference is not None else [])
        head += ["Protocol"] if self._names_protocols else []
        return head + (["Data set", "Source"] if self.published else [])

    @property
    def _names_protocols(self) -> bool:
        return bool(self.published) or len(set(self._protocols.values())) > 1

    @property
    def _rows(self) -> list[list[str]]:
        """What was measured, as text."""
        rows = []
        for name, cells in self.intervals.items():
            row = [name]
            for metric, cell in cells.items():
                row.append(str(cell))
                if self.reference is not None:
                    row.append(str(self.differences[name][metric]) if name in self.differences else _NOTHING)
            row += [_marked(self._protocols[name])] if self._names_protocols else []
            rows.append(row + ([self.dataset, "measured here"] if self.published else []))
        return rows

    @property
    def _published_rows(self) -> list[list[str]]:
        """What others published, as text."""
        rows = []
        for figures in self._published_groups:
            cells = {one.metric: str(one) for one in figures}
            row = [figures[0].called]
            for metric in self.metrics:
                row += [cells.get(metric, _NOTHING)] + ([_NOTHING] if self.reference is not None else [])
            one = figures[0]
            rows.append([*row, one.protocol, one.dataset, f"{one.source} ({one.certainty})"])
        return rows

    @property
    def _published_groups(self) -> list[list[Published]]:
        """The figures that belong into one row."""
        groups: dict[tuple, list[Published]] = {}
        for one in self.published:
            key = (one.method, one.finding, one.labels, one.dataset, one.protocol, one.source, one.certainty)
            groups.setdefault(key, []).append(one)
        return list(groups.values())


def title(metric: str) -> str:
    """What a column of this metric is headed by."""
    return _TITLES.get(metric, metric)


def _marked(protocol: str) -> str:
    """A protocol's name; one that looks at the truth says so."""
    known = PROTOCOLS.get(protocol)
    upper_bound = known is not None and known.upper_bound
    return f"{protocol} (upper bound: its threshold is chosen by the truth)" if upper_bound else protocol


def _by_row(values: Mapping[str, str | int]) -> str:
    """What holds for all rows once, and else row by row."""
    different = set(values.values())
    return str(different.pop()) if len(different) == 1 else _listed(values)


def _listed(values: Mapping[str, str | int]) -> str:
    return ", ".join(f"{name} {one}" for name, one in values.items())


def _limits(name: str, value: float, low: float | None, high: float | None) -> dict[str, float]:
    named = {name: value, f"{name}_low": low, f"{name}_high": high}
    return {key: float("nan") if number is None else number for key, number in named.items()}


def _html_row(row: Sequence[str]) -> str:
    name, *cells = map(html.escape, row)
    return f'<tr><th scope="row">{name}</th>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a table in Markdown, of which the first is the head."""
    head, *body = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body])


def _latex_row(row: Sequence[str]) -> str:
    return " & ".join(map(_latex, row)) + r" \\"


def _latex(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {"Δ": r"$\Delta$", "≈": r"$\approx$"}
    return "".join(special.get(char, "\\" + char if char in "&%$#_{}" else char) for char in text)
