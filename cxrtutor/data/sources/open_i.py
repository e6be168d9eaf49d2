"""The Open-I chest radiographs of Indiana University: real reports, and the films that they were written on.

The reports alone come with torchxrayvision and are read where that has them installed. With the films, the set is a
folder as the National Library of Medicine ships it: `ecgen-radiology/<n>.xml`, and PNG files with the names that the
XML gives (`CXR1_1_IM-0001-3001.png`). No file of it tells frontal films from lateral ones. A table on Kaggle does,
`indiana_projections.csv`, which names films after its own copy (`1_IM-0001-3001.dcm.png`).

The licence is CC BY-NC-ND 4.0: nothing of it is copied into this package, its tests or its published pages, and what is
made of it may not be passed on. Source: Demner-Fushman et al., Preparing a collection of radiology examinations for
distribution and retrieval, JAMIA 2016.
"""

from __future__ import annotations

import importlib.util
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree

from ...errors import InputError
from .. import splits
from ..annotations import UnreadableRow
from ..downloads import fetch, unpack
from ..image_folder import ImageFolder
from ..listing import LATERAL, NO_VIEW, LookUp, Skip, list_images, look_up
from ..reports import parse_report
from ..source import About, Entry, Listing, Source
from ..splits import hashed_split
from ..study import Report

REPORTS = "ecgen-radiology"
"""The folder of the XML files."""

IMAGES = "NLMCXR_png"
"""The folder that `download` unpacks the films into."""

READ_BY_HAND = Path(__file__).with_name("open_i_read.csv")
"""What 150 sentences of the installed reports say, checked line by line against the text by a reader who is no
radiologist: report, number of the sentence in it (from 0), finding, said (affirmed, denied, doubted) and side. Drawn at
random from the different sentences that name a finding, half of them from those that deny one."""

_SERVER = "https://openi.nlm.nih.gov/imgs/collections"


@dataclass(frozen=True)
class Record:
    """What one XML file says.

    Attributes:
        id: of the report and its patient, such as "CXR7".
        report: 28 have neither FINDINGS nor IMPRESSION, and so no sentences.
        headings: what a person found worth indexing in the report, as main headings ("Pleural Effusion"), or "normal".
        images: the ids of its films, of any view.
    """

    id: str
    report: Report
    headings: tuple[str, ...]
    images: tuple[str, ...]


@dataclass(frozen=True)
class OpenI(Source):
    """The set as its owner ships it, with Kaggle's table of views.

    Attributes:
        folder: holds `ecgen-radiology`, and the films at any depth.
        projections: `indiana_projections.csv` (columns uid, filename, projection).
    """

    folder: Path
    projections: Path

    about: ClassVar[About] = About(
        name="Open-I",
        version="NLMCXR",
        licence="CC BY-NC-ND 4.0",
        redistribution=False,
        access=f"reports and films without registration: NLMCXR_reports.tgz and NLMCXR_png.tgz from {_SERVER} (or "
        "--download), unpacked into one folder; with a Kaggle account the table of views, indiana_projections.csv from "
        "https://www.kaggle.com/datasets/raddar/chest-xrays-indiana-university.",
    )

    def asked_for(self) -> dict[str, Any]:
        """Whose splits; there are no options."""
        return {"splits": splits.OURS}

    def tables(self) -> Mapping[str, Path]:
        """The folder of reports, and the table of views."""
        return {"reports": self.folder / REPORTS, "table of views": self.projections}

    def listing(self) -> Listing:
        """Every film that a report names; a report's headings are its films' labels.

        Raises:
            InputError: there are no reports, or the table of views is something else.
        """
        images = ImageFolder(self.folder)
        views = look_up(self.projections, "filename", ["projection"], _view)
        problems: list[str] = []

        def rows() -> Iterator[tuple[str, str, Record]]:
            for path in _xml_files(self.folder / REPORTS):
                try:
                    record = parse_xml(path.read_bytes(), path.name)
                except InputError as error:
                    problems.append(str(error))
                    continue
                for image in record.images:
                    yield path.name, image, record

        def read(place: str, image: str, record: Record) -> Entry:
            _check_frontal(views, image)
            return Entry(
                id=image,
                patient=record.id,
                split=hashed_split(record.id),
                image=images.path(image, ".png"),
                place=place,
                study=record.id,
                report=record.report,
                labels=dict.fromkeys(record.headings, 1),
            )

        found = list_images(rows(), read)
        return replace(found, problems=(*found.problems, *views.problems, *problems))


def _xml_files(folder: Path) -> list[Path]:
    """The reports, by number."""
    files = [path for path in folder.iterdir() if path.suffix == ".xml" and path.stem.isdecimal()]
    if not files:
        raise InputError(f"{folder} holds no reports (1.xml, 2.xml, ...). Unpack NLMCXR_reports.tgz beside it.")
    return sorted(files, key=lambda path: int(path.stem))


def _view(row: dict[str, str]) -> str:
    view = row.get("projection", "")
    if view not in ("Frontal", "Lateral"):
        raise UnreadableRow("projection", f"{view!r} is neither Frontal nor Lateral")
    return view


def _check_frontal(views: LookUp[str], image: str) -> None:
    """Skip a film that is not known to be frontal."""
    name = re.sub(r"^CXR(\d+)_(?:\1_)?", r"\1_", image) + ".dcm.png"  # CXR1_1_IM-0001-3001 and CXR2_IM-0652-1001
    view = views.get(name)
    if view is None:
        raise Skip(NO_VIEW, f"the table of views does not name {name}")
    if view == "Lateral":
        raise Skip(LATERAL, f"the table of views says so of {name}")


def download(folder: Path) -> None:
    """Fetch reports and films from the National Library of Medicine and unpack them, unless they are there already.

    Kaggle's table of views has no public address.

    Raises:
        InputError: an archive cannot be fetched or unpacked.
    """
    for name, unpacked in (("NLMCXR_reports.tgz", REPORTS), ("NLMCXR_png.tgz", IMAGES)):
        if not (folder / unpacked).is_dir():
            unpack(fetch(f"{_SERVER}/{name}", folder), folder / unpacked)


def read_reports(archive: Path | None = None) -> Iterator[tuple[str, Report]]:
    """Yield (id, report) for every report, such as ("CXR1", ...), in the order of the archive.

    A report may have no sentences: 28 have neither FINDINGS nor IMPRESSION.

    Args:
        archive: a tar file of Open-I's XML files; by default the one that torchxrayvision brings.

    Raises:
        InputError: the archive is missing or damaged, or one of its files is not an Open-I report.
    """
    archive = archive or installed_archive()
    try:
        with tarfile.open(archive) as files:
            for member in files:
                if member.isfile() and member.name.endswith(".xml"):
                    record = parse_xml(files.extractfile(member).read(), f"{archive}: {member.name}")
                    yield record.id, record.report
    except FileNotFoundError:
        raise InputError(f"{archive}: no such file. Give the path of a tar file with Open-I's XML reports.") from None
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise InputError(f"{archive}: cannot be read as a tar file ({error}). Download it again.") from error


def parse_xml(xml: bytes, name: str) -> Record:
    """Read one XML file of Open-I.

    The sections are written out below each other and read by the parser for all reports, so that headers that were
    typed inside a section are found too. The de-identification token `XXXX` stays.

    Args:
        xml: the content of the file.
        name: the name of the file, for messages.

    Raises:
        InputError: it is not XML, or has no `uId`.
    """
    try:
        root = ElementTree.fromstring(xml)
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # the last two: an encoding that is not known
        raise InputError(f"{name}: not well-formed XML ({error}). Replace the file by a fresh copy.") from error
    identity = root.find("uId")
    if identity is None or not identity.get("id"):
        raise InputError(f"{name}: no <uId id=...> element, so this is not an Open-I report. Remove the file.")
    sections = root.iterfind("MedlineCitation/Article/Abstract/AbstractText")
    text = "\n".join(f"{section.get('Label', '')}: {section.text or ''}" for section in sections)
    headings = [(major.text or "").partition("/")[0].strip() for major in root.iterfind("MeSH/major")]
    return Record(
        id=identity.get("id"),
        report=parse_report(text),
        headings=tuple(dict.fromkeys(name for name in headings if name not in ("", "No Indexing"))),
        images=tuple(image.get("id", "") for image in root.iterfind("parentImage")),
    )


def installed_archive() -> Path:
    """The path of the archive inside the installed torchxrayvision, found without importing that package.

    Raises:
        InputError: torchxrayvision is not installed.
    """
    package = importlib.util.find_spec("torchxrayvision")
    if package is None:
        raise InputError("The Open-I reports come with torchxrayvision, which is missing: pip install torchxrayvision.")
    return Path(package.submodule_search_locations[0]) / "data" / "NLMCXR_reports.tgz"
