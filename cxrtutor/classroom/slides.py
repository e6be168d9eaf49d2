"""Lecture slides from a chapter, by nbconvert and reveal.js, that open from a file and ask no network for anything.

A cell that has `slideshow.slide_type` in its metadata, as JupyterLab writes it, is taken at its word: slide, subslide,
fragment, notes, skip, or "-" for a part of the slide before it. For every other cell the slide is derived, in the
rhythm that all chapters share:

- the title opens the deck, with what the card promises;
- `##` begins a slide, `###` one below it, each with the first paragraph that follows;
- a **Predict** stands on a slide of its own, so that a class can decide before it sees;
- formulas, lists and tables stay on the slide; what a box says in its first paragraph is a slide below;
- all other prose becomes the speaker's notes (press S);
- a figure is a slide below, without the code that drew it, with its caption;
- a cell that defines a function is a slide below, with its code; of any other cell the output alone is shown, as a step
  of the slide;
- imports, sanity checks without output, exercises and solutions are left out.

Outputs are those of the book's last build where it has executed these very cells; other chapters are executed here.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from ..errors import InputError
from ..store import new_folder, write_file
from .chapters import check_is_book, find_chapter
from .exercises import pieces

TEMPLATE = Path(__file__).parent / "slides_template"
MATHJAX_LEFT_OUT = (
    "a11y",
    "sre",
    "ui",
    "adaptors",
    "node-main.js",
    "*-svg*.js",
    "svg",
    "asciimath*",
    "mml*",
    "*-full*.js",
)


def make_slides(source: Path, target: Path, numbers: Sequence[str] = ()) -> list[Path]:
    """Write a deck, `NN-name.slides.html`, for each chapter of the book in `source`, or for those of some numbers.

    Decks lie in `target` beside one copy of reveal.js and of MathJax, which they need: give away the whole folder.

    Raises:
        InputError: no book or no such chapter in `source`; a chapter fails; `target` cannot be written.
    """
    from tqdm import tqdm

    check_is_book(source)
    chapters = [find_chapter(source, number) for number in numbers] or sorted((source / "chapters").glob("*.ipynb"))
    copy_libraries(target)
    decks = []
    for chapter in tqdm(chapters, unit="deck", disable=None, delay=5):
        notebook = with_outputs(chapter, source / "_build" / ".jupyter_cache")
        decks.append(target / f"{chapter.stem}.slides.html")
        write_file(decks[-1], as_html(slides_of(notebook), chapter.stem))
    return decks


def with_outputs(chapter: Path, cache: Path) -> NotebookNode:
    """A chapter with its outputs: from the book's `cache` if it holds these very cells, else by running them.

    Raises:
        InputError: a cell fails, takes too long, or ends its kernel.
    """
    notebook = nbformat.read(chapter, as_version=4)
    if cache.is_dir():
        from jupyter_cache import get_cache

        try:
            return get_cache(cache).merge_match_into_notebook(notebook)[1]
        except KeyError:
            pass  # it was never built so, or has been changed since
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    try:
        return NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(chapter.parent)}}).execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise InputError(f"{chapter} cannot be run, so that there is nothing to show:\n{error}") from error


def slides_of(notebook: NotebookNode) -> NotebookNode:
    """A notebook whose every cell has a slide type: tagged ones their own, the others one derived as above."""
    cells: list[NotebookNode] = []
    in_exercises = False
    for piece in pieces(notebook):
        cell = piece.cell
        tagged = cell.metadata.get("slideshow", {}).get("slide_type", "")
        if tagged:
            if tagged != "skip":
                cells.append(_plain(deepcopy(cell)))
        elif piece.solution_of is None and cell.cell_type == "markdown":
            for block in blocks(cell.source):
                if block.startswith("## "):
                    in_exercises = block.startswith("## Exercises")
                if not in_exercises:
                    cells.extend(_slides_of_block(block, cells))
        elif piece.solution_of is None and cell.cell_type == "code" and not in_exercises:
            cells.extend(_slides_of_code(deepcopy(cell)))
    metadata = {key: value for key, value in notebook.metadata.items() if key != "widgets"}
    return new_notebook(cells=cells, metadata=metadata)


def blocks(text: str) -> Iterator[str]:
    """The blocks of a Markdown text: what empty lines part, where neither a fence nor a formula is open."""
    lines: list[str] = []
    fence = ""
    in_formula = False
    for line in [*text.split("\n"), ""]:
        opening = re.match(r"`{3,}", line)
        if opening and not fence:
            fence = opening[0]
        elif fence and line.strip() == fence:
            fence = ""
        elif not fence:
            in_formula ^= line.count("$$") % 2 == 1
        if line.strip() or fence or in_formula:
            lines.append(line)
        elif lines:
            yield "\n".join(lines)
            lines = []


def plain_markdown(text: str) -> str:
    """MyST as plain Markdown: boxes as quotations, roles and links within the book as their words, no citations."""
    text = re.sub(r"\s*\{cite[a-z:]*\}`[^`]*`", "", text)
    text = re.sub(r"\{[\w:.-]+\}`([^`<]*?)\s*(?:<[^>]*>)?`", r"\1", text)
    text = re.sub(r"\[([^\]]*)\]\((?!https?://)[^)]*\)", r"\1", text)
    text = re.sub(r"^\([\w-]+\)=\n", "", text, flags=re.MULTILINE)
    return re.sub(
        r"^(`{3,})\{(\w+)\}([^\n]*)\n((?::\w+:[^\n]*\n)*)(.*?)^\1[ ]*$",
        lambda box: _quotation(box[3].strip() or box[2].capitalize(), box[5].strip()),
        text,
        flags=re.MULTILINE | re.DOTALL,
    )


def as_html(slides: NotebookNode, title: str) -> str:
    """A deck as one page, which finds reveal.js and MathJax beside itself."""
    from nbconvert import SlidesExporter
    from traitlets.config import Config

    config = Config()
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_input_tags = {"hide-input"}
    # The book's own order: a widget's page-ready HTML before what needs a widget manager.
    config.NbConvertBase.display_data_priority = ["text/html", "text/markdown", "image/png", "image/jpeg", "text/plain"]
    exporter = SlidesExporter(
        config=config,
        template_name=TEMPLATE.name,
        extra_template_basedirs=[str(TEMPLATE.parent)],
        reveal_url_prefix="reveal.js",
        reveal_theme="white",
        mathjax_url="mathjax/tex-chtml.js",
    )
    return exporter.from_notebook_node(slides, resources={"metadata": {"name": title}})[0]


def copy_libraries(target: Path) -> None:
    """Put reveal.js and MathJax into `target`, from the installed packages that carry them, unless they are there.

    Raises:
        InputError: a package is missing, or `target` cannot be written.
    """
    left_out = shutil.ignore_patterns(*MATHJAX_LEFT_OUT)
    for name, package, inside in (
        ("reveal.js", "sphinx_revealjs", "_static/revealjs"),
        ("mathjax", "sphinx-mathjax-offline", "static/mathjax"),
    ):
        if (target / name).is_dir():
            continue
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None:
            raise InputError(f"{package} is not installed, which brings {name}. Run: pip install {package}")
        with new_folder(target / name) as folder:
            ignored = (
                left_out if name == "mathjax" else shutil.ignore_patterns("*.map", "*.scss", "*.esm.js", "highlight")
            )
            shutil.copytree(Path(found.origin).parent / inside, folder, ignore=ignored, dirs_exist_ok=True)


def _slides_of_block(block: str, before: list[NotebookNode]) -> list[NotebookNode]:
    if match := re.match(r"(#+) ", block):
        return [_text(block, "slide" if len(match[1]) <= 2 else "subslide")]
    after_heading = bool(before) and before[-1].source.startswith("#") and before[-1].cell_type == "markdown"
    if block.startswith("**Predict.**"):
        return [_text(block, "subslide")]
    if box := re.fullmatch(r"`{3,}\{\w+\}([^\n]*)\n(?::\w+:[^\n]*\n)*(.*)\n`{3,}", block, re.DOTALL):
        first, *rest = blocks(box[2])
        card = box[1].strip().startswith("After this")
        shown = _text(_quotation(box[1].strip() or "Note", first), "-" if card else "subslide")
        return [shown, *(_text(more, "notes") for more in rest)]
    if after_heading or block.startswith(("$$", "- ", "1. ", "| ")):
        return [_text(block, "-")]
    return [_text(block, "notes")]


def _slides_of_code(cell: NotebookNode) -> list[NotebookNode]:
    tags = cell.metadata.get("tags", [])
    figure = cell.metadata.get("mystnb", {}).get("figure")
    defines = any(isinstance(node, ast.FunctionDef) for node in ast.parse(cell.source).body)
    if {"remove-cell", "hide-cell"} & set(tags):
        return []
    if defines and not figure and "hide-input" not in tags:
        return [_typed(cell, "subslide")]
    if not cell.outputs:
        return []
    cell.metadata["tags"] = sorted({*tags, "hide-input"})  # a tag stands once
    if not figure:
        return [_typed(cell, "fragment")]
    _describe(cell)
    return [_typed(cell, "subslide"), _text(f"*{figure['caption']}*", "-")]


def _describe(cell: NotebookNode) -> None:
    """Give a figure's pictures the alternative text that the book gives them, as HTML, since nbconvert gives none."""
    words = cell.metadata["mystnb"].get("image", {}).get("alt", "")
    for output in cell.outputs:
        data = output.get("data", {})
        if "image/png" in data and "text/html" not in data:
            words = words.replace("&", "&amp;").replace('"', "&quot;")
            data["text/html"] = f'<img alt="{words}" src="data:image/png;base64,{data["image/png"].strip()}">'


def _text(markdown: str, slide_type: str) -> NotebookNode:
    return _typed(new_markdown_cell(plain_markdown(markdown)), slide_type)


def _typed(cell: NotebookNode, slide_type: str) -> NotebookNode:
    cell.metadata["slideshow"] = {"slide_type": slide_type}
    return cell


def _plain(cell: NotebookNode) -> NotebookNode:
    if cell.cell_type == "markdown":
        cell.source = plain_markdown(cell.source)
    return cell


def _quotation(title: str, body: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in [f"**{title}**", "", *body.split("\n")])
