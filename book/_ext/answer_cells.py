"""Cells that answer a reader's question can be linked to.

A code cell with the tag `answers-a10` answers question A10 of `book/questions.md`. The first such cell of a page gets
the id `answers-a10`, so that `[a link](../chapters/16-stress-tests.ipynb#answers-a10)` leads to it. As for a heading,
Sphinx warns where a link names a cell that is not there.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx

TAG = "answers-"
CLASS = f"tag_{TAG}"
"""How myst-nb names the class of a cell with such a tag."""


def name_answering_cells(app: Sphinx, doctree: nodes.document) -> None:
    """Give the cells their ids, and MyST the targets of links."""
    targets = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
    for cell in doctree.findall(nodes.container):
        for name in cell.get("classes", []):
            anchor = name.removeprefix("tag_")
            if name.startswith(CLASS) and anchor not in targets:
                cell["ids"].append(anchor)
                targets[anchor] = (cell.line or 0, anchor, anchor)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", name_answering_cells)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
