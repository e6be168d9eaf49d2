from __future__ import annotations

import errno
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import golden
import numpy as np
import pytest

from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.teaching import make
from cxrtutor.data.teaching.lesion import FINDINGS, UNSEEN_FINDINGS
from cxrtutor.data.teaching.make import (
    EDITIONS,
    SPLITS,
    make_shards,
    make_study,
    make_teaching_set,
    shards_of,
    teaching_set,
)
from cxrtutor.errors import InputError

TINY = {"train": 5, "validation": 1, "test": 1, "unseen": 2, "shifted": 1}
SCRIPT = f"""
from cxrtutor.data.teaching import make
make.EDITIONS["tiny"], make.STUDIES_PER_SHARD = {TINY}, 2
made, in_processes = [], make._make_in_processes
make._make_in_processes = lambda *given: made.append(1) or in_processes(*given)
print(make.make_teaching_set("tiny", workers=1), len(made))
"""  # without the guard that multiprocessing would ask for


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setitem(EDITIONS, "tiny", TINY)
    monkeypatch.setattr(make, "STUDIES_PER_SHARD", 2)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The shards of the tiny set, drawn in this very process: file name to content."""
    folder = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(make, "STUDIES_PER_SHARD", 2)
        make_shards(folder, shards_of(TINY))
    return contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*.parquet")}


def started(home: Path, script: Path) -> subprocess.Popen:
    script.write_text(SCRIPT)
    paths = os.pathsep.join([str(Path(make.__file__).parents[3]), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "CXRTUTOR_HOME": str(home), "PYTHONPATH": paths}
    return subprocess.Popen([sys.executable, str(script)], env=env, stdout=subprocess.PIPE, start_new_session=True)


def test_processes_do_not_show_and_a_set_that_is_there_is_not_made_again(home, reference, monkeypatch):
    folder = make_teaching_set("tiny", workers=2)
    assert contents(folder) == reference
    monkeypatch.setattr(make, "_make_in_processes", None)
    assert make_teaching_set("tiny") == folder
    for split, count in TINY.items():
        studies = teaching_set(split, "tiny")
        assert len(studies) == count and studies[count - 1].id == f"teaching-{split}-{count - 1:05d}"


def test_equal_draws_are_equal_studies():
    assert pickle.dumps(make_study("train", 3)) == pickle.dumps(make_study("train", 3))
    assert not np.array_equal(make_study("train", 3).image, make_study("test", 3).image)


def test_another_room_takes_other_films_of_the_same_findings():
    here, there = make_study("train", 3), make_study("train", 3, other_room=True)
    assert here.id == "teaching-train-00003" and there.id == "teaching-other-room-train-00003"
    assert [f.name for f in there.findings] == [f.name for f in here.findings] != []
    assert not np.array_equal(there.image, here.image)


def test_an_edition_of_another_room_has_none_but_its_films(home, monkeypatch):
    monkeypatch.setitem(make.EDITIONS, "other-room", {"train": 2})
    studies = teaching_set("train", "other-room")
    assert [study.id for study in studies] == [f"teaching-other-room-train-0000{number}" for number in range(2)]
    np.testing.assert_allclose(studies[1].image, make_study("train", 1, other_room=True).image, atol=1 / 256)
    with pytest.raises(InputError, match=r"\(other-room\) has no split 'test'. It has: train"):
        teaching_set("test", "other-room")


def test_a_killed_run_is_taken_up(home, reference, tmp_path):
    process = started(home, tmp_path / "script.py")
    until = time.monotonic() + 60
    while not list(home.glob("data/*/*.parquet")) and time.monotonic() < until:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    (folder,) = home.glob("data/*")
    made = {folder / name: (folder / name).stat().st_mtime_ns for name in contents(folder)}
    assert 0 < len(made) < len(shards_of(TINY)) and not (folder / "card.json").exists()
    assert make_teaching_set("tiny", workers=1) == folder
    assert {path: path.stat().st_mtime_ns for path in made} == made  # what was done is not done again
    assert contents(folder) == reference


def test_of_two_processes_one_makes_the_set_and_the_other_finds_it(home, reference, tmp_path):
    both = [started(home, tmp_path / f"script{i}.py") for i in range(2)]
    told = [process.communicate(timeout=120)[0].decode().rsplit(maxsplit=1) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    (folder,) = {folder for folder, _ in told}
    assert contents(Path(folder)) == reference and sorted(made for _, made in told) == ["0", "1"]
    assert not (Path(folder) / ".held").exists()


def test_unknown_splits_and_editions_are_told():
    with pytest.raises(InputError, match=r"'tests'.*train, validation, test, unseen, shifted"):
        teaching_set("tests", "tiny")
    with pytest.raises(InputError, match=r"'medium'.*full, quick, other-room"):
        make_teaching_set("medium")


def test_a_place_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CXRTUTOR_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"Cannot write .*Not a directory.*CXRTUTOR_HOME"):
        make_teaching_set("tiny")


def test_a_worker_that_cannot_write_is_heard(home):
    folder = make.store.place("data", make.asked_for("tiny"))
    shards_of(TINY)[1].path(folder).mkdir(parents=True)
    with pytest.raises(InputError, match=r"Cannot write .*train-00001\.parquet.*CXRTUTOR_HOME"):
        make_teaching_set("tiny", workers=1)
    assert not (folder / "card.json").exists()


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device", target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="No space left"):
        make_shards(tmp_path, shards_of({"train": 1}))
    assert list(tmp_path.iterdir()) == []


def test_a_fault_in_a_worker_keeps_its_traceback(home, monkeypatch):
    monkeypatch.setitem(EDITIONS, "tiny", {"no such split": 1})
    with pytest.raises(RuntimeError, match=r"Traceback[\s\S]*not in tuple"):
        make_teaching_set("tiny", workers=1)


def test_what_decides_the_content_decides_the_place(home, monkeypatch):
    before = make.store.place("data", make.asked_for("tiny"))
    monkeypatch.setattr(make, "VERSION", make.VERSION + 1)
    assert make.store.place("data", make.asked_for("tiny")) != before
    assert make.store.place("data", make.asked_for("quick")) != make.store.place("data", make.asked_for("full"))


@pytest.mark.parametrize("split", SPLITS)
def test_nothing_changed_without_a_new_version(split):
    advice = "The teaching set comes out differently: bump make.VERSION and run python tests/data/teaching/golden.py"
    kept = json.loads(golden.FILE.read_text())
    assert kept["version"] == make.VERSION, advice
    for index, expected in zip(golden.INDICES, kept["studies"][split], strict=True):
        found = golden.describe(split, index)
        assert (found["report"], found["findings"]) == (expected["report"], expected["findings"]), advice
        np.testing.assert_allclose(found["image"], expected["image"], atol=2, err_msg=advice)
        np.testing.assert_allclose(
            found["pixels in mask"], expected["pixels in mask"], rtol=0.03, atol=3, err_msg=advice
        )


# ---- what the quick edition holds


@pytest.fixture(scope="module")
def quick(shared_home) -> dict[str, StudyDataset]:
    return {split: teaching_set(split, "quick") for split in SPLITS}


def test_training_never_shows_an_unseen_finding(quick):
    for split in ("train", "validation", "test", "shifted"):
        shown = {finding.name for study in quick[split] for finding in study.findings}
        assert shown <= set(FINDINGS), split
    assert {finding.name for study in quick["train"] for finding in study.findings} == set(FINDINGS)


def test_every_unseen_study_has_one_unseen_finding(quick):
    names = [{finding.name for finding in study.findings} for study in quick["unseen"]]
    assert all(len(name) == 1 for name in names)
    assert [name.pop() for name in names] == [UNSEEN_FINDINGS[index % 2] for index in range(40)]


def test_every_study_is_whole(quick):
    ids = set()
    for split, studies in quick.items():
        for study in studies:
            ids.add(study.id)
            assert study.image.shape == (make.SIZE, make.SIZE) and study.image.std() > 0.1
            assert study.annotated and study.split == split and study.view == "AP"
            assert study.anatomy.keys() == {"left lung", "right lung", "heart"}
            assert all(mask.sum() > 100 for mask in study.anatomy.values())
            spoken_of = {index for line in study.report.sentences for index in line.findings}
            assert spoken_of == set(range(len(study.findings)))
            for finding in study.findings:
                (box,) = finding.boxes
                inside = finding.mask[int(box.y) : int(box.y + box.height), int(box.x) : int(box.x + box.width)]
                assert inside.sum() == finding.mask.sum() > 0
                assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
                assert finding.attributes["visibility"] > 0
    assert len(ids) == sum(EDITIONS["quick"].values())


def test_the_patients_right_lung_is_on_the_left(quick):
    columns = np.arange(make.SIZE)
    for study in quick["test"]:
        right, left = (np.average(columns, weights=study.anatomy[f"{side} lung"].sum(0)) for side in ("right", "left"))
        assert right < make.SIZE / 2 < left
        for finding in study.findings:
            if finding.attributes["side"] in ("left", "right"):
                centre = np.average(columns, weights=finding.mask.sum(0))
                assert (centre < (right + left) / 2) == (finding.attributes["side"] == "right")


def test_some_patients_are_healthy_and_the_card_says_so(quick):
    healthy = np.mean([not study.findings for study in quick["train"]])
    assert 0.08 < healthy < 0.25
    assert quick["train"].card["redistribution"] is True
    assert quick["train"].card["splits"] == EDITIONS["quick"]
