"""A teacher's JupyterHub, where one is named; no button where none is."""

from __future__ import annotations

import re

import yaml
from small_book import ROOT, build, notebook

HUB = "https://hub.example.edu"
COPY = "https://github.com/school/course"


def launches(page: str) -> list[str]:
    return re.findall(r'href="([^"]*hub/user-redirect[^"]*)"', page)


def test_without_a_hub_there_is_no_button(small_book):
    page = (small_book / "_build" / "html" / "chapters" / "try.html").read_text(encoding="utf-8")
    assert not launches(page) and "launch-buttons" not in page


def test_a_hub_that_is_named_has_a_button_on_every_notebook(tmp_path):
    settings = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    options = settings["sphinx"]["config"]["html_theme_options"]
    options["repository_url"] = COPY
    options["launch_buttons"]["jupyterhub_url"] = HUB
    built = build(tmp_path, {"start.md": "# A start\n", "chapters/try.ipynb": notebook("# Try it")}, settings=settings)
    assert built.returncode == 0, built.stdout + built.stderr
    page = (tmp_path / "_build" / "html" / "chapters" / "try.html").read_text(encoding="utf-8")
    (link,) = launches(page)
    assert link.startswith(f"{HUB}/hub/user-redirect/git-pull?") and link.endswith("branch=main")
    assert "urlpath=lab/tree/course/chapters/try.ipynb" in link
    assert not launches((tmp_path / "_build" / "html" / "start.html").read_text(encoding="utf-8"))
