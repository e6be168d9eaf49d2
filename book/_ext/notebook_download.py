"""A notebook can be saved from a page that was opened from a file.

Over http the page's button saves the notebook. From a file a browser would show it as text, and it lets no page read a
file beside it; but it loads scripts. So beside each notebook lies a script that holds it, for `notebook_download.js`.
"""

from __future__ import annotations

import json
from pathlib import Path

from sphinx.application import Sphinx


def write_scripts(app: Sphinx, error: Exception | None) -> None:
    """Beside each notebook `NAME.ipynb` that the site offers, write `NAME.ipynb.js`."""
    if error or app.builder.format != "html":
        return
    for notebook in Path(app.outdir, "_sources").rglob("*.ipynb"):
        text = json.dumps(notebook.read_text(encoding="utf-8"))
        notebook.with_name(f"{notebook.name}.js").write_text(f"saveNotebook({text});\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_js_file("notebook_download.js", loading_method="defer")
    app.connect("build-finished", write_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
