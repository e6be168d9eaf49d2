"""Open-I's reports: files of the very layout, made here, and the real archive, of which only counts are checked."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
import time
from collections import Counter
from pathlib import Path

import pytest
from data.real_layouts import open_i

from cxrtutor.data.sources.open_i import (
    IMAGES,
    REPORTS,
    OpenI,
    download,
    installed_archive,
    parse_xml,
    read_reports,
)
from cxrtutor.data.splits import hashed_split
from cxrtutor.errors import InputError


def xml(identity: str = "CXR7", findings: str = "", impression: str = "") -> bytes:
    return f"""<?xml version="1.0" encoding="utf-8"?>
<eCitation>
   <meta type="rr"/>
   <uId id="{identity}"/>
   <MedlineCitation Owner="Indiana University" Status="supplied by publisher">
      <Article PubModel="Electronic">
         <Abstract>
            <AbstractText Label="COMPARISON"/>
            <AbstractText Label="INDICATION">Cough &amp; fever</AbstractText>
            <AbstractText Label="FINDINGS">{findings}</AbstractText>
            <AbstractText Label="IMPRESSION">{impression}</AbstractText>
         </Abstract>
      </Article>
   </MedlineCitation>
   <MeSH><major>normal</major></MeSH>
   <parentImage id="{identity}_IM-0007-3001"><caption>Xray Chest PA and Lateral</caption></parentImage>
</eCitation>""".encode()


def archive(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / "reports.tgz"
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(folder_entry())
        for name, content in files.items():
            entry = tarfile.TarInfo(f"ecgen-radiology/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def folder_entry() -> tarfile.TarInfo:
    entry = tarfile.TarInfo("ecgen-radiology")
    entry.type = tarfile.DIRTYPE
    return entry


def test_one_file() -> None:
    record = parse_xml(xml(findings="XXXX is seen. No mass.", impression="1. Normal."), "7.xml")
    report = record.report
    assert record.id == "CXR7" and record.headings == ("normal",) and record.images == ("CXR7_IM-0007-3001",)
    assert report.sections == {
        "indication": "Cough & fever",
        "findings": "XXXX is seen. No mass.",
        "impression": "1. Normal.",
    }
    assert [sentence.text for sentence in report.sentences] == ["XXXX is seen.", "No mass.", "Normal."]


def test_a_file_without_findings_and_impression_has_no_sentences() -> None:
    assert parse_xml(xml(), "7.xml").report.sentences == ()


def test_an_archive_is_read_in_its_order(tmp_path: Path) -> None:
    files = {"2.xml": xml("CXR2", "Two."), "1.xml": xml("CXR1", "One."), "notes.txt": b"no report"}
    assert [(i, r.text) for i, r in read_reports(archive(tmp_path, files))] == [("CXR2", "Two."), ("CXR1", "One.")]


def test_malformed_xml_is_named(tmp_path: Path) -> None:
    path = archive(tmp_path, {"1.xml": xml("CXR1"), "13.xml": xml()[:200]})
    with pytest.raises(InputError, match=r"reports\.tgz: ecgen-radiology/13\.xml: not well-formed XML"):
        list(read_reports(path))


@pytest.mark.parametrize("encoding", ["klingon", "utf-32", "big5"])
def test_xml_in_an_encoding_that_is_not_known_is_named(encoding: str) -> None:
    with pytest.raises(InputError, match=r"13\.xml: not well-formed XML"):
        parse_xml(f'<?xml version="1.0" encoding="{encoding}"?><eCitation/>'.encode(), "13.xml")


def test_xml_of_something_else_is_named() -> None:
    with pytest.raises(InputError, match=r"5\.xml: no <uId"):
        parse_xml(b"<html/>", "5.xml")


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.tgz: no such file"):
        list(read_reports(tmp_path / "absent.tgz"))


@pytest.mark.parametrize("length", [0, 40, 300])
def test_a_truncated_archive_is_named(tmp_path: Path, length: int) -> None:
    path = archive(tmp_path, {"1.xml": xml("CXR1", "One. " * 500)})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match=r"reports\.tgz: cannot be read as a tar file"):
        list(read_reports(path))


def test_headings_without_their_qualifiers() -> None:
    content = xml().replace(
        b"<major>normal</major>", b"<major>Opacity/lung/base/left</major><major>No Indexing</major>"
    )
    assert parse_xml(content, "7.xml").headings == ("Opacity",)


def test_the_installed_archive_has_the_counts_that_are_known() -> None:
    start = time.process_time()
    reports = dict(read_reports())
    assert time.process_time() - start < 10
    sentences = [sentence.text for report in reports.values() for sentence in report.sentences]
    assert all(re.search(r"[^\W\d_]", text) and text == text.strip() for text in sentences)
    assert not any("\n" in text or re.search(r"[a-z]\.[A-Z]", text) for text in sentences)
    assert len(reports) == 3955
    assert sum("findings" in report.sections for report in reports.values()) == 3425
    assert sum("impression" in report.sections for report in reports.values()) == 3921
    assert sum(not report.sentences for report in reports.values()) == 28
    assert all(identity.startswith("CXR") for identity in reports)


def test_films_are_found_by_the_table_of_views(tmp_path: Path) -> None:
    shipped = open_i(tmp_path)
    folder = Path(shipped.arguments[0])
    (folder / REPORTS / "5.xml").write_bytes(b"<eCitation")
    (folder / REPORTS / "readme.xml").write_bytes(b"")
    listing = OpenI(folder, folder / "indiana_projections.csv").listing()
    assert [entry.image for entry in listing.entries] == list(shipped.images)
    assert Counter(one.reason for one in listing.skipped) == shipped.skipped
    first, second = listing.entries[:2]
    assert (first.id, first.patient, first.study) == ("CXR1_1_IM-0001-4001", "CXR1", "CXR1")
    assert [entry.split for entry in listing.entries] == [hashed_split(entry.patient) for entry in listing.entries]
    assert len({entry.split for entry in listing.entries}) > 1
    assert first.labels == {"normal": 1} and second.labels == {"Pleural Effusion": 1, "Opacity": 1}
    assert first.report.sections["findings"] == "The lungs are clear."
    assert [problem for problem in listing.problems if "5.xml: not well-formed" in problem] == list(listing.problems)


def test_a_row_of_views_that_says_neither_is_a_problem(tmp_path: Path) -> None:
    folder = Path(open_i(tmp_path).arguments[0])
    table = folder / "indiana_projections.csv"
    table.write_text(table.read_text().replace("2_IM-0652-1001.dcm.png,Frontal", "2_IM-0652-1001.dcm.png,PA"))
    listing = OpenI(folder, table).listing()
    assert "projection: 'PA' is neither Frontal nor Lateral" in listing.problems[0]
    assert [one.id for one in listing.skipped if one.reason == "row cannot be read"] == ["CXR2_IM-0652-1001"]


def test_a_folder_without_reports_is_named(tmp_path: Path) -> None:
    folder = Path(open_i(tmp_path).arguments[0])
    for path in (folder / REPORTS).iterdir():
        path.unlink()
    with pytest.raises(InputError, match="holds no reports"):
        OpenI(folder, folder / "indiana_projections.csv").listing()


def test_both_archives_are_fetched_and_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []

    def fetch(url: str, folder: Path) -> Path:
        fetched.append(url.rpartition("/")[2])
        return archive(tmp_path, {"1.xml": xml("CXR1"), "CXR1_1_IM-0001-3001.png": b"film"})

    monkeypatch.setattr("cxrtutor.data.sources.open_i.fetch", fetch)
    for _ in range(2):
        download(tmp_path / "data")
    assert fetched == ["NLMCXR_reports.tgz", "NLMCXR_png.tgz"]
    assert (tmp_path / "data" / REPORTS / "1.xml").read_bytes() == xml("CXR1")
    assert (tmp_path / "data" / IMAGES / "CXR1_1_IM-0001-3001.png").read_bytes() == b"film"


def test_a_damaged_download_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path, {"1.xml": xml("CXR1", "One. " * 500)})
    path.write_bytes(path.read_bytes()[:300])
    monkeypatch.setattr("cxrtutor.data.sources.open_i.fetch", lambda url, folder: path)
    with pytest.raises(InputError, match=r"reports\.tgz cannot be unpacked"):
        download(tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_finding_the_archive_imports_nothing_heavy() -> None:
    code = (
        "import sys; from cxrtutor.data.sources.open_i import installed_archive; assert installed_archive().exists();"
        "sys.exit(bool({'torch', 'torchxrayvision', 'pandas'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[3]).returncode == 0


def test_without_torchxrayvision_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install torchxrayvision"):
        installed_archive()
