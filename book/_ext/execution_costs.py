"""The directive `execution-costs`: a table of what every notebook of the book cost when it was last executed.

The lines that it reads were noted by `book/measure_cells.py`, in the file that CXRTUTOR_COSTS names.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

COLUMNS = ("notebook", "time", "peak memory")
UNKNOWN = "not measured"


class Cost(NamedTuple):
    seconds: float
    peak_bytes: int
    machine: str


class Place(nodes.General, nodes.Element):
    """Where the table goes once all notebooks were executed."""


class ExecutionCosts(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        return [Place()]


def costs(file: str | None) -> dict[str, Cost]:
    """The last cost that was noted for each piece of code, by its hash."""
    if not file or not Path(file).exists():
        return {}
    lines = [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]
    return {line["code"]: Cost(line["seconds"], line["peak_bytes"], machine(line)) for line in lines}


def machine(line: dict) -> str:
    return f"{line['processors']} processors, {gigabytes(line['memory_bytes'])} of memory, {line['system']}"


def code_hash(notebook: Path) -> str | None:
    """The hash of all code of a notebook, cell by cell as a kernel gets it; None where there is none."""
    cells = nbformat.read(notebook, as_version=4).cells
    sources = [cell.source for cell in cells if cell.cell_type == "code" and cell.source.strip()]
    return hashlib.sha256("".join(f"{source}\0" for source in sources).encode()).hexdigest() if sources else None


def pages(env: BuildEnvironment, page: str | None = None) -> Iterator[str]:
    """The book's pages in the order of its table of contents."""
    page = page or env.config.root_doc
    yield page
    for below in env.toctree_includes.get(page, []):
        yield from pages(env, below)


def minutes(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}\u00a0min {whole % 60}\u00a0s" if whole >= 60 else f"{whole}\u00a0s"


def gigabytes(number: int) -> str:
    return f"{number / 1e9:.1f} GB"


def fill(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Put the table, its sum and the machine where the directive stands."""
    for place in list(doctree.findall(Place)):
        noted = costs(os.environ.get("CXRTUTOR_COSTS"))
        paths = {name: Path(app.env.doc2path(name)) for name in dict.fromkeys(pages(app.env))}
        codes = {name: code_hash(path) for name, path in paths.items() if path.suffix == ".ipynb"}
        found = {name: noted.get(code) for name, code in codes.items() if code}
        rows = [[_link(app, page, name), *_figures(cost)] for name, cost in found.items()]
        known = [cost for cost in found.values() if cost]
        if known:
            total = Cost(sum(cost.seconds for cost in known), max(cost.peak_bytes for cost in known), "")
            rows.append([nodes.paragraph("", "all, one after another; the largest"), *_figures(total)])
        machines = sorted({cost.machine for cost in known})
        place.replace_self([_table(rows), nodes.paragraph("", f"Measured on: {'; '.join(machines) or UNKNOWN}.")])


def _link(app: Sphinx, page: str, name: str) -> nodes.paragraph:
    reference = nodes.reference("", refuri=app.builder.get_relative_uri(page, name), internal=True)
    reference += nodes.Text(app.env.titles[name].astext())
    return nodes.paragraph("", "", reference)


def _figures(cost: Cost | None) -> list[nodes.paragraph]:
    texts = [minutes(cost.seconds), gigabytes(cost.peak_bytes)] if cost else [UNKNOWN, UNKNOWN]
    return [nodes.paragraph("", text) for text in texts]


def _table(rows: list[list[nodes.paragraph]]) -> nodes.table:
    head = nodes.thead("", _row([nodes.paragraph("", name) for name in COLUMNS]))
    body = nodes.tbody("", *[_row(row) for row in rows])
    widths = [nodes.colspec(colwidth=width) for width in (60, 20, 20)]
    return nodes.table("", nodes.tgroup("", *widths, head, body, cols=len(COLUMNS)), classes=["execution-costs"])


def _row(entries: list[nodes.paragraph]) -> nodes.row:
    return nodes.row("", *[nodes.entry("", entry) for entry in entries])


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(Place)
    app.add_directive("execution-costs", ExecutionCosts)
    app.connect("doctree-resolved", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
