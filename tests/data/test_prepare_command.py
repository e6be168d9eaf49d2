from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from test_preparation import Small, small

from cxrtutor.data import prepare_command
from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.prepare_command import AsJson, Encoding, Output, Side, Splits, Workers, run, start

ABOUT = """Prepare a set that a test makes.

**An example.**

    python small.py raw --output set
"""


def main(
    folder: Path,
    output: Output,
    side: Side = 512,
    encoding: Encoding = "png",
    workers: Workers = 2,
    splits: Splits = None,
    as_json: AsJson = False,
) -> None:
    run(Small(folder), output, side=side, encoding=encoding, workers=workers, splits=splits, as_json=as_json)


@pytest.fixture
def script(monkeypatch, capsys):
    """`small.py ARGUMENTS`, within this process: exit status, what it printed, what it complained of."""

    def script(*arguments):
        monkeypatch.setattr(sys, "argv", ["small.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            start(main, ABOUT)
        return int(end.value.code or 0), *capsys.readouterr()

    return script


def test_a_set_is_prepared_and_told_of(script, tmp_path):
    source = small(tmp_path / "raw", {"train": 3, "test": 2})
    (source.folder / "images" / "train-1.jpg").unlink()
    (source.folder / "reports" / "train-2.txt").unlink()
    splits = tmp_path / "splits.csv"
    splits.write_text("id,split\ntrain-0,train\ntrain-1,train\ntrain-2,test\ntest-0,test\n")
    asked = (source.folder, "-o", tmp_path / "set", "--side", 24, "--encoding", "jpeg", "--splits", splits)
    status, said, complaints = script(*asked, "--workers", 1)
    assert status == 0 and "1 of 4 images is missing" in complaints
    assert f"small: 3 of 6 images are in {tmp_path / 'set'}\n" in said
    assert "Splits (a list of the reader's): train 1, test 2\n" in said
    for line in (
        "Skipped, image missing: 1",
        "Skipped, not in the list of splits: 1",
        "Skipped, lateral view: 1",
        "Kept, report missing: 1",
        "Problems in the tables: 1, such as: table.csv, line 99: odd.",
        "skipped.csv",
    ):
        assert line in said
    assert StudyDataset(tmp_path / "set")[0].image.shape == (24, 19)
    status, said, _ = script(*asked, "--json")  # workers change nothing
    told = json.loads(said)
    assert status == 0 and told["folder"] == str(tmp_path / "set") and told["kept"] == 3
    assert told["skipped"] == {"lateral view": 1, "not in the list of splits": 1, "image missing": 1}


def test_what_can_be_mended_ends_with_two_and_no_traceback(script, tmp_path):
    status, said, complaints = script(tmp_path, "--output", tmp_path / "set")
    assert status == 2 and said == ""
    assert complaints.startswith("Error: small: 2 of 2") and "Traceback" not in complaints
    status, _, complaints = script(tmp_path, "--output", tmp_path / "set", "--encoding", "gif")
    assert status == 2 and "gif" in complaints


def test_an_interruption_says_how_to_go_on(script, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare_command, "prepare", interrupted)
    status, _, complaints = script(tmp_path, "--output", tmp_path / "set")
    assert status == 130 and "goes on from there" in complaints


def test_the_docstring_is_the_help(script):
    status, said, _ = script("--help")
    assert status == 0
    for words in ("Prepare a set that a test makes.", "python small.py raw --output set", "--encoding", "--splits"):
        assert words in said
    assert "**" not in said
