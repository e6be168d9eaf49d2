"""The first time that a page uses a word of the glossary, its meaning lies behind it.

The word becomes a link to its entry, so that it can be reached by keyboard and leads somewhere without JavaScript;
`glossary_hover.js` shows the entry's text beside it, from the page itself. Headings, code, formulas, links and outputs
are left alone. So are words with two entries, and those of the option `glossary_hover_except`: everyday words that the
book uses in their everyday sense as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

UNTOUCHED = (
    nodes.title,
    nodes.reference,
    nodes.FixedTextElement,
    nodes.literal,
    nodes.math,
    nodes.math_block,
    nodes.raw,
    nodes.citation,
    nodes.thead,
    addnodes.pending_xref,
)
UNTOUCHED_CLASSES = {"cell_output", "toctree-wrapper"}


@dataclass(frozen=True)
class Entry:
    """What the glossary says of a word, and where."""

    page: str
    anchor: str
    definition: str


def names_of(term: str) -> list[str]:
    """The words that an entry explains: two, where they stand as `window, level`; parentheses do not count."""
    return [name.strip() for name in re.sub(r"\(.*?\)", "", term).split(",")]


def pattern_of(name: str) -> str:
    """A regular expression for a name and its plural; a hyphen may stand for a space, a capital begin a sentence."""
    written = re.escape(name).replace(r"\ ", r"[\s-]")
    if name.islower():
        written = f"[{name[0]}{name[0].upper()}]{written[1:]}" if name[0].isalpha() else written
    return rf"{written}(?:e?s)?"


class Words:
    """The names that are explained, found in running text, the longest first."""

    def __init__(self, entries: dict[str, Entry]) -> None:
        self.entries = entries
        longest_first = sorted(entries, key=len, reverse=True)
        groups = "|".join(f"(?P<n{number}>{pattern_of(name)})" for number, name in enumerate(longest_first))
        self.names = {f"n{number}": name for number, name in enumerate(longest_first)}
        self.pattern = re.compile(rf"(?<![\w-])(?:{groups})(?![\w-])") if entries else re.compile(r"(?!)")

    def pieces(self, text: str, done: set[Entry]) -> list[str | tuple[str, Entry]]:
        """The text in pieces: as it is, or a word with its entry. Entries in `done` were explained; it grows."""
        pieces: list[str | tuple[str, Entry]] = []
        end = 0
        for match in self.pattern.finditer(text):
            entry = self.entries[self.names[match.lastgroup]]
            if entry not in done:
                done.add(entry)
                pieces += [text[end : match.start()], (match[0], entry)]
                end = match.end()
        return [piece for piece in [*pieces, text[end:]] if piece]


def collect(app: Sphinx, doctree: nodes.document) -> None:
    """Note what the glossary on this page says."""
    found = {
        term.astext(): Entry(app.env.docname, term["ids"][0], " ".join(item[-1].astext().split()))
        for glossary in doctree.findall(addnodes.glossary)
        for item in glossary.findall(nodes.definition_list_item)
        for term in item.findall(nodes.term)
    }
    entries_by_page(app.env)[app.env.docname] = found


def entries_by_page(env: BuildEnvironment) -> dict[str, dict[str, Entry]]:
    if not hasattr(env, "glossary_entries"):
        env.glossary_entries = {}
    return env.glossary_entries


def words(env: BuildEnvironment) -> Words:
    """All names that exactly one entry explains, less the excepted."""
    explained: dict[str, set[Entry]] = {}
    for entries in entries_by_page(env).values():
        for term, entry in entries.items():
            for name in names_of(term):
                explained.setdefault(name, set()).add(entry)
    excepted = env.config.glossary_hover_except
    return Words({name: min(of) for name, of in explained.items() if len(of) == 1 and name not in excepted})


def is_running_text(text: nodes.Text) -> bool:
    node = text.parent
    while node is not None:
        if isinstance(node, UNTOUCHED) or UNTOUCHED_CLASSES & set(node.get("classes", ())):
            return False
        node = node.parent
    return True


def mark(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Make the first use of each word on a page a link that carries the meaning."""
    if app.builder.format != "html" or entries_by_page(app.env).get(page):
        return
    known, done = words(app.env), set()
    for text in [text for text in doctree.findall(nodes.Text) if is_running_text(text)]:
        pieces = known.pieces(str(text), done)
        if any(isinstance(piece, tuple) for piece in pieces):
            text.parent.replace(text, [_node(app, page, piece) for piece in pieces])


def _node(app: Sphinx, page: str, piece: str | tuple[str, Entry]) -> nodes.Node:
    if isinstance(piece, str):
        return nodes.Text(piece)
    word, entry = piece
    address = f"{app.builder.get_relative_uri(page, entry.page)}#{entry.anchor}"
    link = f'<a class="glossary-term" href="{escape(address)}" data-definition="{escape(entry.definition)}">'
    return nodes.raw("", f"{link}{escape(word)}</a>", format="html")


def merge(app: Sphinx, env: BuildEnvironment, pages: set[str], other: BuildEnvironment) -> None:
    entries_by_page(env).update({page: entries_by_page(other).get(page, {}) for page in pages})


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("glossary_hover_except", [], "env", [list])
    app.add_js_file("glossary_hover.js", loading_method="defer")
    app.add_css_file("glossary_hover.css")
    app.connect("doctree-read", collect)
    app.connect("env-merge-info", merge)
    app.connect("doctree-resolved", mark)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
