from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from data.real_layouts import dicom, film
from PIL import Image

from cxrtutor.data import entries, preparation
from cxrtutor.data.annotations import Annotated, table_rows
from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.entries import read_entry
from cxrtutor.data.geometry import Box
from cxrtutor.data.preparation import prepare, prepare_shard
from cxrtutor.data.reports import parse_report
from cxrtutor.data.run_lengths import RunLengths
from cxrtutor.data.source import About, Entry, Listing, Skipped, Source
from cxrtutor.data.study import Study
from cxrtutor.errors import InputError

SIZE = (60, 48)


@dataclass(frozen=True)
class Small(Source):
    """A set with a table of images, one line each: id, split."""

    folder: Path
    option: str = "a"

    about: ClassVar[About] = About("small", "1", "CC0-1.0", True, "It is made by a test.")

    def asked_for(self) -> dict[str, Any]:
        return {"option": self.option}

    def tables(self) -> Mapping[str, Path]:
        return {"table": self.folder / "table.csv", "images": self.folder / "images"}

    def listing(self) -> Listing:
        entries = [
            Entry(
                id=row["id"],
                patient=row["id"],
                split=row["split"],
                image=self.folder / "images" / f"{row['id']}.jpg",
                place=f"table.csv, {place}",
                report=self.folder / "reports" / f"{row['id']}.txt",
            )
            for place, row in table_rows(self.folder / "table.csv", ("id", "split"))
        ]
        return Listing(tuple(entries), (Skipped("side", "lateral view", "table.csv"),), ("table.csv, line 99: odd.",))


def small(folder: Path, counts: Mapping[str, int], size: tuple[int, int] = SIZE) -> Small:
    (folder / "images").mkdir(parents=True)
    (folder / "reports").mkdir()
    lines = ["id,split"]
    for split, count in counts.items():
        for number in range(count):
            name = f"{split}-{number}"
            lines.append(f"{name},{split}")
            Image.fromarray(film(number, size)).save(folder / "images" / f"{name}.jpg")
            (folder / "reports" / f"{name}.txt").write_text(f"FINDINGS: Film {number}. No effusion.")
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    return Small(folder)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(preparation, "ENTRIES_PER_SHARD", 4)


def contents(folder: Path) -> dict[str, bytes]:
    """All files but those that killed runs leave."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def skipped(folder: Path) -> list[list[str]]:
    return list(csv.reader((folder / "skipped.csv").read_text().splitlines()))


def test_every_entry_becomes_a_study_whoever_makes_it(tmp_path):
    source = small(tmp_path / "raw", {"train": 9, "test": 3})
    folder = prepare(source, tmp_path / "one", side=32, workers=1)
    assert contents(prepare(source, tmp_path / "two", side=32, workers=3)) == contents(folder)
    train = StudyDataset(folder, "train")
    assert train.ids() == [f"train-{number}" for number in range(9)]
    study = train[3]
    assert study.image.shape == (32, 26) and study.geometry.stored == SIZE and study.patient == "train-3"
    assert [line.text for line in study.report.sentences] == ["Film 3.", "No effusion."]
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["listed"] == 13 and summary["kept"] == 12 and summary["splits"] == {"train": 9, "test": 3}
    assert summary["skipped"] == {"lateral view": 1} and summary["problems"] == ["table.csv, line 99: odd."]
    assert train.card["details"]["skipped"] == {"lateral view": 1} and train.card["splits"] == summary["splits"]
    assert skipped(folder) == [["id", "reason", "detail"], ["side", "lateral view", "table.csv"]]


def test_a_finished_set_is_found_at_once(tmp_path, monkeypatch):
    source = small(tmp_path / "raw", {"train": 2})
    folder = prepare(source, tmp_path / "set")
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    monkeypatch.setattr(Small, "listing", None)
    assert prepare(source, folder) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.parametrize("change", ["option", "side", "encoding", "table", "splits"])
def test_a_folder_of_another_request_is_refused(tmp_path, change):
    source = small(tmp_path / "raw", {"train": 2})
    folder = prepare(source, tmp_path / "set")
    asked = {"side": 16} if change == "side" else {"encoding": "jpeg"} if change == "encoding" else {}
    if change == "option":
        source = Small(source.folder, "b")
    elif change == "table":
        (source.folder / "table.csv").write_text("id,split\ntrain-0,train\n")
    elif change == "splits":
        asked["splits"] = tmp_path / "splits.csv"
        asked["splits"].write_text("id,split\ntrain-0,test\n")
    with pytest.raises(InputError, match=f"another request.*differs in: {change}"):
        prepare(source, folder, **asked)


def test_a_folder_with_something_else_is_refused(tmp_path):
    source = small(tmp_path / "raw", {"train": 1})
    with pytest.raises(InputError, match="holds something else"):
        prepare(source, source.folder)
    with pytest.raises(InputError, match="holds something else"):
        prepare(source, source.folder / "table.csv")


def test_everything_that_is_missing_is_named_at_once(tmp_path):
    with pytest.raises(InputError, match=r"(?s)2 of 2.*table\.csv.*images.*made by a test"):
        prepare(Small(tmp_path), tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_without_any_image_nothing_begins(tmp_path):
    source = small(tmp_path / "raw", {"train": 3})
    for image in (source.folder / "images").iterdir():
        image.unlink()
    with pytest.raises(InputError, match=r"None of the 3 images is there.*train-0\.jpg \(table\.csv, line 2\)"):
        prepare(source, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_what_cannot_be_read_is_skipped_and_told(tmp_path, capsys):
    source = small(tmp_path / "raw", {"train": 6, "test": 1})
    images, reports = source.folder / "images", source.folder / "reports"
    (images / "train-1.jpg").unlink()
    (images / "train-4.jpg").write_bytes((images / "train-4.jpg").read_bytes()[:-400])
    (images / "test-0.jpg").write_text("no image")
    (reports / "train-2.txt").unlink()
    (reports / "train-3.txt").write_text("  \n")
    folder = prepare(source, tmp_path / "set")
    assert "1 of 7 images is missing" in capsys.readouterr().err
    assert StudyDataset(folder).ids() == ["train-0", "train-2", "train-3", "train-5"]
    assert StudyDataset(folder).card["splits"] == {"train": 4}  # a shard of the other split is there, and empty
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["skipped"] == {"image cannot be read": 2, "lateral view": 1, "image missing": 1}
    assert summary["reports"] == {"report missing": 1, "report without sentences": 1}
    told = {row[0]: row[1:] for row in skipped(folder)}
    assert told["train-1"] == ["image missing", f"table.csv, line 3: there is no file {images / 'train-1.jpg'}"]
    assert told["train-4"][1].startswith("table.csv, line 6: ") and str(images / "train-4.jpg") in told["train-4"][1]


def test_without_any_report_nothing_begins(tmp_path):
    source = small(tmp_path / "raw", {"train": 6})
    for report in (source.folder / "reports").iterdir():
        report.rename(source.folder / report.name)
    with pytest.raises(InputError, match=r"None of the 6 reports is there.*train-0\.txt \(table\.csv, line 2\)"):
        prepare(source, tmp_path / "set")
    assert not (tmp_path / "set").exists()
    (source.folder / "train-5.txt").rename(source.folder / "reports" / "train-5.txt")
    folder = prepare(source, tmp_path / "set")
    rows = list(csv.reader((folder / "without-report.csv").read_text().splitlines()))
    missing = source.folder / "reports" / "train-0.txt"
    assert rows[:2] == [
        ["id", "reason", "detail"],
        ["train-0", "report missing", f"table.csv, line 2: there is no file {missing}"],
    ]
    assert [row[0] for row in rows[1:]] == [f"train-{number}" for number in range(5)]


def test_a_run_goes_on_where_all_that_is_left_is_missing(tmp_path):
    source = small(tmp_path / "raw", {"train": 5})
    (source.folder / "images" / "train-4.jpg").unlink()
    (source.folder / "reports" / "train-4.txt").unlink()
    folder = prepare(source, tmp_path / "set")
    whole = contents(folder)
    for name in ("card.json", "train-00001.parquet"):
        (folder / name).unlink()
    assert contents(prepare(source, folder)) == whole


@pytest.mark.parametrize("finished", [True, False])
def test_images_that_were_replaced_are_taken_in(tmp_path, capsys, finished):
    source = small(tmp_path / "raw", {"train": 12})
    whole = contents(prepare(source, tmp_path / "whole", side=32))
    images = source.folder / "images"
    kept = {name: (images / name).read_bytes() for name in ("train-1.jpg", "train-5.jpg")}
    (images / "train-1.jpg").unlink()
    (images / "train-5.jpg").write_text("no image")
    folder = prepare(source, tmp_path / "set", side=32)
    lacking, before = contents(folder), {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    prepare(source, folder, side=32)
    assert "was prepared already (20" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    if not finished:
        (folder / "card.json").unlink()
        (folder / "train-00002.parquet").unlink()
    (images / "train-5.jpg").write_bytes(kept["train-5.jpg"])
    prepare(source, folder, side=32)
    assert StudyDataset(folder).ids() == [f"train-{number}" for number in range(12) if number != 1]
    assert contents(folder)["train-00000.parquet"] == lacking["train-00000.parquet"]
    (images / "train-1.jpg").write_bytes(kept["train-1.jpg"])
    assert contents(prepare(source, folder, side=32)) == whole


def test_replaced_images_do_not_cost_others(tmp_path):
    source = small(tmp_path / "raw", {"train": 5})
    image = source.folder / "images" / "train-1.jpg"
    content = image.read_bytes()
    image.unlink()
    before = contents(prepare(source, tmp_path / "set"))
    image.write_bytes(content)
    (source.folder / "images" / "train-2.jpg").unlink()
    with pytest.raises(InputError, match=r"train-1\.jpg is another file.*train-2\.jpg, which it holds, is gone"):
        prepare(source, tmp_path / "set")
    assert contents(tmp_path / "set") == before


def test_a_folder_one_level_off_is_pointed_out(tmp_path):
    source = small(tmp_path / "raw" / "inner", {"train": 1})
    (tmp_path / "raw" / "inner" / "deeper").mkdir()
    for wrong in (tmp_path / "raw", tmp_path / "raw" / "inner" / "deeper"):
        with pytest.raises(InputError) as error:
            prepare(Small(wrong), tmp_path / "set")
        for name in ("table.csv", "images"):
            assert f"{wrong / name} (there is {source.folder / name}: was another folder meant?)" in str(error.value)


def test_where_nothing_can_be_read_there_is_no_set(tmp_path):
    source = small(tmp_path / "raw", {"train": 2})
    for image in (source.folder / "images").iterdir():
        image.write_text("no image")
    with pytest.raises(InputError, match=r"None of 3 images.*2 for 'image cannot be read'.*train-0"):
        prepare(source, tmp_path / "set")
    assert not (tmp_path / "set" / "card.json").exists()


def test_the_key_covers_options_tables_and_images(tmp_path):
    source = small(tmp_path / "raw", {"train": 3})
    keys = {StudyDataset(prepare(source, tmp_path / "a")).card["key"]}
    keys.add(StudyDataset(prepare(source, tmp_path / "a again")).card["key"])
    assert len(keys) == 1
    keys.add(StudyDataset(prepare(Small(source.folder, "b"), tmp_path / "b")).card["key"])
    keys.add(StudyDataset(prepare(source, tmp_path / "c", side=20)).card["key"])
    Image.fromarray(film(77, SIZE)).save(source.folder / "images" / "train-1.jpg")
    keys.add(StudyDataset(prepare(source, tmp_path / "d")).card["key"])
    assert len(keys) == 4


def test_a_readers_splits_replace_the_owners(tmp_path):
    source = small(tmp_path / "raw", {"train": 4})
    splits = tmp_path / "splits.csv"
    splits.write_text("id,split\ntrain-3,valid\ntrain-0,mine\nstranger,test\n")
    folder = prepare(source, tmp_path / "set", splits=splits)
    assert [(study.id, study.split) for study in StudyDataset(folder)] == [
        ("train-0", "mine"),
        ("train-3", "validation"),
    ]
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["skipped"]["not in the list of splits"] == 2 and summary["split_by"] == "a list of the reader's"
    assert summary["problems"][:-1] == [f"{splits}: there is no image stranger."]


def test_a_list_that_names_no_image_shows_an_id_of_each_side(tmp_path):
    source = small(tmp_path / "raw", {"train": 2})
    splits = tmp_path / "splits.csv"
    splits.write_text("id,split\ntrain-0.jpg,train\n")
    with pytest.raises(InputError, match=r"names none of the images.*such as 'train-0\.jpg'.*such as 'train-0'\."):
        prepare(source, tmp_path / "set", splits=splits)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("id,split\na,train\nb,../../train\n", r"line 3: '../../train' is no name for a split"),
        ("id,split\na,train\na,test\n", r"a stands in table.csv, line 2 and in table.csv, line 3"),
        ("id,split\n", "no image is listed|None of 1 images"),
    ],
)
def test_a_listing_that_cannot_be_written_is_refused(tmp_path, table, words):
    source = small(tmp_path / "raw", {"train": 1})
    (source.folder / "table.csv").write_text(table)
    with pytest.raises(InputError, match=words):
        prepare(source, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_a_folder_whose_list_of_images_changed_is_refused(tmp_path, monkeypatch):
    source = small(tmp_path / "raw", {"train": 5})
    folder = prepare(source, tmp_path / "set")
    (folder / "card.json").unlink()
    whole = Small.listing
    monkeypatch.setattr(Small, "listing", lambda self: Listing(whole(self).entries[1:]))
    with pytest.raises(InputError, match="other images were listed"):
        prepare(source, folder)


@pytest.mark.parametrize(
    "change",
    [
        {"labels": {"mass": 1}},
        {"report": parse_report("FINDINGS: A mass.")},
        {"truth": (Annotated("train-4", "mass", "mass", SIZE, (Box(1, 1, 2, 2),)),)},
        {"truth": (Annotated("train-4", "mass", "mass", SIZE, (), RunLengths(SIZE, np.array([9, 1, 2870]))),)},
        {"view": "AP"},
        {"patient": "somebody"},
        {"study": "s1"},
        {"annotated": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_folder_of_another_state_of_the_tables_is_refused(tmp_path, monkeypatch, change):
    source = small(tmp_path / "raw", {"train": 5})
    folder = prepare(source, tmp_path / "set", workers=1)
    (folder / "card.json").unlink()
    (folder / "train-00001.parquet").unlink()
    whole = Small.listing

    def changed(self: Small) -> Listing:
        entries = whole(self).entries
        return Listing((*entries[:-1], replace(entries[-1], **change)))

    monkeypatch.setattr(Small, "listing", changed)
    with pytest.raises(InputError, match="other images were listed, or other reports, labels or truth"):
        prepare(source, folder, workers=1)


def test_a_patient_on_two_sides_is_told_once(tmp_path, monkeypatch):
    source = small(tmp_path / "raw", {"train": 3, "test": 3})
    whole = Small.listing

    def shared(self: Small) -> Listing:
        return Listing(tuple(replace(one, patient=f"p{one.id[-1]}") for one in whole(self).entries))

    monkeypatch.setattr(Small, "listing", shared)
    summary = json.loads((prepare(source, tmp_path / "set", workers=1) / "summary.json").read_text())
    assert summary["problems"] == ["3 patients are in more than one split, such as p0 in test and train."]
    splits = tmp_path / "splits.csv"
    splits.write_text("id,split\n" + "".join(f"{split}-{i},train\n" for split in ("train", "test") for i in range(3)))
    folder = prepare(source, tmp_path / "one side", workers=1, splits=splits)
    assert json.loads((folder / "summary.json").read_text())["problems"] == []


def test_where_the_files_lie_changes_no_byte_of_the_shards(tmp_path):
    cards = []
    for place in ("here", "elsewhere/than there"):
        source = small(tmp_path / place, {"train": 4})
        (source.folder / "images" / "train-1.jpg").unlink()
        (source.folder / "images" / "train-2.jpg").write_text("no image")
        (source.folder / "reports" / "train-3.txt").unlink()
        folder = prepare(source, tmp_path / f"set of {place[:4]}", workers=1)
        cards.append(StudyDataset(folder).card)
        told = {row[0]: row[2] for row in skipped(folder)}
        assert all(str(source.folder / "images" / f"{one}.jpg") in told[one] for one in ("train-1", "train-2"))
        assert str(source.folder / "reports" / "train-3.txt") in (folder / "without-report.csv").read_text()
    assert cards[0]["key"] == cards[1]["key"] and cards[0]["shards"] == cards[1]["shards"]


@pytest.mark.parametrize("plan", ["", "{", "{}", "[]", "1", '{"request": 1, "entries": "a"}', '{"request": {}}'])
def test_a_damaged_plan_is_named(tmp_path, plan):
    source = small(tmp_path / "raw", {"train": 1})
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "plan.json").write_text(plan)
    with pytest.raises(InputError, match=r"plan\.json is damaged"):
        prepare(source, tmp_path / "set")


def test_a_damaged_shard_stops_the_run_in_words(tmp_path):
    source = small(tmp_path / "raw", {"train": 5})
    folder = prepare(source, tmp_path / "set", workers=1)
    whole = contents(folder)
    (folder / "card.json").unlink()
    (folder / "train-00000.parquet").write_bytes(b"")
    with pytest.raises(InputError, match=r"train-00000\.parquet is missing or damaged.*Delete it"):
        prepare(source, folder, workers=1)
    (folder / "train-00000.parquet").unlink()
    assert contents(prepare(source, folder, workers=1)) == whole


@pytest.mark.parametrize("wrong", [{"side": 15}, {"workers": 0}, {"encoding": "gif"}])
def test_options_out_of_range_are_told(tmp_path, wrong):
    with pytest.raises(InputError, match=str(next(iter(wrong.values())))):
        prepare(Small(tmp_path), tmp_path / "set", **wrong)


# ---- killed runs

SCRIPT = """
import sys
from pathlib import Path
from cxrtutor.data import preparation
from test_preparation import Small
preparation.ENTRIES_PER_SHARD = 4
preparation.prepare(Small(Path(sys.argv[1])), Path(sys.argv[2]), side=64, workers=2)
"""


def started(source: Small, folder: Path) -> subprocess.Popen:
    here = Path(__file__).parent
    paths = [str(here), str(here.parent), str(here.parents[1]), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", SCRIPT, str(source.folder), str(folder)]
    return subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL, start_new_session=True)


def test_killed_runs_are_taken_up_without_loss_or_duplicate(tmp_path):
    source = small(tmp_path / "raw", {"train": 109, "test": 11}, size=(700, 600))
    (source.folder / "images" / "train-5.jpg").write_text("no image")
    whole = contents(prepare(source, tmp_path / "whole", side=64, workers=1))
    folder, chance = tmp_path / "killed", random.Random(6)
    for shards in (0, 1, chance.randrange(2, 8), chance.randrange(8, 14)):  # how far a run gets before it is killed
        process = started(source, folder)
        until = time.monotonic() + 30
        while len(list(folder.glob("*.parquet"))) < shards and time.monotonic() < until:
            time.sleep(0.002)
        time.sleep(chance.random() * 0.05)
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    made = {path: path.stat().st_mtime_ns for path in folder.glob("[!.]*.parquet")}
    assert 0 < len(made) < 31 and not (folder / "card.json").exists()
    prepare(source, folder, side=64)
    assert {path: path.stat().st_mtime_ns for path in made} == made  # what was done is not done again
    assert contents(folder) == whole
    assert {path.name for path in folder.iterdir()} == set(whole)  # nothing is left lying around


def test_a_run_is_taken_up_of_which_only_missing_images_are_left(tmp_path):
    source = small(tmp_path / "raw", {"train": 4, "test": 4})
    for image in (source.folder / "images").glob("test-*"):
        image.unlink()
    folder = prepare(source, tmp_path / "set", workers=1)
    whole = contents(folder)
    for name in ("card.json", "summary.json", "test-00000.parquet"):
        (folder / name).unlink()
    assert contents(prepare(source, folder, workers=1)) == whole


# ---- one entry


def entry(path: Path, pixels: np.ndarray, **more: Any) -> Entry:
    Image.fromarray(pixels).save(path)
    return Entry("a", "p", "train", path, "table.csv, line 7", **more)


def truth(name: str, size: tuple[int, int], boxes: tuple[Box, ...] = (), mask: np.ndarray | None = None) -> Annotated:
    boxes = tuple(Box(*map(float, box)) for box in boxes)
    return Annotated("a", name, f"a {name}", size, boxes, None if mask is None else RunLengths.of(mask))


def test_truth_moves_with_the_image(tmp_path):
    mask = np.zeros((80, 40), bool)
    mask[20:40, 10:30] = True
    boxes = (Box(10, 20, 20, 20),)
    study = read_entry(entry(tmp_path / "a.png", film(1, (80, 40)), truth=(truth("mass", (80, 40), boxes, mask),)), 40)
    assert study.image.shape == (40, 20)
    assert study.findings[0].boxes == (Box(5, 10, 10, 10),) and study.findings[0].phrase == "a mass"
    expected = np.zeros((40, 20), bool)
    expected[10:20, 5:15] = True
    np.testing.assert_array_equal(study.findings[0].mask, expected)


def test_truth_moves_with_an_image_that_lies_on_its_side(tmp_path):
    upright = film(1, (80, 40))
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    Image.fromarray(np.rot90(upright)).save(path, exif=exif, quality=100)
    box = Box(20, 5, 12, 8)  # in the file, of 40 x 80 pixels
    one = Entry("a", "p", "train", path, "table.csv, line 7", truth=(truth("mass", (40, 80), (box,)),))
    study = read_entry(one)
    assert study.image.shape == (80, 40)
    assert np.abs(study.image * 255 - upright).mean() < 3
    assert study.findings[0].boxes == (Box(40 - 5 - 8, 20, 8, 12),)
    assert study.geometry.box_back(study.findings[0].boxes[0]) == pytest.approx(box)


def test_truth_of_another_scale_is_scaled_and_of_another_shape_is_not(tmp_path):
    pixels = film(1, (81, 40))
    half = read_entry(entry(tmp_path / "a.png", pixels, truth=(truth("mass", (40, 20), (Box(5, 10, 5, 5),)),)))
    assert half.findings[0].boxes[0] == pytest.approx((10, 20.25, 10, 10.125))
    other = read_entry(entry(tmp_path / "a.png", pixels, truth=(truth("mass", (40, 24), (Box(5, 10, 5, 5),)),)))
    assert other.reason == "truth does not fit the image" and "table.csv, line 7" in other.detail
    assert "(40, 24)" in other.detail and "(81, 40)" in other.detail


@pytest.mark.parametrize(
    ("drawn", "stored", "fits"),
    [
        ((3056, 2544), (512, 426), True),  # 426.2
        ((1024, 1024), (2022, 2022), True),
        ((61, 50), (61, 51), True),
        ((61, 50), (61, 52), False),
        ((3056, 2544), (2544, 3056), False),
        ((3056, 2544), (512, 428), False),
        ((1, 1), (3000, 2500), False),
        ((3, 2), (3000, 2500), False),
        ((1, 1), (1, 1), True),
    ],
)
def test_sizes_fit_that_are_each_other_scaled_and_rounded(drawn, stored, fits):
    assert entries._same_shape(drawn, stored) is fits is entries._same_shape(stored, drawn)


def test_a_box_outside_the_image_is_no_truth_of_it(tmp_path):
    def read(*boxes: Box) -> Study | Skipped:
        return read_entry(entry(tmp_path / "a.png", film(1, (80, 40)), truth=(truth("mass", (80, 40), boxes),)))

    nowhere = read(Box(40, 0, 5, 5))
    assert nowhere.reason == "truth does not fit the image" and "no box of 'a mass'" in nowhere.detail
    assert len(read(Box(40, 0, 5, 5), Box(39, 0, 5, 5)).findings[0].boxes) == 2


def test_truth_that_was_looked_for_becomes_a_label(tmp_path):
    looked_for = (
        truth("mass", (80, 40), (Box(1, 1, 2, 2),)),
        Annotated("a", "mass", "another mass", (80, 40)),
        truth("nodule", (80, 40)),
        truth("edema", (80, 40)),
    )
    study = read_entry(entry(tmp_path / "a.png", film(1, (80, 40)), truth=looked_for, labels={"edema": -1, "x": 1}))
    assert study.labels == {"mass": 1, "nodule": 0, "edema": -1, "x": 1}
    assert [finding.phrase for finding in study.findings] == ["a mass"]
    assert read_entry(entry(tmp_path / "a.png", film(1), annotated=True)).annotated
    assert not read_entry(entry(tmp_path / "a.png", film(1))).annotated
    partly = truth("mass", (61, 50), (Box(1, 2, 9, 9),))
    assert not read_entry(entry(tmp_path / "a.png", film(1), truth=(partly,))).annotated, "its source did not say so"


def test_a_report_is_read_or_handed_on(tmp_path):
    report = parse_report("IMPRESSION: Normal.")
    assert read_entry(entry(tmp_path / "a.png", film(1), report=report)).report == report
    path = tmp_path / "report.txt"
    path.write_bytes(b"\xef\xbb\xbfIMPRESSION: Normal caf\xe9.")
    assert [s.text for s in read_entry(entry(tmp_path / "a.png", film(1), report=path)).report.sentences] == [
        "Normal caf�."
    ]


def test_a_file_may_tell_its_view_where_the_tables_do_not(tmp_path):
    def read(view: str, table: str | None = None) -> Study | Skipped:
        path = dicom(tmp_path / f"{view}.dcm", 1, ViewPosition=view)
        return read_entry(Entry("a", "p", "train", path, "table.csv, line 7", view=table), 32)

    assert (read("PA").view, read("PA", "AP").view, read("", "AP").view, read("").view) == ("PA", "AP", "AP", None)
    lateral = read("LL")
    assert lateral.reason == "no frontal view" and lateral.detail.startswith("table.csv, line 7: ")


def test_a_shard_that_is_there_is_not_made_again(tmp_path):
    one = entry(tmp_path / "a.png", film(1))
    prepare_shard(tmp_path / "train-00000.parquet", [one], 32, "png")
    before = (tmp_path / "train-00000.parquet").stat().st_mtime_ns
    prepare_shard(tmp_path / "train-00000.parquet", [one], 16, "png")
    assert (tmp_path / "train-00000.parquet").stat().st_mtime_ns == before
