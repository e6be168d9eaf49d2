"""Takes out of each page what it says of its elements that is not so, and that a screen reader would repeat.

An empty corner of a table heads nothing, whether Sphinx or pandas made it. An entry of the bibliography carries a role
that is withdrawn, in a list that holds other things than entries.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx

_TRUER = (
    (re.compile(r"<th[^>]*>(?:\s|<p>\s*</p>)*</th>"), "<td></td>"),
    (re.compile(r' role="doc-biblioentry"'), ""),
    (re.compile(r'<div role="list" class="citation-list">'), '<div class="citation-list">'),
)


def _tell_true(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    if "body" in context:
        for pattern, truer in _TRUER:
            context["body"] = pattern.sub(truer, context["body"])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", _tell_true)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
