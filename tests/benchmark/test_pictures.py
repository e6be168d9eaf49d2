"""The films of a benchmark's pictures are chosen by their truth, and what a model answers to them is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from data.made_up import make_study
from small_experiments import write_experiments

from cxrtutor.benchmark.experiments import load_experiments
from cxrtutor.benchmark.pictures import Answer, chosen_films, question_to
from cxrtutor.benchmark.records import Record, recorded, run_missing, trial_key
from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.prepared import shard_path, write_card, write_shard
from cxrtutor.data.study import Finding, Report
from cxrtutor.errors import InputError


def finding(name: str, side: int) -> Finding:
    mask = np.zeros((40, 32), bool)
    mask[:side, :side] = True
    return Finding(name, phrase=f"{name} of {side}", mask=mask)


def films(folder: Path, shown: Sequence[Sequence[Finding]]) -> StudyDataset:
    shards = [shard_path(folder, "test", 0)]
    made = [
        dataclasses.replace(make_study(index, "test", shape=(40, 32)), findings=tuple(on), report=Report({}, ()))
        for index, on in enumerate(shown)
    ]
    write_shard(shards[0], made)
    write_card(folder, shards, {"films": len(shown)}, name="films", version="1", licence="CC0-1.0", redistribution=True)
    return StudyDataset(folder, "test")


@pytest.fixture
def studies(tmp_path: Path) -> StudyDataset:
    masses = [[finding("mass", side)] for side in (20, 4, 12, 16, 8)]
    edemas = [[finding("edema", side)] for side in (10, 20, 15)]
    return films(tmp_path / "films", [[], *masses, [finding("mass", 9), finding("edema", 9)], *edemas])


@pytest.mark.parametrize(
    ("number", "chosen"),
    [
        (1, [3]),  # the median of the five masses
        (2, [3, 9]),
        (3, [3, 9, 6]),  # then the film with two findings
        (4, [5, 4, 9, 6]),  # two masses: the middle of the smaller half, and of the larger
        (20, [2, 5, 3, 4, 1, 7, 9, 8, 6]),
    ],
)
def test_the_commonest_findings_are_shown_by_lesions_of_middle_size(
    studies: StudyDataset, number: int, chosen: list[int]
) -> None:
    assert chosen_films(studies, number) == chosen


def test_findings_that_a_run_is_measured_on_are_those_that_are_shown(studies: StudyDataset) -> None:
    assert chosen_films(studies, 3, ["edema"]) == [7, 9, 8]
    assert chosen_films(studies, 2, ["nodule"]) == []


def test_the_first_question_to_a_film_is_the_one(studies: StudyDataset) -> None:
    assert question_to(studies, 6, "precise").prompt == "mass of 9"
    assert question_to(studies, 6, "simple").prompt == "Findings suggesting mass."
    assert question_to(studies, 0, "precise") is None


def test_an_answer_comes_back(tmp_path: Path) -> None:
    answer = Answer("one", "large mass", "mass", np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32))
    again = Answer.from_json(answer.to_json())
    assert (again.study, again.prompt, again.finding) == ("one", "large mass", "mass")
    np.testing.assert_allclose(again.similarity, answer.similarity, atol=1e-5)


@pytest.mark.usefixtures("small_text_encoder", "home")
def test_a_record_holds_what_was_answered(tmp_path: Path, data: Path) -> None:
    asked = {"runs": {"lsm": {"config": "recipes/lsm.yaml"}}, "seeds": [0], "splits": []}
    plain, pictured, fewer = (
        load_experiments(write_experiments(tmp_path, data, **asked, **more))["local"][0]
        for more in ({}, {"pictures": {"films": 3}}, {"pictures": {"films": 2}})
    )
    assert len({trial_key(trial) for trial in (plain, pictured, fewer)}) == 3
    [file] = run_missing([pictured], tmp_path / "records")
    record = recorded(pictured, tmp_path / "records")
    studies = StudyDataset(data, "test")
    asked = [question_to(studies, film, "precise") for film in chosen_films(studies, 3)]
    assert [(one.study, one.prompt) for one in record.pictures] == [(one.study, one.prompt) for one in asked]
    assert record.measurements == {} and len(record.pictures) == 3
    assert all(np.ptp(one.similarity) > 0 for one in record.pictures)
    file.write_text(file.read_text().replace('"pictures": "', '"pictures": "x'))
    with pytest.raises(InputError, match="does not hold a record"):
        Record.load(file)
