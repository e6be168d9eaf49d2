"""What the benches share: one thread, and a report of what was measured, whose path is printed at the end."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from bench_report import Report

REPORT = Path(__file__).parents[2] / "_build" / "bench" / "index.html"


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def report(request):
    """Where benches write what they measured. Only `make bench` judges time; beside other tests a clock lies."""
    if not request.config.getoption("--bench", default=False):
        pytest.skip("time is measured by `make bench`")
    report = Report()
    yield report
    report.write(REPORT)
    request.config.bench_report = REPORT


def pytest_addoption(parser):
    parser.addoption("--bench", action="store_true", help="measure time too, and write the bench report")


def pytest_terminal_summary(terminalreporter, config):
    if written := getattr(config, "bench_report", None):
        terminalreporter.write_line(f"The bench report is {written}")
