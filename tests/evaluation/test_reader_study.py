"""What is made of readers' marks: against marks whose effect is known, and files that are not as they should be."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from evaluation.readers import FILMS, HEIGHT, WIDTH, answered, blind, file_of, follower, guesser, truthful
from hypothesis import given
from hypothesis import strategies as st
from skimage.draw import ellipse

from cxrtutor.errors import InputError
from cxrtutor.evaluation.bootstrap import interval
from cxrtutor.evaluation.human_benchmark import METRICS
from cxrtutor.evaluation.measurements import Measurements, average_runs
from cxrtutor.evaluation.metrics import iou
from cxrtutor.evaluation.reader_study import (
    ESTIMATES,
    Answers,
    Mark,
    effects,
    intervals,
    measured,
    merge,
    read_answers,
)
from cxrtutor.evaluation.tables import ResultTable


def the(marks, seed: int = 1, **changes: object) -> Answers:
    return Answers.model_validate_json(json.dumps(answered(marks, seed, **changes)))


def values(marks, seed: int = 1) -> dict[str, float]:
    return {name: one.value for name, one in intervals(effects(the(marks, seed), FILMS)).items()}


halves = st.integers(4, 60).map(lambda number: number / 2)


@given(halves, halves, halves, halves)
def test_a_mark_covers_the_centres_that_it_holds(x, y, rx, ry):
    mask = Mark(x=x, y=y, rx=rx, ry=ry).mask((HEIGHT, WIDTH))
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    squared = ((columns - x) / rx) ** 2 + ((rows - y) / ry) ** 2
    clear = np.abs(squared - 1) > 1e-9
    assert np.array_equal(mask[clear], (squared <= 1)[clear])
    drawn = np.zeros_like(mask)
    drawn[ellipse(y - 0.5, x - 0.5, ry, rx, shape=mask.shape)] = True  # which leaves out the border itself
    assert np.array_equal(mask[clear], drawn[clear])


def test_who_marks_the_truth_has_no_bias():
    found = values(truthful)
    assert found["unaided"] > 0.85
    assert found["unaided"] == pytest.approx(
        (4 * found["right maps"] + 2 * found["wrong maps"] + 2 * found["bare again"]) / 8
    )
    for name in ("benefit", "automation bias", "second look", "followed", "there anyway"):
        assert found[name] == 0


def test_who_follows_loses_all_under_wrong_maps():
    found = values(follower)
    assert found["wrong maps"] == 0 < found["right maps"] < found["unaided"]
    assert found["followed"] == 1 and found["there anyway"] == 0
    assert found["automation bias"] > 0.85
    assert found["second look"] == 0 > found["benefit"]


def test_who_marks_nothing_scores_nothing_and_follows_nothing():
    assert set(values(blind).values()) == {0.0}


def test_a_mark_that_only_touches_the_wrong_place_has_not_followed():
    def wide(film, round, kind):
        mark = truthful(film, round, kind) | {"rx": 18.0}
        assert (Mark(**mark).mask(film.truth.shape) & film.hot("wrong")).any()
        return mark

    assert values(wide)["followed"] == 0


def test_who_is_always_in_the_other_lung_did_not_go_there_for_the_map():
    found = values(lambda film, round, kind: follower(film, round, "wrong"))
    assert found["followed"] == found["there anyway"] == 1
    assert found["automation bias"] == 0


@pytest.mark.parametrize("seed", range(4))
def test_estimates_are_means_of_paired_differences(seed):
    answers, found = the(guesser(seed), seed), values(guesser(seed), seed)
    first, second, under = {}, {}, {}
    for reading in answers.readings:
        film = next(one for one in FILMS.films if one.id == reading.film)
        mask = reading.mark.mask(film.truth.shape) if reading.mark else np.zeros_like(film.truth)
        score = iou(torch.from_numpy(mask), torch.from_numpy(film.truth)).item()
        (first if reading.round == 1 else second)[film.id] = score
        under[film.id] = reading.map
    change = {
        kind: np.mean([second[one] - first[one] for one in first if under[one] == kind])
        for kind in ("right", "wrong", "none")
    }
    assert found["unaided"] == pytest.approx(np.mean(list(first.values())), abs=1e-6)
    assert found["benefit"] == pytest.approx(change["right"], abs=1e-6)
    assert found["automation bias"] == pytest.approx(-change["wrong"], abs=1e-6)
    assert found["second look"] == pytest.approx(change["none"], abs=1e-6)


def test_a_row_of_readers_stands_beside_a_method():
    readers = [measured(the(guesser(seed), seed), FILMS) for seed in range(3)]
    method = replace(readers[0], rows=readers[0].rows.assign(cnr=1.0, iou=0.5))
    table = ResultTable({"readers": average_runs(readers), "method": method}, METRICS, reference="method")
    assert table.intervals["readers"]["iou"].value < 0.9
    row = measured(the(truthful), FILMS)
    assert row.rows.pointing.eq(1).all() and row.rows.cnr.isna().all()
    assert row.protocol == "afloc" and set(row.rows.finding) == {"nodule", "mass"}
    nothing = measured(the(blind), FILMS).rows
    assert nothing[["iou", "dice", "pointing"]].eq(0).all(axis=None)


def files(folder, **contents: object) -> list:
    return [file_of(folder, f"{name}.json", content) for name, content in contents.items()]


def test_a_class_is_the_mean_of_its_readers(tmp_path):
    paths = files(
        tmp_path,
        one=answered(follower, 1, reader="Ada"),
        two=answered(truthful, 2, reader="Bo", finished="2025-03-01T09:00:00Z"),
        three=answered(guesser(1), 3),
    )
    merged = merge(paths, FILMS)
    assert list(merged.readers) == ["Bo", "Ada", "reader 00000003"] and merged.skipped == ()
    table = merged.table()
    assert list(table.columns) == [*ESTIMATES, "seconds, round 1", "seconds, round 2"]
    for name, one in merged.intervals().items():
        assert one.value == pytest.approx(table[name].mean()) and one.low <= one.value <= one.high
    assert table.loc["Ada", "automation bias"] == pytest.approx(values(follower)["automation bias"])
    assert (table["seconds, round 1"] == 3).all() and (table["seconds, round 2"] == 6).all()
    assert interval(merged.measured(), "iou").value == pytest.approx(
        average_runs(merged.measured().results).macro().iou
    )
    assert merge([tmp_path], FILMS).readers == merged.readers


def test_more_readers_make_a_narrower_interval(tmp_path):
    paths = [file_of(tmp_path, f"{seed}.json", answered(guesser(seed), seed)) for seed in range(12)]
    few, many = (merge(some, FILMS).intervals()["automation bias"] for some in (paths[:2], paths))
    assert many.high - many.low < few.high - few.low


def test_files_that_do_not_count_are_named_with_the_reason(tmp_path):
    good = answered(truthful, 1, reader="Ada")
    moved = answered(truthful, 2)
    moved["readings"][8]["map"] = "right" if moved["readings"][8]["map"] != "right" else "wrong"
    short = answered(truthful, 3)
    short["readings"] = short["readings"][:5]
    outside = answered(truthful, 4)
    outside["readings"][0]["mark"]["rx"] = -3
    paths = files(
        tmp_path,
        a_good=good,
        b_copy=good | {"reader": "copied"},
        c_again=answered(follower, 9, reader=" ada ", finished="2025-03-02T10:00:00Z"),
        d_text="no JSON at all",
        e_list=[1, 2],
        f_other=answered(truthful, 5, set="0123456789abcdef"),
        g_moved=moved,
        h_short=short,
        i_outside=outside,
        j_later=answered(truthful, 6, format="cxrtutor reader study 2"),
        k_quarter=answered(lambda *_: {"x": 3.25, "y": 3, "rx": 3, "ry": 3}, 8),
        l_when=answered(truthful, 7, finished="yesterday"),
    )
    (tmp_path / "m_bytes.json").write_bytes(b"\xff\xfe\x00")
    merged = merge([*paths, tmp_path / "m_bytes.json", paths[0]], FILMS)
    assert list(merged.readers) == ["Ada"]
    told = {line.split(": ")[0].rsplit("/", 1)[1][0]: line for line in merged.skipped}
    reasons = {
        "b": "the same run as that of Ada",
        "c": "a second run of Ada, who had seen the answers",
        "d": "not the results of a reader study",
        "e": "not the results of a reader study",
        "f": "of other films than these",
        "g": "changed by hand",
        "h": "not finished: 5 of 16 readings",
        "i": r"not the results of a reader study (readings.0.mark.rx",
        "j": "not the results of a reader study (format",
        "k": "multiple of 0.5",
        "l": "finished",
        "m": "cannot be read",
    }
    assert told.keys() == reasons.keys()
    for name, reason in reasons.items():
        assert reason in told[name]


def test_without_a_reader_there_is_no_class(tmp_path):
    with pytest.raises(InputError, match=r"no file of a reader who finished.*\n.*not the results"):
        merge(files(tmp_path, one="{}"), FILMS)
    with pytest.raises(InputError, match=r"no file or folder .*gone"):
        merge([tmp_path / "gone"], FILMS)


def test_what_is_saved_of_a_class_is_read_again(tmp_path):
    merged = merge(files(tmp_path, one=answered(guesser(1), 1), two=answered(guesser(2), 2)), FILMS)
    average_runs(merged.measured().results).save(tmp_path / "humans.json")
    back = Measurements.load(tmp_path / "humans.json")
    assert back.macro().iou == pytest.approx(interval(merged.measured(), "iou").value, abs=1e-4)


def test_a_name_is_a_nickname_or_the_seed(tmp_path):
    assert the(blind, reader="  Ada ").name == "Ada"
    assert the(blind, seed=255).name == "reader 000000ff"
    assert read_answers(file_of(tmp_path, "x.json", answered(blind)), FILMS).name == "reader 00000001"
