"""The real reports of the Open-I chest radiographs (Indiana University), read where torchxrayvision has them installed.

Their licence is CC BY-NC-ND 4.0: they are read at run time, and never copied into this package, its tests or its
published pages. Source: Demner-Fushman et al., Preparing a collection of radiology examinations, JAMIA 2016.
"""

from __future__ import annotations

import importlib.util
import tarfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from ...errors import InputError
from ..reports import parse_report
from ..study import Report


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
                    yield parse_xml(files.extractfile(member).read(), f"{archive}: {member.name}")
    except FileNotFoundError:
        raise InputError(f"{archive}: no such file. Give the path of a tar file with Open-I's XML reports.") from None
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InputError(f"{archive}: cannot be read as a tar file ({error}). Download it again.") from error


def parse_xml(xml: bytes, name: str) -> tuple[str, Report]:
    """Read one XML file of Open-I: its id and its report.

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
    except ElementTree.ParseError as error:
        raise InputError(f"{name}: not well-formed XML ({error}). Replace the file by a fresh copy.") from error
    identity = root.find("uId")
    if identity is None or not identity.get("id"):
        raise InputError(f"{name}: no <uId id=...> element, so this is not an Open-I report. Remove the file.")
    sections = root.iterfind("MedlineCitation/Article/Abstract/AbstractText")
    text = "\n".join(f"{section.get('Label', '')}: {section.text or ''}" for section in sections)
    return identity.get("id"), parse_report(text)


def installed_archive() -> Path:
    """The path of the archive inside the installed torchxrayvision, found without importing that package.

    Raises:
        InputError: torchxrayvision is not installed.
    """
    package = importlib.util.find_spec("torchxrayvision")
    if package is None:
        raise InputError("The Open-I reports come with torchxrayvision, which is missing: pip install torchxrayvision.")
    return Path(package.submodule_search_locations[0]) / "data" / "NLMCXR_reports.tgz"
