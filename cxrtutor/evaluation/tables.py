"""Methods side by side, in every form a reader may need."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ..errors import InputError
from .bootstrap import Interval, interval
from .measurements import METRICS, Measurements

_TITLES = {"iou": "IoU", "dice": "Dice", "cnr": "CNR", "pointing": "Pointing"}


@dataclass(frozen=True, eq=False)
class LocalizationTable:
    """Methods in rows, metrics in columns, macro means with 95 % intervals over patients.

    Shows itself as text (`print`), HTML (in a notebook), LaTeX (`to_latex`) and CSV (`to_csv`).

    Attributes:
        methods: a row's name to what was measured.
        metrics: the columns.

    Raises:
        InputError: there is no row, or the rows were measured under different protocols.
    """

    methods: Mapping[str, Measurements]
    metrics: Sequence[str] = METRICS

    def __post_init__(self) -> None:
        protocols = {name: measured.protocol for name, measured in self.methods.items()}
        if not protocols:
            raise InputError("A table needs at least one row.")
        if len(set(protocols.values())) > 1:
            named = ", ".join(f"{name}: {protocol}" for name, protocol in protocols.items())
            raise InputError(f"These rows were measured under different protocols and say nothing together ({named}).")

    @property
    def protocol(self) -> str:
        """The one protocol of all rows."""
        return next(iter(self.methods.values())).protocol

    @cached_property
    def intervals(self) -> dict[str, dict[str, Interval]]:
        """Every cell: method, then metric."""
        return {
            name: {metric: interval(measured, metric) for metric in self.metrics}
            for name, measured in self.methods.items()
        }

    @property
    def caption(self) -> str:
        """What the numbers are."""
        return f"Macro mean over findings (95 % interval over patients), protocol {self.protocol}"

    def __str__(self) -> str:
        cells = self._cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
        ]
        return "\n".join([self.caption, "", lines[0], "-" * max(map(len, lines)), *lines[1:]])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *body = [[html.escape(cell) for cell in row] for row in self._cells()]
        # Jupyter's themes know tables of results, in light and dark, by the class that pandas gives them.
        lines = ['<table class="dataframe">', f"<caption>{html.escape(self.caption)}</caption>", "<thead><tr>"]
        lines += [f'<th scope="col">{cell}</th>' for cell in head]
        lines += ["</tr></thead>", "<tbody>"]
        for name, *cells in body:
            lines.append(f'<tr><th scope="row">{name}</th>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        return "\n".join([*lines, "</tbody>", "</table>"])

    def to_latex(self) -> str:
        """A `tabular` in booktabs' style."""
        head, *body = [" & ".join(map(_latex, row)) + r" \\" for row in self._cells()]
        columns = "l" + "c" * len(self.metrics)
        lines = [f"% {self.caption}", rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *body]
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])

    def to_csv(self) -> str:
        """Every number with its limits in columns of its own, to six decimals."""
        import pandas as pd

        rows = {
            name: {
                f"{metric}{suffix}": limit
                for metric, cell in cells.items()
                for suffix, limit in (("", cell.value), ("_low", cell.low), ("_high", cell.high))
            }
            for name, cells in self.intervals.items()
        }
        frame = pd.DataFrame.from_dict(rows, orient="index").assign(protocol=self.protocol)
        return frame.to_csv(index_label="method", float_format="%.6f")

    def _cells(self) -> list[list[str]]:
        """Heading and rows as text."""
        heading = ["Method", *(_TITLES.get(metric, metric) for metric in self.metrics)]
        return [heading, *([name, *map(str, cells.values())] for name, cells in self.intervals.items())]


def _latex(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(char, "\\" + char if char in "&%$#_{}" else char) for char in text)
