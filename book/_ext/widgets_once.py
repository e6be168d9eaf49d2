"""Each widget's data stand in its page once: in the widget's own HTML, and not in the state of the kernel as well.

myst-nb keeps that state for a widget manager from the network, which this book does without. It doubled the page.
"""

from __future__ import annotations

from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx


def _drop_state(app: Sphinx, doctree: nodes.document) -> None:
    NbMetadataCollector.get_js_files(app.env, app.env.docname).pop("ipywidgets_state", None)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", _drop_state)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
