"""Formulas are set by MathJax from the site's own files, as its extension for offline use has it, but after the page.

What sets them is `book/_static/formulas.js`; this puts it where Sphinx would put MathJax itself.
"""

from __future__ import annotations

from sphinx.application import Sphinx
from sphinx.config import Config


def _load_late(app: Sphinx, config: Config) -> None:
    config.mathjax_path = "formulas.js"


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("sphinx-mathjax-offline")  # its module is really called so
    app.connect("config-inited", _load_late)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
