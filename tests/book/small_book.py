"""A book of a few pages, built by the project's own configuration: what its Sphinx extensions are tried out on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import yaml

ROOT = Path(__file__).resolve().parents[2]


def notebook(*cells: str | tuple[str, list[str]]) -> str:
    """A notebook as JSON: prose where a cell begins with `#`, else code, which may come with its tags."""
    made = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    for cell in cells:
        source, tags = cell if isinstance(cell, tuple) else (cell, [])
        new = nbformat.v4.new_markdown_cell if source.startswith("#") else nbformat.v4.new_code_cell
        made.cells.append(new(source, metadata={"tags": tags} if tags else {}))
    return nbformat.writes(made)


def build(
    folder: Path, pages: dict[str, str], *, strictly: bool = True, settings: dict | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Write the pages, the first of which is the root, and build them; `settings` go before those of the project."""
    for name, text in pages.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for name in ("_ext", "_static", "_templates"):
        shutil.copytree(ROOT / "book" / name, folder / "book" / name, dirs_exist_ok=True)
    shutil.copy(ROOT / "book" / "references.bib", folder / "book")
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8")) | (settings or {})
    (folder / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    root, *others = [Path(name).with_suffix("").as_posix() for name in pages]
    toc = {"format": "jb-book", "root": root, "chapters": [{"file": page} for page in others]}
    (folder / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")
    tool = Path(sys.executable).with_name("jupyter-book")
    command = [tool, "build", folder, "--all", *(["-W", "-n", "--keep-going"] if strictly else [])]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
