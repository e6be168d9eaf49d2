"""Build the book: execute the chapters where anything they rest on has changed, and make the site, strictly.

Jupyter Book keeps the outputs of executed chapters and runs a chapter again when its own code changes. It does not see
a change in the package that the chapter imports, so this script gives the kept outputs a key over all of that and drops
them when the key changes: a stale page is a wrong page. Pages themselves are always written anew, which takes seconds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from cxrtutor import guard
from cxrtutor.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "_build"
SITE = BUILD / "html"
OUTPUTS = BUILD / ".jupyter_cache"
KEY = BUILD / "outputs.key"
COSTS = OUTPUTS / "costs.jsonl"
LEDGER = BUILD / "ledger.jsonl"

WARNING_NAME = "NOT-TO-BE-PUBLISHED.txt"
"""Lies in a site that the guard refuses, and says why."""
WARNING_TITLE = "FOR YOUR OWN EYES ONLY. This site must not be published:"
RULE = "=" * 100

MEASURE = ROOT / "book" / "measure_cells.py"

RESTS_ON = ("cxrtutor", "configs", "chapters/records", "requirements.txt", "book/measure_cells.py")
"""What an executed chapter, and what is known of its costs, depend on besides its own code."""


def outputs_key() -> str:
    """A hash of the Python version and of every file under `RESTS_ON`."""
    digest = hashlib.sha256(sys.version.encode())
    for start in RESTS_ON:
        path = ROOT / start
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(file.relative_to(ROOT).as_posix().encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def drop_stale_outputs() -> None:
    """Forget executed chapters that rest on something that has changed since."""
    key = outputs_key()
    if not KEY.exists() or KEY.read_text() != key:
        shutil.rmtree(OUTPUTS, ignore_errors=True)
        LEDGER.unlink(missing_ok=True)
        BUILD.mkdir(exist_ok=True)
        KEY.write_text(key)


def build_site() -> int:
    """Run Jupyter Book and return its exit status: not 0 if a cell failed or a page has a warning."""
    shutil.rmtree(SITE, ignore_errors=True)
    strictly = ["-W", "-n", "--keep-going", "--all"]
    environment = os.environ | {
        guard.LEDGER_VARIABLE: str(LEDGER),
        "CXRTUTOR_COSTS": str(COSTS),
        "PYTHONSTARTUP": str(MEASURE),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    status = subprocess.run(
        [Path(sys.executable).with_name("jupyter-book"), "build", ROOT, *strictly], env=environment
    ).returncode
    if status == 0:
        LEDGER.touch()
        shutil.copy(LEDGER, SITE / guard.LEDGER_NAME)
    return status


def main() -> int:
    drop_stale_outputs()
    status = build_site()
    if status != 0:
        print("The book was not built: see the messages above.", file=sys.stderr)
        return status
    print(f"\nThe book: {SITE / 'index.html'}")
    try:
        guard.check_site(SITE)
    except InputError as reasons:
        warning = f"{WARNING_TITLE}\n\n{reasons}\n"
        (SITE / WARNING_NAME).write_text(warning, encoding="utf-8")
        print(f"\n{RULE}\n{warning}{RULE}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
