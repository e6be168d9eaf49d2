"""What steps are given does not depend on who reads it, where a run was stopped, or how many processes share it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data.made_up import change_image, flipped, make_set
from hypothesis import given, settings
from hypothesis import strategies as st
from interruptions import assert_same_run, curve, in_new_home, stopped_and_resumed
from small_runs import COUNTS, STEPS, small_config, small_set

from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.prepared import shard_path
from cxrtutor.data.views import training_views
from cxrtutor.encoders.caching import LiveImages, LiveTexts
from cxrtutor.errors import InputError
from cxrtutor.methods.config import RunConfig, TrainingText, validated
from cxrtutor.methods.registry import method
from cxrtutor.pretraining import loop
from cxrtutor.pretraining.loading import Course, Given, Loader, Pairs, Share, row_groups_of, told_of_ended_readers
from cxrtutor.pretraining.loop import pretrain
from cxrtutor.pretraining.masking import MaskedImages
from cxrtutor.pretraining.sampling import WINDOW, batches

TEXT = TrainingText(sentences="subset", shuffled=True)


def loader(folder: Path, workers: int = 0, order: str = "studies", epochs: int = 2) -> Loader:
    """Live images and reports of the small set in two views; batches of 8."""
    config = small_config(folder, trainable=True)
    model = method(config.method).model(config)
    train = StudyDataset(folder, "train")
    views = training_views(train, 1, False)
    pairs = [
        Pairs(LiveImages(model.image_encoder, each, 64), LiveTexts(model.text_encoder, said)) for each, said in views
    ]
    positions = np.arange(len(train))
    groups = row_groups_of(train, positions) if order == "row-groups" else None
    course = Course(positions, groups, len(views), batch_size=8, epochs=epochs, seed=1)
    masks = [MaskedImages.of(model, each) for each, _ in views]
    return Loader(pairs, masks, course, TEXT, Share(), torch.device("cpu"), workers)


def same(a: Given, b: Given) -> bool:
    return torch.equal(a.inputs[0], b.inputs[0]) and a.inputs[1] == b.inputs[1]


@pytest.fixture(scope="module")
def expected(data: Path) -> list[Given]:
    return list(loader(data).steps())


@pytest.fixture(params=["fork", "spawn"])
def start_method(request: pytest.FixtureRequest) -> Iterator[None]:
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method(request.param, force=True)
    yield
    multiprocessing.set_start_method(before, force=True)


def test_steps_are_given_intensities_of_their_view_and_what_is_chosen_of_reports(
    data: Path, expected: list[Given]
) -> None:
    made = loader(data)
    assert len(expected) == len(made.course) == 6 and {made.course[step].view for step in range(6)} == {0, 1}
    for step, it in enumerate(expected):
        batch = made.course[step]
        pixels = made.views[batch.view].images.studies.images(batch.studies.tolist(), 64)
        assert torch.equal(it.inputs[0], torch.from_numpy(pixels)[:, None].float() / 255)
        reports = [made.views[batch.view].texts.reports[study] for study in batch.studies]
        assert all(set(shown) <= set(report) for shown, report in zip(it.inputs[1], reports, strict=True))
        assert it.masked == {} and 0 < it.waiting < 5
    assert expected[0].inputs[1] != expected[3].inputs[1]


def test_processes_that_read_give_the_same(data: Path, expected: list[Given], start_method: None) -> None:
    made = loader(data, workers=2)
    torch.manual_seed(5)
    with closing(made.steps(1)) as steps:
        found = list(steps)
    assert len(found) == 5 and all(map(same, found, expected[1:]))
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))  # dropout's numbers are left alone


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("order", ["studies", "row-groups"])
def test_processes_that_share_a_batch_are_given_all_of_it(data: Path, world: int, order: str) -> None:
    whole = loader(data, order=order).course
    for step in range(len(whole)):
        parts = [Share(rank, world).of(whole[step].studies) for rank in range(world)]
        assert len({len(part) for part in parts}) == 1
        together = np.stack(parts, axis=1).ravel()
        assert np.array_equal(together, whole[step].studies[: len(together)]) and len(together) > 8 - world


def test_a_set_is_not_asked_to_pickle_encoders_or_features(data: Path) -> None:
    import pickle

    images = loader(data).views[1].images
    copy = pickle.loads(pickle.dumps(images))
    assert copy.encoder is None and torch.equal(copy.read([3, 1]), images.read([3, 1]))
    assert len(pickle.dumps(images)) < 10_000


@pytest.mark.parametrize("workers", [0, 1])
def test_what_cannot_be_read_is_told_in_its_own_words(tmp_path: Path, workers: int) -> None:
    folder = small_set(tmp_path / "set")
    made = loader(folder, workers)
    shard_path(folder, "train", 0).write_bytes(b"no shard")
    with pytest.raises(InputError, match=r"^\S*train-00000.parquet is missing or damaged .* prepare the set again\.$"):
        next(made.steps())


def children() -> set[int]:
    return {process.pid for process in multiprocessing.active_children()}


def test_no_process_is_left_when_training_stops_early(data: Path) -> None:
    before = children()
    steps = loader(data, workers=2).steps()
    next(steps)
    readers = children() - before
    assert len(readers) == 2
    steps.close()
    assert not children() & readers


def test_no_process_is_left_by_an_error_that_somebody_keeps(data: Path) -> None:
    before = children()
    steps = loader(data, workers=2).steps()
    next(steps)
    with pytest.raises(KeyError) as error:
        steps.throw(KeyError("of the trainer"))
    assert error.tb is not None and children() <= before


def test_a_signal_to_stop_stops_no_process_that_reads(data: Path, expected: list[Given]) -> None:
    before = children()
    with closing(loader(data, workers=1).steps()) as steps:
        found = [next(steps)]
        [reader] = children() - before
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            os.kill(reader, each)
        found += steps
    assert all(map(same, found, expected))


def test_readers_start_where_a_signal_is_not_known(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "SIGUSR1")  # as on Windows
    assert len(list(loader(data, workers=1, epochs=1).steps())) == 3


def test_a_process_that_was_killed_is_told(data: Path) -> None:
    before = children()
    steps = loader(data, workers=1, epochs=40).steps()
    next(steps)
    [reader] = children() - before
    os.kill(reader, signal.SIGKILL)
    with pytest.raises(InputError, match=r"process that reads .* compute\.workers"), told_of_ended_readers():
        list(steps)


class TestRowGroups:
    @settings(max_examples=25)
    @given(st.lists(st.integers(1, 9), min_size=1, max_size=400), st.integers(1, 40), st.integers(0, 3))
    def test_every_study_comes_once_in_full_batches(self, sizes: list[int], size: int, epoch: int) -> None:
        groups = np.repeat(np.arange(len(sizes)), sizes)
        shown = np.concatenate(order := batches(len(groups), size, 0, epoch, groups))
        assert len(np.unique(shown)) == len(shown) and len(groups) - len(shown) < size
        assert all(len(batch) == min(size, len(groups)) for batch in order)
        assert np.array_equal(shown, np.concatenate(batches(len(groups), size, 0, epoch, groups)))

    def test_a_window_of_groups_is_mixed_before_the_next_begins(self) -> None:
        groups = np.repeat(np.arange(5 * WINDOW), 32)
        order = np.concatenate(batches(len(groups), 64, 3, 0, groups))
        windows = groups[order].reshape(5, -1)
        assert all(len(set(window.tolist())) == WINDOW for window in windows)
        assert all(np.ptp(window) > 2 * WINDOW for window in windows)  # groups from all over the set
        for window in windows:  # the studies of a group are spread over all of it
            first = np.flatnonzero(window == window[0])
            assert len(first) == 32 and first.max() - first.min() > 2000
            assert np.mean(np.diff(window) == 0) < 0.05
        assert not np.array_equal(order, np.concatenate(batches(len(groups), 64, 3, 1, groups)))
        assert not np.array_equal(order, np.concatenate(batches(len(groups), 64, 4, 0, groups)))

    def test_groups_are_those_of_the_set_also_for_some_of_its_studies(self, tmp_path: Path) -> None:
        train = StudyDataset(make_set(tmp_path, {"test": 3, "train": 85}), "train")  # 32, 18 | 32, 3
        assert row_groups_of(train, np.array([0, 31, 32, 49, 50, 84])).tolist() == [0, 0, 1, 1, 2, 3]

    def test_whoever_keeps_the_window_reads_each_group_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        train = StudyDataset(make_set(tmp_path, {"train": 600}, per_shard=320), "train")
        monkeypatch.setattr("cxrtutor.pretraining.sampling.WINDOW", 4)
        groups = row_groups_of(train, np.arange(600))
        read: list[Any] = []
        original = StudyDataset._read
        monkeypatch.setattr(
            StudyDataset, "_read", lambda *given, **named: read.append(given) or original(*given, **named)
        )
        train.keep_groups(4)
        for batch in batches(600, 40, 0, 0, groups):
            train.images(batch.tolist())
        assert len(train.row_groups()) == 19
        assert len(read) <= 19 + 3 * 4  # but for batches across the border of two windows
        assert len(train._kept) == 4


class TestRuns:
    def test_the_order_is_part_of_a_runs_key_and_the_number_of_readers_is_not(self, data: Path) -> None:
        config = small_config(data)
        assert loop.run_folder(changed(config, data={"order": "studies"})) == loop.run_folder(config)
        assert loop.run_folder(changed(config, compute={"workers": 3})) == loop.run_folder(config)
        assert loop.run_folder(changed(config, data={"order": "row-groups"})) != loop.run_folder(config)

    def test_every_step_says_how_long_it_waited(self, data: Path, home: Path) -> None:
        log = pretrain(small_config(data)).log()
        assert len(log) == STEPS
        assert all(0 < entry["waiting"] <= entry["seconds"] for entry in log)

    @pytest.mark.slow
    def test_with_readers_and_stopped_it_trains_as_without(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = changed(small_config(data, trainable=True, epochs=2), data={"order": "row-groups"})
        expected = in_new_home(tmp_path / "one", lambda: pretrain(config))
        monkeypatch.setenv("CXRTUTOR_HOME", str(tmp_path / "other"))
        config = changed(config, compute={"workers": 2})
        assert_same_run(stopped_and_resumed(monkeypatch, config, step=4, checkpoint_every=3), expected)

    def test_studies_that_cannot_be_read_are_never_shown(
        self, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = small_set(tmp_path / "set", COUNTS | {"train": 101, "validation": 101})
        change_image(shard_path(folder, "train", 0), 7, flipped)
        change_image(shard_path(folder, "validation", 0), 2, flipped)
        read: dict[str, list[int]] = {}
        original = LiveImages.read

        def noting(images: Any, indices: Any) -> Any:
            split = getattr(images.studies, "split", "view")
            read.setdefault(split, []).extend(map(int, indices))
            return original(images, indices)

        monkeypatch.setattr(LiveImages, "read", noting)
        run = pretrain(changed(small_config(folder, trainable=True, epochs=1), optimization={"batch_size": 50}))
        assert sorted(read["train"][-100:]) == [index for index in range(101) if index != 7]
        assert read["validation"] == [index for index in range(101) if index != 2]
        assert "train-7" in (run.folder / "unreadable-train.json").read_text()


def changed(config: RunConfig, **groups: dict[str, Any]) -> RunConfig:
    """The run with other settings in some of its groups."""
    values = config.model_dump()
    return validated(RunConfig, values | {name: values[name] | change for name, change in groups.items()}, where="test")


def test_curves_leave_out_what_is_measured(data: Path, home: Path) -> None:
    entry = pretrain(small_config(data)).log()[0]
    assert entry["waiting"] not in curve(pretrain(small_config(data)))[0]
