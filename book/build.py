"""Build the book: execute the chapters where anything they rest on has changed, and make the site, strictly.

Jupyter Book keeps the outputs of executed chapters and runs a chapter again when its own code changes. It does not see
a change in the package that the chapter imports, so this script gives the kept outputs a key over all of that and drops
them when the key changes: a stale page is a wrong page. Pages themselves are always written anew, which takes seconds.

Jupyter Book would execute one notebook after the other. Here two are at work, each on half of the cores, and their
outputs lie ready when Jupyter Book asks for them. One that fails is left to it, to be executed again and reported.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import nbformat
import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.cache.main import JupyterCacheBase
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from tqdm import tqdm

from cxrtutor import guard
from cxrtutor.classroom.setup_check import cores
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

AT_A_TIME = 2
"""Notebooks; each takes up to 5 GB of memory."""


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


def tell_kernels() -> None:
    """Set what the kernels of all notebooks find in their environment."""
    os.environ |= {
        guard.LEDGER_VARIABLE: str(LEDGER),
        "CXRTUTOR_COSTS": str(COSTS),
        "PYTHONSTARTUP": str(MEASURE),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // AT_A_TIME)))


def execute_notebooks() -> None:
    """Execute the notebooks whose outputs are not kept, several at a time, and keep them where none of them failed."""
    kept = get_cache(OUTPUTS)
    paths = [path for folder in ("book", "chapters") for path in sorted((ROOT / folder).glob("*.ipynb"))]
    missing = [path for path in paths if not is_kept(path, kept)]
    timeout = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["execute"]["timeout"]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        try:
            begun = {pool.submit(executed, path, timeout): path for path in missing}
            for ended in tqdm(as_completed(begun), "executing notebooks", len(missing), disable=not missing):
                if ended.exception() is None and (done := ended.result()).err is None:
                    bundle = CacheBundleIn(done.nb, str(begun[ended]), data={"execution_seconds": done.time})
                    kept.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def is_kept(path: Path, kept: JupyterCacheBase) -> bool:
    """Whether there are outputs of the notebook's code as it is now."""
    try:
        kept.match_cache_notebook(nbformat.read(path, as_version=4))
    except KeyError:
        return False
    return True


def executed(path: Path, timeout: int) -> ExecutionResult:
    """A notebook with its outputs, or with the error that ended it; a cell may take `timeout` seconds."""
    return single_nb_execution(nbformat.read(path, as_version=4), str(path.parent), timeout, allow_errors=False)


def build_site() -> int:
    """Run Jupyter Book and return its exit status: not 0 if a cell failed or a page has a warning."""
    shutil.rmtree(SITE, ignore_errors=True)
    strictly = ["-W", "-n", "--keep-going", "--all"]
    status = subprocess.run([Path(sys.executable).with_name("jupyter-book"), "build", ROOT, *strictly]).returncode
    if status == 0:
        LEDGER.touch()
        shutil.copy(LEDGER, SITE / guard.LEDGER_NAME)
    return status


def main() -> int:
    drop_stale_outputs()
    tell_kernels()
    execute_notebooks()
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
