"""The workflow that publishes the site: it names what is there, and publishes only what was checked."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "pages.yml").read_text(encoding="utf-8"))
BUILD, DEPLOY = WORKFLOW["jobs"]["build"], WORKFLOW["jobs"]["deploy"]


def place(steps: list[dict], text: str) -> int:
    (found,) = [number for number, step in enumerate(steps) if text in step.get("run", "") + step.get("uses", "")]
    return found


def test_the_site_is_published_after_the_tests_and_the_guard():
    steps = BUILD["steps"]
    assert place(steps, "make test") < place(steps, "cxrtutor guard") < place(steps, "upload-pages-artifact")
    assert DEPLOY["needs"] == "build" and BUILD["env"]["CXRTUTOR_REQUIRE_BROWSER"] == "1"
    assert not any(step.get("continue-on-error") for step in steps)


def test_a_proposal_is_checked_and_not_published():
    upload = BUILD["steps"][place(BUILD["steps"], "upload-pages-artifact")]
    assert upload["if"] == DEPLOY["if"] == "github.event_name != 'pull_request'"


def test_it_builds_with_the_make_target_and_the_path_that_there_are():
    assert re.search(r"^test:.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    upload = BUILD["steps"][place(BUILD["steps"], "upload-pages-artifact")]
    build = (ROOT / "book" / "build.py").read_text(encoding="utf-8")
    assert upload["with"]["path"] == "_build/html" and 'SITE = BUILD / "html"' in build


def test_the_lighter_pytorch_is_the_pinned_one():
    command = BUILD["steps"][place(BUILD["steps"], "whl/cpu")]["run"]
    (pattern,) = re.findall(r"grep -oE '([^']+)' requirements.txt", command)
    pins = re.findall(pattern, (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(pins) == 2
