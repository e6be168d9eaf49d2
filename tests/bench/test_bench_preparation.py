"""How many images a second the engine prepares and training's loader reads, with two workers. Run by `make bench`.

Wall-clock seconds, since several processes work: on a machine that does something else meanwhile, all figures fall.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from measuring import seconds
from PIL import Image

from cxrtutor import store
from cxrtutor.data import preparation
from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.preparation import prepare
from cxrtutor.data.source import About, Entry, Listing, Source
from cxrtutor.encoders.caching import LiveImages
from cxrtutor.encoders.image import image_encoder
from cxrtutor.methods.config import load_config
from cxrtutor.pretraining.loading import Course, Share, images_of_steps, row_groups_of
from cxrtutor.pretraining.loop import pretrain
from cxrtutor.pretraining.sampling import WINDOW

TEACHING = Path(__file__).parents[2] / "configs" / "teaching"
FILES, TIMES, TIMES_READ = 24, 12, 60
"""So many films, and how often each is prepared: what the disk holds ready, it holds ready for both."""
STORED = (3000, 2500)
SIDE = 512
WORKERS = 2
TURNS = 3
LEAST_GAIN = 1.5
LEAST_READ = 400
MOST_WAITING = 0.25


@dataclass(frozen=True)
class Films(Source):
    """A folder of JPEG files, each under several ids."""

    folder: Path
    times: int

    about: ClassVar[About] = About("films", "1", "CC0-1.0", True, "They are drawn by a bench.")

    def asked_for(self) -> dict[str, Any]:
        return {"times": self.times}

    def tables(self) -> Mapping[str, Path]:
        return {"films": self.folder}

    def listing(self) -> Listing:
        paths = sorted(self.folder.iterdir())
        return Listing(
            tuple(
                Entry(f"{path.stem}-{number}", path.stem, "train", path, path.name)
                for number in range(self.times)
                for path in paths
            )
        )


@pytest.fixture(scope="module")
def films(report, tmp_path_factory) -> Path:
    """Radiographs of realistic size: dark lungs, ribs and noise, as JPEG of MIMIC-CXR's quality."""
    folder = tmp_path_factory.mktemp("films")
    down, right = (axis.astype(np.float32) for axis in np.ogrid[0 : 1 : STORED[0] * 1j, 0 : 1 : STORED[1] * 1j])
    for number in range(FILES):
        rng = np.random.default_rng(number)
        lungs = sum(np.exp(-(((down - 0.45) / 0.3) ** 2) - ((right - x) / 0.14) ** 2) for x in (0.3, 0.7))
        ribs = np.sin(60 * down + 8 * np.abs(right - 0.5) + rng.uniform(0, 6)) * lungs
        noise = rng.normal(0, 4, STORED).astype(np.float32)
        values = np.clip(190 - 130 * lungs + 20 * ribs + noise, 0, 255).astype(np.uint8)
        Image.fromarray(values).save(folder / f"{number:02d}.jpg", quality=95)
    return folder


def test_preparing_is_faster_than_a_plain_loop(report, films, tmp_path, monkeypatch):
    monkeypatch.setattr(preparation, "ENTRIES_PER_SHARD", FILES)  # few images, and yet work for all
    turns: Iterator[int] = iter(range(100))

    def plainly():
        folder = tmp_path / f"plain-{next(turns)}"
        folder.mkdir()
        for path in films.iterdir():
            with Image.open(path) as film:
                scale = SIDE / max(film.size)
                small = film.convert("L").resize((round(film.width * scale), round(film.height * scale)))
            small.save(folder / f"{path.stem}.png")

    def by_the_engine():
        prepare(Films(films, TIMES), tmp_path / f"set-{next(turns)}", side=SIDE, workers=WORKERS)

    began = processor_seconds()
    taken = seconds({"plain": plainly, "engine": by_the_engine}, repeats=TURNS, clock=time.perf_counter)
    busy = (processor_seconds() - began) / ((TURNS + 1) * FILES * TIMES)
    plain, engine = FILES / taken["plain"], FILES * TIMES / taken["engine"]
    report.add(
        "Preparing radiographs",
        f"JPEG of {STORED[1]} x {STORED[0]} pixels to PNG of {SIDE}, by the clock. The engine with {WORKERS} workers, "
        f"their start and the card included, is {engine / plain:.1f} times as fast as a plain Pillow loop in one "
        f"process; at least {LEAST_GAIN} times is asked for. JPEG is decoded at a reduced scale, and PNG is packed "
        f"less tightly. An image takes {busy * 1000:.0f} ms of a processor, {WORKERS / busy:.0f} images a second on "
        f"{WORKERS} that do nothing else.",
        pd.DataFrame({"images per second": {"plain Pillow loop": plain, "prepare": engine}}).round(1),
    )
    assert engine >= LEAST_GAIN * plain


def test_the_loader_is_fast_enough_for_training(report, films, tmp_path):
    prepare(Films(films, TIMES_READ), tmp_path / "set", side=224, workers=WORKERS)
    found: dict[str, float] = {}
    for order in ("studies", "row-groups"):
        for workers in (0, WORKERS):
            studies = StudyDataset(tmp_path / "set", "train")
            taken = seconds({"epoch": lambda given=(studies, order, workers): epoch(*given)}, 1, time.perf_counter)
            found[f"{order}, {workers or 'no'} workers"] = len(studies) / taken["epoch"]
    report.add(
        "Reading prepared images",
        f"{FILES * TIMES_READ:,} studies with PNG images of 224 pixels, in batches of 32, by the clock, with the start "
        f"of the workers. By row groups, {WORKERS} workers give {found[f'row-groups, {WORKERS} workers']:.0f} images a "
        f"second; at least {LEAST_READ} are asked for.",
        pd.DataFrame({"images per second": found}).round(0),
    )
    assert found[f"row-groups, {WORKERS} workers"] >= LEAST_READ


@pytest.mark.parametrize("name", ["convirt", "gloria", "lsm", "afloc", "mgca", "mlip", "mlip-vit"])
def test_no_teaching_run_waits_for_its_data(report, name, tmp_path, monkeypatch):
    kept = store.home()
    for folder in ("data", "features"):  # what is there already, and a run of its own
        (kept / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder).symlink_to(kept / folder)
    monkeypatch.setenv("CXRTUTOR_HOME", str(tmp_path))
    config = load_config(TEACHING / f"{name}.yaml", {"data.subset": 1024, "optimization.epochs": 1})
    log = pretrain(config, accelerator="cpu").log()
    steps = np.median(np.diff([entry["seconds"] for entry in log]))
    waited = [entry["waiting"] for entry in log[1:]]
    share = np.median(waited) / steps
    report.add(
        f"Waiting for data: {name}",
        f"A step takes {steps * 1000:.0f} ms; {share:.1%} of it is waiting; at most {MOST_WAITING:.0%} is asked for.",
        pd.DataFrame({"milliseconds": {"step": steps * 1000, "waiting": np.median(waited) * 1000}}).round(1),
    )
    assert share <= MOST_WAITING


def epoch(studies, order, workers):
    """Read the images of all studies once, as training does."""
    studies.keep_groups(WINDOW)
    positions = np.arange(len(studies))
    groups = row_groups_of(studies, positions) if order == "row-groups" else None
    images = LiveImages(image_encoder("vit-mini", trainable=True, pretrained=False), studies, 224)
    course = Course(positions, groups, 1, batch_size=32, epochs=1, seed=0)
    assert sum(map(len, images_of_steps([images], course, Share(), workers=workers))) == len(studies)


def processor_seconds():
    """Of all processes that were started from here and have ended."""
    spent = os.times()
    return spent.children_user + spent.children_system
