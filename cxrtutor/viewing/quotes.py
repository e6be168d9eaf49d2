"""Sentences that may be read but not published: shown to who runs a cell, left out of the built book."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from IPython.display import HTML

from .. import guard


def quote(sentences: Iterable[str], of: str = "Open-I reports") -> HTML:
    """Sentences of a set whose licence forbids to publish them, as a list; a note in their place on a built page.

    Where they are shown, the notebook is marked as one that may not be passed on (see `guard.note_opened`).

    Args:
        sentences: to show, in order.
        of: the set's name.
    """
    sentences = list(sentences)
    if guard.publishing():
        many = "1 sentence" if len(sentences) == 1 else f"{len(sentences)} sentences"
        return HTML(
            f"<p><em>{many} of {escape(of)} stand here when you run this cell yourself. Their licence does not allow "
            "to publish them.</em></p>"
        )
    guard.note_opened({"name": of, "redistribution": False})
    return HTML(f"<ul>{''.join(f'<li>{escape(sentence)}</li>' for sentence in sentences)}</ul>")
