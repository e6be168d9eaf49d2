from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from cxrtutor.data.processes import in_processes, worker
from cxrtutor.errors import InputError

# ---- what the workers do; they import this file


def leave_a_note(folder: Path, name: str) -> None:
    print("a library's chatter is no answer")
    (folder / name).write_text(str(os.getpid()))


def refuse(number: int) -> None:
    if number == 3:
        raise InputError("three is refused")


def refuse_amid_noise() -> None:
    warnings.warn("Corrupt EXIF data", stacklevel=1)
    print("a library's chatter")
    atexit.register(print, "and at its end")
    raise InputError("it is refused")


def leave_early(number: int) -> None:
    if number == 1:
        sys.exit(0)


def fail() -> None:
    raise ZeroDivisionError("a fault of ours")


def end() -> None:
    os._exit(9)


def note_and_sleep(folder: Path) -> None:
    leave_a_note(folder, "began")
    time.sleep(60)


@pytest.fixture(autouse=True)
def found_by_workers(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


# ---- tests


def test_every_job_is_done_once_by_several_processes(tmp_path):
    jobs = [(tmp_path, f"note-{number}") for number in range(20)]
    assert sorted(in_processes(leave_a_note, jobs, workers=3)) == list(range(20))
    assert {path.name for path in tmp_path.iterdir()} == {name for _, name in jobs}
    assert os.getpid() not in {int(path.read_text()) for path in tmp_path.iterdir()}
    assert list(in_processes(leave_a_note, [], workers=2)) == []


def test_what_a_user_can_mend_is_handed_on():
    with pytest.raises(InputError, match=r"^three is refused$"):
        list(in_processes(refuse, [(number,) for number in range(9)], workers=2))


def test_of_what_a_user_can_mend_the_words_alone_are_handed_on():
    with pytest.raises(InputError, match=r"^it is refused$"):
        list(in_processes(refuse_amid_noise, [()], workers=1))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_process_that_ends_as_if_all_was_well_is_not_passed_over(workers):
    with pytest.raises(RuntimeError, match="before its work was done"):
        list(in_processes(leave_early, [(number,) for number in range(4)], workers))


def test_a_fault_keeps_its_traceback():
    with pytest.raises(RuntimeError, match=r"Traceback[\s\S]*a fault of ours"):
        list(in_processes(fail, [()], workers=1))


def test_a_process_that_ends_is_not_passed_over():
    with pytest.raises(RuntimeError, match=r"ended from outside \(9\)"):
        list(in_processes(end, [(), ()], workers=1))


def test_a_process_that_is_killed_is_not_passed_over():
    with pytest.raises(RuntimeError, match="ended from outside"), worker(fail) as process:
        process.kill()
        process.wait()


def test_a_job_that_cannot_be_sent_is_told():
    with pytest.raises((AttributeError, TypeError), match="pickle"):
        list(in_processes(refuse, [(lambda: 1,)], workers=1))


def test_who_stops_listening_ends_the_processes(tmp_path):
    jobs = [(tmp_path, "first"), *[(tmp_path, f"note-{number}") for number in range(5)]]
    listening = in_processes(leave_a_note, jobs, workers=1)
    next(listening)
    listening.close()
    assert gone(int((tmp_path / "first").read_text()))


def test_a_worker_dies_with_its_parent(tmp_path):
    script = f"""
from pathlib import Path
from test_processes import note_and_sleep
from cxrtutor.data.processes import in_processes
list(in_processes(note_and_sleep, [(Path({str(tmp_path)!r}),)], workers=1))
"""
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(root)])}
    parent = subprocess.Popen([sys.executable, "-c", script], env=env)
    note = tmp_path / "began"
    until = time.monotonic() + 30
    while not (note.is_file() and note.read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert gone(int(note.read_text()))


def gone(process: int) -> bool:
    """Whether a process ends within a few seconds."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
            os.kill(process, 0)
        except (OSError, FileNotFoundError):
            return True
        if state == "Z":  # nobody has asked how it ended
            return True
        time.sleep(0.02)
    return False
