"""What cannot be read is found, named and left out; what can is not."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import change_image, flipped, make_set, make_study

from cxrtutor.data import verification
from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.prepared import _encoded_image, shard_path
from cxrtutor.data.verification import damage, readable, unreadable_studies
from cxrtutor.errors import InputError

ROWS = 200
PNG = _encoded_image(make_study(0, shape=(40, 32)).image, "png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_set(tmp_path / "set", {"train": ROWS, "validation": 5}, per_shard=50)


def found(folder: Path, split: str = "train") -> list[verification.Unreadable]:
    return unreadable_studies(StudyDataset(folder, split))


def test_of_a_whole_set_nothing_is_left_out_and_no_row_is_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StudyDataset, "_read", None)
    studies = StudyDataset(folder, "train")
    assert readable(studies, tmp_path / "record.json") is studies
    assert json.loads((tmp_path / "record.json").read_text()) == {"set": studies.key, "unreadable": []}


def test_a_damaged_image_is_named_by_file_row_group_and_study(folder: Path) -> None:
    change_image(shard_path(folder, "train", 1), 40, flipped)
    [one] = found(folder)
    assert one[:4] == (90, "train-00001.parquet", 1, "train-90") and "IDAT" in one.reason
    assert found(folder, "validation") == []


def test_a_file_that_differs_from_its_card_but_can_be_read_is_kept(folder: Path) -> None:
    path = shard_path(folder, "train", 1)
    change_image(path, 0, lambda encoded: PNG)
    assert verification.file_digest(path) != StudyDataset(folder, "train").shard(1)[1]
    assert found(folder) == []


def test_without_a_checksum_on_the_card_rows_are_looked_at(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text())
    for shard in card["shards"]:
        del shard["sha256"]
    (folder / "card.json").write_text(json.dumps(card))
    assert found(folder) == []
    change_image(shard_path(folder, "train", 3), 49, flipped)
    assert [each.study for each in found(folder)] == ["train-199"]


@pytest.mark.parametrize("harm", ["missing", "cut short", "in one row group"])
def test_a_shard_that_cannot_be_read_is_left_out_as_far_as_it_cannot(folder: Path, harm: str) -> None:
    path = shard_path(folder, "train", 2)
    content = bytearray(path.read_bytes())
    if harm == "in one row group":
        column = pq.ParquetFile(path).metadata.row_group(1).column(0)
        start = column.dictionary_page_offset or column.data_page_offset
        content[start : start + 40] = bytes(40)
    path.unlink()
    if harm != "missing":
        path.write_bytes(content[:-100] if harm == "cut short" else content)
    expected = range(132, 150) if harm == "in one row group" else range(100, 150)
    assert [each.position for each in found(folder)] == list(expected)
    assert {each.file for each in found(folder)} == {path.name} and {each.study for each in found(folder)} == {None}


def test_text_that_is_none_in_any_column_leaves_its_row_group_out(folder: Path) -> None:
    path = shard_path(folder, "train", 1)
    table = pq.read_table(path)
    patients = [b"\xff" if row == 40 else patient.encode() for row, patient in enumerate(table["patient"].to_pylist())]
    at = table.schema.get_field_index("patient")
    table = table.set_column(at, table.schema.field(at), pa.array(patients, pa.binary()).view(pa.string()))
    pq.write_table(table, path, row_group_size=32)
    assert [each.position for each in found(folder)] == list(range(82, 100))
    StudyDataset(folder, "train").leaving_out(range(82, 100)).patients()


@settings(max_examples=60)
@given(st.integers(0, len(PNG) - 1), st.integers(1, 255))
def test_every_changed_byte_of_a_png_is_found(at: int, by: int) -> None:
    assert damage(PNG) is None
    assert damage(PNG[:at] + bytes([PNG[at] ^ by]) + PNG[at + 1 :])
    assert damage(PNG[:at])


def test_a_chunk_with_its_own_checksum_is_sound() -> None:
    chunk = b"tEXtwritten\0by hand"
    whole = PNG[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + PNG[33:]
    assert damage(whole) is None


def test_a_jpeg_is_decoded() -> None:
    jpeg = _encoded_image(make_study(0, shape=(64, 64)).image, "jpeg")
    assert damage(jpeg) is None
    assert "decoded" in damage(jpeg[: len(jpeg) // 2])


def test_what_cannot_be_read_is_left_out_and_stays_so(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, record = shard_path(folder, "train", 0), tmp_path / "record.json"
    whole = path.read_bytes()
    change_image(path, 7, flipped)
    change_image(path, 40, lambda encoded: encoded[:-9])
    studies = StudyDataset(folder, "train")
    left = readable(studies, record)
    assert left.left_out == {7, 40} and len(left) == ROWS and left.key != studies.key
    told = capsys.readouterr().err
    assert "2 of 200 studies" in told and path.name in told and str(record) in told
    assert [each["study"] for each in json.loads(record.read_text())["unreadable"]] == ["train-7", "train-40"]
    assert left.ids() == studies.ids()  # of their row groups, the others are read
    path.write_bytes(whole)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert readable(studies, record).left_out == {7, 40}
    assert capsys.readouterr().err == ""  # the first process has told it


def test_a_row_group_that_is_left_out_has_no_words(folder: Path) -> None:
    path = shard_path(folder, "train", 2)
    studies = StudyDataset(folder, "train")
    reports, ids = studies.reports(), studies.ids()
    path.write_bytes(b"")
    left = studies.leaving_out(range(100, 150))
    assert [*left.ids()[:100], *left.ids()[150:]] == [*ids[:100], *ids[150:]] and left.ids()[120] == ""
    assert left.reports()[99] == reports[99] and left.reports()[100].sentences == ()
    assert left.finding_names()[149] == frozenset() and left.labels()[149] == {}
    assert not left.annotated()[149] and left.patients()[149] == ""
    np.testing.assert_array_equal(left.images([160, 3]), studies.images([160, 3]))


def test_more_than_a_hundredth_is_refused(folder: Path, tmp_path: Path) -> None:
    for row in (1, 2, 3):
        change_image(shard_path(folder, "train", 0), row, flipped)
    with pytest.raises(InputError, match=r"3 of 200 studies .* number 1: .* At most 1% .* prepare the set again"):
        readable(StudyDataset(folder, "train"), tmp_path / "record.json")
    assert not (tmp_path / "record.json").exists()


@pytest.mark.parametrize("content", ["", "{}", '{"set": "another", "unreadable": []}'])
def test_a_record_that_is_none_is_told(folder: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "record.json").write_text(content)
    with pytest.raises(InputError, match=r"record.json cannot be used .* Delete it"):
        readable(StudyDataset(folder, "train"), tmp_path / "record.json")
