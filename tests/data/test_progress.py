from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios

import pytest

from cxrtutor.data import progress as module
from cxrtutor.data.progress import progress

WORK = """
from cxrtutor.data.progress import progress
with progress(1000, 100, "A set", "image") as tell:
    input()
"""


@pytest.mark.parametrize("size", [(0, 0), (24, 90)])
def test_a_terminal_shows_a_bar_before_anything_is_done(size):
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, size)
    with subprocess.Popen([sys.executable, "-c", WORK], stdin=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown = os.read(ours, 4096).decode() if select.select([ours], [], [], 20)[0] else ""
        process.communicate(b"\n")
    os.close(ours)
    assert "A set" in shown and "100/1000" in shown


def test_a_log_gets_a_line_a_minute(monkeypatch, capsys):
    clock = [0.0]
    monkeypatch.setattr(module, "monotonic", lambda: clock[0])
    with progress(10_000, 100, "A set", "image") as tell:
        for _ in range(60):
            clock[0] += 5
            tell(10)
    assert capsys.readouterr().err.splitlines()[:2] == [
        "A set: 220 of 10,000 images, 2.0 a second, 1:21:30 left",
        "A set: 340 of 10,000 images, 2.0 a second, 1:20:30 left",
    ]


def test_what_was_done_before_does_not_count_as_speed(monkeypatch, capsys):
    clock = [0.0]
    monkeypatch.setattr(module, "monotonic", lambda: clock[0])
    with progress(1000, 900, "A set", "image") as tell:
        clock[0] = 100.0
        tell(50)
    assert capsys.readouterr().err.splitlines() == ["A set: 950 of 1,000 images, 0.5 a second, 01:40 left"]
