"""What may be published, checked and not left to anybody's memory.

Some data that the book can read must not leave the reader's machine: credentialed sets, and the Open-I reports, whose
licence forbids derivatives. Three rules follow. Committed notebooks carry no outputs. A site whose chapters opened a
data set that may not be redistributed is not published. A published page holds no sentence of an Open-I report.
"""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from html import unescape
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from .errors import InputError

LEDGER_VARIABLE = "CXRTUTOR_LEDGER"
"""The environment variable by which a build of the book names the file that notes which data sets were opened."""

LEDGER_NAME = "data-sets-opened.jsonl"
"""That file's name in the site."""

PROTECTED_WORDS = 6
"""Shorter sentences ("the lungs are clear") are anybody's words."""

STOCK_PHRASE_REPORTS = 4
"""A sentence that this many reports share word for word is the trade's language, not one author's."""


def check_notebook(path: Path) -> None:
    """Raise `InputError` if a notebook carries outputs or execution counts: these may show data."""
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"], start=1):
        if cell["cell_type"] == "code" and (cell["outputs"] or cell["execution_count"] is not None):
            raise InputError(f"{path}, cell {number}: has an output. Strip it: nbstripout --keep-id {path}")


def note_opened(card: Mapping[str, Any]) -> None:
    """Note, while the book is being built, that pages may show something of the data set of this card.

    A card that does not say `redistribution: true` counts as one that forbids it.
    """
    ledger = os.environ.get(LEDGER_VARIABLE)
    if ledger:
        line = {"name": card.get("name", "unnamed"), "redistribution": card.get("redistribution") is True}
        with open(ledger, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def check_site(site: Path) -> None:
    """Raise `InputError` if a built site must not be published; the message says which page and why."""
    ledger = site / LEDGER_NAME
    if not ledger.exists():
        raise InputError(f"{site}: has no {LEDGER_NAME}, so what its pages show is unknown. Build it: make book")
    for line in ledger.read_text(encoding="utf-8").splitlines():
        opened = json.loads(line)
        if not opened["redistribution"]:
            raise InputError(f"{site}: its chapters opened {opened['name']!r}, which may not be redistributed.")
    check_cards(site)
    for page in sorted(site.rglob("*.html")):
        found = next(quoted(text_of(page.read_text(encoding="utf-8"))), None)
        if found:
            raise InputError(f"{page}: holds a sentence of an Open-I report: {found!r}")
    for notebook in sorted(site.rglob("*.ipynb")):
        check_notebook(notebook)


def check_cards(folder: Path) -> None:
    """Raise `InputError` if a folder holds a card, or a record made under a card, that forbids redistribution."""
    for path in sorted(folder.rglob("*.json")):
        if '"redistribution"' in (text := path.read_text(encoding="utf-8")) and forbids(json.loads(text)):
            raise InputError(f"{path}: comes from a data set that may not be redistributed.")


def forbids(value: Any) -> bool:
    """Whether `redistribution: false` stands anywhere in a JSON value."""
    if isinstance(value, dict):
        return value.get("redistribution") is False or any(map(forbids, value.values()))
    return isinstance(value, list) and any(map(forbids, value))


def quoted(text: str) -> Iterator[str]:
    """Protected Open-I sentences that occur in a text, compared by their words alone."""
    found = words(text)
    for start in range(len(found) - PROTECTED_WORDS + 1):
        opening = tuple(found[start : start + PROTECTED_WORDS])
        for sentence in protected_sentences().get(opening, ()):
            if tuple(found[start : start + len(sentence)]) == sentence:
                yield " ".join(sentence)


@cache
def protected_sentences() -> dict[tuple[str, ...], list[tuple[str, ...]]]:
    """The sentences of the Open-I reports in the installed `torchxrayvision`, by their first six words."""
    reports_with = Counter()
    for report in open_i_reports():
        reports_with.update({tuple(words(sentence)) for sentence in re.split(r"[.!?:]\s|\n", report)})
    by_opening: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for sentence, reports in reports_with.items():
        if len(sentence) >= PROTECTED_WORDS and reports < STOCK_PHRASE_REPORTS:
            by_opening.setdefault(sentence[:PROTECTED_WORDS], []).append(sentence)
    return by_opening


def open_i_reports() -> Iterable[str]:
    """The text of every Open-I report, read here without the package's own parser: a guard trusts nobody it guards."""
    package = find_spec("torchxrayvision")
    if package is None or package.origin is None:
        raise InputError("torchxrayvision is not installed: pages cannot be compared with its Open-I reports.")
    with tarfile.open(Path(package.origin).parent / "data" / "NLMCXR_reports.tgz") as archive:
        for member in archive:
            if member.name.endswith(".xml"):
                tree = ElementTree.parse(archive.extractfile(member))
                yield "\n".join(text.text or "" for text in tree.iter("AbstractText"))


def text_of(page: str) -> str:
    """A page's text, with the data that its scripts carry, without its tags."""
    return unescape(re.sub(r"</?[a-zA-Z!][^>]*>", " ", page))


def words(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation."""
    return re.findall(r"[a-z0-9]+", text.lower())
