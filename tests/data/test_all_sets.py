"""The rules that hold for every real set, by its own script on a small copy in its owner's layout.

A set is one entry of `SETS`: its script's name, the function of `real_layouts` that writes it, and whether its licence
lets it be passed on. What is particular to a set is in `sources/test_<set>.py`.
"""

from __future__ import annotations

import csv
import gzip
import importlib.util
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from data.real_layouts import (
    Shipped,
    chestx_det,
    chexlocalize,
    chexpert,
    covid_rural,
    covidx,
    mimic_cxr,
    ms_cxr,
    nih,
    object_cxr,
    open_i,
    padchest_gr,
    rsna,
    siim,
    vindr,
)

from cxrtutor.data import preparation
from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.prepare_command import start
from cxrtutor.data.study import Study

SCRIPTS = Path(__file__).parents[2] / "data_scripts"


class Case(NamedTuple):
    """A set: what writes it into a folder, and whether it may be passed on."""

    write: Callable[[Path], Shipped]
    redistribution: bool = False


SETS = {
    "chestx_det": Case(chestx_det),
    "chexlocalize": Case(chexlocalize),
    "chexpert": Case(chexpert),
    "covid_rural": Case(covid_rural),
    "covidx": Case(covidx),
    "mimic_cxr": Case(mimic_cxr),
    "ms_cxr": Case(ms_cxr),
    "open_i": Case(open_i),
    "nih": Case(nih),
    "object_cxr": Case(object_cxr),
    "padchest_gr": Case(padchest_gr),
    "rsna": Case(rsna),
    "siim": Case(siim),
    "vindr": Case(vindr),
}

every_set = pytest.mark.parametrize("name", SETS)


class Ended(NamedTuple):
    """How a script ended: its exit status, and what it printed."""

    status: int | str | None
    printed: str
    errors: str


Run = Callable[..., Ended]


def one_after_another(work: Callable[..., object], jobs: Sequence[tuple[Any, ...]], workers: int) -> Iterator[int]:
    """What `processes.in_processes` does, without the second that each process needs to start."""
    for position, job in enumerate(jobs):
        work(*job)
        yield position


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a script in this process, with two studies in a shard."""
    monkeypatch.setattr(preparation, "in_processes", one_after_another)
    monkeypatch.setattr(preparation, "ENTRIES_PER_SHARD", 2)

    def run(name: str, *arguments: str | Path) -> Ended:
        script = module(name)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            start(script.main, script.__doc__)
        return Ended(end.value.code, *capsys.readouterr())

    return run


def module(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"data_scripts_{name}", SCRIPTS / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded  # typer looks the annotations' names up there
    spec.loader.exec_module(loaded)
    return loaded


def summary(run: Run, name: str, shipped: Shipped, output: Path) -> dict[str, Any]:
    """Prepare a set and read what its script says."""
    ended = run(name, *shipped.arguments, "--output", output, "--json")
    assert ended.status in (0, None), ended.errors
    said = json.loads(ended.printed)
    with (output / "skipped.csv").open(newline="") as file:
        skipped = Counter(row["reason"] for row in csv.DictReader(file))
    assert skipped == said["skipped"] and said["kept"] + skipped.total() == said["listed"]
    return said


def findings(study: Study) -> list[tuple[Any, ...]]:
    """What is said to be in a study, to be compared."""
    return [
        (one.name, one.phrase, set(one.boxes), None if one.mask is None else one.mask.tobytes())
        for one in study.findings
    ]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@every_set
def test_a_script_prepares_its_set(name: str, run: Run, tmp_path: Path) -> None:
    shipped = SETS[name].write(tmp_path)
    said = summary(run, name, shipped, tmp_path / "out")
    assert said["kept"] == len(shipped.images) and said["skipped"] == shipped.skipped
    studies = StudyDataset(tmp_path / "out")
    assert studies.card["redistribution"] is SETS[name].redistribution
    assert studies.card["splits"] == said["splits"] and sum(said["splits"].values()) == len(studies) == said["kept"]
    assert len({study.id for study in studies}) == len(studies)
    assert all(study.image.std() > 0.05 and study.patient and study.geometry for study in studies)


@every_set
def test_the_summary_is_told_in_words(name: str, run: Run, tmp_path: Path) -> None:
    shipped = SETS[name].write(tmp_path)
    ended = run(name, *shipped.arguments, "--output", tmp_path / "out")
    kept, listed = len(shipped.images), len(shipped.images) + sum(shipped.skipped.values())
    assert f": {kept} of {listed} images are in {tmp_path / 'out'}" in ended.printed
    assert all(f"Skipped, {reason}: {count}" in ended.printed for reason, count in shipped.skipped.items())


@every_set
def test_the_help_tells_how_to_obtain_it_and_what_it_allows(name: str, run: Run) -> None:
    ended = run(name, "--help")
    assert ended.status in (0, None)
    for heading in ("What it is.", "How to obtain it.", "What may be done with it.", "An example."):
        assert heading in ended.printed
    assert f"data_scripts/{name}.py" in module(name).__doc__


@every_set
def test_all_that_is_missing_is_named_at_once(name: str, run: Run, tmp_path: Path) -> None:
    shipped = SETS[name].write(tmp_path)
    for path in shipped.needed:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    ended = run(name, *shipped.arguments, "--output", tmp_path / "out")
    assert ended.status == 2 and "How to obtain" in ended.errors
    assert [path for path in shipped.needed if str(path) not in ended.errors] == []
    assert not (tmp_path / "out").exists()


@every_set
@pytest.mark.parametrize(("harm", "reason"), [("damaged", "image cannot be read"), ("missing", "image missing")])
def test_an_image_that_is_no_good_is_skipped_and_counted(
    harm: str, reason: str, name: str, run: Run, tmp_path: Path
) -> None:
    shipped = SETS[name].write(tmp_path)
    image = shipped.images[0]
    if harm == "missing":
        image.unlink()
    else:
        image.write_bytes(image.read_bytes()[:400])
    said = summary(run, name, shipped, tmp_path / "out")
    assert said["kept"] == len(shipped.images) - 1
    assert said["skipped"] == Counter(shipped.skipped) + Counter([reason])
    assert image.name in (tmp_path / "out" / "skipped.csv").read_text()


@every_set
def test_without_any_image_nothing_is_prepared(name: str, run: Run, tmp_path: Path) -> None:
    shipped = SETS[name].write(tmp_path)
    for image in shipped.images:
        image.unlink()
    ended = run(name, *shipped.arguments, "--output", tmp_path / "out")
    assert ended.status == 2 and "Error: " in ended.errors and not (tmp_path / "out" / "card.json").exists()


@every_set
def test_a_row_that_is_listed_twice_counts_once(name: str, run: Run, tmp_path: Path) -> None:
    shipped = SETS[name].write(tmp_path)
    if shipped.table is None:
        pytest.skip("its images are a folder's, in which no name is there twice")
    once = summary(run, name, shipped, tmp_path / "once")
    repeat_last_row(shipped.table)
    twice = summary(run, name, shipped, tmp_path / "twice")
    assert (once["kept"], once["skipped"]) == (twice["kept"], twice["skipped"])
    for a, b in zip(StudyDataset(tmp_path / "once"), StudyDataset(tmp_path / "twice"), strict=True):
        assert (a.id, a.split, a.labels, findings(a)) == (b.id, b.split, b.labels, findings(b))


@every_set
def test_an_interrupted_run_goes_on_and_nothing_differs(
    name: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = SETS[name].write(tmp_path)
    summary(run, name, shipped, tmp_path / "whole")

    def interrupted(work: Callable[..., object], jobs: Sequence[tuple[Any, ...]], workers: int) -> Iterator[int]:
        yield from one_after_another(work, jobs[:1], workers)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(preparation, "in_processes", interrupted)
        assert run(name, *shipped.arguments, "--output", tmp_path / "out").status == 130
    assert sum(path.suffix == ".parquet" for path in (tmp_path / "out").iterdir()) == 1
    assert not (tmp_path / "out" / "card.json").exists()
    summary(run, name, shipped, tmp_path / "out")
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_a_killed_script_goes_on_and_nothing_differs(tmp_path: Path) -> None:
    shipped = mimic_cxr(tmp_path)
    command = [sys.executable, str(SCRIPTS / "mimic_cxr.py"), *shipped.arguments, "--output"]
    with subprocess.Popen([*command, tmp_path / "out"], stderr=subprocess.DEVNULL) as process:
        while not (tmp_path / "out" / "plan.json").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    assert not (tmp_path / "out" / "card.json").exists(), "it was killed too late to tell"
    for folder in ("out", "whole"):
        subprocess.run([*command, tmp_path / folder], check=True, capture_output=True)
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def repeat_last_row(table: Path) -> None:
    """Let a table say its last row again."""
    if table.suffix == ".json":
        content = json.loads(table.read_text())
        rows = content if isinstance(content, list) else content["annotations"]
        rows.append(rows[-1])
        table.write_text(json.dumps(content))
        return
    opened = gzip.open if table.suffix == ".gz" else open
    with opened(table, "rt", encoding="utf-8") as file:
        lines = file.read().rstrip("\n").split("\n")
    with opened(table, "wt", encoding="utf-8") as file:
        file.write("\n".join([*lines, lines[-1], ""]))
