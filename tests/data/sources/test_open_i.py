"""Open-I's reports: files of the very layout, made here, and the real archive, of which only counts are checked."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from cxrtutor.data.sources.open_i import installed_archive, parse_xml, read_reports
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
   <parentImage id="{identity}_1_IM-0001-3001"><caption>Xray Chest PA and Lateral</caption></parentImage>
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
    identity, report = parse_xml(xml(findings="XXXX is seen. No mass.", impression="1. Normal."), "7.xml")
    assert identity == "CXR7"
    assert report.sections == {
        "indication": "Cough & fever",
        "findings": "XXXX is seen. No mass.",
        "impression": "1. Normal.",
    }
    assert [sentence.text for sentence in report.sentences] == ["XXXX is seen.", "No mass.", "Normal."]


def test_a_file_without_findings_and_impression_has_no_sentences() -> None:
    assert parse_xml(xml(), "7.xml")[1].sentences == ()


def test_an_archive_is_read_in_its_order(tmp_path: Path) -> None:
    files = {"2.xml": xml("CXR2", "Two."), "1.xml": xml("CXR1", "One."), "notes.txt": b"no report"}
    assert [(i, r.text) for i, r in read_reports(archive(tmp_path, files))] == [("CXR2", "Two."), ("CXR1", "One.")]


def test_malformed_xml_is_named(tmp_path: Path) -> None:
    path = archive(tmp_path, {"1.xml": xml("CXR1"), "13.xml": xml()[:200]})
    with pytest.raises(InputError, match=r"reports\.tgz: ecgen-radiology/13\.xml: not well-formed XML"):
        list(read_reports(path))


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


def test_the_installed_archive_has_the_counts_that_are_known() -> None:
    reports = dict(read_reports())
    assert len(reports) == 3955
    assert sum("findings" in report.sections for report in reports.values()) == 3425
    assert sum("impression" in report.sections for report in reports.values()) == 3921
    assert sum(not report.sentences for report in reports.values()) == 28
    assert all(identity.startswith("CXR") for identity in reports)


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
