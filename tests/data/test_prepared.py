from __future__ import annotations

import dataclasses
import errno
import json
import os

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from made_up import assert_same_study, bare_study, make_set, make_study

from cxrtutor import store
from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.geometry import Geometry
from cxrtutor.data.prepared import (
    ROWS_PER_GROUP,
    file_digest,
    read_card,
    shard_path,
    shard_record,
    study_of,
    write_card,
    write_shard,
)
from cxrtutor.data.study import Box, Finding, Report, Sentence, Study
from cxrtutor.errors import InputError


def stored(path, *studies):
    write_shard(path, studies)
    return [study_of(row) for row in pq.read_table(path).to_pylist()]


def repairs(path):
    return json.loads(pq.read_schema(path).metadata[b"repairs"])


def test_a_study_comes_back_as_it_was(tmp_path):
    studies = [make_study(0), bare_study(1), make_study(2, shape=(13, 31))]
    for before, after in zip(studies, stored(tmp_path / "a.parquet", *studies), strict=True):
        assert_same_study(before, after)


masks = hnp.arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20)))


@given(masks, st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False) | st.text()), st.text())
def test_any_mask_attribute_and_text_comes_back(tmp_path_factory, mask, attributes, text):
    image = mask.astype(np.float32)
    finding = Finding(text, text, mask, (), attributes)
    report = Report({text: text}, (Sentence(text, (0,)),))
    study = Study("a", "b", image, report, (finding,), True, {text: mask}, None, None, "test")
    path = tmp_path_factory.mktemp("set") / "a.parquet"
    assert_same_study(study, stored(path, study)[0])


def test_an_empty_mask_stays_a_finding(tmp_path):
    study = dataclasses.replace(make_study(0), findings=(Finding("mass", "mass", np.zeros((24, 20), bool)),) * 2)
    after = stored(tmp_path / "a.parquet", study)[0]
    assert len(after.findings) == 2 and after.findings[0].mask.sum() == 0


def test_intensities_are_kept_to_eight_bits(tmp_path):
    image = np.linspace(0, 1, 480).reshape(24, 20).astype(np.float32)
    after = stored(tmp_path / "a.parquet", dataclasses.replace(make_study(0), image=image))[0]
    assert np.abs(after.image - image).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize(
    ("box", "kept", "repair"),
    [
        (Box(-3, 2, 10, 4), Box(0, 2, 7, 4), "boxes beyond the border, cut"),
        (Box(15, 20, 99, 99), Box(15, 20, 5, 4), "boxes beyond the border, cut"),
        (Box(20, 0, 5, 5), None, "boxes without area in the image, dropped"),
        (Box(-9, 0, 5, 5), None, "boxes without area in the image, dropped"),
        (Box(3, 3, 0, 5), None, "boxes without area in the image, dropped"),
        (Box(3, 3, -2, 5), None, "boxes without area in the image, dropped"),
        (Box(0, 0, 20, 24), Box(0, 0, 20, 24), None),
        (Box(0.1, 0.2, 0.3, 0.4), Box(0.1, 0.2, 0.3, 0.4), None),
    ],
)
def test_boxes_are_cut_at_the_border_and_counted(tmp_path, box, kept, repair):
    path = tmp_path / "a.parquet"
    boxes = (Box(1, 1, 2, 2), box)
    after = stored(path, dataclasses.replace(make_study(0), findings=(Finding("mass", "mass", None, boxes),) * 2))[0]
    assert after.findings[1].boxes == (boxes[:1] if kept is None else (boxes[0], kept))
    assert repairs(path) == ({} if repair is None else {repair: 2})


def test_a_box_listed_twice_is_kept_once(tmp_path):
    path = tmp_path / "a.parquet"
    boxes = (Box(1, 1, 2, 2), Box(3, 1, 2, 2), Box(1, 1, 2, 2))
    after = stored(path, dataclasses.replace(make_study(0), findings=(Finding("mass", "mass", None, boxes),) * 2))[0]
    assert after.findings[0].boxes == boxes[:2]
    assert repairs(path) == {"boxes listed twice, dropped": 2}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": np.full((24, 20), np.nan, np.float32)}, "within"),
        ({"image": np.full((24, 20), 1.5, np.float32)}, "within"),
        ({"findings": (Finding("mass", "mass", np.zeros((5, 5), bool)),) * 2}, "mask of 'mass'"),
        ({"findings": (Finding("mass", "mass", None, (Box(1, np.nan, 2, 2),)),) * 2}, "no number"),
        ({"findings": (Finding("mass", "mass", None, (Box(20, 0, 5, 5),)),) * 2}, "'mass' has no mask, and no box"),
        ({"findings": (Finding("mass", "mass"),) * 2}, "'mass' has no mask, and no box"),
        ({"findings": ()}, "not in the study"),
        ({"geometry": Geometry((48, 40), (12, 10))}, "geometry ends at"),
    ],
)
def test_a_study_that_does_not_fit_together_is_named(tmp_path, change, words):
    with pytest.raises(InputError, match=words) as error:
        write_shard(tmp_path / "a.parquet", [dataclasses.replace(make_study(7), **change)])
    assert "'train-7'" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_the_card_tells_what_the_set_holds(tmp_path):
    folder = make_set(tmp_path / "set", {"train": 5, "test": 3}, per_shard=2, recipe="made up")
    card = read_card(folder)
    assert card["splits"] == {"train": 5, "test": 3}
    assert [shard["rows"] for shard in card["shards"]] == [2, 2, 1, 2, 1]
    assert card["key"] == store.content_key({"recipe": "made up"})
    assert card["redistribution"] is True and card["repairs"] == {}
    shard = pq.ParquetFile(folder / card["shards"][0]["file"])
    assert set(card["columns"]) == set(shard.schema_arrow.names)


def test_the_card_adds_repairs_up(tmp_path):
    beyond = dataclasses.replace(make_study(0), findings=(Finding("mass", "mass", None, (Box(-1, 0, 9, 9),)),) * 2)
    paths = [shard_path(tmp_path, "train", number) for number in range(2)]
    for number, path in enumerate(paths):
        write_shard(path, [dataclasses.replace(beyond, id=str(number))])
    write_card(tmp_path, paths, {}, name="a", version="1", licence="b", redistribution=False)
    assert read_card(tmp_path)["repairs"] == {"boxes beyond the border, cut": 4}


def test_row_groups_are_small(tmp_path):
    write_shard(tmp_path / "a.parquet", [make_study(i) for i in range(70)])
    meta = pq.ParquetFile(tmp_path / "a.parquet").metadata
    assert [meta.row_group(i).num_rows for i in range(meta.num_row_groups)] == [ROWS_PER_GROUP, ROWS_PER_GROUP, 6]


def test_equal_studies_give_equal_bytes(tmp_path):
    for name in ("a.parquet", "b.parquet"):
        write_shard(tmp_path / name, [make_study(i) for i in range(9)])
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_ids_used_twice_and_mixed_splits_are_refused(tmp_path):
    about = {"name": "a", "version": "1", "licence": "b", "redistribution": False}
    write_shard(tmp_path / "twice.parquet", [make_study(0), make_study(0)])
    with pytest.raises(InputError, match="'train-0'"):
        write_card(tmp_path, [tmp_path / "twice.parquet"], {}, **about)
    write_shard(tmp_path / "mixed.parquet", [make_study(0), make_study(0, "test")])
    with pytest.raises(InputError, match="2 splits"):
        write_card(tmp_path, [tmp_path / "mixed.parquet"], {}, **about)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "card.json is missing"), ("{", "damaged"), ("[]", "damaged"), ('{"format": 99}', "format 99")],
)
def test_cards_that_cannot_be_used(tmp_path, content, words):
    if content is not None:
        (tmp_path / "card.json").write_text(content)
    with pytest.raises(InputError, match=words) as error:
        read_card(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_a_folder_that_holds_no_set_is_told_for_what_it_is(tmp_path):
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "plan.json").write_text("{}")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "table.csv").write_text("id\n")
    for name, words in {
        "begun": "begun and is not finished",
        "raw": "not the one with",
        "none": "is no folder",
    }.items():
        with pytest.raises(InputError, match=f"{name} .*{words}"):
            StudyDataset(tmp_path / name)


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device", target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match=r"No space left.*another --output"):
        write_shard(tmp_path / "a.parquet", [make_study(0)])
    assert list(tmp_path.iterdir()) == []


def test_jpeg_is_smaller_and_nearly_the_same(tmp_path):
    down, right = np.mgrid[:96, :80] / 96
    smooth = ((np.sin(6 * down) * np.cos(5 * right) + 1) / 2).astype(np.float32)
    smooth = np.clip(smooth + np.random.default_rng(0).normal(0, 0.02, smooth.shape), 0, 1).astype(np.float32)
    study = dataclasses.replace(make_study(0, shape=(96, 80)), image=smooth)
    write_shard(tmp_path / "a.parquet", [study], encoding="jpeg")
    write_shard(tmp_path / "b.parquet", [study])
    jpeg, png = (pq.read_table(tmp_path / f"{name}.parquet").to_pylist()[0] for name in "ab")
    assert jpeg["image"][:2] == b"\xff\xd8" and len(jpeg["image"]) < 0.75 * len(png["image"])
    assert np.abs(study_of(jpeg).image - study_of(png).image).max() < 0.06
    with pytest.raises(InputError, match="'gif'"):
        write_shard(tmp_path / "c.parquet", [study], encoding="gif")


def test_a_shard_tells_how_it_was_made_and_may_be_empty(tmp_path):
    record = {}

    def studies():
        yield from ()
        record["skipped"] = [["a", "damaged", "line 3"]]

    path = shard_path(tmp_path, "test", 0)
    write_shard(path, studies(), record=record)
    assert shard_record(path) == {"skipped": [["a", "damaged", "line 3"]]}
    full = shard_path(tmp_path, "train", 0)
    write_shard(full, [make_study(0)])
    assert shard_record(full) == {}
    write_card(tmp_path, [path, full], {}, name="a", version="1", licence="b", redistribution=False)
    assert read_card(tmp_path)["splits"] == {"train": 1}
    assert StudyDataset(tmp_path).ids() == ["train-0"]


@pytest.mark.parametrize("content", [None, b"", b"PAR1", b"nothing"])
def test_a_damaged_shard_is_named(tmp_path, content):
    path = shard_path(tmp_path, "train", 0)
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"train-00000\.parquet is missing or damaged.*Delete it"):
        shard_record(path)
    with pytest.raises(InputError, match=r"train-00000\.parquet is missing or damaged"):
        write_card(tmp_path, [path], {}, name="a", version="1", licence="b", redistribution=False)


def test_the_card_holds_digests_and_details_and_may_be_keyed_by_content(tmp_path):
    path = shard_path(tmp_path, "train", 0)
    keys = []
    for index in (0, 0, 1):
        write_shard(path, [make_study(index)])
        write_card(
            tmp_path,
            [path],
            {"same": 1},
            name="a",
            version="1",
            licence="b",
            redistribution=False,
            by_content=True,
            details={"kept": 1},
        )
        keys.append(read_card(tmp_path)["key"])
    assert keys[0] == keys[1] != keys[2]
    card = read_card(tmp_path)
    assert card["details"] == {"kept": 1} and card["shards"][0]["sha256"] == file_digest(path)
    with pytest.raises(InputError, match="No such file"):
        file_digest(tmp_path / "nothing")


def test_sets_of_which_nothing_was_asked_are_told_apart_by_their_content(tmp_path):
    """Or two of them would share the features that are kept of their images."""
    about = {"name": "a", "version": "1", "licence": "b", "redistribution": False}
    keys = []
    for index in (0, 0, 1):
        write_shard(path := shard_path(tmp_path, "train", 0), [make_study(index)])
        write_card(tmp_path, [path], {}, **about)
        keys.append(read_card(tmp_path)["key"])
    assert keys[0] == keys[1] != keys[2]


def test_sets_of_format_1_are_read_as_before(tmp_path):
    path = shard_path(tmp_path, "train", 0)
    studies = [make_study(0), bare_study(1, "train")]
    write_shard(path, studies)
    write_card(tmp_path, [path], {"old": 1}, name="a", version="1", licence="b", redistribution=True)
    old = pq.read_table(path).drop_columns(["study", "labels", "geometry"])
    pq.write_table(old.replace_schema_metadata({"repairs": "{}"}), path, row_group_size=ROWS_PER_GROUP)
    card = json.loads((tmp_path / "card.json").read_text())
    card = {key: value for key, value in card.items() if key != "details"}
    (tmp_path / "card.json").write_text(json.dumps({**card, "format": 1}))
    opened = StudyDataset(tmp_path, "train")
    for study, before in zip(opened, studies, strict=True):
        assert_same_study(study, dataclasses.replace(before, study=None, labels={}, geometry=None))
    assert opened.labels() == [{}, {}] and opened.ids() == ["train-0", "bare-1"]
    assert opened.card["key"] == store.content_key({"old": 1})


def test_the_shipped_studies_open():
    from cxrtutor.shipped import FOLDER

    studies = list(StudyDataset(FOLDER / "studies"))
    assert len(studies) == 12 and all(study.findings and study.report.sentences for study in studies)
