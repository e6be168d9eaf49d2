"""Tables of pandas look alike, whether a frame wrote them or its `style`, which hides the index.

The theme knows a table by the class that only the frame gives it, and lays a grey card under any other in the dark.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx


def _name_class(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    if "body" in context:
        context["body"] = context["body"].replace('<table id="T_', '<table class="dataframe" id="T_')


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", _name_class)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
