"""What may be published, checked and not left to anybody's memory.

Some data that the book can read must not leave the reader's machine: credentialed sets, and the Open-I reports, whose
licence forbids derivatives. These rules follow:

- Committed notebooks carry no outputs.
- A page whose kernel opened a set that may not be redistributed is restricted whole. The set itself leaves a mark in
  the cell's output, which is in the executed notebook and on the page made from it; and a build of the book notes it.
- No page, notebook, table, record or text holds a sentence of an Open-I report, in sight or out of it.
- Cards, records and Parquet files are of sets that may be redistributed. There are no DICOM files, and no files that
  bear an owner's name or lie where MIMIC-CXR has them; no table or record holds the id of one of its images.

Pictures, archives and weights are counted and named, and not understood: somebody has to look at them.
"""

from __future__ import annotations

import codecs
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from html import escape, unescape
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

QUOTED_WORDS = 3
"""How much of a protected sentence a message repeats, so that it can be found."""

STOCK_PHRASE_REPORTS = 4
"""A sentence that so many reports hold word for word, alone or in another, is the trade's language, not an author's."""


MARK = "cxrtutor-restricted-data"
"""What an output carries, with the set's name as its value, when a set that may not be redistributed was opened."""

PUBLISHED = ("README.md", "book", "chapters", "configs", "cxrtutor", "data_scripts", "tests", "_build/html")
"""What of the repository is public, or may become so, where git does not tell."""

NAMED = 3
"""How many of the files that are not understood a message names."""

_DICOM = (".dcm", ".dicom")  # old files have no preamble, and so no sign of their own
_SETTINGS = (".jsonl", ".toml", ".yaml", ".yml")
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".tif", ".tiff", ".bmp")
_NOT_UNDERSTOOD = ("pictures", "other files")
_SKIPPED = ("__pycache__", ".ipynb_checkpoints")

_OWNERS_FILE = re.compile(
    r"(?:mimic-cxr-2\.|MS_CXR_Local_Alignment|stage_2_|(?:gt|hb)_\w+\.json$)"  # CheXlocalize has gt_ and hb_
    r"|.*(?:^|/)p1\d/p1\d{7}/s5\d{7}(?:/|\.txt$)",
    re.IGNORECASE,
)
"""What the owners of restricted sets call their files, and where MIMIC-CXR has its images and reports."""

_REDISTRIBUTION = re.compile(r"""\bredistribution["']?[ \t]*[:=][ \t]*([^\s,}#]*)""")
"""What follows the word in YAML, TOML and lines of JSON; a quoted yes is none."""

_ESCAPED = re.compile(r"\\+(?:u([0-9a-f]{4})|[nrt])", re.IGNORECASE)
"""How JSON and programs write characters, once or several times over."""

_TAG = re.compile(r"</?[a-zA-Z!][^<>]*>")
_UNSEEN = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")

_MIMIC_IMAGE = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{8}){4}\b")

_marked: set[tuple[int, str]] = set()
"""The cell executions, by their number, and sets that were marked in this kernel."""


@dataclass(frozen=True)
class Checked:
    """What was looked at and what was found.

    Attributes:
        counts: how many of each kind were checked.
        problems: why it must not be published, each with the file; empty where nothing was found.
        not_understood: files by kind of which nothing is known but their names.
    """

    counts: Mapping[str, int]
    problems: tuple[str, ...]
    not_understood: Mapping[str, tuple[Path, ...]]

    def left_to_look_at(self) -> str:
        """The files that are not understood, in words: how many of each kind, and the names of a few."""
        return "; ".join(
            f"{len(files)} {kind} ({', '.join([*map(str, files[:NAMED]), *(['...'] if len(files) > NAMED else [])])})"
            for kind, files in self.not_understood.items()
        )


def publishing() -> bool:
    """Whether the book is being built: what a cell shows now may end on a published page."""
    return bool(os.environ.get(LEDGER_VARIABLE))


def note_opened(card: Mapping[str, Any]) -> None:
    """Note that what comes may show something of the data set of this card.

    A build of the book is told by a line in its ledger. In a notebook, a set that may not be redistributed also leaves
    a banner with a `MARK` among the outputs, once in each cell that opens it. A card that does not say
    `redistribution: true` counts as one that forbids it.
    """
    name = re.sub(r'["\\]', "'", str(card.get("name", "unnamed")))  # the mark puts it between quotation marks
    free = card.get("redistribution") is True
    if publishing():
        with open(os.environ[LEDGER_VARIABLE], "a", encoding="utf-8") as file:
            file.write(json.dumps({"name": name, "redistribution": free}) + "\n")
    if not free:
        _mark_notebook(name)


def _mark_notebook(name: str) -> None:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if getattr(shell, "kernel", None) is None or multiprocessing.parent_process() is not None:
        return  # no notebook, or a process that works for one
    if (shell.execution_count, name) in _marked:
        return
    _marked.add((shell.execution_count, name))
    from IPython.display import display

    says = f"This notebook shows data of {name}, which may not be redistributed. Do not publish or share it."
    mark = f'{MARK}="{escape(name)}"'
    style = "border: 2px solid #b3261e; border-radius: 4px; padding: 0.5em 1em; margin: 0.5em 0"
    banner = f'<div data-{mark} role="note" style="{style}"><strong>{escape(says)}</strong></div>'
    display({"text/html": banner, "text/plain": f"{says} ({mark})"}, raw=True)


def restricted_sets(text: str) -> list[str]:
    """The sets whose `MARK` a notebook, a page or the data of its widgets carries."""
    return sorted(set(re.findall(rf'{MARK}=\\*"([^"\\]+)', unescape(text))))


def check_notebook(path: Path) -> None:
    """Raise `InputError` if a notebook carries outputs or execution counts, which may show data; or quotes Open-I."""
    _refuse(notebook_problems(path))


def check_site(site: Path) -> None:
    """Raise `InputError` if a built site must not be published; the message says which pages and why."""
    _refuse(check([site]).problems)


def publishable() -> list[Path]:
    """All that the repository here publishes, or may: the files that git tracks or does not ignore, and a built site.

    Where git does not tell, it is what `PUBLISHED` names.
    """
    root = _git("rev-parse", "--show-toplevel")
    if root is None:
        return [path for name in PUBLISHED if (path := Path(name)).exists()]
    top = Path(os.path.relpath(root.rstrip("\n")))
    names = _git("-C", str(top), "ls-files", "-coz", "--exclude-standard") or ""
    files = [path for name in sorted(set(names.split("\0")) - {""}) if (path := top / name).is_file()]
    return [*files, *(site for site in [top / "_build/html"] if site.exists())]


def _git(*arguments: str) -> str | None:
    """What git answers; None where it is not installed or this is no repository."""
    try:
        return subprocess.run(["git", *arguments], capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def check(paths: Iterable[Path]) -> Checked:
    """Check files, and all that is in folders; a folder with an `index.html` is a built site, and has a ledger.

    Raises:
        InputError: there is nothing to check, a path is missing, or the Open-I reports to compare with are.
    """
    paths = list(paths)
    if not paths:
        raise InputError("There is nothing to check here. Run it in the repository, or name files and folders.")
    counts: Counter[str] = Counter()
    problems: list[str] = []
    not_understood: dict[str, list[Path]] = {}
    for path in paths:
        if not path.exists():
            raise InputError(f"There is no {path} to check. Check the path.")
        site = (path / "index.html").is_file()
        marked: set[str] = set()
        for file in sorted(_files(path)):
            kind, found = _file_problems(file)
            counts[kind] += 1
            problems += found
            if kind in _NOT_UNDERSTOOD:
                not_understood.setdefault(kind, []).append(file)
            if site and kind == "pages":
                marked |= set(restricted_sets(_text(file)))
        if site:
            counts["sites"] += 1
            problems += _ledger_problems(path, marked)
    return Checked(dict(counts), tuple(problems), {kind: tuple(files) for kind, files in not_understood.items()})


def _refuse(problems: Iterable[str]) -> None:
    if problems := list(problems):
        raise InputError("\n".join(problems))


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for file in path.rglob("*"):
        if file.is_file() and not set(_SKIPPED) & set(file.parts):
            yield file


def _file_problems(path: Path) -> tuple[str, list[str]]:
    """What kind of file it is, and what is wrong with it."""
    kind, found = _content_problems(path)
    full = path.absolute()
    if _OWNERS_FILE.match(full.name) or _OWNERS_FILE.match(full.as_posix()):
        found = [f"{path}: bears the name of a file of a restricted set. Leave it out.", *found]
    return kind, found


def _content_problems(path: Path) -> tuple[str, list[str]]:
    with path.open("rb") as file:
        head = file.read(8192)
    if head[128:132] == b"DICM" or path.suffix.lower() in _DICOM:
        return "DICOM files", [f"{path}: is a DICOM file, which may name a patient. Leave it out."]
    match path.suffix.lower():
        case ".ipynb":
            return "notebooks", list(notebook_problems(path))
        case ".html" | ".htm":
            return "pages", list(_page_problems(path))
        case ".json":
            return "JSON files", list(_json_problems(path))
        case suffix if suffix in _SETTINGS and path.name != LEDGER_NAME:
            return "texts", list(_settings_problems(path))
        case ".csv" | ".tsv":
            return "tables", [*_image_ids(path, _text(path)), *_quotations(path, _text(path))]
        case ".parquet":
            return "Parquet files", list(_parquet_problems(path))
        case suffix if suffix in _PICTURES:
            return "pictures", []
    if _is_text(head):
        return "texts", list(_quotations(path, _text(path)))
    return "other files", []


def _is_text(head: bytes) -> bool:
    """Whether a file that begins so is text in UTF-8; a character may be cut at the end."""
    try:
        return "\0" not in codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False


def notebook_problems(path: Path) -> Iterator[str]:
    """Why a notebook must not be committed: its first output, the restricted sets that it opened, a quoted report."""
    text = _text(path)
    for mark in _marks(path, text):
        yield f"{mark} Without its outputs the notebook may be shared, never with them: nbstripout --keep-id {path}"
    try:
        cells = json.loads(text)["cells"]
        with_output = [
            number
            for number, cell in enumerate(cells, start=1)
            if cell["cell_type"] == "code" and (cell["outputs"] or cell["execution_count"] is not None)
        ]
    except (ValueError, KeyError, TypeError) as error:
        yield f"{path}: is no notebook that can be read ({error!r})."
        return
    if with_output:
        yield f"{path}, cell {with_output[0]}: has an output. Strip it: nbstripout --keep-id {path}"
    yield from _quotations(path, text)


def _page_problems(path: Path) -> Iterator[str]:
    page = _text(path)
    yield from _marks(path, page)
    yield from _quotations(path, page)


def _json_problems(path: Path) -> Iterator[str]:
    """Cards, and records made under a card."""
    text = _text(path)
    yield from _marks(path, text)
    yield from _image_ids(path, text)
    record = None
    try:
        record = json.loads(text)
    except ValueError as error:
        if '"redistribution"' in text:
            yield f"{path}: speaks of redistribution, and cannot be read ({error})."
    if forbids(record):
        yield f"{path}: comes from a data set that may not be redistributed."
    if not _is_simulated(record):
        yield from _quotations(path, text)


def _is_simulated(record: Any) -> bool:
    """Whether a record is of the teaching set, whose simulated reports may say what a real one happens to say too."""
    match record:
        case {"about": {"config": {"data": {"set": "teaching"}}}}:
            return True
    return False


def _settings_problems(path: Path) -> Iterator[str]:
    """Configurations, and records of which each line is one."""
    text = _text(path)
    yield from _marks(path, text)
    yield from _image_ids(path, text)
    yield from _quotations(path, text)
    if any(value.lower() != "true" for value in _REDISTRIBUTION.findall(text)):
        yield f"{path}: comes from a data set that may not be redistributed."


def _parquet_problems(path: Path) -> Iterator[str]:
    card = path.with_name("card.json")
    try:
        free = json.loads(card.read_text(encoding="utf-8"))["redistribution"] is True
    except (OSError, ValueError, KeyError, TypeError):
        free = False
    if not free:
        yield f"{path}: has no card beside it that allows redistribution."


def _ledger_problems(site: Path, marked: set[str]) -> Iterator[str]:
    ledger = site / LEDGER_NAME
    if not ledger.exists():
        yield f"{site}: has no {LEDGER_NAME}, so what its pages show is unknown. Build it: make book"
        return
    opened = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]
    for name in sorted({one["name"] for one in opened if not one["redistribution"]} - marked):
        yield (
            f"{site}: its chapters opened {name}, which may not be redistributed. No page says so itself: the cell's "
            "output may be hidden, or the cell be gone. If it is gone, delete _build and build the book again."
        )


def _marks(path: Path, text: str) -> Iterator[str]:
    for name in restricted_sets(text):
        yield f"{path}: shows data of {name}, which may not be redistributed."


def _image_ids(path: Path, text: str) -> Iterator[str]:
    if _MIMIC_IMAGE.search(text):
        yield f"{path}: holds ids of images of MIMIC-CXR, which may not be redistributed."


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _quotations(path: Path, text: str) -> Iterator[str]:
    found = next(quoted(text), None)
    if found:  # a log may be public too, so the message does not repeat it
        opening = " ".join(words(found)[:QUOTED_WORDS])
        yield f"{path}: holds a sentence of an Open-I report, which begins with {opening!r}."


def forbids(value: Any) -> bool:
    """Whether a JSON value says anywhere of `redistribution` anything but true."""
    if isinstance(value, dict):
        return value.get("redistribution", True) is not True or any(map(forbids, value.values()))
    return isinstance(value, list) and any(map(forbids, value))


def quoted(text: str) -> Iterator[str]:
    """Protected Open-I sentences that occur in a text, compared by their words alone.

    The text may be a page, a program or data. Its tags are looked into too, since an attribute may hold a sentence and
    a sign that is no tag may look like one; and left out, since they may stand between the words of a sentence.
    """
    plain = _decoded(text)
    without_tags = _TAG.sub(" ", plain)
    for form in (plain, without_tags) if without_tags != plain else (plain,):
        for sentence in _occurring(words(form), protected_sentences()):
            yield " ".join(sentence)


@cache
def protected_sentences() -> dict[tuple[str, ...], list[tuple[str, ...]]]:
    """The sentences of the Open-I reports in the installed `torchxrayvision`, by their first six words."""
    reports = list(open_i_reports())
    sentences = {tuple(words(sentence)) for report in reports for sentence in re.split(r"[.!?:]\s|\n", report)}
    every = _by_opening(sentence for sentence in sentences if len(sentence) >= PROTECTED_WORDS)
    reports_with = Counter()
    for report in reports:  # as a sentence of its own, or within a longer one
        reports_with.update(set(_occurring(words(report), every)))
    return _by_opening(sentence for sentence, count in reports_with.items() if count < STOCK_PHRASE_REPORTS)


def _by_opening(sentences: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], list[tuple[str, ...]]]:
    by_opening: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for sentence in sentences:
        by_opening.setdefault(sentence[:PROTECTED_WORDS], []).append(sentence)
    return by_opening


def _occurring(
    found: list[str], by_opening: Mapping[tuple[str, ...], Iterable[tuple[str, ...]]]
) -> Iterator[tuple[str, ...]]:
    """The sentences that stand in a text of these words."""
    for start in range(len(found) - PROTECTED_WORDS + 1):
        for sentence in by_opening.get(tuple(found[start : start + PROTECTED_WORDS]), ()):
            if tuple(found[start : start + len(sentence)]) == sentence:
                yield sentence


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


def _decoded(text: str) -> str:
    """A text with the characters that HTML, JSON and programs escape, and without those that nobody sees."""
    plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else " ", unescape(text))
    return _UNSEEN.sub("", plain)


def words(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation."""
    return re.findall(r"[a-z0-9]+", text.lower())
