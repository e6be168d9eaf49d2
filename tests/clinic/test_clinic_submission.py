"""A file of tests: every run has a process of its own, and whatever happens in there is a line of the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from clinic_page import file_of_tests, page_tests
from typer.testing import CliRunner

from cxrtutor import clinic
from cxrtutor.cli import app
from cxrtutor.clinic import submission
from cxrtutor.errors import InputError

DISTURBING = '''
import os, torch
from helper import ONE
print("noise at the top, \\ud800")
COUNT = []

def test_1_patches(codes):
    """Passes, and leaves a torch behind that nobody wants."""
    COUNT.append(1)
    torch.ones = torch.allclose = None
    assert len(COUNT) == ONE

def test_2_is_not_disturbed(codes):
    COUNT.append(1)
    assert len(COUNT) == 1
    assert torch.allclose(codes(torch.full((3, 2), 0.9).half()).sum(dim=1), torch.ones(3))

def test_3_ends_its_process(codes):
    os._exit(0)

def test_4_cannot_be_stopped(codes):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass

def test_5_asks_the_keyboard(codes):
    input("your name? ")

def test_6_writes_where_answers_go(codes):
    os.write(1, b"{}")
    assert codes is not None

def test_7_reads_where_requests_come(codes):
    assert os.read(0, 1) == b""
'''


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("handed-in")
    (folder / "helper.py").write_text("ONE = 1\n")
    (folder / "my_tests.py").write_text(DISTURBING)
    return {test.name: test for test in clinic.grade_file(folder / "my_tests.py", limit=0.5).tests}


def test_the_pages_tests_in_a_file_are_graded_as_on_the_page(tmp_path):
    handed_in = tmp_path / "my_tests.py"
    handed_in.write_text(file_of_tests())
    here = clinic.grade(page_tests(), clinic.ward("blue"))
    assert clinic.grade_file(handed_in, clinic.ward("blue")).to_json() == here.to_json()
    assert here.share == 1


def test_what_one_run_breaks_is_whole_in_the_next(disturbed):
    assert disturbed["test_1_patches"].counts
    assert disturbed["test_2_is_not_disturbed"].killed == ("codes",)


@pytest.mark.parametrize(
    "name, problem",
    [
        ("test_3_ends_its_process", "it ended its process"),
        ("test_4_cannot_be_stopped", "not done after 0.5 seconds"),
        ("test_5_asks_the_keyboard", "EOFError"),
    ],
)
def test_what_happens_to_a_run_is_told(disturbed, name, problem):
    assert not disturbed[name].counts and problem in disturbed[name].problem


def test_nobody_answers_in_the_clinics_name(disturbed):
    assert disturbed["test_6_writes_where_answers_go"].counts


def test_nobody_takes_the_clinics_requests_away(disturbed):
    assert disturbed["test_7_reads_where_requests_come"].counts


def test_a_file_beside_the_tests_that_is_called_as_one_of_pythons_is_not_taken_for_it(tmp_path, monkeypatch):
    (tmp_path / "random.py").write_text("raise RuntimeError\n")
    (tmp_path / "my_tests.py").write_text("def test_x(codes): pass\n")
    monkeypatch.chdir(tmp_path)
    assert clinic.grade_file(Path("my_tests.py")).tests[0].counts


def test_why_the_process_has_ended_is_told(tmp_path, monkeypatch):
    (tmp_path / "cxrtutor").mkdir()
    (tmp_path / "cxrtutor" / "__init__.py").write_text("raise ImportError('half of it is missing')\n")
    (tmp_path / "my_tests.py").write_text("def test_x(codes): pass\n")
    monkeypatch.setattr(submission, "_PACKAGE_ROOT", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"has ended.*half of it is missing"):
        clinic.grade_file(tmp_path / "my_tests.py")


def test_so_is_that_it_was_killed(tmp_path):
    (tmp_path / "my_tests.py").write_text("def test_x(codes): pass\n")
    with submission.opened(tmp_path / "my_tests.py") as opened:
        opened.process.kill()
        opened.process.wait()
        with pytest.raises(RuntimeError, match="Was it killed"):
            opened.run("test_x", None, 1)


@pytest.mark.parametrize(
    "text, message",
    [
        ("def test_x(codes:\n", "cannot be run: SyntaxError"),
        ("import no_such_library\n", "cannot be run: ModuleNotFoundError"),
        ("raise SystemExit(0)\n", "cannot be run: SystemExit"),
        ("import os\nos._exit(0)\n", "it ended its process"),
        ("def helper(codes): pass\n", "holds no test"),
    ],
)
def test_a_file_that_cannot_be_graded(tmp_path, text, message):
    handed_in = tmp_path / "my_tests.py"
    handed_in.write_text(text)
    with pytest.raises(InputError, match=message):
        clinic.grade_file(handed_in)


@pytest.mark.parametrize("name", ["missing.py", "notes.txt"])
def test_what_is_no_file_of_python(tmp_path, name):
    (tmp_path / "notes.txt").write_text("def test_x(codes): pass")
    with pytest.raises(InputError, match=r"ends in \.py"):
        clinic.grade_file(tmp_path / name)


class TestCommand:
    def test_grade(self, tmp_path):
        handed_in = tmp_path / "my_tests.py"
        handed_in.write_text("def test_x(codes):\n    assert codes.__name__ == 'codes'\n")
        ended = CliRunner().invoke(app, ["clinic", "grade", str(handed_in), "--group", "blue", "--json"])
        told = json.loads(ended.stdout)
        assert (told["killed"], told["of"], told["group"]) == (0, 6, "blue")
        assert [bug["patient"] for bug in told["bugs"]] == [one.number for one in clinic.ward("blue")]

    def test_charts(self):
        ended = CliRunner().invoke(app, ["clinic", "charts", "--group", "blue"])
        assert ended.stdout.count("**Patient ") == 6
        assert ended.stdout.startswith("**Patient 8: `global_loss`**")
        told = json.loads(CliRunner().invoke(app, ["clinic", "charts", "--json"]).stdout)
        assert [one["name"] for one in told["patients"]] == [one.name for one in clinic.ward()]
