"""A widget that is alive in JupyterLab and, without any kernel, in the published page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anywidget

# The book's theme lays a pale plate under HTML outputs in dark mode; a widget brings its own ground.
_HTML = """\
<style>.text_html:has(> .cxrtutor-widget) {{ background: none !important; padding: 0 !important; }}</style>
<div class="cxrtutor-widget"><noscript>This interactive figure needs JavaScript.</noscript></div>
<script>({stand_in})(document.currentScript.previousElementSibling, {source}, {values});</script>
"""


def _inline(value: Any) -> str:
    """A JavaScript literal of `value` that no HTML parser takes for markup: nothing in it opens a tag or a comment."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


class PageWidget(anywidget.AnyWidget):
    """An `anywidget` whose mime bundle also carries `text/html` that needs no kernel.

    A subclass names its ES module in `_esm` and declares its state as synchronised traits. JupyterLab renders the
    widget with a kernel behind it. A page that prefers `text/html` imports the same module from the page's own bytes,
    with a small model of the traits' present values in the kernel's place: nothing is fetched, and what the module can
    work out by itself goes on working.
    """

    def page_values(self) -> dict[str, Any]:
        """The present values of the traits that the subclass declares: all that a page without a kernel is given."""
        inherited = anywidget.AnyWidget.class_trait_names(sync=True)
        names = [name for name in self.trait_names(sync=True) if name not in inherited and not name.startswith("_")]
        return {name: getattr(self, name) for name in names}

    def page_html(self) -> str:
        """The widget as HTML that stands alone: an element, and a script that renders the module into it."""
        stand_in = Path(__file__).with_name("page_widget.js").read_text(encoding="utf-8").strip()
        return _HTML.format(stand_in=stand_in, source=_inline(str(self._esm)), values=_inline(self.page_values()))

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        return {**data, "text/html": self.page_html()}, metadata
