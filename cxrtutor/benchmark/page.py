"""One HTML page that asks for nothing else, of the few things that a report is made of."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from .. import guard

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_QUALITY = 85
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --muted: #55606e; --paper: #fbfbfc; --card: #fff; --line: #d9dee5;
  --accent: #0b5cad; --warn: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7ebf0; --muted: #a6b0bd; --paper: #12161c; --card: #1a2028;
  --line: #343d49; --accent: #7db7f5; --warn: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 80rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 0 0 .75rem; }
a { color: var(--accent); }
p { max-width: 46rem; }
section { margin-top: 2.5rem; padding-top: 1.25rem; border-top: 1px solid var(--line); }
nav ol { margin: 0; padding-left: 1.5rem; columns: 20rem; }
nav li { break-inside: avoid; }
.note { border: 2px solid var(--warn); border-radius: 4px; padding: .5rem 1rem; max-width: 46rem; }
.scroll { overflow-x: auto; width: fit-content; max-width: 100%; margin: 1rem 0; border: 1px solid var(--line);
  border-radius: 6px; background: var(--card); }
.scroll:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; font-size: .8125rem; font-variant-numeric: tabular-nums; }
caption, tfoot td { text-align: left; color: var(--muted); padding: .6rem .75rem; font-size: .8125rem; }
caption span { position: sticky; left: .75rem; display: inline-block; max-width: min(46rem, 100vw - 4.5rem); }
th, td { text-align: left; vertical-align: top; padding: .35rem .55rem; border-top: 1px solid var(--line);
  white-space: nowrap; }
.words td, .words th { white-space: normal; min-width: 4.5rem; }
.dataframe td:last-child { white-space: normal; min-width: 9rem; }
tbody th[scope=row] { position: sticky; left: 0; background: var(--card); font-weight: 600; }
th[scope=rowgroup] { color: var(--muted); font-weight: 400; font-style: italic; white-space: normal; }
figure { margin: 1.5rem 0; }
figure img { display: block; width: 100%; max-width: 63rem; height: auto; border-radius: 6px; background: #fff; }
figcaption { font-weight: 600; margin-bottom: .4rem; }
li { overflow-wrap: anywhere; }
@media print { body { font-size: 11px; } .scroll { overflow: visible; border: 0; } section { break-inside: avoid; } }
"""


class Part(NamedTuple):
    """A titled part of the page, as HTML."""

    title: str
    html: str


def page(title: str, parts: Sequence[Part], warning: str, about: str) -> str:
    """The whole page, with a table of contents."""
    names = _anchors([part.title for part in parts])
    contents = "".join(
        f'<li><a href="#{name}">{escape(part.title)}</a></li>' for name, part in zip(names, parts, strict=True)
    )
    body = "".join(
        f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{escape(part.title)}</h2>'
        f"{part.html}</section>\n"
        for name, part in zip(names, parts, strict=True)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{escape(title)}</title>\n<link rel="icon" href="data:,">\n<style>{_STYLE}</style>\n'
        "</head>\n<body>\n<main>\n"
        f'<h1>{escape(title)}</h1>\n<p class="note" role="note"><strong>{escape(warning)}</strong></p>\n'
        f'{paragraph(about)}<nav aria-label="Contents"><ol>{contents}</ol></nav>\n{body}</main>\n</body>\n</html>\n'
    )


def paragraph(text: str) -> str:
    """A paragraph of plain words."""
    return f"<p>{escape(text)}</p>\n" if text else ""


def bullets(lines: Sequence[str]) -> str:
    """A list of plain words."""
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>\n"


def html_table(rows: Sequence[Sequence[str]], caption: str) -> str:
    """Rows as a table whose first row is the head, and each row's first cell its name; `**bold**` as in Markdown."""
    head, *body = ([_BOLD.sub(r"<strong>\1</strong>", escape(cell)) for cell in row] for row in rows)
    cells = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    lines = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in values)}</tr>'
        for name, *values in body
    )
    return scrolling(
        f'<table class="words"><caption>{escape(caption)}</caption><thead><tr>{cells}</tr></thead>'
        f"<tbody>{lines}</tbody></table>"
    )


def scrolling(table: str) -> str:
    """A table that is moved sideways on a narrow screen, with its caption in sight."""
    seen = re.sub(r"<caption>(.*?)</caption>", r"<caption><span>\1</span></caption>", table, flags=re.DOTALL)
    return f'<div class="scroll" tabindex="0" role="region" aria-label="Table">{seen}</div>\n'


def picture(figure: Figure, alt: str, caption: str) -> str:
    """A figure as an image within the page."""
    file = io.BytesIO()
    figure.savefig(file, format="webp", bbox_inches="tight", pil_kwargs={"quality": _QUALITY})
    data = base64.b64encode(file.getvalue()).decode()
    return (
        f"<figure><figcaption>{escape(caption)}</figcaption>"
        f'<img src="data:image/webp;base64,{data}" alt="{escape(alt)}" loading="lazy"></figure>\n'
    )


def restriction(sets: Sequence[str]) -> str:
    """A banner where the page shows films that may not be passed on, with the mark that `guard` looks for."""
    return "".join(
        f'<p class="note" role="note" data-{guard.MARK}="{escape(name)}"><strong>FOR YOUR OWN EYES ONLY.</strong> '
        f"These are films of {escape(name)}, which may not be redistributed. Do not publish or share this file; its "
        "tables stand in report.md and report.csv, which hold no film.</p>\n"
        for name in sets
    )


def _anchors(titles: Sequence[str]) -> list[str]:
    """A name for each title to be linked by; no two alike."""
    plain = [re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") for title in titles]
    return [f"{number}-{name}" for number, name in enumerate(plain, start=1)]
