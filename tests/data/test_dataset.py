from __future__ import annotations

import multiprocessing
import pickle

import numpy as np
import pytest
from made_up import assert_same_study, make_set, make_study

from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.prepared import shard_path, write_card, write_shard
from cxrtutor.errors import InputError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_set(tmp_path_factory.mktemp("set"), {"train": 85, "test": 7}, recipe="made up")


def test_every_study_is_found_in_order(folder):
    train = StudyDataset(folder, "train")
    assert len(train) == 85
    for index, study in enumerate(train):
        assert_same_study(study, make_study(index))
    assert_same_study(train[-1], make_study(84))
    assert_same_study(train[np.int64(33)], make_study(33))


def test_without_a_split_all_are_there(folder):
    everything = StudyDataset(folder)
    assert len(everything) == 92
    assert_same_study(everything[85], make_study(0, "test"))


@pytest.mark.parametrize("index", [7, -8, 100])
def test_beyond_the_end(folder, index):
    with pytest.raises(IndexError, match="of 7"):
        StudyDataset(folder, "test")[index]


def test_images_come_in_the_order_asked_for(folder):
    train = StudyDataset(folder, "train")
    indices = [60, 3, 84, 3, 49, 50]
    images = train.images(indices)
    assert images.dtype == np.uint8 and images.shape == (6, 24, 20)
    for image, index in zip(images, indices, strict=True):
        np.testing.assert_array_equal(image.astype(np.float32) / np.float32(255), make_study(index).image)
    assert len(train.images([])) == 0


def test_images_of_several_sizes_need_one_size(tmp_path):
    path = shard_path(tmp_path, "train", 0)
    write_shard(path, [make_study(0), make_study(1, shape=(40, 10))])
    write_card(tmp_path, [path], {}, name="a", version="1", licence="b", redistribution=False)
    train = StudyDataset(tmp_path, "train")
    with pytest.raises(InputError, match="size"):
        train.images([0, 1])
    images = train.images([1, 0], size=40)
    assert images.shape == (2, 40, 40)
    np.testing.assert_array_equal(images[0, :, 15:25], np.rint(make_study(1, shape=(40, 10)).image * 255))
    assert (images[0, :, :15] == 0).all()


def test_reports_are_read_without_images(folder, monkeypatch):
    monkeypatch.setattr("cxrtutor.data.dataset.decoded_image", None)
    reports = StudyDataset(folder, "train").reports()
    assert reports == [make_study(index).report for index in range(85)]
    assert reports[2].sentences[2].findings == (0, 1)


def test_findings_are_named_without_images(folder, monkeypatch):
    monkeypatch.setattr("cxrtutor.data.dataset.decoded_image", None)
    named = StudyDataset(folder, "train").finding_names()
    assert named == [{finding.name for finding in make_study(index).findings} for index in range(85)]


def test_ids_and_labels_are_read_without_images(folder, monkeypatch):
    monkeypatch.setattr("cxrtutor.data.dataset.decoded_image", None)
    test = StudyDataset(folder, "test")
    assert test.ids() == [f"test-{index}" for index in range(7)]
    assert test.labels() == [make_study(index, "test").labels for index in range(7)]


def test_row_groups_hold_all_rows_in_order(folder):
    train = StudyDataset(folder, "train")
    assert train.row_groups() == [(0, 0, 32), (0, 1, 18), (1, 0, 32), (1, 1, 3)]
    rows = [row for group in train.row_groups() for row in train.rows(group)["id"].to_pylist()]
    assert rows == train.ids()


def test_keys_tell_sets_and_splits_apart(folder, tmp_path):
    other = make_set(tmp_path, {"train": 2}, recipe="another")
    keys = [StudyDataset(folder, "train").key, StudyDataset(folder, "test").key, StudyDataset(folder).key]
    assert len({*keys, StudyDataset(other, "train").key}) == 4
    assert StudyDataset(folder, "train").key == keys[0]


def _identifier(dataset, index):
    return dataset[index].id


def test_a_copy_in_another_process_reads_for_itself(folder):
    train = StudyDataset(folder, "train")
    before = len(pickle.dumps(train))
    train[40]
    assert len(pickle.dumps(train)) == before  # rows that were read do not travel
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.starmap(_identifier, [(train, 84), (train, 0)]) == ["train-84", "train-0"]


def test_an_unknown_split_is_told(folder):
    with pytest.raises(InputError, match=r"'tests'.*train, test"):
        StudyDataset(folder, "tests")


@pytest.mark.parametrize("harm", ["missing", "cut short", "garbage"])
def test_a_damaged_shard_is_told(tmp_path, harm):
    make_set(tmp_path, {"train": 40})
    path = shard_path(tmp_path, "train", 0)
    content = path.read_bytes()
    path.unlink()
    if harm != "missing":
        path.write_bytes(content[:-100] if harm == "cut short" else b"x" * 2000)
    with pytest.raises(InputError, match="missing or damaged") as error:
        StudyDataset(tmp_path, "train")[0]
    assert str(path) in str(error.value)


def test_several_splits_come_one_after_another(folder):
    both = StudyDataset(folder, ("test", "train"))
    assert len(both) == 92 and both.ids()[:8] == [*StudyDataset(folder, "test").ids(), "train-0"]
    assert_same_study(both[7 + 60], make_study(60))
    assert [(part.split, len(part)) for part in both.parts()] == [("test", 7), ("train", 85)]
    train = StudyDataset(folder, "train")
    assert train.parts() == [train]
    keys = {StudyDataset(folder, ("train", "test")).key, both.key, train.key, StudyDataset(folder).key}
    assert len(keys) == 4
    with pytest.raises(InputError, match=r"'tests'.*train, test"):
        StudyDataset(folder, ("train", "tests"))


def test_findings_are_read_without_images(folder, monkeypatch):
    monkeypatch.setattr("cxrtutor.data.dataset.decoded_image", None)
    train = StudyDataset(folder, "train")
    for index, (shape, findings) in zip([60, 3, 60], train.findings([60, 3, 60]), strict=True):
        assert shape == (24, 20)
        assert [(one.name, one.boxes) for one in findings] == [(f.name, f.boxes) for f in make_study(index).findings]
        np.testing.assert_array_equal(findings[0].mask, make_study(index).findings[0].mask)


def test_patients_and_who_was_looked_at_are_read_without_images(folder, monkeypatch):
    monkeypatch.setattr("cxrtutor.data.dataset.decoded_image", None)
    test = StudyDataset(folder, "test")
    assert test.patients() == [make_study(index, "test").patient for index in range(7)]
    assert test.annotated() == [True] * 7
