"""The numbers by which the prose speaks of chapters: each before its chapter's title, and in the text a link to it.

A chapter's number is the one that its file's name begins with. "Chapter 07" in running text becomes a link, and so do
both numbers of "chapters 07 and 08".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from docutils import nodes
from glossary_hover import is_running_text
from sphinx.application import Sphinx

BEFORE_THE_TITLE_IS_COLLECTED = 400

_MENTION = re.compile(r"\b[Cc]hapters?\s\d\d\b(?:(?:,\s|,?\s(?:and|or|to)\s)\d\d\b)*")
_NUMBER = re.compile(r"(?:[Cc]hapters?\s)?(\d\d)")


def number_of(page: str) -> str | None:
    """The two digits that a chapter's file name begins with; None for another page."""
    path = PurePosixPath(page)
    found = re.match(r"\d\d(?=-)", path.name)
    return found[0] if found and path.parent.name == "chapters" else None


def pieces(text: str) -> Iterator[tuple[str, str | None]]:
    """The text in pieces, those that mention a chapter each with its number."""
    end = 0
    for mention in _MENTION.finditer(text):
        for number in _NUMBER.finditer(text, *mention.span()):
            yield text[end : number.start()], None
            yield number[0], number[1]
            end = number.end()
    yield text[end:], None


def number_title(app: Sphinx, doctree: nodes.document) -> None:
    """Put the number before the title, so that side bar, previous, next and search have it too."""
    if number := number_of(app.env.docname):
        next(doctree.findall(nodes.title)).insert(0, nodes.Text(f"{number} "))


def link_mentions(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Make each mention of another chapter in the running text a link."""
    if app.builder.format != "html":
        return
    chapters = {number_of(other): other for other in app.env.found_docs if other != page}

    def node(words: str, number: str | None) -> nodes.Node:
        if number not in chapters or number is None:
            return nodes.Text(words)
        other = chapters[number]
        address, title = app.builder.get_relative_uri(page, other), app.env.titles[other].astext()
        return nodes.reference("", words, internal=True, refuri=address, reftitle=title)

    for text in [text for text in doctree.findall(nodes.Text) if is_running_text(text)]:
        if _MENTION.search(text):
            text.parent.replace(text, [node(*piece) for piece in pieces(str(text)) if piece[0]])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", number_title, priority=BEFORE_THE_TITLE_IS_COLLECTED)
    app.connect("doctree-resolved", link_mentions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
