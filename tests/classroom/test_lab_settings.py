"""`make lab` shows the book, and not what other packages bring for teachers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from classroom.conftest import ROOT

SETTINGS = ROOT / "book" / "lab"
JUPYTER = Path(sys.prefix)
FOR_READERS = {"jupyter_lsp", "jupyter_server_terminals", "jupyterlab", "jupyterlab_myst", "notebook_shim"}
PLUGINS_FOR_READERS = {
    "@jupyter-widgets/jupyterlab-manager", "anywidget", "jupyterlab-myst", "jupyterlab_pygments"
}  # fmt: skip


def test_no_server_of_another_package_is_started():
    started = {}
    for file in (JUPYTER / "etc" / "jupyter" / "jupyter_server_config.d").glob("*.json"):
        started |= json.loads(file.read_text())["ServerApp"]["jpserver_extensions"]
    ours = json.loads((SETTINGS / "jupyter_config.json").read_text())["ServerApp"]["jpserver_extensions"]
    assert {name for name, on in (started | ours).items() if on} <= FOR_READERS


def test_no_menu_of_another_package_is_shown():
    plugins = (JUPYTER / "share" / "jupyter" / "labextensions").glob("**/package.json")
    names = {json.loads(file.read_text())["name"] for file in plugins}
    disabled = json.loads((SETTINGS / "page_config.json").read_text())["disabledExtensions"]
    assert names - set(disabled) <= PLUGINS_FOR_READERS


def test_make_lab_reads_them():
    recipe = (ROOT / "Makefile").read_text()
    assert "--config=book/lab/jupyter_config.json" in recipe and "--LabApp.app_settings_dir=book/lab" in recipe
